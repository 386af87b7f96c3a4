package libraries

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/lambkin-dev/lambkin/internal/wire/modelgen/apimodel"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// maxDepth is how often a shape may hold itself: Go's reflection cannot make
// recursive types, so recursion is unrolled that far.
const maxDepth = 6

// build makes the shape tables of a model with Go types made by reflection, of
// the same kinds as the generated ones.
func build(m *apimodel.Model) (*shape.Service, error) {
	s, err := m.Service()
	if err != nil {
		return nil, err
	}
	u := &unroller{from: s, done: map[copyOf]shape.Index{}, cyclic: cyclic(s)}
	for i := range s.Operations {
		op := &s.Operations[i]
		op.Input, op.Output = u.shape(op.Input, 0), u.shape(op.Output, 0)
		for j := range op.Errors {
			op.Errors[j] = u.shape(op.Errors[j], 0)
		}
	}
	s.Shapes = u.shapes
	types := &typer{model: s, done: map[shape.Index]reflect.Type{}}
	for i := range s.Operations {
		op := &s.Operations[i]
		op.NewInput, op.NewOutput = types.maker(op.Input), types.maker(op.Output)
	}
	return s, nil
}

// cyclic tells which shapes reach themselves.
func cyclic(s *shape.Service) []bool {
	out := make([]bool, len(s.Shapes))
	for i := range s.Shapes {
		seen := make([]bool, len(s.Shapes))
		var reaches func(from shape.Index) bool
		reaches = func(from shape.Index) bool {
			for _, next := range targets(&s.Shapes[from]) {
				if next == shape.Index(i) {
					return true
				}
				if !seen[next] {
					seen[next] = true
					if reaches(next) {
						return true
					}
				}
			}
			return false
		}
		out[i] = reaches(shape.Index(i))
	}
	return out
}

func targets(s *shape.Shape) (out []shape.Index) {
	for i := range s.Members {
		out = append(out, s.Members[i].Shape)
	}
	if s.Elem != nil {
		out = append(out, s.Elem.Shape)
	}
	return out
}

type copyOf struct {
	shape shape.Index
	depth int
}

type unroller struct {
	from   *shape.Service
	shapes []shape.Shape
	done   map[copyOf]shape.Index
	cyclic []bool
}

// shape copies a shape at a depth of recursion and returns the copy's index.
func (u *unroller) shape(i shape.Index, depth int) shape.Index {
	if i == shape.None {
		return shape.None
	}
	s := u.from.Shapes[i]
	if u.cyclic[i] && s.Kind == shape.Structure {
		depth++
	}
	key := copyOf{i, depth}
	if index, ok := u.done[key]; ok {
		return index
	}
	index := shape.Index(len(u.shapes))
	u.done[key] = index
	u.shapes = append(u.shapes, shape.Shape{})
	members := s.Members
	s.Members = nil
	for _, m := range members {
		if depth >= maxDepth && u.cyclic[m.Shape] && u.cyclic[i] {
			if s.Payload > 0 {
				panic("a recursive payload member")
			}
			continue
		}
		m.Shape = u.shape(m.Shape, depth)
		s.Members = append(s.Members, m)
	}
	if s.Elem != nil {
		elem := *s.Elem
		elem.Shape = u.shape(elem.Shape, depth)
		s.Elem = &elem
	}
	if s.Key != nil {
		k := *s.Key
		k.Shape = u.shape(k.Shape, depth)
		s.Key = &k
	}
	u.shapes[index] = s
	return index
}

// typer makes Go types of shapes.
type typer struct {
	model *shape.Service
	done  map[shape.Index]reflect.Type
}

func (t *typer) maker(i shape.Index) func() any {
	if i == shape.None {
		return func() any { return new(struct{}) }
	}
	made := t.elem(i)
	return func() any { return reflect.New(made).Interface() }
}

var scalars = map[shape.Kind]reflect.Type{
	shape.String:    reflect.TypeFor[string](),
	shape.Blob:      reflect.TypeFor[[]byte](),
	shape.Boolean:   reflect.TypeFor[bool](),
	shape.Integer:   reflect.TypeFor[int32](),
	shape.Long:      reflect.TypeFor[int64](),
	shape.Float:     reflect.TypeFor[float32](),
	shape.Double:    reflect.TypeFor[float64](),
	shape.Timestamp: reflect.TypeFor[time.Time](),
	shape.Document:  reflect.TypeFor[json.RawMessage](),
}

// elem is the type of a shape inside a collection.
func (t *typer) elem(i shape.Index) reflect.Type {
	if made, ok := t.done[i]; ok {
		return made
	}
	s := &t.model.Shapes[i]
	made := scalars[s.Kind]
	switch s.Kind {
	case shape.Structure:
		fields := make([]reflect.StructField, len(s.Members))
		for j := range s.Members {
			fields[j] = reflect.StructField{Name: fmt.Sprintf("F%d", j), Type: t.field(&s.Members[j])}
		}
		made = reflect.StructOf(fields)
	case shape.List, shape.Map:
		elem := t.elem(s.Elem.Shape)
		if s.Sparse && !nilable(t.model.Shapes[s.Elem.Shape].Kind) {
			elem = reflect.PointerTo(elem)
		}
		if made = reflect.SliceOf(elem); s.Kind == shape.Map {
			made = reflect.MapOf(reflect.TypeFor[string](), elem)
		}
	}
	t.done[i] = made
	return made
}

// field is the type of a member of a structure.
func (t *typer) field(m *shape.Member) reflect.Type {
	s := &t.model.Shapes[m.Shape]
	switch {
	case m.Streaming:
		return reflect.TypeFor[io.ReadCloser]()
	case s.EventStream:
		return reflect.TypeFor[shape.EventStream]()
	case nilable(s.Kind):
		return t.elem(m.Shape)
	}
	return reflect.PointerTo(t.elem(m.Shape))
}

func nilable(k shape.Kind) bool {
	return k == shape.List || k == shape.Map || k == shape.Blob || k == shape.Document
}
