package sam

import (
	"regexp"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/draft"
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// attributeTypes are the types of a table's key, and DynamoDB's names for them.
var attributeTypes = map[string]string{"String": "S", "Number": "N", "Binary": "B"}

// simpleTable replaces a SAM table.
func (t *translator) simpleTable(m *draft.Macro) []*draft.Resource {
	name, kind := any("id"), "S"
	if key := m.Dict("PrimaryKey"); key.Len() > 0 {
		name = fail.Property(m.ID, "PrimaryKey.Name").Present(key.Get("Name"))
		given := pyjson.String(fail.Property(m.ID, "PrimaryKey.Type").Present(key.Get("Type")))
		if kind = attributeTypes[given]; kind == "" {
			fail.Resource(m.ID, `Invalid 'Type' "%s".`, given)
		}
	}
	table := draft.New("AWS::DynamoDB::Table", m.ID, m.Attributes,
		"AttributeDefinitions", []any{pyjson.New("AttributeName", name, "AttributeType", kind)},
		"KeySchema", []any{pyjson.New("AttributeName", name, "KeyType", "HASH")}).After(m.DependsOn)
	for _, name := range []string{"PointInTimeRecoverySpecification", "ProvisionedThroughput", "SSESpecification", "TableName"} {
		if m.Truthy(name) {
			table.Set(name, m.Get(name))
		}
	}
	if !m.Truthy("ProvisionedThroughput") {
		table.Set("BillingMode", "PAY_PER_REQUEST")
	}
	if m.Truthy("Tags") {
		table.Set("Tags", draft.Tags(m.Dict("Tags")))
	}
	return []*draft.Resource{table}
}

const retentionOptions = "one of the following options: ['Retain', 'Delete']"

// layer replaces a SAM layer. Its id changes with its properties, so that a new version
// is published whenever they do.
func (t *translator) layer(m *draft.Macro) []*draft.Resource {
	for _, name := range []string{"LayerName", "LicenseInfo", "Description", "RetentionPolicy"} {
		if !m.Truthy(name) {
			continue
		}
		value := t.Resolver.Resolve(m.Get(name))
		_, isText := pyjson.Text(value)
		if _, isDict := value.(*dict); !isText && !isDict {
			fail.Resource(m.ID, "Could not resolve parameter for '%s' or parameter is not a String.", name)
		}
		m.Properties.Set(name, value)
	}
	attributes := m.Passed()
	attributes.Default("DeletionPolicy", "Retain")
	if policy := retention(m); policy != "" {
		attributes.Set("DeletionPolicy", policy)
	}
	m.Properties = withoutNil(m.Properties)
	hashed := pyjson.New("Type", draft.LayerType)
	if pyjson.Truthy(m.DependsOn) {
		hashed.Set("DependsOn", m.DependsOn)
	}
	hashed.Update(draft.Only(m.Attributes, []string{"UpdatePolicy", "Condition"}))
	hashed.Set("Properties", m.Properties)
	name := m.ID
	m.ID = draft.HashedID(m.ID, pyjson.New(m.ID, hashed))
	if m.Truthy("LayerName") {
		name = pyjson.String(m.Get("LayerName"))
	}
	layer := draft.New("AWS::Lambda::LayerVersion", m.ID, attributes, "LayerName", name).After(m.DependsOn)
	if m.Truthy("LayerName") {
		layer.Set("LayerName", m.Get("LayerName"))
	}
	at := draft.S3Location(m.ID, "ContentUri", m.Get("ContentUri"), true)
	content := pyjson.New("S3Bucket", at.Bucket, "S3Key", at.Key)
	if at.Version != nil {
		content.Set("S3ObjectVersion", at.Version)
	}
	if at.Mode != nil {
		content.Set("S3ObjectStorageMode", at.Mode)
	}
	layer.Set("Content", content)
	for _, name := range []string{"Description", "CompatibleArchitectures", "CompatibleRuntimes", "LicenseInfo"} {
		layer.Set(name, m.Get(name))
	}
	checkArchitectures(m)
	return []*draft.Resource{layer}
}

func withoutNil(d *dict) *dict {
	kept := pyjson.New()
	for _, key := range d.Keys() {
		if d.Get(key) != nil {
			kept.SetKey(d.Key(key), d.Get(key))
		}
	}
	return kept
}

func retention(m *draft.Macro) string {
	value := m.Get("RetentionPolicy")
	if intrinsic.Is(value) {
		fail.Resource(m.ID, "'RetentionPolicy' does not accept intrinsic functions, please use %s", retentionOptions)
	}
	if value == nil {
		return ""
	}
	text, ok := pyjson.Text(value)
	if !ok {
		fail.Resource(m.ID, "Invalid 'RetentionPolicy' type, please use %s", retentionOptions)
	}
	for _, option := range []string{"Retain", "Delete"} {
		if strings.EqualFold(text, option) {
			return option
		}
	}
	fail.Resource(m.ID, "'RetentionPolicy' must be %s.", retentionOptions)
	return ""
}

func checkArchitectures(m *draft.Macro) {
	value := m.Get("CompatibleArchitectures")
	if intrinsic.Is(value) {
		return
	}
	for _, each := range fail.List(value) {
		if !intrinsic.Is(each) && !pyjson.Is(each, "arm64") && !pyjson.Is(each, "x86_64") {
			fail.Resource(m.ID, "CompatibleArchitectures needs to be a list of 'x86_64' or 'arm64'")
		}
	}
}

// application is one of the Serverless Application Repository that a template nests.
type application struct {
	url     string
	failure *fail.Failure
}

func applicationKey(id, version any) string { return pyjson.Dump(id) + " " + pyjson.Dump(version) }

var unresolvable = regexp.MustCompile(`\{\{resolve:ssm:[a-zA-Z0-9_.\-/]+(:\d+)?\}\}`)

// findApplications asks the repository for the templates of nested applications.
func (t *translator) findApplications() {
	t.applications = map[string]application{}
	eachSAM(t.Input, func(id string, resource *dict) {
		properties, _ := resource.Get("Properties").(*dict)
		location, _ := properties.Get("Location").(*dict)
		if location.Get("ApplicationId") == nil || location.Get("SemanticVersion") == nil {
			return
		}
		for _, name := range []string{"ApplicationId", "SemanticVersion"} {
			location.Set(name, t.Known(pyjson.Clone(location.Get(name))))
		}
		app, version := location.Get("ApplicationId"), location.Get("SemanticVersion")
		key := applicationKey(app, version)
		_, appIsDict := app.(*dict)
		if _, versionIsDict := version.(*dict); appIsDict || versionIsDict {
			return
		}
		if _, found := t.applications[key]; !found {
			t.applications[key] = t.findApplication(id, app, version)
		}
	}, draft.ApplicationType)
}

func (t *translator) findApplication(id string, app, version any) (a application) {
	a.failure = fail.Catch(func() {
		name := fail.Property(id, "Location.ApplicationId").Text(app)
		number := fail.Property(id, "Location.SemanticVersion").Text(version)
		if t.Env.Application == nil {
			fail.Resource(id, "Serverless Application Repository is not available in this region.")
		}
		if unresolvable.MatchString(name) {
			fail.Resource(id, "Serverless Application Repostiory does not support dynamic reference in 'ApplicationId' property.")
		}
		url, err := t.Env.Application(name, number)
		if err != nil {
			fail.Resource(id, "%s", err.Error())
		}
		a.url = url
	})
	return a
}

// locate sets where the template of an application is.
func (t *translator) locate(id string, properties *dict) {
	needs := func(d *dict, key string) {
		if !d.Has(key) {
			fail.Resource(id, "Resource is missing the required [%s] property.", key)
		}
	}
	needs(properties, "Location")
	location, ok := properties.Get("Location").(*dict)
	if !ok {
		properties.Set("TemplateUrl", properties.Get("Location"))
		return
	}
	needs(location, "ApplicationId")
	needs(location, "SemanticVersion")
	app := fail.Property(id, "ApplicationId").Present(location.Get("ApplicationId"))
	unresolved := func(name string, value any) {
		if _, ok := value.(*dict); ok {
			fail.Resource(id, "Property '%s' cannot be resolved. Only FindInMap and Ref intrinsic functions are supported.", name)
		}
	}
	unresolved("ApplicationId", app)
	version := location.Get("SemanticVersion")
	if !pyjson.Truthy(version) {
		fail.Resource(id, "Property 'SemanticVersion' cannot be blank.")
	}
	unresolved("SemanticVersion", version)
	found := t.applications[applicationKey(app, version)]
	if found.failure != nil {
		panic(found.failure)
	}
	properties.Set("TemplateUrl", found.url)
}

// application replaces a SAM application: a nested stack.
func (t *translator) application(m *draft.Macro) []*draft.Resource {
	tags := pyjson.New()
	if location, ok := m.Get("Location").(*dict); ok {
		for _, row := range [][2]string{{"serverlessrepo:applicationId", "ApplicationId"}, {"serverlessrepo:semanticVersion", "SemanticVersion"}} {
			if location.Get(row[1]) != nil {
				tags.Set(row[0], location.Get(row[1]))
			}
		}
	}
	url := m.Get("TemplateUrl")
	if !pyjson.Truthy(url) {
		url = ""
	}
	stack := draft.New("AWS::CloudFormation::Stack", m.ID, m.Passed(), "Parameters", m.Get("Parameters"), "NotificationARNs", m.Get("NotificationARNs"),
		"Tags", m.OwnTags(tags), "TimeoutInMinutes", m.Get("TimeoutInMinutes"), "TemplateURL", url)
	return []*draft.Resource{stack.After(m.DependsOn)}
}
