package guard

import (
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/core/bus"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/iam"
	"github.com/lambkin-dev/lambkin/internal/core/secret"
)

// resourceKinds find resources by members of an input, as the tables name them.
var resourceKinds = map[string]func(c *call, args [][]string) ([]resource, error){
	"arn":           arns,
	"function":      functions,
	"layer":         layers,
	"mapping":       mappings,
	"queue":         queues,
	"named":         namedQueue,
	"bucket":        buckets,
	"object":        objects,
	"source":        func(c *call, args [][]string) ([]resource, error) { return copied(c, args, false) },
	"sourceversion": func(c *call, args [][]string) ([]resource, error) { return copied(c, args, true) },
	"subscription":  subscriptions,
	"bus":           buses,
	"rule":          rules,
	"schedule":      schedules,
	"parameter":     parameters,
	"secret":        secrets,
	"loggroup":      logGroups,
	"stream":        logStreams,
	"role":          func(c *call, args [][]string) ([]resource, error) { return entities(c, iam.Role, first(args[0])) },
	"user":          users,
	"group":         func(c *call, args [][]string) ([]resource, error) { return entities(c, iam.Group, first(args[0])) },
	"profile":       func(c *call, args [][]string) ([]resource, error) { return entities(c, iam.Profile, first(args[0])) },
	"keyowner":      keyOwner,
	"stack":         stacks,
	"repository":    repositories,
	"patched":       patchedRoles,
	"described":     describedRoles,
}

// valueKinds find values of condition keys.
var valueKinds = map[string]func(c *call, args [][]string) ([]string, error){
	"mapped":   mapped,
	"boundary": boundary,
	"pattern":  inPattern,
}

// region makes the resource of a service in the call's account and region.
func (c *call) local(service, text string) resource {
	return resource{arn: arn.New(service, c.Region, c.Account, text).String()}
}

func isARN(text string) bool { return strings.HasPrefix(text, "arn:") }

// arns are given as they are.
func arns(_ *call, args [][]string) (list []resource, err error) {
	for _, text := range args[0] {
		if text != "" {
			list = append(list, resource{arn: text})
		}
	}
	return list, nil
}

// functions are named by name or ARN, with a qualifier. A name that is none is a
// resource of its own: the operation will say what is wrong with it.
func functions(c *call, args [][]string) ([]resource, error) {
	name, qualifier := first(args[0]), ""
	if len(args) > 1 {
		qualifier = first(args[1])
	}
	t, err := function.ParseTarget(function.Scope{Account: c.Account, Region: c.Region}, name, qualifier)
	if err != nil {
		return []resource{c.local("lambda", "function:"+name)}, nil
	}
	return []resource{{arn: t.ARN()}}, nil
}

func isFunction(text string) bool {
	return strings.HasPrefix(text, "arn:aws:lambda:") && strings.Contains(text, ":function:")
}

func layers(c *call, args [][]string) ([]resource, error) {
	name := first(args[0])
	if !isARN(name) {
		name = c.local("lambda", "layer:"+name).arn
	}
	if len(args) > 1 {
		if version := first(args[1]); version != "" {
			name += ":" + version
		}
	}
	return []resource{{arn: name}}, nil
}

func mappings(c *call, args [][]string) ([]resource, error) {
	return []resource{c.local("lambda", "event-source-mapping:"+first(args[0]))}, nil
}

// mapped is the function of an event source mapping.
func mapped(c *call, args [][]string) ([]string, error) {
	if c.guard.config.Mappings == nil {
		return nil, nil
	}
	m, err := c.guard.config.Mappings.Get(c.ctx, function.Scope{Account: c.Account, Region: c.Region}, first(args[0]))
	var missing *function.NotFoundError
	if errors.As(err, &missing) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return []string{m.Target().ARN()}, nil
}

// queues are named by their URL, whose host does not matter; the query protocol may
// send to the queue itself.
func queues(c *call, args [][]string) ([]resource, error) {
	address := first(args[0])
	if address == "" && c.Request != nil {
		address = c.Request.URL.Path
	}
	parsed, err := url.Parse(address)
	if err != nil {
		return []resource{c.local("sqs", address)}, nil
	}
	parts := strings.Split(strings.Trim(parsed.Path, "/"), "/")
	if len(parts) < 2 {
		return []resource{c.local("sqs", address)}, nil
	}
	return []resource{{arn: arn.New("sqs", c.Region, parts[len(parts)-2], parts[len(parts)-1]).String()}}, nil
}

func namedQueue(c *call, args [][]string) ([]resource, error) {
	account := c.Account
	if other := first(args[1]); other != "" {
		account = other
	}
	return []resource{{arn: arn.New("sqs", c.Region, account, first(args[0])).String()}}, nil
}

func buckets(c *call, args [][]string) ([]resource, error) { return c.bucket(first(args[0]), "") }

func objects(c *call, args [][]string) ([]resource, error) {
	if bucket, key := first(args[0]), first(args[1]); bucket != "" {
		return c.bucket(bucket, "/"+key)
	}
	return nil, nil
}

// copied is the object in x-amz-copy-source, if it is named with or without a version.
func copied(c *call, args [][]string, versioned bool) ([]resource, error) {
	text, query, isVersion := strings.Cut(strings.TrimPrefix(first(args[0]), "/"), "?")
	if isVersion = isVersion && strings.HasPrefix(query, "versionId="); isVersion != versioned {
		return nil, nil
	}
	if plain, err := url.PathUnescape(text); err == nil {
		text = plain
	}
	bucket, key, _ := strings.Cut(text, "/")
	return c.bucket(bucket, "/"+key)
}

// bucket is a bucket, or an object in it, with its owner.
func (c *call) bucket(name, rest string) ([]resource, error) {
	b, err := c.guard.bucket(c.ctx, name)
	r := resource{arn: "arn:aws:s3:::" + name + rest, owner: c.Account}
	if b != nil {
		r.owner = b.Account
	}
	return []resource{r}, err
}

// subscriptions belong to their topic, whose ARN is that of them without its end.
func subscriptions(_ *call, args [][]string) ([]resource, error) {
	text := first(args[0])
	if a, err := arn.Parse(text); err == nil {
		a.Resource, _, _ = strings.Cut(a.Resource, ":")
		text = a.String()
	}
	return []resource{{arn: text}}, nil
}

func (c *call) bus(name string) bus.ID {
	return bus.ParseID(bus.Scope{Account: c.Account, Region: c.Region}, name)
}

// buses are named by name or ARN; none is the default one.
func buses(c *call, args [][]string) (list []resource, err error) {
	names := args[0]
	if len(names) == 0 {
		names = []string{""}
	}
	for _, name := range names {
		list = append(list, resource{arn: c.bus(name).ARN()})
	}
	return list, nil
}

func rules(c *call, args [][]string) ([]resource, error) {
	return []resource{{arn: c.bus(first(args[1])).RuleARN(first(args[0]))}}, nil
}

// inPattern are the values that an event pattern names for a member.
func inPattern(_ *call, args [][]string) (values []string, err error) {
	var pattern map[string][]any
	if json.Unmarshal([]byte(first(args[0])), &pattern) != nil {
		return nil, nil // the operation refuses it
	}
	for _, value := range pattern[first(args[1])] {
		if text, ok := value.(string); ok {
			values = append(values, text)
		}
	}
	return values, nil
}

func schedules(c *call, args [][]string) ([]resource, error) {
	group := first(args[0])
	if group == "" {
		group = "default"
	}
	return []resource{c.local("scheduler", "schedule/"+group+"/"+first(args[1]))}, nil
}

// stacks are named by name or ARN. Their id is not looked up: AWS writes * for it.
func stacks(c *call, args [][]string) ([]resource, error) {
	name := first(args[0])
	switch {
	case name == "":
		return []resource{{arn: everything}}, nil
	case isARN(name):
		return []resource{{arn: name}}, nil
	}
	return []resource{c.local("cloudformation", "stack/"+name+"/*")}, nil
}

// repositories are named by names; none is all of them.
func repositories(c *call, args [][]string) (list []resource, err error) {
	names := args[0]
	if len(names) == 0 {
		names = []string{everything}
	}
	for _, name := range names {
		list = append(list, c.local("ecr", "repository/"+name))
	}
	return list, nil
}

// patchedRoles are the roles that patch operations of an API hand over.
func patchedRoles(_ *call, args [][]string) (list []resource, err error) {
	for i, path := range args[0] {
		if strings.HasSuffix(strings.ToLower(path), "credentials") && i < len(args[1]) && isARN(args[1][i]) {
			list = append(list, resource{arn: args[1][i]})
		}
	}
	return list, nil
}

// credentials are those of integrations and authorizers in an OpenAPI document.
var credentials = regexp.MustCompile(`(?i)credentials["']?\s*:\s*["']?(arn:[^"'\s,}]+)`)

// describedRoles are the roles that an OpenAPI document, JSON or YAML, hands over. What
// is written so that it is not found here still has to trust API Gateway.
func describedRoles(_ *call, args [][]string) (list []resource, err error) {
	for _, m := range credentials.FindAllStringSubmatch(strings.ReplaceAll(first(args[0]), `\/`, "/"), -1) {
		list = append(list, resource{arn: m[1]})
	}
	return list, nil
}

// parameters are named by name or ARN, perhaps with a version or label behind a colon.
func parameters(c *call, args [][]string) (list []resource, err error) {
	for _, name := range args[0] {
		if isARN(name) {
			list = append(list, resource{arn: name})
			continue
		}
		name, _, _ = strings.Cut(name, ":")
		list = append(list, c.local("ssm", "parameter/"+strings.TrimPrefix(name, "/")))
	}
	return list, nil
}

// secrets are named by name, by ARN, or by ARN without the letters that AWS adds.
// Messages show what was given.
func secrets(c *call, args [][]string) (list []resource, err error) {
	for _, id := range args[0] {
		r := resource{arn: id, shown: id}
		where := secret.Scope{Account: c.Account, Region: c.Region}
		if a, err := arn.Parse(id); err == nil {
			where.Account = a.Account
		} else {
			r.arn = c.local("secretsmanager", "secret:"+id).arn
		}
		if s, err := c.guard.secret(c.ctx, where, id); err != nil {
			return nil, err
		} else if s != nil {
			r.arn = s.ARN()
		}
		list = append(list, r)
	}
	return list, nil
}

// logGroups are named by the first argument that is given: a name, or an ARN.
func logGroups(c *call, args [][]string) ([]resource, error) {
	for _, arg := range args {
		if name := first(arg); name != "" {
			return []resource{c.logs(name, "")}, nil
		}
	}
	return []resource{c.logs("", "")}, nil
}

func logStreams(c *call, args [][]string) ([]resource, error) {
	group := first(args[0])
	if group == "" && len(args) > 2 {
		group = first(args[2])
	}
	return []resource{c.logs(group, first(args[1]))}, nil
}

// logs is a stream, or a group in both of its forms.
//
// AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
func (c *call) logs(group, stream string) resource {
	base := strings.TrimSuffix(group, ":*")
	if !isARN(base) {
		base = c.local("logs", "log-group:"+group).arn
	}
	r := resource{arn: base + ":log-stream:" + stream}
	if stream == "" {
		r.also = []string{base}
	}
	return r
}

// entities are roles, users, groups or profiles, named by name or ARN: their path is in IAM.
func entities(c *call, k iam.Kind, name string) ([]resource, error) {
	if isARN(name) {
		return []resource{{arn: name}}, nil
	}
	e, err := c.guard.config.IAM.Get(c.ctx, c.Account, k, name)
	var missing *iam.Error
	switch {
	case errors.As(err, &missing):
		return []resource{{arn: arn.New("iam", "", c.Account, string(k)+"/"+name).String()}}, nil
	case err != nil:
		return nil, err
	}
	return []resource{{arn: e.ARN()}}, nil
}

// users are the caller itself where none is named.
func users(c *call, args [][]string) ([]resource, error) {
	if name := first(args[0]); name != "" {
		return entities(c, iam.User, name)
	}
	return []resource{{arn: c.caller.who.ARN}}, nil
}

// keyOwner is the user of an access key.
func keyOwner(c *call, args [][]string) ([]resource, error) {
	u, _, err := c.guard.config.IAM.LastUse(c.ctx, c.Account, first(args[0]))
	var missing *iam.Error
	switch {
	case errors.As(err, &missing):
		return []resource{{arn: everything}}, nil
	case err != nil:
		return nil, err
	}
	return []resource{{arn: u.ARN()}}, nil
}

// boundary is the permissions boundary of a role or user.
func boundary(c *call, args [][]string) ([]string, error) {
	k := iam.User
	if first(args[0]) == "Role" {
		k = iam.Role
	}
	e, err := c.guard.config.IAM.Get(c.ctx, c.Account, k, first(args[1]))
	var missing *iam.Error
	switch {
	case errors.As(err, &missing):
		return nil, nil
	case err != nil:
		return nil, err
	case e.Boundary == "":
		return nil, nil
	}
	return []string{e.Boundary}, nil
}
