package compute

import (
	"regexp"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/draft"
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// publish makes a version of a function and the alias that points to it.
func (t *translator) publish(m *draft.Macro, f *draft.Resource) []*draft.Resource {
	resolved := t.Resolver.Resolve(m.Get("AutoPublishAlias"))
	name, ok := pyjson.Text(resolved)
	if !ok {
		fail.Resource(m.ID, "'AutoPublishAlias' must be a string or a Ref to a template parameter")
	}
	sum := t.codeHash(m, f)
	version := t.version(m, f, sum)
	return []*draft.Resource{version, functionAlias(m, f, version, name, resolved)}
}

// codeHash is the hash of the code that a template gives, "" if it gives none. It is
// put into the description, so that the function changes with it.
func (t *translator) codeHash(m *draft.Macro, f *draft.Resource) string {
	if !m.Truthy("AutoPublishCodeSha256") {
		return ""
	}
	sum, ok := pyjson.Text(t.Resolver.Resolve(m.Get("AutoPublishCodeSha256")))
	if !ok {
		fail.Resource(m.ID, "AutoPublishCodeSha256 must be a string")
	}
	description := t.Resolver.Resolve(m.Get("Description"))
	text, isText := pyjson.Text(description)
	switch {
	case !pyjson.Truthy(description):
		f.Set("Description", sum)
	case isText:
		f.Set("Description", text+" "+sum)
	default:
		f.Set("Description", intrinsic.Join(" ", description, sum))
	}
	return sum
}

// version makes a version whose id changes with the function's code, so that
// CloudFormation publishes one whenever it does.
func (t *translator) version(m *draft.Macro, f *draft.Resource, sum string) *draft.Resource {
	code := fail.Dict(t.Resolver.Resolve(f.Get("Code")))
	id := m.ID + "Version"
	if sum != "" {
		id += sum[:min(len(sum), draft.HashLength)]
	} else {
		id = draft.HashedID(id, t.published(m, f, code))
	}
	attributes := m.Passed()
	if !attributes.Has("DeletionPolicy") {
		policy := any("Retain")
		if m.Has("CapacityProviderConfig") {
			policy = "Delete"
		}
		if m.Has("VersionDeletionPolicy") {
			policy = m.Get("VersionDeletionPolicy")
		}
		attributes.Set("DeletionPolicy", policy)
	}
	v := draft.New("AWS::Lambda::Version", id, attributes, "FunctionName", f.Ref(), "Description", m.Get("VersionDescription"))
	if m.Has("CapacityProviderConfig") {
		v.Set("FunctionScalingConfig", m.Get("FunctionScalingConfig"))
	}
	return v
}

// published are the data whose change makes a new version.
func (t *translator) published(m *draft.Macro, f *draft.Resource, code *dict) *dict {
	if !pyjson.Truthy(m.Get("AutoPublishAliasAllProperties")) {
		data := code.Copy()
		if environment := fail.Dict(f.Get("Environment")); environment != nil {
			data.Update(environment)
		}
		if pyjson.Truthy(f.Get("MemorySize")) {
			data.Set("MemorySize", f.Get("MemorySize"))
		}
		if start := fail.Dict(f.Get("SnapStart")); start.Has("ApplyOn") && !pyjson.Is(start.Get("ApplyOn"), "None") {
			data.Set("SnapStart", start)
		}
		return data
	}
	data := f.Properties.Copy()
	for _, layer := range fail.List(f.Get("Layers")) {
		id := intrinsic.LogicalID(layer)
		properties := fail.Dict(fail.Dict(t.Outputs.Get(id)).Get("Properties"))
		if pyjson.Truthy(properties.Get("PublishLambdaVersion")) {
			data.Set(id, properties)
		}
	}
	return data
}

var (
	aliasName  = regexp.MustCompile(`^[a-zA-Z0-9\-_]+\n?$`)
	onlyDigits = regexp.MustCompile(`^[0-9]+\n?$`)
)

func functionAlias(m *draft.Macro, f, version *draft.Resource, name string, resolved any) *draft.Resource {
	if name == "" {
		fail.Resource(m.ID, "Alias name is required to create an alias")
	}
	if !aliasName.MatchString(name) || onlyDigits.MatchString(name) {
		fail.Resource(m.ID, "AutoPublishAlias name ('%s') must contain only alphanumeric characters, hyphens, or underscores matching (?!^[0-9]+$)([a-zA-Z0-9-_]+) pattern.", name)
	}
	alias := draft.New("AWS::Lambda::Alias", m.ID+"Alias"+strings.NewReplacer("-", "D", "_", "U").Replace(name), m.Passed(),
		"Name", resolved, "FunctionName", f.Ref(), "FunctionVersion", intrinsic.GetAtt(version.ID, "Version"))
	if m.Truthy("ProvisionedConcurrencyConfig") {
		alias.Set("ProvisionedConcurrencyConfig", m.Get("ProvisionedConcurrencyConfig"))
	}
	return alias
}

// Ids of the resources of CodeDeploy.
const (
	deployRole        = "CodeDeployServiceRole"
	deployApplication = "ServerlessDeploymentApplication"
	deployCondition   = "ServerlessCodeDeployCondition"
)

// shiftTraffic lets CodeDeploy move a function's alias, if the function asks for it.
func (t *translator) shiftTraffic(m *draft.Macro, alias *draft.Resource) {
	config := m.Dict("DeploymentPreference")
	if config.Len() == 0 {
		return
	}
	for _, name := range []string{"Enabled", "Type"} {
		if config.Has(name) {
			config.Set(name, t.Known(config.Get(name)))
		}
	}
	passes := t.Env.On("deployment_preference_condition_fix")
	if config.Has("PassthroughCondition") {
		passes = t.knownBool(m, config.Get("PassthroughCondition"), "PassthroughCondition")
	}
	config.Set("PassthroughCondition", passes)
	if enabled := config.Get("Enabled"); config.Has("Enabled") && !pyjson.Truthy(enabled) || pyjson.Is(enabled, "false") || pyjson.Is(enabled, "False") {
		return
	}
	if !config.Has("Type") {
		fail.Resource(m.ID, "'DeploymentPreference' is missing required Property 'Type'")
	}
	var hooks *dict
	if config.Has("Hooks") {
		given, ok := config.Get("Hooks").(*dict)
		if !ok {
			fail.Resource(m.ID, "'Hooks' property of 'DeploymentPreference' must be a dictionary")
		}
		hooks = given
	}
	d := &draft.Deployment{Function: m.ID, Config: config}
	if passes {
		d.Condition = m.Passed().Get("Condition")
	}
	if m.Truthy("PropagateTags") {
		d.Tags = m.Dict("Tags")
	}
	t.Deployments = append(t.Deployments, d)
	if alias == nil {
		fail.Resource(m.ID, "'DeploymentPreference' requires AutoPublishAlias property to be specified.")
	}
	t.group(d) // as the translator, which makes it here to ask for its name
	update := pyjson.New("ApplicationName", intrinsic.Ref(deployApplication), "DeploymentGroupName", intrinsic.Ref(m.ID+"DeploymentGroup"))
	for _, hook := range [][2]string{{"BeforeAllowTrafficHook", "PreTraffic"}, {"AfterAllowTrafficHook", "PostTraffic"}} {
		if hooks.Get(hook[1]) != nil {
			update.Set(hook[0], hooks.Get(hook[1]))
		}
	}
	alias.Attributes.Set("UpdatePolicy", pyjson.New("CodeDeployLambdaAliasUpdate", update))
}

func (t *translator) knownBool(m *draft.Macro, value any, name string) bool {
	value = t.Known(value)
	for _, yes := range []any{true, "true", "True"} {
		if pyjson.Equal(value, yes) {
			return true
		}
	}
	for _, no := range []any{false, "false", "False"} {
		if pyjson.Equal(value, no) {
			return false
		}
	}
	if intrinsic.Is(value) {
		fail.Resource(m.ID, "Unsupported intrinsic: the only intrinsic functions supported for property %s are FindInMap and parameter Refs.", name)
	}
	fail.Resource(m.ID, "Invalid value for property %s.", name)
	return false
}

// AddDeployments adds CodeDeploy's resources to the template. try runs a step that may
// fail without ending the transform.
func AddDeployments(shared *draft.Transform, try func(step func())) {
	t := &translator{shared}
	if len(t.Deployments) == 0 {
		return
	}
	attributes, tags := pyjson.New(), pyjson.New()
	conditional := !slices.ContainsFunc(t.Deployments, func(d *draft.Deployment) bool { return !pyjson.Truthy(d.Condition) })
	var conditions []any
	for _, d := range t.Deployments {
		tags.Update(draft.OrNew(d.Tags))
		if !pyjson.Contains(conditions, d.Condition) {
			conditions = append(conditions, d.Condition)
		}
	}
	if conditional {
		attributes.Set("Condition", conditions[0])
		if len(conditions) > 1 {
			// AWS: in the order of a Python set; we sort them.
			slices.SortFunc(conditions, func(a, b any) int { return strings.Compare(pyjson.String(a), pyjson.String(b)) })
			attributes.Set("Condition", deployCondition)
			if t.Conditions != nil {
				t.Conditions.Update(intrinsic.Combined(conditions, deployCondition))
			}
		}
	}
	app := draft.New("AWS::CodeDeploy::Application", deployApplication, attributes, "ComputePlatform", "Lambda")
	policy := "service-role/AWSCodeDeployRoleForLambda"
	if p := t.Env.Partition(); p == "aws-iso" || p == "aws-iso-b" {
		policy = "service-role/AWSCodeDeployRoleForLambdaLimited"
	}
	role := draft.New("AWS::IAM::Role", deployRole, attributes, "AssumeRolePolicyDocument", draft.AssumeRole("codedeploy.amazonaws.com"),
		"ManagedPolicyArns", []any{t.Env.AWSPolicy(policy)})
	if tags.Len() > 0 {
		app.Set("Tags", draft.Tags(tags))
		role.Set("Tags", draft.Tags(tags))
	}
	t.Outputs.Set(app.ID, app.Dict())
	if slices.ContainsFunc(t.Deployments, func(d *draft.Deployment) bool { return !pyjson.Truthy(d.Config.Get("Role")) }) {
		t.Outputs.Set(role.ID, role.Dict())
	}
	for _, d := range t.Deployments {
		try(func() {
			g := t.group(d)
			t.Outputs.Set(g.ID, g.Dict())
		})
	}
}

// group is the deployment group of a function.
func (t *translator) group(d *draft.Deployment) *draft.Resource {
	events := []any{"DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"}
	g := draft.New("AWS::CodeDeploy::DeploymentGroup", d.Function+"DeploymentGroup", nil,
		"AlarmConfiguration", alarms(d),
		"ApplicationName", intrinsic.Ref(deployApplication),
		"AutoRollbackConfiguration", pyjson.New("Enabled", true, "Events", events),
		"DeploymentConfigName", configName(pyjson.Clone(d.Config.Get("Type")), ""),
		"DeploymentStyle", pyjson.New("DeploymentType", "BLUE_GREEN", "DeploymentOption", "WITH_TRAFFIC_CONTROL"),
		"ServiceRoleArn", intrinsic.GetAtt(deployRole, "Arn"))
	if pyjson.Truthy(d.Config.Get("Role")) {
		g.Set("ServiceRoleArn", d.Config.Get("Role"))
	}
	if pyjson.Truthy(d.Config.Get("TriggerConfigurations")) {
		g.Set("TriggerConfigurations", d.Config.Get("TriggerConfigurations"))
	}
	if d.Tags.Len() > 0 {
		g.Set("Tags", draft.Tags(d.Tags))
	}
	if pyjson.Truthy(d.Condition) {
		g.Attributes.Set("Condition", d.Condition)
	}
	return g
}

func alarms(d *draft.Deployment) any {
	alarms := d.Config.Get("Alarms")
	if !pyjson.Truthy(alarms) || intrinsic.IsNoValue(alarms) {
		return nil
	}
	if !intrinsic.IsIf(alarms) {
		return alarmList(d, alarms)
	}
	list, ok := pyjson.Clone(alarms).(*dict).Get("Fn::If").([]any)
	if !ok || len(list) != 3 {
		fail.Resource(d.Function, "Fn::If requires 3 arguments")
	}
	return intrinsic.IfElse(list[0], alarmList(d, list[1]), alarmList(d, list[2]))
}

func alarmList(d *draft.Deployment, alarms any) any {
	list, ok := alarms.([]any)
	if !ok {
		fail.Resource(d.Function, "Alarms must be a list")
	}
	if len(list) == 0 || intrinsic.IsNoValue(list[0]) {
		return pyjson.New()
	}
	named := make([]any, len(list))
	for i := range list {
		named[i] = pyjson.New("Name", list[i])
	}
	return pyjson.New("Enabled", true, "Alarms", named)
}

// deployConfigs are CodeDeploy's own ways to shift traffic.
var deployConfigs = strings.Fields("Canary10Percent5Minutes Canary10Percent10Minutes Canary10Percent15Minutes Canary10Percent30Minutes" +
	" Linear10PercentEvery1Minute Linear10PercentEvery2Minutes Linear10PercentEvery3Minutes Linear10PercentEvery10Minutes AllAtOnce")

// configName replaces the names of deployConfigs, which have a prefix in CodeDeploy.
func configName(value any, within string) any {
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = configName(v[i], "")
		}
		return v
	case *dict:
		if intrinsic.Is(v) {
			key := v.Keys()[0]
			v.Set(key, configName(v.Get(key), key))
		}
		return v
	}
	text, _ := pyjson.Text(value)
	if !slices.Contains(deployConfigs, text) {
		return value
	}
	named := intrinsic.Sub("CodeDeployDefault.Lambda${ConfigName}", "ConfigName", value)
	if within == "Fn::Sub" {
		return named.Get("Fn::Sub")
	}
	return named
}
