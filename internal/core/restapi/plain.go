package restapi

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// APIKey lets a client call methods that require one.
type APIKey struct {
	Id, Value, Name, CustomerId, Description string
	Enabled                                  bool
	CreatedDate, LastUpdatedDate             time.Time
	Tags                                     map[string]string `json:",omitempty"`
}

// UsagePlan says which keys may call which stages, and how often.
type UsagePlan struct {
	Id, Name, Description, ProductCode string
	ApiStages                          []ApiStage        `json:",omitempty"`
	Throttle                           *Throttle         `json:",omitempty"`
	Quota                              *Quota            `json:",omitempty"`
	Keys                               []string          `json:",omitempty"` // ids
	Tags                               map[string]string `json:",omitempty"`
}

// ApiStage is a stage of a usage plan; Throttle is by PATH/METHOD.
type ApiStage struct {
	ApiId, Stage string
	Throttle     map[string]*Throttle `json:",omitempty"`
}

// Throttle is a bucket that is filled at a rate.
type Throttle struct {
	BurstLimit int32
	RateLimit  float64
}

// Quota is how many requests a key has in a period.
type Quota struct {
	Limit, Offset int32
	Period        string
}

// Periods of quotas.
const (
	Day   = "DAY"
	Week  = "WEEK"
	Month = "MONTH"
)

// Account is what an account sets for all its APIs.
type Account struct{ CloudwatchRoleArn string }

// accountID is the id of the only Account of a scope.
const accountID = "account"

// PlainValue is what is kept beside the APIs, each in a row.
type PlainValue interface {
	APIKey | UsagePlan | Account
}

// plainKey names one.
type plainKey struct {
	Scope
	kind, id string
}

// kindOf is the kind of rows of a type, and what AWS calls it in errors.
func kindOf(value any) (kind, word string) {
	switch value.(type) {
	case *APIKey:
		return "key", "API Key"
	case *UsagePlan:
		return "plan", "Usage Plan"
	case *Account:
		return "account", "account"
	}
	panic(fmt.Sprintf("restapi: %T is not kept", value))
}

func (a *APIs) readPlain(snap store.Snap) error {
	for kind, made := range map[string]func() any{
		"key": func() any { return &APIKey{} }, "plan": func() any { return &UsagePlan{} },
		"account": func() any { return &Account{} },
	} {
		lo, hi := tuple.Range("restapi", kind)
		err := store.Each(snap, lo, hi, func(e *store.Entry) (bool, error) {
			parts, err := tuple.Parse(e.Key)
			if err != nil {
				return false, err
			}
			value := made()
			a.plain[plainKey{Scope{parts[2].(string), parts[3].(string)}, kind, parts[4].(string)}] = value
			return true, json.Unmarshal(e.Value, value)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Plain are all of a type in a scope, by their ids.
func Plain[T PlainValue](a *APIs, scope Scope) []*T {
	kind, _ := kindOf(new(T))
	a.mu.RLock()
	defer a.mu.RUnlock()
	var keys []plainKey
	for key := range a.plain {
		if key.Scope == scope && key.kind == kind {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(x, y plainKey) int { return strings.Compare(x.id, y.id) })
	found := make([]*T, len(keys))
	for i, key := range keys {
		found[i] = any(a.plain[key]).(*T)
	}
	return found
}

// GetPlain is one.
func GetPlain[T PlainValue](a *APIs, scope Scope, id string) (*T, error) {
	kind, word := kindOf(new(T))
	a.mu.RLock()
	defer a.mu.RUnlock()
	value, found := a.plain[plainKey{scope, kind, id}].(*T)
	if !found {
		return nil, missing(word)
	}
	return value, nil
}

// ChangePlain changes a copy of one and writes it.
func ChangePlain[T PlainValue](ctx context.Context, a *APIs, scope Scope, id string, do func(*T) error) (*T, error) {
	a.changing.Lock()
	defer a.changing.Unlock()
	old, err := GetPlain[T](a, scope, id)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(old)
	if err != nil {
		return nil, err
	}
	made := new(T)
	if err := json.Unmarshal(text, made); err != nil {
		return nil, err
	}
	if err := do(made); err != nil {
		return nil, err
	}
	return made, putPlain(ctx, a, scope, id, made)
}

// putPlain writes one. Called with changing held.
func putPlain[T PlainValue](ctx context.Context, a *APIs, scope Scope, id string, value *T) error {
	kind, _ := kindOf(value)
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if err := a.commit(ctx, &store.Batch{Puts: []store.KV{{Key: tuple.Key("restapi", kind, scope.Account, scope.Region, id), Value: text}}}); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.plain[plainKey{scope, kind, id}], a.indexed = value, nil
	return nil
}

// create writes one that was not there.
func create[T PlainValue](ctx context.Context, a *APIs, scope Scope, id string, most int, value *T, check func(others []*T) error) (*T, error) {
	a.changing.Lock()
	defer a.changing.Unlock()
	others := Plain[T](a, scope)
	_, word := kindOf(value)
	if len(others) >= most {
		return nil, fail(Limit, "Maximum number of %ss for this account has been reached.", word)
	}
	if err := check(others); err != nil {
		return nil, err
	}
	return value, putPlain(ctx, a, scope, id, value)
}

// remove deletes one.
func remove[T PlainValue](ctx context.Context, a *APIs, scope Scope, id string, check func(*T) error) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	value, err := GetPlain[T](a, scope, id)
	if err != nil {
		return err
	}
	if err := check(value); err != nil {
		return err
	}
	kind, _ := kindOf(value)
	if err := a.commit(ctx, &store.Batch{Deletes: [][]byte{tuple.Key("restapi", kind, scope.Account, scope.Region, id)}}); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.plain, plainKey{scope, kind, id})
	a.indexed = nil
	return nil
}

func tagsOfPlain[T PlainValue](ctx context.Context, a *APIs, scope Scope, id string, change func(map[string]string), tags func(*T) *map[string]string) (map[string]string, error) {
	if change == nil {
		value, err := GetPlain[T](a, scope, id)
		if err != nil {
			return nil, err
		}
		return *tags(value), nil
	}
	_, err := ChangePlain(ctx, a, scope, id, func(value *T) error { return changeTags(tags(value), change) })
	return nil, err
}

// CreateKey makes an API key. AWS: a value has 20 to 128 characters and is there once.
func (a *APIs) CreateKey(ctx context.Context, scope Scope, wanted APIKey) (*APIKey, error) {
	now := a.config.Clock.Now().UTC()
	wanted.Id, wanted.CreatedDate, wanted.LastUpdatedDate = ids.Short(ctx, apiIDLength), now, now
	switch {
	case wanted.Value == "":
		wanted.Value = random(apiKeyValueSize)
	case len(wanted.Value) < 20 || len(wanted.Value) > 128:
		return nil, Invalid("API Key value should be at least 20 characters")
	}
	return create(ctx, a, scope, wanted.Id, MaxKeys, &wanted, func(others []*APIKey) error {
		for _, other := range others {
			if other.Value == wanted.Value {
				return fail(Conflict, "API Key already exists")
			}
		}
		return nil
	})
}

// keyIndex finds keys and their plans without a look at all of them.
type keyIndex struct {
	keys  map[scoped]*APIKey      // by value
	plans map[scoped][]*UsagePlan // by the id of a key
}

type scoped struct {
	Scope
	text string
}

// index is made anew after a change.
func (a *APIs) index() *keyIndex {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.indexed != nil {
		return a.indexed
	}
	made := &keyIndex{map[scoped]*APIKey{}, map[scoped][]*UsagePlan{}}
	for at, value := range a.plain {
		switch v := value.(type) {
		case *APIKey:
			made.keys[scoped{at.Scope, v.Value}] = v
		case *UsagePlan:
			for _, key := range v.Keys {
				made.plans[scoped{at.Scope, key}] = append(made.plans[scoped{at.Scope, key}], v)
			}
		}
	}
	a.indexed = made
	return made
}

// KeyOf finds a key by its value.
func (a *APIs) KeyOf(scope Scope, value string) *APIKey { return a.index().keys[scoped{scope, value}] }

// DeleteKey deletes a key and takes it out of its plans.
func (a *APIs) DeleteKey(ctx context.Context, scope Scope, id string) error {
	for _, plan := range Plain[UsagePlan](a, scope) {
		if !slices.Contains(plan.Keys, id) {
			continue
		}
		if err := a.RemovePlanKey(ctx, scope, plan.Id, id); err != nil {
			return err
		}
	}
	return remove(ctx, a, scope, id, func(*APIKey) error { return nil })
}

// CreatePlan makes a usage plan.
func (a *APIs) CreatePlan(ctx context.Context, scope Scope, wanted UsagePlan) (*UsagePlan, error) {
	wanted.Id = ids.Short(ctx, resourceLength)
	if err := a.CheckPlan(scope, &wanted); err != nil {
		return nil, err
	}
	return create(ctx, a, scope, wanted.Id, MaxPlans, &wanted, func([]*UsagePlan) error { return nil })
}

// CheckPlan refuses a plan that makes no sense.
func (a *APIs) CheckPlan(scope Scope, plan *UsagePlan) error {
	if strings.TrimSpace(plan.Name) == "" {
		return Invalid("Usage Plan name cannot be blank")
	}
	seen := map[ApiStageID]bool{}
	for _, s := range plan.ApiStages {
		api, err := a.Get(ID{scope, s.ApiId})
		if err != nil || api.Stages[s.Stage] == nil {
			return fail(NotFound, "API Stage not found: %s:%s", s.ApiId, s.Stage)
		}
		if seen[ApiStageID{s.ApiId, s.Stage}] {
			return Invalid("Usage plan already has stage %s:%s", s.ApiId, s.Stage)
		}
		seen[ApiStageID{s.ApiId, s.Stage}] = true
		for _, t := range s.Throttle {
			if err := t.check(); err != nil {
				return err
			}
		}
	}
	if q := plan.Quota; q != nil {
		days := map[string]int32{Day: 0, Week: 6, Month: 27}
		last, known := days[q.Period]
		switch {
		case !known:
			return Invalid("Invalid quota period: %s", q.Period)
		case q.Limit < 1:
			return Invalid("Usage Plan quota limit must be greater than 0")
		case q.Offset < 0 || q.Offset > last:
			return Invalid("Usage Plan quota offset must be between 0 and %d for the %s period", last, q.Period)
		}
	}
	return plan.Throttle.check()
}

// ApiStageID names a stage of a plan.
type ApiStageID struct{ API, Stage string }

func (t *Throttle) check() error {
	if t != nil && (t.BurstLimit < 0 || t.RateLimit < 0) {
		return Invalid("Usage Plan throttle limits must not be negative")
	}
	return nil
}

// DeletePlan deletes a usage plan.
//
// AWS: refuses while it has stages.
func (a *APIs) DeletePlan(ctx context.Context, scope Scope, id string) error {
	return remove(ctx, a, scope, id, func(plan *UsagePlan) error {
		if len(plan.ApiStages) > 0 {
			return Invalid("Cannot delete usage plan %s: it is associated with one or more API stages", id)
		}
		return nil
	})
}

// AddPlanKey lets a key use a plan.
func (a *APIs) AddPlanKey(ctx context.Context, scope Scope, plan, key string) (*APIKey, error) {
	found, err := GetPlain[APIKey](a, scope, key)
	if err != nil {
		return nil, err
	}
	_, err = ChangePlain(ctx, a, scope, plan, func(p *UsagePlan) error {
		if slices.Contains(p.Keys, key) {
			return fail(Conflict, "Usage Plan %s already has key %s", plan, key)
		}
		for _, other := range Plain[UsagePlan](a, scope) {
			if slices.Contains(other.Keys, key) && shareStage(p, other) {
				return fail(Conflict, "%s is already subscribed to a usage plan for one of its API stages", key)
			}
		}
		p.Keys = append(p.Keys, key)
		return nil
	})
	return found, err
}

// shareStage tells whether two plans have a stage in common: a key may have one
// plan a stage.
func shareStage(p, other *UsagePlan) bool {
	return p.Id != other.Id && slices.ContainsFunc(p.ApiStages, func(s ApiStage) bool {
		return slices.ContainsFunc(other.ApiStages, func(o ApiStage) bool { return o.ApiId == s.ApiId && o.Stage == s.Stage })
	})
}

// RemovePlanKey takes a key out of a plan.
func (a *APIs) RemovePlanKey(ctx context.Context, scope Scope, plan, key string) error {
	_, err := ChangePlain(ctx, a, scope, plan, func(p *UsagePlan) error {
		i := slices.Index(p.Keys, key)
		if i < 0 {
			return missing("API Key")
		}
		p.Keys = slices.Delete(p.Keys, i, i+1)
		return nil
	})
	return err
}

// PlanFor is the plan by which a key may call a stage, or nil.
func (a *APIs) PlanFor(scope Scope, key, api, stage string) *UsagePlan {
	for _, plan := range a.index().plans[scoped{scope, key}] {
		if slices.ContainsFunc(plan.ApiStages, func(s ApiStage) bool { return s.ApiId == api && s.Stage == stage }) {
			return plan
		}
	}
	return nil
}

// GetAccount is the account's settings.
func (a *APIs) GetAccount(scope Scope) *Account {
	found, err := GetPlain[Account](a, scope, accountID)
	if err != nil {
		return &Account{}
	}
	return found
}

// SetAccount replaces them.
func (a *APIs) SetAccount(ctx context.Context, scope Scope, wanted Account) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	return putPlain(ctx, a, scope, accountID, &wanted)
}
