package ssm

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/ssmapi"
	"github.com/lambkin-dev/lambkin/internal/core/parameter"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// filter is one condition of a list: any of the values.
type filter struct {
	key, option string
	values      []string
}

// filters must all accept.
type filters []filter

// Options of a filter.
const (
	equals     = "Equals"
	beginsWith = "BeginsWith"
	contains   = "Contains"
	recursive  = "Recursive"
	oneLevel   = "OneLevel"
)

// newFilters checks what was given; keys that end with a colon are prefixes.
// Texts: recorded from AWS.
func newFilters(given []ssmapi.ParameterStringFilter, keys ...string) (all filters, err error) {
	for i := range given {
		f := filter{key: *given[i].Key, option: member.Text(given[i].Option), values: given[i].Values}
		if !slices.ContainsFunc(keys, func(key string) bool {
			return key == f.key || strings.HasSuffix(key, ":") && strings.HasPrefix(f.key, key)
		}) {
			return nil, &parameter.Error{Code: "InvalidFilterKey", Message: "The following filter key is not valid: " + f.key + ". Valid filter keys include: [" + strings.Join(keys, ", ") + "]."}
		}
		allowed := []string{equals, beginsWith, contains}
		if f.key == "Path" {
			allowed = []string{recursive, oneLevel}
		}
		if f.option == "" {
			f.option = allowed[0]
			if f.key == "Path" {
				f.option = oneLevel
			}
		}
		switch {
		case !slices.Contains(allowed, f.option):
			return nil, &parameter.Error{Code: "InvalidFilterOption", Message: "The following filter option is not valid: " + f.option + ". Valid options include: [" + strings.Join(allowed, ", ") + "]."}
		case len(f.values) == 0 && !strings.HasPrefix(f.key, "tag:"):
			return nil, &parameter.Error{Code: "InvalidFilterValue", Message: "The following filter values are missing : null for filter key " + f.key}
		}
		all = append(all, f)
	}
	return all, nil
}

func (all filters) accept(v *parameter.Version, tags map[string]string) bool {
	return !slices.ContainsFunc(all, func(f filter) bool { return !f.accepts(v, tags) })
}

func (f *filter) accepts(v *parameter.Version, tags map[string]string) bool {
	has := map[string][]string{"Name": {v.Name}, "Type": {v.Type}, "KeyId": {v.KeyID}, "Tier": {v.Tier}, "DataType": {v.DataType}, "Label": v.Labels, "Path": {v.Name}}[f.key]
	if key, tag := strings.CutPrefix(f.key, "tag:"); tag {
		value, found := tags[key]
		if !found || len(f.values) == 0 {
			return found
		}
		has = []string{value}
	}
	return slices.ContainsFunc(has, func(value string) bool {
		return slices.ContainsFunc(f.values, func(wanted string) bool { return f.compares(value, wanted) })
	})
}

func (f *filter) compares(value, wanted string) bool {
	switch f.option {
	case beginsWith:
		return strings.HasPrefix(value, wanted)
	case contains:
		return strings.Contains(value, wanted)
	case recursive, oneLevel:
		return below(wanted, value, f.option == recursive)
	}
	return value == wanted
}
