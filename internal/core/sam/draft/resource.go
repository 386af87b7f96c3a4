package draft

import (
	"crypto/sha1"
	"encoding/hex"
	"regexp"

	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/property"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// Attributes of a SAM resource that its resource keeps, and those that the others
// made for it get too.
var (
	keptAttributes   = []string{"DeletionPolicy", "UpdatePolicy", "Condition", "UpdateReplacePolicy", "Metadata"}
	passedAttributes = []string{"Condition", "DeletionPolicy", "UpdateReplacePolicy"}
)

// Macro is a SAM resource or an event, its properties checked.
type Macro struct {
	ID         string
	Kind       string // type of the resource or event
	Relative   string // name of the event in its resource
	DependsOn  any
	Attributes *dict // keptAttributes
	Properties *dict // its own: setting one does not change the template
}

func (m *Macro) Get(name string) any { return m.Properties.Get(name) }

func (m *Macro) Has(name string) bool { return m.Properties.Get(name) != nil }

func (m *Macro) Truthy(name string) bool { return pyjson.Truthy(m.Properties.Get(name)) }

// Dict returns a property that was checked to be a map, nil if it is not set.
func (m *Macro) Dict(name string) *dict { return fail.Dict(m.Properties.Get(name)) }

// Passed are the attributes for other resources.
func (m *Macro) Passed() *dict { return Only(m.Attributes, passedAttributes) }

func Only(attributes *dict, names []string) *dict {
	kept := pyjson.New()
	for _, name := range names {
		if attributes.Has(name) {
			kept.Set(name, attributes.Get(name))
		}
	}
	return kept
}

var alphanumeric = regexp.MustCompile(`^[A-Za-z0-9]+$`)

// validID checks a logical id.
func validID(id string) string {
	if !alphanumeric.MatchString(id) {
		fail.Resource(id, "Logical ids must be alphanumeric.")
	}
	return id
}

// Read reads a SAM resource or event. Before its properties are looked at, prepare
// may change them.
func Read(t *property.Type, id, relative string, resource *dict, prepare func(properties *dict)) *Macro {
	m := &Macro{ID: validID(id), Kind: t.Name, Relative: relative}
	if !resource.Has("Type") {
		fail.Resource(id, "Resource dict missing key 'Type'.")
	}
	if kind := resource.Get("Type"); !pyjson.Is(kind, t.Name) {
		fail.Resource(id, "Resource has incorrect Type; expected '%s', got '%s'", t.Name, pyjson.String(kind))
	}
	properties := pyjson.New()
	if resource.Has("Properties") {
		d, ok := resource.Get("Properties").(*dict)
		if !ok {
			fail.Resource(id, "Properties of a resource must be an object.")
		}
		properties = d
	}
	if prepare != nil {
		prepare(properties)
	}
	m.Properties = t.Read(id, properties)
	m.DependsOn = resource.Get("DependsOn")
	m.Attributes = Only(resource, keptAttributes)
	t.Check(id, m.Properties)
	return m
}

// Resource is one that CloudFormation knows.
type Resource struct {
	ID         string
	Kind       string
	DependsOn  any
	Attributes *dict
	Properties *dict
}

// New makes a resource with properties given as names and values in turn; nil
// stands for one that is not set.
func New(kind, id string, attributes *dict, pairs ...any) *Resource {
	r := &Resource{ID: validID(id), Kind: kind, Attributes: pyjson.New(), Properties: pyjson.New()}
	if attributes != nil {
		r.Attributes.Update(attributes)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		r.Set(pairs[i].(string), pairs[i+1])
	}
	return r
}

// After says on which resources this one depends.
func (r *Resource) After(dependsOn any) *Resource {
	r.DependsOn = dependsOn
	return r
}

func (r *Resource) Get(name string) any { return r.Properties.Get(name) }

// Set sets a property; nil unsets it.
func (r *Resource) Set(name string, value any) {
	if value == nil {
		r.Properties.Delete(name)
		return
	}
	r.Properties.Set(name, value)
}

func (r *Resource) ARN() *dict { return intrinsic.GetAtt(r.ID, "Arn") }

func (r *Resource) Ref() *dict { return intrinsic.Ref(r.ID) }

// Dict is the resource as the template has it.
func (r *Resource) Dict() *dict {
	d := pyjson.New("Type", r.Kind)
	if pyjson.Truthy(r.DependsOn) {
		d.Set("DependsOn", r.DependsOn)
	}
	d.Update(r.Attributes)
	d.Set("Properties", r.Properties)
	return d
}

// Forms of tags.
type tagForm int

const (
	tagList tagForm = iota + 1
	tagMap
)

// tagged are the types of generated resources that have tags.
var tagged = map[string]tagForm{
	"AWS::ApiGateway::ApiKey": tagList, "AWS::ApiGateway::DomainName": tagList, "AWS::ApiGateway::DomainNameAccessAssociation": tagList,
	"AWS::ApiGateway::DomainNameV2": tagList, "AWS::ApiGateway::RestApi": tagList, "AWS::ApiGateway::Stage": tagList,
	"AWS::ApiGateway::UsagePlan": tagList, "AWS::ApiGatewayV2::DomainName": tagMap, "AWS::ApiGatewayV2::Stage": tagMap,
	"AWS::IAM::Role": tagList, "AWS::IoT::TopicRule": tagList, "AWS::Lambda::CapacityProvider": tagList, "AWS::Lambda::Function": tagList,
	"AWS::Lambda::MicrovmImage": tagList, "AWS::Lambda::NetworkConnector": tagList, "AWS::S3::Bucket": tagList, "AWS::SNS::Topic": tagList,
	"AWS::SQS::Queue": tagList, "AWS::StepFunctions::StateMachine": tagList,
}

// PropagateTags replaces the tags of all resources that can have any, if the SAM
// resource asks for it.
func PropagateTags(resources []*Resource, tags *dict, propagate any) {
	if !pyjson.Truthy(propagate) || tags.Len() == 0 {
		return
	}
	for _, r := range resources {
		form := tagged[r.Kind]
		if r.Kind == V2APIType && pyjson.Is(r.Get("ProtocolType"), "WEBSOCKET") {
			form = tagMap
		}
		switch form {
		case tagList:
			r.Set("Tags", Tags(tags))
		case tagMap:
			r.Set("Tags", tags)
		}
	}
}

// Tags makes CloudFormation's list of tags.
func Tags(tags *dict) []any {
	list := []any{}
	for _, key := range tags.Keys() {
		value := tags.Get(key)
		if value == nil {
			value = ""
		}
		list = append(list, pyjson.New("Key", tags.Key(key), "Value", value))
	}
	return list
}

// OwnTags are SAM's tag, those of the application a stack comes from, and the user's.
func (m *Macro) OwnTags(application *dict) []any {
	tags := m.Dict("Tags")
	for _, reserved := range []string{"lambda:createdBy", "serverlessrepo:applicationId", "serverlessrepo:semanticVersion"} {
		if tags.Has(reserved) {
			fail.Resource(m.ID, "%s is a reserved Tag key name and cannot be set on your resource. Please change the tag key in the input.", reserved)
		}
	}
	list := Tags(pyjson.New("lambda:createdBy", "SAM"))
	return With(With(list, Tags(application)...), Tags(tags)...)
}

// HashLength is how much of a hash a logical id has.
const HashLength = 10

// HashedID is a logical id that ends with a hash of data; of empty data it has none.
func HashedID(prefix string, data any) string { return prefix + Hash(data, HashLength) }

func Hash(data any, length int) string {
	if !pyjson.Truthy(data) {
		return ""
	}
	text, ok := pyjson.Text(data)
	if !ok {
		text = pyjson.Compact(data)
	}
	sum := sha1.Sum([]byte(text))
	return hex.EncodeToString(sum[:])[:length]
}

// IsAlphanumeric is Python's str.isalnum for what logical ids are made of.
func IsAlphanumeric(text string) bool { return alphanumeric.MatchString(text) }

// Passed are the attributes for resources that are made because of this one.
func (r *Resource) Passed() *dict { return Only(r.Attributes, passedAttributes) }
