package object

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
func TestLockedVersionsStay(t *testing.T) {
	b := open(t)
	ctx := t.Context()
	where := func(key string) Place { return Place{Account: account, Bucket: "locked", Key: key} }
	b.must(b.CreateBucket(ctx, where(""), "us-east-1", true, nil))
	in := func(d time.Duration, mode string) Keeping {
		return Keeping{Retention: &Retention{mode, b.clock.Now().Add(d)}}
	}
	put := func(key string, k Keeping) string {
		t.Helper()
		v, err := b.Put(ctx, where(key), Attributes{Keeping: k}, Body{Reader: strings.NewReader("x")}, "", Condition{}, CreatedPut)
		b.must(err)
		return v.ID
	}
	remove := func(key, id string, bypass bool) bool {
		t.Helper()
		_, err := b.Delete(ctx, where(key), id, nil, bypass)
		if err != nil && !errors.Is(err, Locked()) {
			t.Fatal(err)
		}
		return err == nil
	}
	governed, complied, held := put("g", in(time.Hour, Governance)), put("c", in(time.Hour, Compliance)), put("h", Keeping{Hold: true})
	for _, test := range []struct {
		what, key, id string
		bypass, want  bool
	}{
		{"governance", "g", governed, false, false}, {"compliance", "c", complied, false, false}, {"a hold", "h", held, false, false},
		{"compliance, bypassed", "c", complied, true, false}, {"a hold, bypassed", "h", held, true, false},
		{"a marker over it", "c", "", false, true}, {"governance, bypassed", "g", governed, true, true},
	} {
		if got := remove(test.key, test.id, test.bypass); got != test.want {
			t.Errorf("%s: removed: %t", test.what, got)
		}
	}
	b.must(b.SetKeeping(ctx, where("h"), held, func(k *Keeping) error { k.Hold = false; return nil }))
	if !remove("h", held, false) {
		t.Error("the hold is lifted, the version stays")
	}
	b.clock.pass(time.Hour)
	if !remove("c", complied, false) {
		t.Error("the time is over, the version stays")
	}
	b.must(b.Change(ctx, where(""), func(row *Bucket) error { row.Lock = &Lock{Mode: Compliance, Days: 2}; return nil }))
	kept := put("d", Keeping{})
	b.clock.pass(47 * time.Hour)
	if remove("d", kept, true) {
		t.Error("the bucket's own time is not over")
	}
	b.clock.pass(time.Hour)
	if !remove("d", kept, false) {
		t.Error("the bucket's own time is over")
	}
	_, err := b.Put(ctx, at("k"), Attributes{Keeping: Keeping{Hold: true}}, Body{Reader: strings.NewReader("x")}, "", Condition{}, CreatedPut)
	if !errors.Is(err, noLock()) {
		t.Errorf("a bucket without object lock: %v", err)
	}
}

func TestRetentionsThatFollowAnotherOne(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	of := func(mode string, days int) *Retention { return &Retention{mode, now.AddDate(0, 0, days)} }
	for _, test := range []struct {
		next, old *Retention
		bypass    bool
		weaker    bool
	}{
		{of(Governance, 1), nil, false, false}, {of(Governance, 2), of(Governance, 1), false, false}, {of(Governance, 1), of(Governance, 2), false, true},
		{of(Governance, 1), of(Governance, 2), true, false}, {nil, of(Governance, 1), false, true}, {nil, of(Governance, 1), true, false},
		{of(Compliance, 2), of(Compliance, 1), false, false}, {of(Compliance, 1), of(Compliance, 2), true, true}, {of(Governance, 2), of(Compliance, 1), true, true},
		{of(Compliance, 2), of(Governance, 1), false, false}, {nil, of(Compliance, -1), false, false},
	} {
		if got := test.next.Weaker(test.old, now, test.bypass); got != test.weaker {
			t.Errorf("%+v after %+v, bypass %t: weaker %t", test.next, test.old, test.bypass, got)
		}
	}
}
