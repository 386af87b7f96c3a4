package restapi

import (
	"context"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/restapi"
)

// meter asks for an API key where one is needed, and counts.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-usage-plans.html
func (e *exchange) meter() error {
	if e.test {
		return nil
	}
	if e.method.ApiKeyRequired {
		if err := e.meterKey(); err != nil {
			return err
		}
	}
	setting := e.stage.SettingFor(e.resource.Path, e.method.HttpMethod)
	if setting == nil || setting.ThrottlingRateLimit == nil && setting.ThrottlingBurstLimit == nil {
		return nil
	}
	t := restapi.Throttle{RateLimit: unlimited, BurstLimit: maxBurst}
	if setting.ThrottlingRateLimit != nil {
		t.RateLimit = *setting.ThrottlingRateLimit
	}
	if setting.ThrottlingBurstLimit != nil {
		t.BurstLimit = *setting.ThrottlingBurstLimit
	}
	if !e.server.take(e.methodARN(e.method.HttpMethod, e.resource.Path), &t) {
		return errThrottled
	}
	return nil
}

// What a throttle without one of its numbers has.
const (
	unlimited = 1e9
	maxBurst  = 1 << 30
)

func (e *exchange) meterKey() error {
	value := e.usageKey
	if e.deployed.ApiKeySource != restapi.KeyOfAuthorizer {
		value = e.r.Header.Get("X-Api-Key")
	}
	if value == "" {
		return errInvalidKey
	}
	apis := e.server.config.APIs
	key := apis.KeyOf(e.id.Scope, value)
	if key == nil || !key.Enabled {
		return errInvalidKey
	}
	plan := apis.PlanFor(e.id.Scope, key.Id, e.id.ID, e.stage.StageName)
	if plan == nil {
		return errInvalidKey
	}
	e.identity.APIKey, e.identity.APIKeyID = key.Value, key.Id
	for i := range plan.ApiStages {
		s := &plan.ApiStages[i]
		if s.ApiId != e.id.ID || s.Stage != e.stage.StageName {
			continue
		}
		method := e.resource.Path + "/" + e.method.HttpMethod
		if t := s.Throttle[method]; t != nil && !e.server.take(plan.Id+" "+key.Id+" "+method, t) {
			return errThrottled
		}
	}
	if plan.Throttle != nil && !e.server.take(plan.Id+" "+key.Id, plan.Throttle) {
		return errThrottled
	}
	within, err := apis.Count(context.WithoutCancel(e.r.Context()), e.id.Scope, plan, key.Id)
	if err != nil {
		return err
	}
	if !within {
		return errQuota
	}
	return nil
}

// bucket is filled at a rate.
type bucket struct {
	tokens float64
	at     time.Time
}

// take takes one token; false if there is none.
func (s *Server) take(key string, t *restapi.Throttle) bool {
	burst := float64(t.BurstLimit)
	now := s.config.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[key]
	if b == nil {
		for old := range s.buckets { // any one goes: it would be full again soon
			if len(s.buckets) < maxBuckets {
				break
			}
			delete(s.buckets, old)
		}
		b = &bucket{tokens: burst, at: now}
		s.buckets[key] = b
	}
	b.tokens = min(burst, b.tokens+now.Sub(b.at).Seconds()*t.RateLimit)
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
