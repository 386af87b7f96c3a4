package function

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// withSnapshots has snapshots made by make.
func withSnapshots(make func(ctx context.Context, v *Version) (string, error)) func(*Config) {
	return func(c *Config) { c.Snapshot = make }
}

// snapStart makes a function whose versions have SnapStart, ready.
func (w *world) snapStart(name string) {
	w.t.Helper()
	in := createInput(w.t, "code of "+name)
	in.SnapStart = ptr(SnapStartPublishedVersions)
	if _, err := w.Create(context.Background(), at(name), in); err != nil {
		w.t.Fatal(err)
	}
	w.settled(at(name))
}

// AWS: https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html, "when you publish
// a function version, Lambda initialises your code"; the version is Pending meanwhile.
func TestAPublishedVersionIsPendingUntilItsSnapshotIsThere(t *testing.T) {
	gate, seen := make(chan struct{}), make(chan *Version, 1)
	w := newWorld(t, withSnapshots(func(_ context.Context, v *Version) (string, error) {
		seen <- v
		<-gate
		return "", nil
	}))
	w.run()
	w.snapStart("f") // $LATEST needs none
	v := w.publish("f")
	if v.State != Pending || v.StateReason != reasonCreating || v.StateReasonCode != reasonCodeCreating || v.LastUpdateStatus != "" {
		t.Errorf("%+v", v)
	}
	if v := <-seen; v.Version != "1" || v.TaskDir == "" || !v.SnapStarts() {
		t.Errorf("the snapshot is of %+v", v)
	}
	if again := w.publish("f"); again.Version != "1" || again.State != Pending {
		t.Errorf("%+v", again)
	}
	w.ready("other") // is not held up
	close(gate)
	v = w.settled(qualified("f", "1"))
	if v.State != Active || v.StateReason != "" || v.StateReasonCode != "" {
		t.Errorf("%+v", v)
	}
	wantNoPending(t, w)
}

func TestAVersionWhoseInitialisationFailsIsFailed(t *testing.T) {
	w := newWorld(t, withSnapshots(func(context.Context, *Version) (string, error) { return "FunctionError.InitTimeout", nil }))
	w.run()
	w.snapStart("f")
	w.publish("f")
	v := w.settled(qualified("f", "1"))
	if v.State != Failed || v.StateReason != "An error occurred during function initialization." || v.StateReasonCode != "FunctionError.InitTimeout" {
		t.Errorf("%+v", v)
	}
	if latest := w.settled(at("f")); latest.State != Active {
		t.Errorf("%+v", latest)
	}
	// Publishing with the function makes a version that needs one, too.
	in := createInput(t, "another")
	in.SnapStart, in.Publish = ptr(SnapStartPublishedVersions), true
	if v := must2(w.Create(t.Context(), at("g"), in))(t); v.Version != "1" || v.State != Pending {
		t.Errorf("%+v", v)
	}
	if v := w.settled(qualified("g", "1")); v.State != Failed {
		t.Errorf("%+v", v)
	}
}

func TestASnapshotSurvivesTheMachinesTroubleAndACrash(t *testing.T) {
	var tries atomic.Int32
	w := newWorld(t, withSnapshots(func(ctx context.Context, _ *Version) (string, error) {
		if tries.Add(1) == 1 {
			<-ctx.Done() // the server ends meanwhile
			return "", ctx.Err()
		}
		if tries.Load() == 2 {
			return "", errors.New("no memory")
		}
		return "", nil
	}))
	stop := w.run()
	w.snapStart("f")
	w.publish("f")
	eventually(t, "the snapshot is being made", func() bool { return tries.Load() == 1 })
	stop()
	w.reopen()
	w.run()
	if v := w.settled(qualified("f", "1")); v.State != Active || tries.Load() != 3 {
		t.Errorf("%d tries, %+v", tries.Load(), v)
	}
}

func TestWhatSnapStartCannotGoWith(t *testing.T) {
	w := newWorld(t, withSnapshots(func(context.Context, *Version) (string, error) { return "", nil }))
	w.run()
	for want, change := range map[string]func(*CreateInput){
		"python3.11 is not supported for SnapStart enabled functions.":                           func(in *CreateInput) { in.Runtime = ptr("python3.11") },
		"provided.al2023 is not supported for SnapStart enabled functions.":                      func(in *CreateInput) { in.Runtime = ptr("provided.al2023") },
		"EphemeralStorage greater than 512 MB is not supported for SnapStart enabled functions.": func(in *CreateInput) { in.EphemeralMB = ptr(513) },
	} {
		in := createInput(t, "x")
		in.SnapStart = ptr(SnapStartPublishedVersions)
		change(&in)
		_, err := w.Create(t.Context(), at("x"), in)
		wantError[*InvalidError](t, err, want)
	}
	w.snapStart("f")
	_, err := w.UpdateConfiguration(t.Context(), at("f"), UpdateConfigurationInput{Settings: Settings{Runtime: ptr("python3.11")}})
	wantError[*InvalidError](t, err, "python3.11 is not supported for SnapStart enabled functions.")
	w.publish("f")
	w.settled(qualified("f", "1"))

	const unprovisioned = "Provisioned Concurrency is not supported for SnapStart enabled functions."
	_, err = w.PutProvisioned(t.Context(), qualified("f", "1"), 1)
	wantError[*InvalidError](t, err, unprovisioned)
	must2(w.CreateAlias(t.Context(), at("f"), AliasInput{Name: "live", FunctionVersion: ptr("1")}))(t)
	_, err = w.PutProvisioned(t.Context(), qualified("f", "live"), 1)
	wantError[*InvalidError](t, err, unprovisioned)

	// An alias that is provisioned cannot move to such a version.
	must2(w.UpdateConfiguration(t.Context(), at("f"), UpdateConfigurationInput{Settings: Settings{SnapStart: ptr("None")}}))(t)
	w.settled(at("f"))
	if v := w.publish("f"); v.Version != "2" || v.State != Active {
		t.Errorf("%+v", v)
	}
	must2(w.UpdateAlias(t.Context(), at("f"), AliasInput{Name: "live", FunctionVersion: ptr("2")}))(t)
	must2(w.PutProvisioned(t.Context(), qualified("f", "live"), 1))(t)
	_, err = w.UpdateAlias(t.Context(), at("f"), AliasInput{Name: "live", FunctionVersion: ptr("1")})
	wantError[*InvalidError](t, err, unprovisioned)
}

func TestEarlierPythonsCanBeAllowedSnapStart(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.SnapStartEarlier = true
		c.Snapshot = func(context.Context, *Version) (string, error) { return "", nil }
	})
	w.run()
	in := createInput(t, "x")
	in.Runtime, in.SnapStart, in.Publish = ptr("python3.8"), ptr(SnapStartPublishedVersions), true
	must2(w.Create(t.Context(), at("f"), in))(t)
	if v := w.settled(qualified("f", "1")); v.State != Active {
		t.Errorf("%+v", v)
	}
}

func TestSnapshotsToMakeAgain(t *testing.T) {
	var failing atomic.Bool
	w := newWorld(t, withSnapshots(func(context.Context, *Version) (string, error) {
		if failing.Load() {
			return "FunctionError.RuntimeInitError", nil
		}
		return "", nil
	}))
	w.run()
	w.ready("plain")
	w.publish("plain")
	for _, name := range []string{"aliased", "newest"} {
		w.snapStart(name)
		for n := range 3 {
			if n > 0 {
				w.change(name, time.Duration(n).String())
			}
			w.settled(Target{Scope: here, Name: name, Qualifier: w.publish(name).Version})
		}
	}
	must2(w.CreateAlias(t.Context(), at("aliased"), AliasInput{Name: "live", FunctionVersion: ptr("1"), Routing: map[string]float64{"2": 0.5}}))(t)
	failing.Store(true)
	w.change("newest", "fails")
	w.settled(Target{Scope: here, Name: "newest", Qualifier: w.publish("newest").Version})
	got := ""
	for _, v := range must2(w.SnapStarted(t.Context()))(t) {
		got += v.Name + ":" + v.Version + " "
		if v.TaskDir == "" {
			t.Error("without its code")
		}
	}
	if want := "aliased:1 aliased:2 newest:3 "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
