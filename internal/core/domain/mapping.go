package domain

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
)

// Kind is a kind of APIs.
type Kind string

// The kinds.
const (
	REST      Kind = "REST"
	HTTP      Kind = "HTTP"
	WebSocket Kind = "WEBSOCKET"
)

// Mapping leads the paths of a name below a key to a stage of an API.
type Mapping struct {
	ID    string
	API   string
	Kind  Kind
	Key   string // "" for all paths; "v1", "shop/v2"
	Stage string // "" for one that the path names: REST APIs only
}

var path = regexp.MustCompile(`^[A-Za-z0-9._~$+!'()*-]+(/[A-Za-z0-9._~$+!'()*-]+)*$`)

// maxKey bounds the key of a mapping. AWS: 300.
const maxKey = 300

// idLength is that of the ids of mappings, as AWS's.
const idLength = 7

func newID() string { return ids.Short(context.Background(), idLength) }

// noKey is how both versions of the API call the empty key.
const noKey = "(none)"

// Key is a key as it is kept.
func Key(given string) string {
	if given == noKey {
		return ""
	}
	return given
}

// PutMapping writes a mapping; one without an id is new, and gets one.
//
// AWS: who may be mapped together,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-mappings.html;
// the text about edges is the one that users report, the one about mixing ours.
func (n *Names) PutMapping(ctx context.Context, s Scope, name string, m *Mapping) error {
	m.Key = Key(m.Key)
	if m.Key != "" && !path.MatchString(m.Key) || len(m.Key) > maxKey {
		return &Invalid{"API mapping key should be empty or match a path without slashes at its ends"}
	}
	if _, err := n.Get(s, name); err != nil {
		return err
	}
	var err error
	if m.Kind, err = n.config.Find(ctx, s, m.API, m.Stage); err != nil {
		return err
	}
	_, err = n.Change(ctx, s, name, func(row *Name) error {
		switch {
		case m.Kind != REST && !slices.Contains(row.EndpointTypes, Regional):
			return &Invalid{"Only REGIONAL domain names can be managed through the API Gateway V2 API. For EDGE domain names, please use the API Gateway V1 API. Also note that only REST APIs can be attached to EDGE domain names."}
		case m.ID == "" && len(row.Mappings) >= maxMappings:
			return &Invalid{"Maximum number of base path mappings has been reached."}
		case m.ID != "" && row.Mappings[m.ID] == nil:
			return ErrNoMapping
		}
		for _, other := range row.Mappings {
			switch {
			case other.ID == m.ID:
			case other.Key == m.Key:
				return ErrMapped
			case (other.Kind == WebSocket) != (m.Kind == WebSocket):
				return &Invalid{"WebSocket APIs cannot be mapped to the domain name of an HTTP API or a REST API"}
			}
		}
		if m.ID == "" {
			m.ID = ids.Short(ctx, idLength)
		}
		if row.Mappings == nil {
			row.Mappings = map[string]*Mapping{}
		}
		kept := *m
		row.Mappings[m.ID] = &kept
		return nil
	})
	return err
}

// Mapping is one by its id.
func (n *Names) Mapping(s Scope, name, id string) (*Mapping, error) {
	return n.mapping(s, name, func(m *Mapping) bool { return m.ID == id })
}

// MappingOf is one by its key.
func (n *Names) MappingOf(s Scope, name, given string) (*Mapping, error) {
	return n.mapping(s, name, func(m *Mapping) bool { return m.Key == Key(given) })
}

func (n *Names) mapping(s Scope, name string, is func(*Mapping) bool) (*Mapping, error) {
	row, err := n.Get(s, name)
	if err != nil {
		return nil, err
	}
	for _, m := range row.Mappings {
		if is(m) {
			found := *m
			return &found, nil
		}
	}
	return nil, ErrNoMapping
}

// DeleteMapping takes one out.
func (n *Names) DeleteMapping(ctx context.Context, s Scope, name, id string) error {
	_, err := n.Change(ctx, s, name, func(row *Name) error {
		if row.Mappings[id] == nil {
			return ErrNoMapping
		}
		delete(row.Mappings, id)
		return nil
	})
	return err
}

// Leading is a name of a scope that leads to an API, or "".
func (n *Names) Leading(s Scope, api string) string {
	for _, row := range n.List(s) {
		for _, m := range row.Mappings {
			if m.API == api {
				return row.Name
			}
		}
	}
	return ""
}

// Lead is where a name leads a request.
type Lead struct {
	Scope   Scope
	Mapping Mapping
	Rest    string // of the path, below the mapping's key; begins with a slash
}

// Lead finds the mapping for a host and a path: that of the longest key. Nil if
// there is none.
func (n *Names) Lead(host, path string) *Lead {
	row := n.at(host)
	if row == nil {
		return nil
	}
	var found *Lead
	for _, m := range row.Mappings {
		if rest, ok := below(path, m.Key); ok && (found == nil || len(m.Key) > len(found.Mapping.Key)) {
			found = &Lead{Scope: row.Scope, Mapping: *m, Rest: rest}
		}
	}
	return found
}

// below is the path below a key.
func below(path, key string) (string, bool) {
	if key == "" {
		return path, true
	}
	rest, ok := strings.CutPrefix(path, "/"+key)
	switch {
	case !ok, rest != "" && rest[0] != '/':
		return "", false
	case rest == "":
		rest = "/"
	}
	return rest, true
}
