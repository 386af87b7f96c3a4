package resource

import (
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
)

// values are members of a call, or properties.
type values = map[string]any

// definition is a resource type. Only name is needed; what is absent does not happen.
type definition struct {
	name       string // "AWS::SQS::Queue"
	service    string // of the operations
	naming     naming
	capability string
	notYet     string // why it cannot be had

	// create, update and remove are operations. create and update get the properties
	// that their input has members for; update and remove (and read) get identity too.
	create, update, remove, read string
	// identity are the members that name the resource in a call; nil: none.
	identity func(c *call) values
	// physical is the physical id, of the answer of create; nil: the name.
	physical func(c *call, out values) string
	// madeID is the physical id of what an earlier try of the step has made, where its
	// service makes ids of tokens; nil: its name tells.
	madeID func(c *call) string
	// ref is what Ref gives, if it is not the physical id.
	ref func(c *call) string
	// members are the names of members that are not those of their properties.
	members values
	// forms are properties whose values the API has in another form.
	forms map[string]form
	// fixed are members of create and update with a value of their own.
	fixed values
	// resets are what update sends for a property that is no longer set.
	resets values

	// make, change and drop stand for the operations of create, update and remove
	// where one call is not enough. An answer of make beside an error tells that the
	// resource is there. change gets the properties as deployed last.
	make   func(c *call) (values, error)
	change func(c *call, was values) error
	drop   func(c *call) error
	// apply brings the whole resource from one state to another: was is nil at first,
	// want at last.
	apply func(c *call, was, want values) error
	// steps are properties with calls of their own.
	steps []step
	tags  *tagging
	// unwrap is the member of read's answer that holds the resource.
	unwrap string
	// live stands for read.
	live func(c *call) (values, error)
	// reread stands for both where only a reader needs to know, not who makes the resource.
	reread func(c *call) (values, error)
	// settled tells whether the resource is as asked for; it is asked until it is.
	settled func(c *call) (bool, error)
	// checked: create succeeds with what is there already, so that has to be looked at first.
	checked bool

	// attributes are what GetAtt gives, of what live has found.
	attributes func(c *call, live values) values
	// more are attributes that the schema does not list, without those that are not to be had here.
	more, without []string

	createOnly     []string          // properties whose change is a replacement here, beyond the schema's
	handled        []string          // properties that the functions above read
	refused, inert map[string]string // properties, and why
	unread         []string          // properties that cannot be read back in the form of the template: no drift is found in them
	needs          map[string]string // operations without which a property is refused
	// ours are readings by which a type learns what CloudFormation's handler knows without
	// them: who makes, changes or removes a resource needs no permission for them.
	ours []string
}

// form turns the value of a property into that of its member, and back.
type form struct{ to, from func(v any) any }

// naming is how a user names the resource.
type naming struct {
	property string
	rule     stack.NameRule
	fixed    bool // the property is required: nothing is made up
}

// step is a property that has calls of its own.
type step struct {
	property string
	// apply brings it from was to want; nil means that it is not set.
	apply func(c *call, was, want any) error
	// to is the form that the API has it in; nil: that of the template.
	to func(v any) any
	// live reads it back, nil: the resource's own read does, or nothing.
	live func(c *call) (any, error)
	// undone: it has to be taken back before the resource is removed.
	undone bool
}

// tagging are the operations for tags of what is there.
type tagging struct {
	tag, untag, list string
	resource, keys   string // members: of the resource, of the keys of untag
	of               func(c *call) any
	also             values // members with a value of their own
}

// physicalAs is an identity of one member, the physical id.
func physicalAs(member string) func(c *call) values {
	return func(c *call) values { return values{member: c.physical} }
}

// member is a physical id that the answer of create has.
func member(names ...string) func(c *call, out values) string {
	return func(c *call, out values) string { return value.Text(value.At(out, names...)) }
}

// tokenID is a madeID of so many letters.
func tokenID(length int) func(c *call) string {
	return func(c *call) string { return ids.Short(ids.WithToken(c, c.r.Token), length) }
}

// tokenUUID is a madeID that is a UUID.
func tokenUUID(c *call) string { return ids.UUIDOf(ids.WithToken(c, c.r.Token)) }

// Lengths of the ids that services make of tokens.
const (
	apiIDLength    = 10
	restPartLength = 6
	httpPartLength = 7
)

// pick gives attributes by the members that hold them: pairs of both names.
func pick(pairs ...string) func(c *call, live values) values {
	return func(c *call, live values) values {
		found := values{}
		for i := 0; i < len(pairs); i += 2 {
			if given := live[pairs[i+1]]; given != nil {
				found[pairs[i]] = given
			}
		}
		return found
	}
}

// own is the attribute that is the physical id.
func own(name string) func(c *call, live values) values {
	return func(c *call, _ values) values { return values{name: c.physical} }
}

// put is a step of one call with identity and the property, and another one, with
// identity only, where the property is no longer set.
func put(property, operation, member, clear string) step {
	return step{property: property, apply: func(c *call, _, want any) error {
		in := c.identity()
		if want == nil {
			return ignoreAbsent(c.run(clear, in))
		}
		in[member] = want
		return c.run(operation, in)
	}}
}
