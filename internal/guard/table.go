package guard

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// The tables name for each operation of an API what may be needed for it:
//
//	Operation  action  resource  [key=value…]
//	+          action  resource  [key=value…]    one more permission
//	Operation  none                              everybody may
//	*          service:{method}  path            all that are not listed: the HTTP method on the operation's path
//
// Resource and values are one of: * (the whole service), an ARN with {Member} in it
// ({Member|default}, {region} and {account} of the caller), 'a text', a member of the
// input (Entries.Source is that of all entries), or kind:Member,Member with a kind
// of kinds.go. Keys are condition keys; when=Member and unless=Member make a
// permission depend on whether the member was given. What names no resource,
// because its member was not given, needs nothing. Members are spelled as in Go.
//
//go:embed permissions/*.txt
var tables embed.FS

// row is one line of a table.
type row struct{ action, resource, rest string }

// readTable reads the table of a service, by the operations' names; empty if it has none.
func readTable(serviceID string) (map[string][]row, error) {
	name := "permissions/" + strings.ToLower(strings.ReplaceAll(serviceID, " ", "")) + ".txt"
	text, err := tables.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	rows := map[string][]row{}
	operation := ""
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) < 2 {
			return nil, fmt.Errorf("%s: %q names no action", name, strings.TrimSpace(line))
		}
		if fields[0] != "+" {
			operation = fields[0]
			if rows[operation] != nil {
				return nil, fmt.Errorf("%s: %s is there twice", name, operation)
			}
		}
		r := row{action: fields[1]}
		if len(fields) > 2 {
			r.resource = fields[2]
			r.rest = strings.Join(fields[3:], " ")
		}
		rows[operation] = append(rows[operation], r)
	}
	return rows, nil
}

// plan is what an operation needs.
type plan struct {
	needs   []need
	each    bool                          // DeleteObjects: decided for each object
	passes  source                        // the service that roles are handed to
	roles   resolver                      // the roles
	tags    func(*call) map[string]string // those of a request
	tagKeys source
}

// need is one permission.
type need struct {
	action       string
	resources    resolver
	keys         map[string]source // condition keys, in lower case
	when, unless source
}

// applies tells whether the members that were given make the permission needed.
func (n *need) applies(c *call) (bool, error) {
	if n.when != nil {
		given, err := n.when(c)
		return len(given) > 0, err
	}
	if n.unless != nil {
		given, err := n.unless(c)
		return len(given) == 0, err
	}
	return true, nil
}

// newPlan reads the rows of an operation; nil for none.
func newPlan(table map[string][]row, model *shape.Service, op *shape.Operation) (*plan, error) {
	rows := slices.Clone(table[op.Name])
	if len(rows) == 0 {
		rows = slices.Clone(table[everything])
	}
	for i := range rows {
		if rows[i].resource == "path" {
			rows[i] = byMethod(rows[i], model, op)
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	p := &plan{}
	input := reflect.TypeOf(&struct{}{}) // of an operation that has none
	if op.Input != shape.None {
		input = reflect.TypeOf(op.NewInput())
	}
	for _, r := range rows {
		switch r.action {
		case "none":
			continue
		case "each":
			p.each = true
			continue
		}
		n, err := newNeed(r, input)
		if err != nil {
			return nil, fmt.Errorf("permissions of %s: %w", op.Name, err)
		}
		if r.action == passRole {
			n.resources = handedOver(n.resources)
			p.passes, p.roles = n.keys["iam:passedtoservice"], n.resources
		}
		p.needs = append(p.needs, n)
	}
	p.tags, p.tagKeys = tagSources(input)
	return p, nil
}

const passRole = "iam:PassRole"

// callersOwn stands in the place of a role for the rights of who calls an API: no role
// is handed over by it.
//
// AWS: https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations.html, credentialsArn
const callersOwn = "arn:aws:iam::*:user/*"

// handedOver leaves the roles.
func handedOver(roles resolver) resolver {
	return func(c *call) ([]resource, error) {
		all, err := roles(c)
		return slices.DeleteFunc(all, func(r resource) bool { return r.arn == callersOwn }), err
	}
}

// byMethod fills in a row whose resource is the operation's path, with the members
// that are in it.
func byMethod(r row, model *shape.Service, op *shape.Operation) row {
	path := strings.TrimPrefix(op.Path, "/v2") // of the API's version: policies do not have it
	if op.Input != shape.None {
		members := model.Shapes[op.Input].Members
		for i := range members {
			if m := &members[i]; m.Location == shape.URI {
				for _, label := range []string{"{" + m.WireName() + "}", "{" + m.WireName() + "+}"} {
					path = strings.Replace(path, label, "{"+strings.ToUpper(m.Name[:1])+m.Name[1:]+"}", 1)
				}
			}
		}
	}
	r.action, r.resource = strings.Replace(r.action, "{method}", op.Method, 1), "arn:aws:"+model.SigningName+":{region}::"+path
	return r
}

func newNeed(r row, input reflect.Type) (n need, err error) {
	n = need{action: r.action, keys: map[string]source{}}
	if n.resources, err = newResource(r.resource, input); err != nil {
		return n, err
	}
	for _, field := range strings.Fields(r.rest) {
		key, text, found := strings.Cut(field, "=")
		if !found {
			return n, fmt.Errorf("%q is no key=value", field)
		}
		from, err := newSource(text, input)
		if err != nil {
			return n, err
		}
		switch key {
		case "when":
			n.when = from
		case "unless":
			n.unless = from
		default:
			n.keys[strings.ToLower(key)] = from
		}
	}
	return n, nil
}
