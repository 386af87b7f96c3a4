package restapi

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// usageRows are the requests of a key by a plan and day.
const usageRows = "usage"

// dayForm is a day in keys and in the API.
const dayForm = "2006-01-02"

// maxUsageDays bounds what Usage shows. AWS: 90 days.
const maxUsageDays = 90

func usageKey(scope Scope, plan, key, day string) []byte {
	return tuple.Key("restapi", usageRows, scope.Account, scope.Region, plan, key, day)
}

// Count counts a request of a key by a plan with a quota; false if the quota of the
// period is used up.
//
// AWS: counts on a best-effort basis. Here none is lost, unless the machine itself
// crashes.
func (a *APIs) Count(ctx context.Context, scope Scope, plan *UsagePlan, key string) (within bool, err error) {
	if plan.Quota == nil {
		return true, nil
	}
	now := a.config.Clock.Now().UTC()
	today := now.Format(dayForm)
	a.counting.Lock()
	defer a.counting.Unlock()
	used, err := a.usage(ctx, scope, plan.Id, key, plan.Quota.begin(now), now)
	if err != nil {
		return false, err
	}
	total := int64(0)
	for _, n := range used {
		total += n
	}
	if total >= int64(plan.Quota.Limit) {
		return false, nil
	}
	value := binary.BigEndian.AppendUint64(nil, uint64(used[today]+1))
	return true, a.commit(ctx, &store.Batch{Puts: []store.KV{{Key: usageKey(scope, plan.Id, key, today), Value: value}}, Durability: store.Relaxed})
}

// begin is when the period began that a time is in.
//
// AWS: the offset is taken from the limit in the first period, for users who come
// late; here it counts in no period.
func (q *Quota) begin(now time.Time) time.Time {
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	switch q.Period {
	case Week:
		return day.AddDate(0, 0, -int(day.Weekday()))
	case Month:
		return day.AddDate(0, 0, 1-day.Day())
	}
	return day
}

// usage are the requests of a key by day.
func (a *APIs) usage(ctx context.Context, scope Scope, plan, key string, from, to time.Time) (map[string]int64, error) {
	snap, err := a.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	used := map[string]int64{}
	hi := append(usageKey(scope, plan, key, to.Format(dayForm)), 0xff)
	return used, store.Each(snap, usageKey(scope, plan, key, from.Format(dayForm)), hi, func(e *store.Entry) (bool, error) {
		parts, err := tuple.Parse(e.Key)
		if err != nil || len(e.Value) != 8 {
			return false, err
		}
		used[parts[len(parts)-1].(string)] = int64(binary.BigEndian.Uint64(e.Value))
		return true, nil
	})
}

// Usage are, for each key of a plan and each day, the requests that were used and
// those that were left of its period then.
func (a *APIs) Usage(ctx context.Context, scope Scope, plan *UsagePlan, from, to string) (map[string][][]int64, error) {
	first, err := time.Parse(dayForm, from)
	if err != nil {
		return nil, Invalid("Invalid date format, must be YYYY-MM-DD: %s", from)
	}
	last, err := time.Parse(dayForm, to)
	if err != nil {
		return nil, Invalid("Invalid date format, must be YYYY-MM-DD: %s", to)
	}
	if last.Before(first) || last.Sub(first) > maxUsageDays*24*time.Hour {
		return nil, Invalid("The dates must be in order, and not more than %d days apart", maxUsageDays)
	}
	out := map[string][][]int64{}
	if plan.Quota == nil {
		return out, nil
	}
	for _, key := range plan.Keys {
		used, err := a.usage(ctx, scope, plan.Id, key, plan.Quota.begin(first), last)
		if err != nil {
			return nil, err
		}
		for day := first; !day.After(last); day = day.AddDate(0, 0, 1) {
			left := int64(plan.Quota.Limit)
			for at := plan.Quota.begin(day); !at.After(day); at = at.AddDate(0, 0, 1) {
				left -= used[at.Format(dayForm)]
			}
			out[key] = append(out[key], []int64{used[day.Format(dayForm)], max(left, 0)})
		}
	}
	return out, nil
}
