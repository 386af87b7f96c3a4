package restapi

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/lazy"
	"github.com/lambkin-dev/lambkin/internal/base/regular"
)

// Resource finds a resource by its id.
func (d *Definition) Resource(id string) (*Resource, error) {
	r := d.Resources[id]
	if r == nil {
		return nil, missing("Resource")
	}
	return r, nil
}

// Method finds a method of a resource.
func (d *Definition) Method(resource, method string) (*Method, error) {
	r, err := d.Resource(resource)
	if err != nil {
		return nil, err
	}
	m := r.ResourceMethods[method]
	if m == nil {
		return nil, missing("Method")
	}
	return m, nil
}

// Integration finds what a method calls.
func (d *Definition) Integration(resource, method string) (*Integration, error) {
	m, err := d.Method(resource, method)
	if err != nil {
		return nil, err
	}
	if m.MethodIntegration == nil {
		return nil, missing("Integration")
	}
	return m.MethodIntegration, nil
}

// pathPart is what a segment of a path may be. A variable is the whole segment.
var pathPart = lazy.MustCompile(`^(\{[a-zA-Z0-9._:-]+\+?\}|[a-zA-Z0-9._:~,@!$&'()*+;=%-]+)$`)

// AddResource makes a child of a resource.
func (d *Definition) AddResource(parent, part string) (*Resource, error) {
	return d.AddResourceAs(newResourceID(), parent, part)
}

// AddResourceAs is AddResource with the id that it gets.
func (d *Definition) AddResourceAs(id, parent, part string) (*Resource, error) {
	above, err := d.Resource(parent)
	if err != nil {
		return nil, err
	}
	if err := d.checkPart(above, part, ""); err != nil {
		return nil, err
	}
	if len(d.Resources) >= MaxResources {
		return nil, fail(Limit, "Maximum number of resources for this API has been reached. Please contact AWS if you need additional resources.")
	}
	made := &Resource{Id: id, ParentId: parent, PathPart: part, Path: strings.TrimSuffix(above.Path, "/") + "/" + part}
	d.Resources[made.Id] = made
	return made, nil
}

// maxPathBytes bounds a segment, and what a path is made of.
const (
	maxPartBytes = 256
	maxPathDepth = 50
)

// checkPart refuses a segment that cannot be below a resource; self is the id of
// the resource that has it now.
func (d *Definition) checkPart(above *Resource, part, self string) error {
	switch {
	case !pathPart.MatchString(part) || len(part) > maxPartBytes:
		return Invalid("Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end.")
	case strings.HasSuffix(above.PathPart, "+}"):
		return Invalid("Cannot create a child of a resource with a greedy path variable: %s", above.PathPart)
	case strings.Count(above.Path, "/") >= maxPathDepth:
		return Invalid("A path has at most %d segments", maxPathDepth)
	}
	for _, sibling := range d.Resources {
		switch {
		case sibling.ParentId != above.Id || sibling.Id == self || sibling.ParentId == "":
		case sibling.PathPart == part:
			return fail(Conflict, "Another resource with the same parent already has this name: %s", part)
		case strings.HasPrefix(part, "{") && strings.HasPrefix(sibling.PathPart, "{") && strings.HasSuffix(part, "+}") == strings.HasSuffix(sibling.PathPart, "+}"):
			return Invalid("A sibling (%s) of this resource already has a variable path part -- only one is allowed", sibling.PathPart)
		}
	}
	return nil
}

// DeleteResource removes a resource and all that is below it.
func (d *Definition) DeleteResource(id string) error {
	r, err := d.Resource(id)
	if err != nil {
		return err
	}
	if r.ParentId == "" {
		return Invalid("Root resource cannot be deleted")
	}
	for below, other := range d.Resources {
		if below == id || strings.HasPrefix(other.Path, r.Path+"/") {
			delete(d.Resources, below)
		}
	}
	return nil
}

// MoveResource gives a resource another parent or name; everything below moves too.
func (d *Definition) MoveResource(r *Resource, parent, part string) error {
	above, err := d.Resource(parent)
	if err != nil {
		return err
	}
	if r.ParentId == "" || above == r || strings.HasPrefix(above.Path+"/", r.Path+"/") {
		return Invalid("A resource cannot be moved to %s", above.Path)
	}
	if err := d.checkPart(above, part, r.Id); err != nil {
		return err
	}
	old := r.Path
	r.ParentId, r.PathPart, r.Path = parent, part, strings.TrimSuffix(above.Path, "/")+"/"+part
	for _, other := range d.Resources {
		if rest, below := strings.CutPrefix(other.Path, old+"/"); below {
			other.Path = r.Path + "/" + rest
		}
	}
	return nil
}

// httpMethods are those that a method may be for.
var httpMethods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", AnyMethod}

// PutMethod makes a method.
func (d *Definition) PutMethod(resource string, wanted *Method) error {
	r, err := d.Resource(resource)
	if err != nil {
		return err
	}
	if r.ResourceMethods[wanted.HttpMethod] != nil {
		return fail(Conflict, "Method already exists for this resource")
	}
	if err := d.CheckMethod(wanted); err != nil {
		return err
	}
	if r.ResourceMethods == nil {
		r.ResourceMethods = map[string]*Method{}
	}
	r.ResourceMethods[wanted.HttpMethod] = wanted
	return nil
}

// requestSource is what a method or an integration reads of a request.
var requestSource = lazy.MustCompile(`^(method|integration)\.request\.(path|querystring|header|multivalueheader|multivaluequerystring)\.[a-zA-Z0-9._$\[\]%-]+$`)

// CheckMethod refuses what no method can be.
func (d *Definition) CheckMethod(m *Method) error {
	if !slices.Contains(httpMethods, m.HttpMethod) {
		return Invalid("Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY")
	}
	switch m.AuthorizationType {
	case AuthNone, AuthIAM:
	case AuthCustom:
		if d.Authorizers[m.AuthorizerId] == nil {
			return Invalid("Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.")
		}
	case AuthCognito:
		return ErrNoCognito
	default:
		return Invalid("Invalid authorization type specified: %s", m.AuthorizationType)
	}
	if m.RequestValidatorId != "" && d.RequestValidators[m.RequestValidatorId] == nil {
		return Invalid("Invalid Request Validator identifier specified")
	}
	for parameter := range m.RequestParameters {
		if !requestSource.MatchString(parameter) || !strings.HasPrefix(parameter, "method.") {
			return Invalid("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s]", parameter)
		}
	}
	return d.checkModels(m.RequestModels)
}

// ErrNoCognito is the refusal of user pools.
var ErrNoCognito = fail(BadRequest, "This platform has no Cognito user pools: use an authorizer of the type TOKEN or REQUEST")

func (d *Definition) checkModels(models map[string]string) error {
	for _, name := range models {
		if d.Models[name] == nil && name != "Empty" && name != "Error" {
			return Invalid("Invalid model identifier specified: %s", name)
		}
	}
	return nil
}

// DeleteMethod removes a method.
func (d *Definition) DeleteMethod(resource, method string) error {
	if _, err := d.Method(resource, method); err != nil {
		return err
	}
	delete(d.Resources[resource].ResourceMethods, method)
	return nil
}

var statusCode = lazy.MustCompile(`^[1-5]\d\d$`)

// answerTarget is what an answer of a method may set.
var answerTarget = lazy.MustCompile(`^method\.response\.header\.[a-zA-Z0-9_-]+$`)

// PutMethodResponse makes an answer of a method.
func (d *Definition) PutMethodResponse(m *Method, wanted *MethodResponse) error {
	if m.MethodResponses[wanted.StatusCode] != nil {
		return fail(Conflict, "Response already exists for this resource")
	}
	if err := d.CheckMethodResponse(wanted); err != nil {
		return err
	}
	if m.MethodResponses == nil {
		m.MethodResponses = map[string]*MethodResponse{}
	}
	m.MethodResponses[wanted.StatusCode] = wanted
	return nil
}

// CheckMethodResponse refuses what no answer can be.
func (d *Definition) CheckMethodResponse(wanted *MethodResponse) error {
	if !statusCode.MatchString(wanted.StatusCode) {
		return Invalid("Invalid status code specified: %s", wanted.StatusCode)
	}
	for parameter := range wanted.ResponseParameters {
		if !answerTarget.MatchString(parameter) {
			return Invalid("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: %s]", parameter)
		}
	}
	return d.checkModels(wanted.ResponseModels)
}

// PutIntegration sets what a method calls; the answers of one that was there stay.
func (m *Method) PutIntegration(wanted *Integration) error {
	if err := wanted.Check(); err != nil {
		return err
	}
	m.MethodIntegration = wanted
	return nil
}

// integrationTarget is what an integration may set of its request.
var integrationTarget = lazy.MustCompile(`^integration\.request\.(path|querystring|header)\.[a-zA-Z0-9._%-]+$`)

// integrationSource is where it comes from: the request, the context, the stage or a
// constant in quotes.
var integrationSource = lazy.MustCompile(`^(method\.request\.(path|querystring|header|multivalueheader|multivaluequerystring)\.[^\s]+|method\.request\.body(\.[^\s]+|\[[^\s]+)?|context\.[a-zA-Z0-9._-]+|stageVariables\.[a-zA-Z0-9._-]+|'[^']*')$`)

// Check sets the defaults of an integration and refuses what AWS refuses.
func (i *Integration) Check() error {
	if i.PassthroughBehavior == "" {
		i.PassthroughBehavior = PassWhenNoMatch
	}
	if i.TimeoutInMillis == 0 {
		i.TimeoutInMillis = maxIntegrations
	}
	if i.ConnectionType == "" {
		i.ConnectionType = "INTERNET"
	}
	switch {
	case i.ConnectionType != "INTERNET":
		return Invalid("This platform has no VPC links")
	case i.TimeoutInMillis < minIntegrations || i.TimeoutInMillis > maxIntegrations:
		return Invalid("Timeout should be between %d ms and %d ms", minIntegrations, maxIntegrations)
	case i.PassthroughBehavior != PassWhenNoMatch && i.PassthroughBehavior != PassWhenNoTemplates && i.PassthroughBehavior != PassNever:
		return Invalid("Invalid passthrough behavior specified: %s", i.PassthroughBehavior)
	case i.ContentHandling != "" && i.ContentHandling != ToBinary && i.ContentHandling != ToText:
		return Invalid("Invalid content handling specified: %s", i.ContentHandling)
	case i.TlsInsecure:
		return Invalid("InsecureSkipVerification is not supported on this platform: certificates are always verified")
	case len(i.CacheKeyParameters) > 0:
		return Invalid("This platform has no cache of answers: CacheKeyParameters are not supported")
	}
	if err := i.checkTarget(); err != nil {
		return err
	}
	for target, source := range i.RequestParameters {
		if !integrationTarget.MatchString(target) {
			return Invalid("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: %s]", target)
		}
		if !integrationSource.MatchString(source) {
			return Invalid("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s]", source)
		}
	}
	return nil
}

// checkTarget refuses what cannot be called.
func (i *Integration) checkTarget() error {
	if i.Type != TypeMock && i.HttpMethod == "" {
		return Invalid("Enumeration value for HttpMethod must be non-empty")
	}
	switch i.Type {
	case TypeMock:
		i.Uri = ""
	case TypeHTTP, TypeHTTPProxy:
		if !strings.HasPrefix(i.Uri, "http://") && !strings.HasPrefix(i.Uri, "https://") && !strings.HasPrefix(i.Uri, "${stageVariables.") {
			return Invalid("Invalid HTTP endpoint specified for URI")
		}
	case TypeAWS, TypeAWSProxy:
		parts := strings.SplitN(i.Uri, ":", 6)
		if len(parts) < 6 || parts[0] != "arn" || parts[2] != "apigateway" {
			return Invalid("Invalid ARN specified in the request")
		}
		if !strings.HasPrefix(parts[5], "path/") && !strings.HasPrefix(parts[5], "action/") {
			return Invalid("AWS ARN for integration must contain path or action")
		}
		if i.Type == TypeAWSProxy && FunctionOf(i.Uri) == "" {
			return Invalid("Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.")
		}
	default:
		return Invalid("Invalid integration type specified: %s", i.Type)
	}
	return nil
}

// answerSource is where a header of an answer comes from.
var answerSource = lazy.MustCompile(`^(integration\.response\.header\.[^\s]+|integration\.response\.multivalueheader\.[^\s]+|integration\.response\.body(\.[^\s]+|\[[^\s]+)?|context\.[a-zA-Z0-9._-]+|stageVariables\.[a-zA-Z0-9._-]+|'[^']*')$`)

// PutResponse sets an answer of an integration; m is the method that it is of.
func (i *Integration) PutResponse(m *Method, wanted *IntegrationResponse) error {
	if err := wanted.Check(m); err != nil {
		return err
	}
	if i.IntegrationResponses == nil {
		i.IntegrationResponses = map[string]*IntegrationResponse{}
	}
	i.IntegrationResponses[wanted.StatusCode] = wanted
	return nil
}

// Check refuses what no answer can be. AWS: the method must have an answer of the
// same status, and declare each header that is set.
func (r *IntegrationResponse) Check(m *Method) error {
	if !statusCode.MatchString(r.StatusCode) {
		return Invalid("Invalid status code specified: %s", r.StatusCode)
	}
	if r.ContentHandling != "" && r.ContentHandling != ToBinary && r.ContentHandling != ToText {
		return Invalid("Invalid content handling specified: %s", r.ContentHandling)
	}
	if r.SelectionPattern != "" {
		if _, err := CompilePattern(r.SelectionPattern); err != nil {
			return Invalid("Invalid selection pattern specified: %s", r.SelectionPattern)
		}
	}
	answer := m.MethodResponses[r.StatusCode]
	if answer == nil {
		return missing("Response status code")
	}
	for target, source := range r.ResponseParameters {
		if _, declared := answer.ResponseParameters[target]; !declared {
			return Invalid("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: %s]", target)
		}
		if !answerSource.MatchString(source) {
			return Invalid("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s]", source)
		}
	}
	return nil
}

// CompilePattern compiles a regular expression for the whole of a text.
func CompilePattern(text string) (*regular.Expression, error) {
	return regular.Compile(`(?s)^(?:` + text + `)$`)
}

func validPattern(text string) bool {
	_, err := CompilePattern(text)
	return err == nil
}

var modelName = lazy.MustCompile(`^[a-zA-Z0-9]+$`)

// AddModel makes a model.
func (d *Definition) AddModel(wanted *Model) error {
	if d.Models[wanted.Name] != nil {
		return fail(Conflict, "Model name already exists for this REST API")
	}
	if len(d.Models) >= MaxModels {
		return fail(Limit, "Maximum number of models for this API has been reached.")
	}
	if err := wanted.Check(); err != nil {
		return err
	}
	wanted.Id = newResourceID()
	if d.Models == nil {
		d.Models = map[string]*Model{}
	}
	d.Models[wanted.Name] = wanted
	return nil
}

// Check refuses what no model can be.
func (m *Model) Check() error {
	if !modelName.MatchString(m.Name) {
		return Invalid("Model name must be alphanumeric: %s", m.Name)
	}
	var schema map[string]any
	if m.Schema != "" && strings.HasPrefix(m.ContentType, "application/json") && json.Unmarshal([]byte(m.Schema), &schema) != nil {
		return Invalid("Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified]")
	}
	return nil
}

// DeleteModel removes a model. AWS: not while a method uses it.
func (d *Definition) DeleteModel(name string) error {
	if d.Models[name] == nil {
		return fail(NotFound, "Invalid model name specified: %s", name)
	}
	for _, r := range d.Resources {
		for _, m := range r.ResourceMethods {
			if m.uses(name) {
				return fail(Conflict, "Cannot delete model '%s', is referenced in method request: %s/%s", name, strings.TrimSuffix(r.Path, "/"), m.HttpMethod)
			}
		}
	}
	delete(d.Models, name)
	return nil
}

func (m *Method) uses(model string) bool {
	for _, used := range m.RequestModels {
		if used == model {
			return true
		}
	}
	for _, r := range m.MethodResponses {
		for _, used := range r.ResponseModels {
			if used == model {
				return true
			}
		}
	}
	return false
}

// AddAuthorizer makes an authorizer.
func (d *Definition) AddAuthorizer(wanted *Authorizer) error {
	for _, other := range d.Authorizers {
		if other.Name == wanted.Name {
			return Invalid("Authorizer name must be unique. Authorizer %s already exists in this RestApi.", wanted.Name)
		}
	}
	if len(d.Authorizers) >= MaxAuthorizers {
		return fail(Limit, "Maximum number of authorizers for this API has been reached.")
	}
	if err := wanted.Check(); err != nil {
		return err
	}
	if wanted.Id == "" {
		wanted.Id = newResourceID()
	}
	if d.Authorizers == nil {
		d.Authorizers = map[string]*Authorizer{}
	}
	d.Authorizers[wanted.Id] = wanted
	return nil
}

// identitySource is where a REQUEST authorizer finds who calls.
var identitySource = lazy.MustCompile(`^(method\.request\.(header|querystring)\.[^\s,]+|stageVariables\.[^\s,]+|context\.[^\s,]+)$`)

// maxAuthorizerTTL is in seconds.
const maxAuthorizerTTL = 3600

// Check sets the defaults of an authorizer and refuses what AWS refuses.
func (z *Authorizer) Check() error {
	if z.AuthorizerResultTtlInSeconds == nil {
		seconds := int32(DefaultAuthorizerTTL)
		z.AuthorizerResultTtlInSeconds = &seconds
	}
	if z.AuthType == "" {
		z.AuthType = "custom"
	}
	switch {
	case z.Type == AuthCognito:
		return ErrNoCognito
	case z.Type != AuthorizerToken && z.Type != AuthorizerRequest:
		return Invalid("Invalid authorizer type specified: %s", z.Type)
	case strings.TrimSpace(z.Name) == "":
		return Invalid("Authorizer name must not be empty")
	case FunctionOf(z.AuthorizerUri) == "":
		return Invalid("Invalid Authorizer URI: %s. Authorizer URI should be a valid API Gateway ARN that represents a Lambda function invocation.", z.AuthorizerUri)
	case !validPattern(z.IdentityValidationExpression):
		return Invalid("Invalid identity validation expression specified: %s", z.IdentityValidationExpression)
	case *z.AuthorizerResultTtlInSeconds < 0 || *z.AuthorizerResultTtlInSeconds > maxAuthorizerTTL:
		return Invalid("Authorizer result TTL must be between 0 and %d", maxAuthorizerTTL)
	}
	if z.Type == AuthorizerToken && z.IdentitySource == "" {
		z.IdentitySource = "method.request.header.Authorization"
	}
	if z.IdentitySource == "" {
		if *z.AuthorizerResultTtlInSeconds > 0 {
			return Invalid("Identity source is required for authorizers of the type REQUEST that cache")
		}
		return nil
	}
	for source := range strings.SplitSeq(z.IdentitySource, ",") {
		source = strings.TrimSpace(source)
		if !identitySource.MatchString(source) || z.Type == AuthorizerToken && !strings.HasPrefix(source, "method.request.header.") {
			return Invalid("Invalid identity source specified: %s", source)
		}
	}
	return nil
}

// DeleteAuthorizer removes an authorizer. AWS: not while a method uses it.
func (d *Definition) DeleteAuthorizer(id string) error {
	if d.Authorizers[id] == nil {
		return missing("Authorizer")
	}
	for _, r := range d.Resources {
		for _, m := range r.ResourceMethods {
			if m.AuthorizerId == id {
				return fail(Conflict, "Cannot delete authorizer '%s', is referenced in method: %s", id, m.HttpMethod)
			}
		}
	}
	delete(d.Authorizers, id)
	return nil
}

// AddValidator makes a request validator.
func (d *Definition) AddValidator(wanted *RequestValidator) {
	if wanted.Id == "" {
		wanted.Id = newResourceID()
	}
	if d.RequestValidators == nil {
		d.RequestValidators = map[string]*RequestValidator{}
	}
	d.RequestValidators[wanted.Id] = wanted
}

// DeleteValidator removes a request validator. AWS: not while a method uses it.
func (d *Definition) DeleteValidator(id string) error {
	if d.RequestValidators[id] == nil {
		return missing("Request Validator")
	}
	for _, r := range d.Resources {
		for _, m := range r.ResourceMethods {
			if m.RequestValidatorId == id {
				return fail(Conflict, "Cannot delete validator '%s', is referenced in method: %s", id, m.HttpMethod)
			}
		}
	}
	delete(d.RequestValidators, id)
	return nil
}

// checkStatus refuses the status of a gateway response.
func checkStatus(status string) error {
	n, err := strconv.Atoi(status)
	if status != "" && (err != nil || n < 200 || n > 599) {
		return Invalid("Invalid status code specified: %s", status)
	}
	return nil
}
