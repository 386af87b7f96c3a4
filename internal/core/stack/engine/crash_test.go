package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/engine/store/storetest"
)

// lives runs engines on one folder, one after the other, each of which dies after
// some commits, until the stack is at rest. deaths are the commits of each.
type lives struct {
	t      *testing.T
	folder string
	world  *fakeWorld
	random *rand.Rand
	died   int
}

// until runs engines, of which the first dies deaths times, until the operation that
// begin begins is at its end.
func (l *lives) until(deaths []int, name string, begin func(p *platform) error) *state.Stack {
	l.t.Helper()
	begun := false
	for life := 0; ; life++ {
		k := storetest.NewMortal(0, false)
		if life < len(deaths) {
			k = storetest.NewMortal(deaths[life], l.random.IntN(2) == 0)
		}
		p := startIn(l.t, l.folder, l.world, k.Over)
		if !begun {
			err := begin(p)
			begun = err == nil
			if err != nil && !errors.Is(err, storetest.ErrDead) {
				l.t.Fatal(err)
			}
			if errors.Is(err, storetest.ErrDead) { // whether it was committed is not known: ask
				if s, err := p.Describe(l.t.Context(), here, name); err == nil && s.Status.Running() {
					begun = true
				}
			}
		}
		ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
		go func() { // ends when the process dies or the life is over
			select {
			case <-k.Dead:
				l.died++
				cancel()
			case <-ctx.Done():
			}
		}()
		if !begun {
			<-k.Dead
			cancel()
			p.stop()
			continue
		}
		s, err := p.Wait(ctx, here, name)
		alive := ctx.Err() == nil
		cancel()
		p.stop()
		if err == nil && alive {
			return s
		}
	}
}

// thing is what a template wants of one resource.
type thing struct {
	Value, Fixed string
	Needs        []string
}

// randomThings makes resources that depend on those before them.
func randomThings(random *rand.Rand) map[string]thing {
	made := map[string]thing{}
	for n := range 1 + random.IntN(6) {
		one := thing{Value: fmt.Sprint(random.IntN(3)), Fixed: fmt.Sprint(random.IntN(2))}
		for before := range n {
			if random.IntN(3) == 0 {
				one.Needs = append(one.Needs, fmt.Sprintf("R%d", before))
			}
		}
		if random.IntN(5) > 0 {
			made[fmt.Sprintf("R%d", n)] = one
		}
	}
	for name, one := range made {
		one.Needs = slices.DeleteFunc(one.Needs, func(need string) bool { _, there := made[need]; return !there })
		made[name] = one
	}
	if len(made) == 0 {
		made["R0"] = thing{Value: "0"}
	}
	return made
}

func templateOf(things map[string]thing) string {
	resources := m{}
	for name, one := range things {
		parts := []any{one.Value}
		for _, need := range one.Needs {
			parts = append(parts, m{"Fn::GetAtt": []any{need, "Arn"}})
		}
		resources[name] = m{"Type": "Test::Thing::One", "Properties": m{"Fixed": one.Fixed, "Other": one.Value, "Value": m{"Fn::Join": []any{"/", parts}}}}
	}
	return text("Resources", resources)
}

// failRandomly lets some calls fail once.
func (w *fakeWorld) failRandomly(random *rand.Rand, chance int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	failed := map[string]bool{}
	w.fail = func(call string) error {
		if !strings.HasPrefix(call, "delete") && !failed[call] && random.IntN(chance) == 0 {
			failed[call] = true
			return errors.New("it fails to " + call)
		}
		return nil
	}
}

// snapshot is what the world has, by physical id.
func (w *fakeWorld) snapshot() map[string]map[string]any {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.things)
}

// check compares what the world has with what the stack says that it has.
func (l *lives) check(s *state.Stack, before map[string]map[string]any, what string) {
	l.t.Helper()
	p := startIn(l.t, l.folder, l.world, nil)
	defer p.stop()
	_, rows, err := p.Resources(l.t.Context(), here, s.ARN(), "")
	if err != nil {
		l.t.Fatal(err)
	}
	known := map[string]map[string]any{}
	for _, r := range rows {
		if r.Live() {
			known[r.PhysicalID] = r.Properties
		}
		if r.Step != nil {
			l.t.Errorf("%s: %s is left in the middle of a step", what, r.LogicalID)
		}
	}
	if diff := cmp.Diff(known, l.world.snapshot()); diff != "" {
		l.t.Errorf("%s, %s: what the stack knows (-) and what is there (+):\n%s", what, s.Status, diff)
	}
	switch s.Status {
	case state.UpdateRollbackComplete:
		if diff := cmp.Diff(before, l.world.snapshot()); diff != "" {
			l.t.Errorf("%s: before (-) and after the rollback (+):\n%s", what, diff)
		}
	case state.RollbackComplete, state.DeleteComplete:
		if left := l.world.snapshot(); len(left) > 0 {
			l.t.Errorf("%s: %v is left", what, left)
		}
	case state.CreateComplete, state.UpdateComplete:
	default:
		l.t.Errorf("%s ended as %s: %s", what, s.Status, s.Reason)
	}
}

// TestWhateverHappensNothingIsLeftInTheMiddle deploys random templates with calls
// that fail and processes that die: the stack is at the end whole, or as it was.
func TestWhateverHappensNothingIsLeftInTheMiddle(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	seed := rand.Uint64()
	for round := range rounds {
		random := rand.New(rand.NewPCG(seed, uint64(round)))
		l := &lives{t: t, folder: filepath.Join(t.TempDir(), "store"), world: newWorld(), random: random}
		what := func(step string) string { return fmt.Sprintf("seed %d, round %d, %s", seed, round, step) }
		deaths := func() (commits []int) {
			for range random.IntN(4) {
				commits = append(commits, 1+random.IntN(12))
			}
			return commits
		}
		l.world.failRandomly(random, 15)
		template := templateOf(randomThings(random))
		s := l.until(deaths(), "mine", func(p *platform) error {
			_, err := p.Create(t.Context(), here, "mine", &Input{Template: template})
			return err
		})
		l.check(s, nil, what("create"))
		for n := 0; n < 2 && s.Status != state.RollbackComplete; n++ {
			before := l.world.snapshot()
			l.world.failRandomly(random, 8)
			template := templateOf(randomThings(random))
			s = l.until(deaths(), "mine", func(p *platform) error {
				_, err := p.Update(t.Context(), here, "mine", &Input{Template: template})
				if err != nil && strings.Contains(err.Error(), "No updates") {
					return nil
				}
				return err
			})
			for s.Status == state.UpdateRollbackFailed {
				s = l.until(deaths(), "mine", func(p *platform) error { return p.ContinueRollback(t.Context(), here, "mine", nil, &Input{}) })
			}
			l.check(s, before, what("update"))
		}
		arn := s.ARN()
		s = l.until(deaths(), arn, func(p *platform) error { return p.Engine.Delete(t.Context(), here, arn, &Deletion{}) })
		l.check(s, nil, what("delete"))
		if t.Failed() {
			return
		}
	}
}
