package vtl

import (
	"fmt"
	"strings"
)

// reference is $name and what follows: properties, methods and indexes.
type reference struct {
	name   string
	parts  []part
	source string // as it is written
	quiet  bool   // $!name
	slash  int    // backslashes before it
}

// part is one step behind a name.
type part struct {
	name  string       // of a property or method
	call  bool         // a method
	args  []expression // of a method
	index expression   // instead of the rest: [index]
}

// referenceNode reads a reference in a text; what is none is text. at is the $.
func (p *parser) referenceNode(slashes int) (node, error) {
	ref, err := p.reference()
	if err != nil {
		return nil, err
	}
	if ref == nil {
		if slashes > 0 {
			return nil, p.fail("no reference")
		}
		p.at++
		return textNode("$"), nil
	}
	ref.slash = slashes
	return ref, nil
}

// identifier reads a name, or "".
func (p *parser) identifier() string {
	rest := p.rest()
	n := 0
	for n < len(rest) && (letter(rest[n]) || rest[n] == '_' || n > 0 && (digit(rest[n]) || rest[n] == '-')) {
		n++
	}
	p.at += n
	return rest[:n]
}

// reference reads one; nil, with nothing read, if there is none.
func (p *parser) reference() (*reference, error) {
	up, err := p.deeper()
	if err != nil {
		return nil, err
	}
	defer up()
	start := p.at
	p.at++ // $
	ref := &reference{quiet: p.take("!")}
	formal := p.take("{")
	if ref.name = p.identifier(); ref.name == "" {
		p.at = start
		return nil, nil
	}
	for {
		next, err := p.part()
		if err != nil {
			return nil, err
		}
		if next == nil {
			break
		}
		ref.parts = append(ref.parts, *next)
	}
	if formal && !p.take("}") {
		p.at = start
		return nil, nil // Velocity fails; people write "${" for other languages
	}
	ref.source = p.text[start:p.at]
	return ref, nil
}

// part reads a step behind a name; nil if there is none.
func (p *parser) part() (*part, error) {
	if p.take("[") {
		index, err := p.expression()
		if err == nil {
			err = p.expect("]")
		}
		return &part{index: index}, err
	}
	start := p.at
	if !p.take(".") {
		return nil, nil
	}
	next := &part{}
	if next.name = p.identifier(); next.name == "" {
		p.at = start // the dot is text
		return nil, nil
	}
	if !p.take("(") {
		return next, nil
	}
	next.call = true
	var err error
	next.args, err = p.list(")")
	return next, err
}

// render prints the value of a reference.
func (ref *reference) render(r *run) error {
	value, set, err := ref.resolve(r)
	if err != nil {
		return err
	}
	defined := set || ref.quiet
	if ref.slash > 0 {
		if !defined {
			return r.write(strings.Repeat(`\`, ref.slash) + ref.source)
		}
		if err := r.write(strings.Repeat(`\`, ref.slash/2)); err != nil {
			return err
		}
		if ref.slash%2 == 1 {
			return r.write(ref.source)
		}
	}
	if !defined {
		return r.write(ref.source)
	}
	if value == nil {
		return nil
	}
	text, err := r.print(value)
	if err != nil {
		return err
	}
	return r.write(text)
}

func (ref *reference) value(r *run) (any, error) {
	value, _, err := ref.resolve(r)
	return value, err
}

// resolve follows the steps. set tells whether the variable was ever set.
func (ref *reference) resolve(r *run) (value any, set bool, err error) {
	value, set = r.variables[ref.name]
	for i := range ref.parts {
		if value == nil {
			return nil, set, nil
		}
		if value, err = ref.parts[i].follow(r, value); err != nil {
			return nil, set, err
		}
	}
	return value, set, nil
}

func (p *part) follow(r *run, of any) (any, error) {
	if err := r.step(); err != nil {
		return nil, err
	}
	if p.index != nil {
		index, err := p.index.value(r)
		if err != nil {
			return nil, err
		}
		return at(of, index), nil
	}
	if !p.call {
		return property(r, of, p.name)
	}
	args := make([]any, len(p.args))
	for i, arg := range p.args {
		var err error
		if args[i], err = arg.value(r); err != nil {
			return nil, err
		}
	}
	return method(r, of, p.name, args)
}

// at is an element of a list or a map.
func at(of, index any) any {
	switch container := of.(type) {
	case *Map:
		value, _ := container.Get(text(index))
		return value
	case *List:
		i, is := index.(int64)
		if i < 0 {
			i += int64(len(container.items))
		}
		if !is || i < 0 || i >= int64(len(container.items)) {
			return nil
		}
		return container.items[i]
	}
	return nil
}

// assign sets a variable, or an element of a map or list.
func (ref *reference) assign(r *run, value any) error {
	if len(ref.parts) == 0 {
		r.variables[ref.name] = value
		return nil
	}
	last := &ref.parts[len(ref.parts)-1]
	owner := &reference{name: ref.name, parts: ref.parts[:len(ref.parts)-1]}
	of, err := owner.value(r)
	if err != nil || of == nil {
		return err
	}
	var key any = last.name
	switch {
	case last.call:
		return fmt.Errorf("%w: #set of %s, which is a call", ErrSyntax, ref.source)
	case last.index != nil:
		if key, err = last.index.value(r); err != nil {
			return err
		}
	}
	switch container := of.(type) {
	case *Map:
		return container.put(r, text(key), value)
	case *List:
		if i, is := key.(int64); is && i >= 0 && i < int64(len(container.items)) {
			container.items[i] = value
		}
	}
	return nil
}
