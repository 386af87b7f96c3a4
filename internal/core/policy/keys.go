package policy

import (
	"cmp"
	"slices"
	"strings"
)

// Keys are the condition keys that a document asks for, in conditions and as
// variables, in order, each as it is written.
func (d *Document) Keys() []string {
	var keys []string
	for i := range d.Statements {
		s := &d.Statements[i]
		for _, values := range s.Condition {
			for key, list := range values {
				keys = append(keys, key)
				keys = append(keys, d.variables(list)...)
			}
		}
		keys = append(keys, d.variables(s.Resource)...)
		keys = append(keys, d.variables(s.NotResource)...)
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(strings.Compare(strings.ToLower(a), strings.ToLower(b)), strings.Compare(a, b))
	})
	return slices.CompactFunc(keys, strings.EqualFold)
}

// variables are the names of the variables in some texts.
func (d *Document) variables(list Texts) (names []string) {
	if d.Version != Version2012 {
		return nil
	}
	for _, text := range list {
		for n := 0; n < maxVariables; n++ {
			_, rest, found := strings.Cut(text, "${")
			name, after, closed := strings.Cut(rest, "}")
			if !found || !closed {
				break
			}
			name, _, _ = strings.Cut(name, ",")
			if name = strings.TrimSpace(name); !strings.ContainsAny(name, "*?$") {
				names = append(names, name)
			}
			text = after
		}
	}
	return names
}

// Matching are the statements that are about a request, by their places in the
// document; those of a policy of a resource only if they name who calls.
func (p *Policy) Matching(r *Request, ofResource bool) (places []int) {
	action := strings.ToLower(r.Action)
	for i := range p.rules {
		if rule := &p.rules[i]; (!ofResource || rule.names(&r.Who) != nobody) && rule.fits(r, action) {
			places = append(places, i)
		}
	}
	return places
}
