package state

import (
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/template"
)

// Mask hides secrets where a stack shows values: those of parameters with NoEcho and
// the attributes of custom resources that want it.
//
// It goes by the values, so it finds them wherever they have come to; a short one is
// hidden only where it is all of a value. Nil hides nothing.
type Mask struct{ secrets []string }

const (
	shownMask      = "****"
	minSecretBytes = 4 // of one that is hidden inside a longer text
)

// MaskOf hides the secrets of configurations, of which some may be nil, and of resources.
func MaskOf(rows map[string]*Resource, configurations ...*Configuration) *Mask {
	m := &Mask{}
	for _, c := range configurations {
		if c == nil {
			continue
		}
		for _, p := range c.Parameters {
			if !p.Hidden {
				continue
			}
			for _, text := range []string{p.Value, p.Resolved} {
				m.Add(text)
				for item := range strings.SplitSeq(text, ",") { // of a list
					m.Add(strings.TrimSpace(item))
				}
			}
		}
	}
	for _, r := range rows {
		if r.Hidden {
			m.addAll(map[string]any(r.Attributes))
		}
	}
	return m
}

// Add hides one more.
func (m *Mask) Add(secret string) {
	if secret != "" {
		m.secrets = append(m.secrets, secret)
	}
}

func (m *Mask) addAll(value any) {
	switch value := value.(type) {
	case map[string]any:
		for _, item := range value {
			m.addAll(item)
		}
	case []any:
		for _, item := range value {
			m.addAll(item)
		}
	default:
		if text, ok := template.Text(value); ok {
			m.Add(text)
		}
	}
}

// Text is a text without the secrets.
func (m *Mask) Text(text string) string {
	if m == nil {
		return text
	}
	for _, secret := range m.secrets {
		switch {
		case text == secret:
			return shownMask
		case len(secret) >= minSecretBytes:
			text = strings.ReplaceAll(text, secret, shownMask)
		}
	}
	return text
}

// Value is a value of a template without the secrets.
func (m *Mask) Value(value any) any {
	if m == nil || len(m.secrets) == 0 {
		return value
	}
	switch value := value.(type) {
	case map[string]any:
		shown := make(map[string]any, len(value))
		for key, item := range value {
			shown[key] = m.Value(item)
		}
		return shown
	case []any:
		shown := make([]any, len(value))
		for i, item := range value {
			shown[i] = m.Value(item)
		}
		return shown
	}
	if text, ok := template.Text(value); ok {
		if shown := m.Text(text); shown != text {
			return shown
		}
	}
	return value
}
