package httpapi

import (
	"context"
	"sync"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Live is a stage as requests find it. It never changes.
type Live struct {
	API     *API
	Stage   *Stage
	Version store.Version // of the stage's row: differs when anything about the stage changed
}

// lives remembers APIs with their stages, so that a request reads no store. What a
// change of an API wrote is seen before the change returns: it forgets the API then,
// and what was read before that is not remembered.
type lives struct {
	mu     sync.RWMutex
	apis   map[string]*living
	forgot uint64 // how often something was forgotten
}

// living is an API with its stages.
type living struct {
	api    *API
	stages map[string]*Live
}

// maxLiving bounds the APIs that are remembered; then all are forgotten.
const maxLiving = 10_000

func (l *lives) find(id string) (known *living, forgot uint64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.apis[id], l.forgot
}

// remember keeps what was read since nothing was forgotten.
func (l *lives) remember(id string, read *living, forgot uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.forgot != forgot {
		return
	}
	if l.apis == nil || len(l.apis) >= maxLiving {
		l.apis = map[string]*living{}
	}
	l.apis[id] = read
}

func (l *lives) forget(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.apis, id)
	l.forgot++
}

// Live finds the stage that a request is for: that of the first name that there
// is. The error for an id or names that lead nowhere is an *Error.
func (a *APIs) Live(ctx context.Context, id string, names ...string) (*Live, error) {
	known, forgot := a.lives.find(id)
	if known == nil {
		var err error
		if known, err = a.living(ctx, id); err != nil {
			return &Live{API: &API{}, Stage: &Stage{}}, err
		}
		a.lives.remember(id, known, forgot)
	}
	for _, name := range names {
		if live := known.stages[name]; live != nil {
			return live, nil
		}
	}
	return &Live{API: known.api, Stage: &Stage{}}, noStage()
}

// living reads an API with its stages.
func (a *APIs) living(ctx context.Context, id string) (*living, error) {
	read := &living{api: &API{}, stages: map[string]*Live{}}
	return read, a.view(ctx, func(snap store.Snap) error {
		var s Scope
		if version, err := get(snap, indexKey(id), &s); err != nil || version == 0 {
			return join(err, noAPI(id))
		}
		if version, err := get(snap, apiKey(s, id), read.api); err != nil || version == 0 {
			return join(err, noAPI(id))
		}
		lo, hi := tuple.Range(service, tableParts, s.Account, s.Region, id, partStage)
		stages, err := each[Stage](snap, lo, hi)
		for i := range stages {
			live := &Live{API: read.api, Stage: &Stage{}}
			if live.Version, err = get(snap, partKey(s, id, partStage, stages[i].Name), live.Stage); err != nil {
				return err
			}
			read.stages[stages[i].Name] = live
		}
		return err
	})
}
