package sandbox

import (
	"strings"
	"testing"
	"time"
)

// waitParked waits until so many environments are ready.
func waitParked(t testing.TB, h *Host, runtime string, count int) *parking {
	t.Helper()
	z, err := h.zygote(t.Context(), zygoteKey{runtime: runtime})
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(60 * time.Second)
	for {
		z.parking.mu.Lock()
		ready := len(z.parking.idle)
		z.parking.mu.Unlock()
		if ready >= count {
			return z.parking
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d environments are ready", ready, count)
		}
		<-tick.C
	}
}

func TestAStartTakesAParkedEnvironment(t *testing.T) {
	h := newHost(t, Config{})
	spec, collected := specOf(t, "import os\ndef handler(event, context):\n    print('here')\n    return [os.getuid(), os.listdir('/opt'), os.statvfs('/tmp').f_blocks * 4096 >> 20]\n")
	spec.OptDir, spec.EphemeralMB = t.TempDir(), 700
	if err := h.Warm(t.Context(), spec.Runtime, ""); err != nil {
		t.Fatal(err)
	}
	p := waitParked(t, h, spec.Runtime, minParked)
	p.mu.Lock()
	want := p.idle[len(p.idle)-1]
	p.mu.Unlock()
	e, init, err := h.Start(t.Context(), spec)
	if err != nil || init.ErrorType != "" {
		t.Fatalf("%v %s", err, init.ErrorBody)
	}
	defer e.Close()
	if e != want {
		t.Error("the start did not take the parked environment")
	}
	r, err := invoke(t, e, "{}", 30*time.Second)
	if err != nil || !strings.HasSuffix(string(r.Payload), ", [], 700]") || collected.text() != "here\n" {
		t.Errorf("%+v, %v, log %q", r, err, collected.text())
	}
	waitParked(t, h, spec.Runtime, minParked) // it is replaced
}

func TestAParkedEnvironmentThatDiedIsNotUsed(t *testing.T) {
	h := newHost(t, Config{})
	spec, _ := specOf(t, "def handler(event, context): return 1\n")
	if err := h.Warm(t.Context(), spec.Runtime, ""); err != nil {
		t.Fatal(err)
	}
	p := waitParked(t, h, spec.Runtime, minParked)
	p.mu.Lock()
	for _, e := range p.idle {
		e.kill()
		<-e.done
	}
	p.mu.Unlock()
	for range minParked + 1 {
		e, _, err := h.Start(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if _, err := invoke(t, e, "1", 30*time.Second); err != nil {
			t.Error(err)
		}
	}
}

func TestParkingFollowsTheDemand(t *testing.T) {
	h := newHost(t, Config{Parked: 5})
	spec, _ := specOf(t, "def handler(event, context): return 1\n")
	for range 8 {
		e, _, err := h.Start(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	p := waitParked(t, h, spec.Runtime, 5)
	p.finished.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) > 5 {
		t.Errorf("%d are ready, at most 5 should be", len(p.idle))
	}
}

func TestParkingShrinksWhenTheDemandIsOver(t *testing.T) {
	h := newHost(t, Config{Parked: 6})
	spec, _ := specOf(t, "def handler(event, context): return 1\n")
	if err := h.Warm(t.Context(), spec.Runtime, ""); err != nil {
		t.Fatal(err)
	}
	p := waitParked(t, h, spec.Runtime, minParked)
	p.finished.Wait()
	p.mu.Lock()
	p.window = 200 * time.Millisecond
	p.starts, p.since = 6, time.Now().Add(time.Hour) // a demand that does not end yet
	p.mu.Unlock()
	e, _, err := h.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	waitParked(t, h, spec.Runtime, 6)
	p.mu.Lock()
	p.since = time.Now() // now it ends
	p.mu.Unlock()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(60 * time.Second); ; <-tick.C {
		p.mu.Lock()
		ready, over := len(p.idle), p.trimming == nil
		p.mu.Unlock()
		if over && ready == minParked {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d are ready, %d should be", ready, minParked)
		}
	}
}

func TestACustomRuntimeIsParkedToo(t *testing.T) {
	h := newHost(t, Config{})
	spec, collected := customSpec(t, customLoop+"def handle(id, event): call('POST', 'invocation/%s/response' % id, b'1')\nserve()")
	if err := h.Warm(t.Context(), spec.Runtime, ""); err != nil {
		t.Fatal(err)
	}
	waitParked(t, h, spec.Runtime, minParked)
	e, _, err := h.Start(t.Context(), spec)
	if err != nil {
		t.Fatalf("%v, log %s", err, collected.text())
	}
	defer e.Close()
	if r, err := invoke(t, e, "1", 30*time.Second); err != nil || string(r.Payload) != "1" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestNothingIsParkedWhileMemoryIsShort(t *testing.T) {
	h := newHost(t, Config{})
	spec, _ := specOf(t, "def handler(event, context):\n    return 1\n")
	if err := h.Warm(t.Context(), spec.Runtime, ""); err != nil {
		t.Fatal(err)
	}
	p := waitParked(t, h, spec.Runtime, minParked)
	h.SetTight(true)
	e, _, err := h.Start(t.Context(), spec) // forks what it needs
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if ready := len(p.list()); ready != 0 {
		t.Errorf("%d are parked", ready)
	}
	h.SetTight(false)
	waitParked(t, h, spec.Runtime, minParked)
}
