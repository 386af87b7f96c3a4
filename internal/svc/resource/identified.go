package resource

import (
	"context"
	"slices"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/identify"
)

// Handles implements stack.Identified.
func (k *kind) Handles(handler string) bool {
	return k.facts.NotYet == "" && (handler != "list" || slices.Contains(identify.Listed(), k.name))
}

// Locate implements stack.Identified.
func (k *kind) Locate(parts map[string]string) (physical string, properties map[string]any) {
	return identify.Locate(k.facts, parts)
}

// Identify implements stack.Identified.
func (k *kind) Identify(physical string, properties, attributes map[string]any) map[string]string {
	return identify.Identify(k.facts, physical, properties, attributes)
}

// List implements stack.Identified.
func (k *kind) List(ctx context.Context, r *stack.Request) ([]map[string]string, error) {
	c := k.call(ctx, r)
	c.reading = true
	found, err := identify.List(k.name, r.Properties, c.of)
	return found, c.worded(err)
}
