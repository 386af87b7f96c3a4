package restapi

import (
	"maps"
	"slices"
	"strings"
)

// The tables of what each Update… operation changes.
// AWS: https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html

// PatchAPI changes an API.
func PatchAPI(api *API, patches []Patch) error {
	if err := apiEdits.apply(api, patches); err != nil {
		return err
	}
	return api.check()
}

var apiEdits = edits[API]{
	"/name":                      textEdit(func(a *API) *string { return &a.Name }),
	"/description":               optionalEdit(func(a *API) *string { return &a.Description }),
	"/version":                   optionalEdit(func(a *API) *string { return &a.Version }),
	"/policy":                    optionalEdit(func(a *API) *string { return &a.Policy }),
	"/apiKeySource":              textEdit(func(a *API) *string { return &a.ApiKeySource }),
	"/disableExecuteApiEndpoint": boolEdit(func(a *API) *bool { return &a.DisableExecuteApiEndpoint }),
	"/binaryMediaTypes/*":        renameEdit(func(a *API) *[]string { return &a.BinaryMediaTypes }),
	"/endpointConfiguration/types/*": {opReplace, func(a *API, keys []string, p *Patch) error {
		i := slices.Index(a.EndpointTypes, keys[0])
		if keys[0] == "0" && len(a.EndpointTypes) > 0 {
			i = 0
		}
		if i < 0 {
			return Invalid("Invalid EndpointTypes specified: %s", keys[0])
		}
		a.EndpointTypes[i] = p.Value
		return nil
	}},
	"/minimumCompressionSize": {opAdd + opReplace + opRemove, func(a *API, _ []string, p *Patch) error {
		if p.Op == opRemove || p.Value == "" {
			a.MinimumCompressionSize = nil
			return nil
		}
		size, err := readInt(p)
		a.MinimumCompressionSize = &size
		return err
	}},
}

// renameEdit is a list whose elements can also be replaced.
func renameEdit[T any](field func(*T) *[]string) edit[T] {
	e := listEdit(field)
	add := e.apply
	return edit[T]{opAdd + opReplace + opRemove, func(target *T, keys []string, p *Patch) error {
		if p.Op != opReplace {
			return add(target, keys, p)
		}
		i := slices.Index(*field(target), unescape(keys[0]))
		if i < 0 {
			return fail(NotFound, "Invalid value specified for '%s'", p.Path)
		}
		(*field(target))[i] = p.Value
		return nil
	}}
}

// PatchResource changes a resource.
func (d *Definition) PatchResource(r *Resource, patches []Patch) error {
	moved := *r
	if err := resourceEdits.apply(&moved, patches); err != nil {
		return err
	}
	return d.MoveResource(r, moved.ParentId, moved.PathPart)
}

var resourceEdits = edits[Resource]{
	"/pathPart": textEdit(func(r *Resource) *string { return &r.PathPart }),
	"/parentId": textEdit(func(r *Resource) *string { return &r.ParentId }),
}

// PatchMethod changes a method.
func (d *Definition) PatchMethod(m *Method, patches []Patch) error {
	if err := methodEdits.apply(m, patches); err != nil {
		return err
	}
	return d.CheckMethod(m)
}

var methodEdits = edits[Method]{
	"/authorizationType":     textEdit(func(m *Method) *string { return &m.AuthorizationType }),
	"/authorizerId":          optionalEdit(func(m *Method) *string { return &m.AuthorizerId }),
	"/requestValidatorId":    optionalEdit(func(m *Method) *string { return &m.RequestValidatorId }),
	"/operationName":         optionalEdit(func(m *Method) *string { return &m.OperationName }),
	"/apiKeyRequired":        boolEdit(func(m *Method) *bool { return &m.ApiKeyRequired }),
	"/requestParameters/*":   boolMapEdit(func(m *Method) *map[string]bool { return &m.RequestParameters }),
	"/requestModels/*":       mapEdit(func(m *Method) *map[string]string { return &m.RequestModels }),
	"/authorizationScopes":   valuesEdit(func(m *Method) *[]string { return &m.AuthorizationScopes }),
	"/authorizationScopes/*": listEdit(func(m *Method) *[]string { return &m.AuthorizationScopes }),
}

// PatchMethodResponse changes an answer of a method.
func (d *Definition) PatchMethodResponse(r *MethodResponse, patches []Patch) error {
	if err := methodResponseEdits.apply(r, patches); err != nil {
		return err
	}
	return d.CheckMethodResponse(r)
}

var methodResponseEdits = edits[MethodResponse]{
	"/responseParameters/*": boolMapEdit(func(r *MethodResponse) *map[string]bool { return &r.ResponseParameters }),
	"/responseModels/*":     mapEdit(func(r *MethodResponse) *map[string]string { return &r.ResponseModels }),
}

// PatchIntegration changes what a method calls.
func PatchIntegration(i *Integration, patches []Patch) error {
	if err := integrationEdits.apply(i, patches); err != nil {
		return err
	}
	return i.Check()
}

var integrationEdits = edits[Integration]{
	"/type":                               textEdit(func(i *Integration) *string { return &i.Type }),
	"/uri":                                textEdit(func(i *Integration) *string { return &i.Uri }),
	"/httpMethod":                         textEdit(func(i *Integration) *string { return &i.HttpMethod }),
	"/credentials":                        optionalEdit(func(i *Integration) *string { return &i.Credentials }),
	"/passthroughBehavior":                textEdit(func(i *Integration) *string { return &i.PassthroughBehavior }),
	"/contentHandling":                    optionalEdit(func(i *Integration) *string { return &i.ContentHandling }),
	"/connectionType":                     textEdit(func(i *Integration) *string { return &i.ConnectionType }),
	"/cacheNamespace":                     textEdit(func(i *Integration) *string { return &i.CacheNamespace }),
	"/timeoutInMillis":                    intEdit(func(i *Integration) *int32 { return &i.TimeoutInMillis }),
	"/requestParameters/*":                mapEdit(func(i *Integration) *map[string]string { return &i.RequestParameters }),
	"/requestTemplates/*":                 mapEdit(func(i *Integration) *map[string]string { return &i.RequestTemplates }),
	"/cacheKeyParameters/*":               listEdit(func(i *Integration) *[]string { return &i.CacheKeyParameters }),
	"/tlsConfig/insecureSkipVerification": boolEdit(func(i *Integration) *bool { return &i.TlsInsecure }),
}

// PatchIntegrationResponse changes an answer of an integration of m.
func PatchIntegrationResponse(m *Method, r *IntegrationResponse, patches []Patch) error {
	if err := integrationResponseEdits.apply(r, patches); err != nil {
		return err
	}
	return r.Check(m)
}

var integrationResponseEdits = edits[IntegrationResponse]{
	"/selectionPattern":     optionalEdit(func(r *IntegrationResponse) *string { return &r.SelectionPattern }),
	"/contentHandling":      optionalEdit(func(r *IntegrationResponse) *string { return &r.ContentHandling }),
	"/responseParameters/*": mapEdit(func(r *IntegrationResponse) *map[string]string { return &r.ResponseParameters }),
	"/responseTemplates/*":  mapEdit(func(r *IntegrationResponse) *map[string]string { return &r.ResponseTemplates }),
}

// PatchModel changes a model.
func PatchModel(m *Model, patches []Patch) error {
	if err := modelEdits.apply(m, patches); err != nil {
		return err
	}
	return m.Check()
}

var modelEdits = edits[Model]{
	"/description": optionalEdit(func(m *Model) *string { return &m.Description }),
	"/schema":      textEdit(func(m *Model) *string { return &m.Schema }),
}

// PatchAuthorizer changes an authorizer.
func PatchAuthorizer(z *Authorizer, patches []Patch) error {
	if err := authorizerEdits.apply(z, patches); err != nil {
		return err
	}
	return z.Check()
}

var authorizerEdits = edits[Authorizer]{
	"/name":                         textEdit(func(z *Authorizer) *string { return &z.Name }),
	"/type":                         textEdit(func(z *Authorizer) *string { return &z.Type }),
	"/authType":                     optionalEdit(func(z *Authorizer) *string { return &z.AuthType }),
	"/authorizerUri":                textEdit(func(z *Authorizer) *string { return &z.AuthorizerUri }),
	"/authorizerCredentials":        optionalEdit(func(z *Authorizer) *string { return &z.AuthorizerCredentials }),
	"/identitySource":               optionalEdit(func(z *Authorizer) *string { return &z.IdentitySource }),
	"/identityValidationExpression": optionalEdit(func(z *Authorizer) *string { return &z.IdentityValidationExpression }),
	"/authorizerResultTtlInSeconds": intEdit(func(z *Authorizer) *int32 {
		if z.AuthorizerResultTtlInSeconds == nil {
			z.AuthorizerResultTtlInSeconds = new(int32)
		}
		return z.AuthorizerResultTtlInSeconds
	}),
}

// PatchValidator changes a request validator.
func PatchValidator(v *RequestValidator, patches []Patch) error {
	return validatorEdits.apply(v, patches)
}

var validatorEdits = edits[RequestValidator]{
	"/name":                      textEdit(func(v *RequestValidator) *string { return &v.Name }),
	"/validateRequestBody":       boolEdit(func(v *RequestValidator) *bool { return &v.ValidateRequestBody }),
	"/validateRequestParameters": boolEdit(func(v *RequestValidator) *bool { return &v.ValidateRequestParameters }),
}

// PatchGatewayResponse changes an answer of the gateway.
func PatchGatewayResponse(g *GatewayResponse, patches []Patch) error {
	if err := gatewayResponseEdits.apply(g, patches); err != nil {
		return err
	}
	return g.Check()
}

var gatewayResponseEdits = edits[GatewayResponse]{
	"/statusCode":           textEdit(func(g *GatewayResponse) *string { return &g.StatusCode }),
	"/responseParameters/*": mapEdit(func(g *GatewayResponse) *map[string]string { return &g.ResponseParameters }),
	"/responseTemplates/*":  mapEdit(func(g *GatewayResponse) *map[string]string { return &g.ResponseTemplates }),
}

// PatchDeployment changes a deployment.
func PatchDeployment(d *Deployment, patches []Patch) error {
	return edits[Deployment]{"/description": optionalEdit(func(d *Deployment) *string { return &d.Description })}.apply(d, patches)
}

// PatchStage changes a stage of an API. AWS: logs need the account's role for them.
func (a *APIs) PatchStage(scope Scope, api *API, s *Stage, patches []Patch) error {
	for i := range patches {
		if err := s.patch(patches[i : i+1]); err != nil {
			return err
		}
	}
	if s.logs() && a.GetAccount(scope).CloudwatchRoleArn == "" {
		return Invalid("CloudWatch Logs role ARN must be set in account settings to enable logging")
	}
	s.LastUpdatedDate = a.config.Clock.Now().UTC()
	return api.CheckStage(s)
}

// patch does one operation. AWS: a canary is promoted by copies of what it has.
func (s *Stage) patch(p []Patch) error {
	if p[0].Op != opCopy {
		return stageEdits.apply(s, p)
	}
	switch c := s.canary(); {
	case p[0].From == "/canarySettings/deploymentId" && p[0].Path == "/deploymentId" && c.DeploymentId != "":
		s.DeploymentId = c.DeploymentId
	case p[0].From == "/canarySettings/stageVariableOverrides" && p[0].Path == "/variables":
		s.Variables = maps.Clone(s.Variables)
		if s.Variables == nil {
			s.Variables = map[string]string{}
		}
		maps.Copy(s.Variables, c.StageVariableOverrides)
	default:
		return Invalid("Invalid patch path '%s' specified for op 'copy'. Must be one of: [/deploymentId, /variables]", p[0].Path)
	}
	return nil
}

var stageEdits = edits[Stage]{
	"/deploymentId":                     textEdit(func(s *Stage) *string { return &s.DeploymentId }),
	"/description":                      optionalEdit(func(s *Stage) *string { return &s.Description }),
	"/variables/*":                      mapEdit(func(s *Stage) *map[string]string { return &s.Variables }),
	"/tracingEnabled":                   boolEdit(func(s *Stage) *bool { return &s.TracingEnabled }),
	"/accessLogSettings/format":         optionalEdit(func(s *Stage) *string { return &s.accessLog().Format }),
	"/accessLogSettings/destinationArn": optionalEdit(func(s *Stage) *string { return &s.accessLog().DestinationArn }),
	"/accessLogSettings": {opRemove, func(s *Stage, _ []string, _ *Patch) error {
		s.AccessLogSettings = nil
		return nil
	}},
	"/canarySettings": {opRemove, func(s *Stage, _ []string, _ *Patch) error {
		s.CanarySettings = nil
		return nil
	}},
	"/canarySettings/percentTraffic": {opReplace, func(s *Stage, _ []string, p *Patch) (err error) {
		s.canary().PercentTraffic, err = readFloat(p)
		return err
	}},
	"/canarySettings/deploymentId":             textEdit(func(s *Stage) *string { return &s.canary().DeploymentId }),
	"/canarySettings/useStageCache":            boolEdit(func(s *Stage) *bool { return &s.canary().UseStageCache }),
	"/canarySettings/stageVariableOverrides/*": mapEdit(func(s *Stage) *map[string]string { return &s.canary().StageVariableOverrides }),
	"/*/*/metrics/enabled":                     boolEdit2(func(m *MethodSetting) *bool { return &m.MetricsEnabled }),
	"/*/*/logging/dataTrace":                   boolEdit2(func(m *MethodSetting) *bool { return &m.DataTraceEnabled }),
	"/*/*/logging/loglevel": {opReplace + opAdd, func(s *Stage, keys []string, p *Patch) error {
		s.setting(keys).LoggingLevel = p.Value
		return nil
	}},
	"/*/*/throttling/burstLimit": {opReplace + opAdd, func(s *Stage, keys []string, p *Patch) error {
		n, err := readInt(p)
		s.setting(keys).ThrottlingBurstLimit = &n
		if n < 0 {
			s.setting(keys).ThrottlingBurstLimit = nil // AWS: -1 takes the limit away
		}
		return err
	}},
	"/*/*/throttling/rateLimit": {opReplace + opAdd, func(s *Stage, keys []string, p *Patch) error {
		n, err := readFloat(p)
		s.setting(keys).ThrottlingRateLimit = &n
		if n < 0 {
			s.setting(keys).ThrottlingRateLimit = nil
		}
		return err
	}},
	"/*/*": {opRemove, func(s *Stage, keys []string, _ *Patch) error {
		delete(s.MethodSettings, keys[0]+"/"+keys[1])
		return nil
	}},
	"/cacheClusterEnabled":                                {opReplace, refuseCache[Stage]},
	"/cacheClusterSize":                                   {opReplace, refuseCacheSize[Stage]},
	"/*/*/caching/enabled":                                {opReplace, refuseCache[Stage]},
	"/*/*/caching/dataEncrypted":                          {opReplace, refuseCache[Stage]},
	"/*/*/caching/ttlInSeconds":                           {opReplace, refuseCacheSize[Stage]},
	"/*/*/caching/requireAuthorizationForCacheControl":    {opReplace, ignoreCache[Stage]},
	"/*/*/caching/unauthorizedCacheControlHeaderStrategy": {opReplace, ignoreCache[Stage]},
}

// ErrNoCache is the refusal of a cache of answers.
var ErrNoCache = fail(BadRequest, "This platform has no cache of answers: cache clusters are not supported")

// refuseCache takes only that there is none.
func refuseCache[T any](_ *T, _ []string, p *Patch) error {
	enabled, err := readBool(p)
	if err == nil && enabled {
		return ErrNoCache
	}
	return err
}

func refuseCacheSize[T any](*T, []string, *Patch) error { return ErrNoCache }

// ignoreCache takes how a cache is controlled: without one it has no effect on AWS
// either.
func ignoreCache[T any](*T, []string, *Patch) error { return nil }

// logs tells whether a stage writes logs.
func (s *Stage) logs() bool {
	for _, setting := range s.MethodSettings {
		if setting.LoggingLevel == LogInfo || setting.LoggingLevel == LogError {
			return true
		}
	}
	return s.AccessLogSettings != nil
}

func (s *Stage) accessLog() *AccessLogSettings {
	if s.AccessLogSettings == nil {
		s.AccessLogSettings = &AccessLogSettings{}
	}
	return s.AccessLogSettings
}

func (s *Stage) canary() *CanarySettings {
	if s.CanarySettings == nil {
		s.CanarySettings = &CanarySettings{}
	}
	return s.CanarySettings
}

// setting is that of a method: its key keeps the form of the path.
func (s *Stage) setting(keys []string) *MethodSetting {
	key := keys[0] + "/" + keys[1]
	if s.MethodSettings == nil {
		s.MethodSettings = map[string]*MethodSetting{}
	}
	if s.MethodSettings[key] == nil {
		s.MethodSettings[key] = &MethodSetting{LoggingLevel: LogOff}
	}
	return s.MethodSettings[key]
}

func boolEdit2(field func(*MethodSetting) *bool) edit[Stage] {
	return edit[Stage]{opReplace + opAdd, func(s *Stage, keys []string, p *Patch) (err error) {
		*field(s.setting(keys)), err = readBool(p)
		return err
	}}
}

// SettingFor is what applies to a method of a path: its own, else that of all.
func (s *Stage) SettingFor(path, method string) *MethodSetting {
	var all *MethodSetting
	for key, setting := range s.MethodSettings {
		of, named, _ := strings.Cut(key, "/")
		switch {
		case of == "*" && named == "*":
			all = setting
		case "/"+strings.TrimPrefix(unescape(of), "/") == path && named == method:
			return setting
		}
	}
	return all
}

// PatchKey changes an API key.
func (a *APIs) PatchKey(k *APIKey, patches []Patch) error {
	k.LastUpdatedDate = a.config.Clock.Now().UTC()
	return keyEdits.apply(k, patches)
}

var keyEdits = edits[APIKey]{
	"/name":        textEdit(func(k *APIKey) *string { return &k.Name }),
	"/description": optionalEdit(func(k *APIKey) *string { return &k.Description }),
	"/customerId":  optionalEdit(func(k *APIKey) *string { return &k.CustomerId }),
	"/enabled":     boolEdit(func(k *APIKey) *bool { return &k.Enabled }),
}

// PatchPlan changes a usage plan.
func (a *APIs) PatchPlan(scope Scope, plan *UsagePlan, patches []Patch) error {
	if err := planEdits.apply(plan, patches); err != nil {
		return err
	}
	return a.CheckPlan(scope, plan)
}

var planEdits = edits[UsagePlan]{
	"/name":        textEdit(func(p *UsagePlan) *string { return &p.Name }),
	"/description": optionalEdit(func(p *UsagePlan) *string { return &p.Description }),
	"/productCode": optionalEdit(func(p *UsagePlan) *string { return &p.ProductCode }),
	"/quota/limit": {opReplace + opAdd, func(p *UsagePlan, _ []string, o *Patch) (err error) {
		p.quota().Limit, err = readInt(o)
		return err
	}},
	"/quota/offset": {opReplace + opAdd, func(p *UsagePlan, _ []string, o *Patch) (err error) {
		p.quota().Offset, err = readInt(o)
		return err
	}},
	"/quota/period": {opReplace + opAdd, func(p *UsagePlan, _ []string, o *Patch) error {
		p.quota().Period = o.Value
		return nil
	}},
	"/quota": {opRemove, func(p *UsagePlan, _ []string, _ *Patch) error {
		p.Quota = nil
		return nil
	}},
	"/throttle/rateLimit": {opReplace + opAdd, func(p *UsagePlan, _ []string, o *Patch) (err error) {
		p.throttle().RateLimit, err = readFloat(o)
		return err
	}},
	"/throttle/burstLimit": {opReplace + opAdd, func(p *UsagePlan, _ []string, o *Patch) (err error) {
		p.throttle().BurstLimit, err = readInt(o)
		return err
	}},
	"/throttle": {opRemove, func(p *UsagePlan, _ []string, _ *Patch) error {
		p.Throttle = nil
		return nil
	}},
	"/apiStages": {opAdd + opRemove, func(p *UsagePlan, _ []string, o *Patch) error {
		api, stage, found := strings.Cut(o.Value, ":")
		if !found {
			return Invalid("Invalid API stage specified: %s. Must be {api_id}:{stage_name}", o.Value)
		}
		i := slices.IndexFunc(p.ApiStages, func(s ApiStage) bool { return s.ApiId == api && s.Stage == stage })
		switch {
		case o.Op == opAdd:
			p.ApiStages = append(p.ApiStages, ApiStage{ApiId: api, Stage: stage})
		case i < 0:
			return fail(NotFound, "API Stage not found: %s", o.Value)
		default:
			p.ApiStages = slices.Delete(p.ApiStages, i, i+1)
		}
		return nil
	}},
	"/apiStages/*/throttle/*/*/rateLimit":  {opReplace + opAdd, stageThrottle(func(t *Throttle, o *Patch) (err error) { t.RateLimit, err = readFloat(o); return })},
	"/apiStages/*/throttle/*/*/burstLimit": {opReplace + opAdd, stageThrottle(func(t *Throttle, o *Patch) (err error) { t.BurstLimit, err = readInt(o); return })},
}

// stageThrottle changes the limit of one method of a stage of a plan.
func stageThrottle(set func(*Throttle, *Patch) error) func(*UsagePlan, []string, *Patch) error {
	return func(p *UsagePlan, keys []string, o *Patch) error {
		for i := range p.ApiStages {
			s := &p.ApiStages[i]
			if s.ApiId+":"+s.Stage != keys[0] {
				continue
			}
			method := unescape(keys[1]) + "/" + keys[2]
			if s.Throttle == nil {
				s.Throttle = map[string]*Throttle{}
			}
			if s.Throttle[method] == nil {
				s.Throttle[method] = &Throttle{}
			}
			return set(s.Throttle[method], o)
		}
		return fail(NotFound, "API Stage not found: %s", keys[0])
	}
}

func (p *UsagePlan) quota() *Quota {
	if p.Quota == nil {
		p.Quota = &Quota{}
	}
	return p.Quota
}

func (p *UsagePlan) throttle() *Throttle {
	if p.Throttle == nil {
		p.Throttle = &Throttle{}
	}
	return p.Throttle
}

// PatchAccount changes the account's settings.
func PatchAccount(c *Account, patches []Patch) error {
	return edits[Account]{"/cloudwatchRoleArn": optionalEdit(func(c *Account) *string { return &c.CloudwatchRoleArn })}.apply(c, patches)
}

// DomainName is what can be changed of a domain name.
type DomainName struct {
	CertificateArn, CertificateName                 string
	RegionalCertificateArn, RegionalCertificateName string
	SecurityPolicy                                  string
}

// BasePathMapping leads a path of a domain name to an API.
type BasePathMapping struct {
	BasePath, RestApiId, Stage string
}

// PatchDomain changes a domain name.
func PatchDomain(d *DomainName, patches []Patch) error { return domainEdits.apply(d, patches) }

var domainEdits = edits[DomainName]{
	"/certificateArn":          textEdit(func(d *DomainName) *string { return &d.CertificateArn }),
	"/certificateName":         textEdit(func(d *DomainName) *string { return &d.CertificateName }),
	"/regionalCertificateArn":  textEdit(func(d *DomainName) *string { return &d.RegionalCertificateArn }),
	"/regionalCertificateName": textEdit(func(d *DomainName) *string { return &d.RegionalCertificateName }),
	"/securityPolicy":          textEdit(func(d *DomainName) *string { return &d.SecurityPolicy }),
}

// PatchMapping changes a base path mapping.
func PatchMapping(m *BasePathMapping, patches []Patch) error {
	return edits[BasePathMapping]{
		"/basePath":  textEdit(func(m *BasePathMapping) *string { return &m.BasePath }),
		"/restapiId": textEdit(func(m *BasePathMapping) *string { return &m.RestApiId }),
		"/restApiId": textEdit(func(m *BasePathMapping) *string { return &m.RestApiId }),
		"/stage":     textEdit(func(m *BasePathMapping) *string { return &m.Stage }),
	}.apply(m, patches)
}
