// Package lambda is the AWS Lambda API: it translates between the generated
// shapes of lambdaapi and the registry and invoker of core.
//
// It decides nothing that a function could notice. What it promises: an option
// that the platform does not act on is refused or listed as inert in docs/api.md
// (see options.go); an asynchronous call is answered once its event is durable,
// or refused where there is no queue; links to code are signed and expire (code.go). Errors of core become
// AWS's in errors.go only.
//
// No goroutines, no locks. Start reading at New; Invoke, the hot path, is in
// invoke.go.
package lambda

import (
	"context"
	"errors"
	"os"
	"sync/atomic"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/async"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/core/object"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// Invoker runs a resolved version and knows which environments are ready;
// *invoke.Invoker is one.
type Invoker interface {
	Invoke(ctx context.Context, request *invoke.Request) (*invoke.Response, error)
	ProvisionedStatus(p *function.Provisioned) invoke.ProvisionedStatus
}

// Blobs opens code packages by content address; *blob.Store is one.
type Blobs interface {
	Open(id string) (*os.File, error)
}

// Objects reads code packages out of buckets; *object.Objects is one.
type Objects interface {
	ReadAll(ctx context.Context, in object.Place, versionID string, most int64) ([]byte, error)
}

// Queue keeps asynchronous events, and the settings for them; *async.Queue is one.
type Queue interface {
	Put(ctx context.Context, e *async.Event) error
	Serves(target string) bool // tells whether a record or dead letter can go there
	PutSettings(ctx context.Context, t function.Target, s async.Settings) (async.Settings, error)
	UpdateSettings(ctx context.Context, t function.Target, s async.Settings) (async.Settings, error)
	GetSettings(ctx context.Context, t function.Target) (async.Settings, error)
	DeleteSettings(ctx context.Context, t function.Target) error
	ListSettings(ctx context.Context, t function.Target, page function.Page) (list []async.Listed, next string, err error)
}

// Config is what a Lambda works with; all but Queue and Clock are required.
type Config struct {
	Registry *function.Registry
	Invoker  Invoker
	Blobs    Blobs
	Mappings Mappings
	URLs     URLs
	// URLAddress is how a client that reaches us at endpoint reaches the URL with that id.
	URLAddress func(endpoint, id, region string) string
	Queue      Queue       // nil: asynchronous calls are refused
	Objects    Objects     // nil: code from buckets is refused
	Secret     []byte      // signs the links to code; at least minSecretBytes, kept with the data folder
	Clock      clock.Clock // default clock.System

	// Development says that the API for development answers. DebugLayer then
	// gives the folder that has the debugger beside what is in opt.
	Development bool
	DebugLayer  func(ctx context.Context, runtime, opt string) (string, error)
}

// Lambda is the service.
type Lambda struct {
	registry *function.Registry
	invoker  Invoker
	blobs    Blobs
	mappings Mappings
	urls     URLs
	queue    Queue // or nil
	objects  Objects
	secret   []byte
	clock    clock.Clock

	development bool
	debugLayer  func(ctx context.Context, runtime, opt string) (string, error)
	urlAddress  func(endpoint, id, region string) string
	debugged    atomic.Int32 // calls that a debugger is awaited for, or attached to
}

// New only builds.
func New(config Config) (*Lambda, error) {
	if config.Registry == nil || config.Invoker == nil || config.Blobs == nil || config.Mappings == nil || config.URLs == nil || config.URLAddress == nil {
		return nil, errors.New("lambda: Registry, Invoker, Blobs, Mappings, URLs and URLAddress are required")
	}
	if len(config.Secret) < minSecretBytes {
		return nil, errors.New("lambda: the secret is too short")
	}
	if config.Clock == nil {
		config.Clock = clock.System
	}
	return &Lambda{registry: config.Registry, invoker: config.Invoker, blobs: config.Blobs, mappings: config.Mappings, urls: config.URLs, urlAddress: config.URLAddress, queue: config.Queue, objects: config.Objects, secret: config.Secret, clock: config.Clock, development: config.Development, debugLayer: config.DebugLayer}, nil
}

// Service is the table of the operations. What is not in it is answered by the
// gateway as not implemented.
func (l *Lambda) Service() *wire.Service {
	return wire.NewService(lambdaapi.Model, append(l.options(),
		lambdaapi.HandleCreateFunction(l.createFunction),
		lambdaapi.HandleGetFunction(l.getFunction),
		lambdaapi.HandleGetFunctionConfiguration(l.getFunctionConfiguration),
		lambdaapi.HandleListFunctions(l.listFunctions),
		lambdaapi.HandleUpdateFunctionCode(l.updateFunctionCode),
		lambdaapi.HandleUpdateFunctionConfiguration(l.updateFunctionConfiguration),
		lambdaapi.HandleDeleteFunction(l.deleteFunction),
		lambdaapi.HandleInvoke(l.invoke),
		lambdaapi.HandleInvokeAsync(l.invokeAsync),
		lambdaapi.HandleInvokeWithResponseStream(l.invokeWithResponseStream),
		lambdaapi.HandleGetAccountSettings(l.getAccountSettings),
		lambdaapi.HandleTagResource(l.tagResource),
		lambdaapi.HandleUntagResource(l.untagResource),
		lambdaapi.HandleListTags(l.listTags),

		lambdaapi.HandlePublishVersion(l.publishVersion),
		lambdaapi.HandleListVersionsByFunction(l.listVersionsByFunction),
		lambdaapi.HandleCreateAlias(l.createAlias),
		lambdaapi.HandleGetAlias(l.getAlias),
		lambdaapi.HandleListAliases(l.listAliases),
		lambdaapi.HandleUpdateAlias(l.updateAlias),
		lambdaapi.HandleDeleteAlias(l.deleteAlias),

		lambdaapi.HandlePublishLayerVersion(l.publishLayerVersion),
		lambdaapi.HandleGetLayerVersion(l.getLayerVersion),
		lambdaapi.HandleGetLayerVersionByArn(l.getLayerVersionByArn),
		lambdaapi.HandleListLayers(l.listLayers),
		lambdaapi.HandleListLayerVersions(l.listLayerVersions),
		lambdaapi.HandleDeleteLayerVersion(l.deleteLayerVersion),
		lambdaapi.HandleAddLayerVersionPermission(l.addLayerVersionPermission),
		lambdaapi.HandleGetLayerVersionPolicy(l.getLayerVersionPolicy),
		lambdaapi.HandleRemoveLayerVersionPermission(l.removeLayerVersionPermission),

		lambdaapi.HandleAddPermission(l.addPermission),
		lambdaapi.HandleGetPolicy(l.getPolicy),
		lambdaapi.HandleRemovePermission(l.removePermission),

		lambdaapi.HandleCreateEventSourceMapping(l.createEventSourceMapping),
		lambdaapi.HandleGetEventSourceMapping(l.getEventSourceMapping),
		lambdaapi.HandleListEventSourceMappings(l.listEventSourceMappings),
		lambdaapi.HandleUpdateEventSourceMapping(l.updateEventSourceMapping),
		lambdaapi.HandleDeleteEventSourceMapping(l.deleteEventSourceMapping),
	)...)
}

// options are the operations on what functions have beside their code.
func (l *Lambda) options() []wire.Operation {
	return []wire.Operation{
		lambdaapi.HandleCreateFunctionUrlConfig(l.createFunctionURLConfig),
		lambdaapi.HandleGetFunctionUrlConfig(l.getFunctionURLConfig),
		lambdaapi.HandleUpdateFunctionUrlConfig(l.updateFunctionURLConfig),
		lambdaapi.HandleDeleteFunctionUrlConfig(l.deleteFunctionURLConfig),
		lambdaapi.HandleListFunctionUrlConfigs(l.listFunctionURLConfigs),

		lambdaapi.HandlePutFunctionConcurrency(l.putFunctionConcurrency),
		lambdaapi.HandleGetFunctionConcurrency(l.getFunctionConcurrency),
		lambdaapi.HandleDeleteFunctionConcurrency(l.deleteFunctionConcurrency),
		lambdaapi.HandlePutProvisionedConcurrencyConfig(l.putProvisionedConcurrencyConfig),
		lambdaapi.HandleGetProvisionedConcurrencyConfig(l.getProvisionedConcurrencyConfig),
		lambdaapi.HandleDeleteProvisionedConcurrencyConfig(l.deleteProvisionedConcurrencyConfig),
		lambdaapi.HandleListProvisionedConcurrencyConfigs(l.listProvisionedConcurrencyConfigs),
		lambdaapi.HandlePutFunctionEventInvokeConfig(l.putFunctionEventInvokeConfig),
		lambdaapi.HandleUpdateFunctionEventInvokeConfig(l.updateFunctionEventInvokeConfig),
		lambdaapi.HandleGetFunctionEventInvokeConfig(l.getFunctionEventInvokeConfig),
		lambdaapi.HandleDeleteFunctionEventInvokeConfig(l.deleteFunctionEventInvokeConfig),
		lambdaapi.HandleListFunctionEventInvokeConfigs(l.listFunctionEventInvokeConfigs),

		lambdaapi.HandlePutRuntimeManagementConfig(l.putRuntimeManagementConfig),
		lambdaapi.HandleGetRuntimeManagementConfig(l.getRuntimeManagementConfig),
		lambdaapi.HandlePutFunctionRecursionConfig(l.putFunctionRecursionConfig),
		lambdaapi.HandleGetFunctionRecursionConfig(l.getFunctionRecursionConfig),
		lambdaapi.HandleGetFunctionCodeSigningConfig(l.getFunctionCodeSigningConfig),
	}
}

// scope is the account and region of the caller.
func scope(call *wire.Call) function.Scope {
	return function.Scope{Account: call.Account, Region: call.Region}
}

// target reads a FunctionName with its Qualifier for the caller. A function of
// another account is refused: resource policies are kept, but what they allow
// to other accounts is not evaluated yet.
func target(call *wire.Call, action string, name, qualifier *string) (function.Target, error) {
	t, err := function.ParseTarget(scope(call), value(name), value(qualifier))
	if err != nil {
		return t, translate(err)
	}
	if t.Scope.Account != call.Account {
		return t, accessDenied(call, action, t.ARN())
	}
	return t, nil
}

// accessDenied is the AWS-wide error, which the Lambda model does not carry.
func accessDenied(call *wire.Call, action, resource string) *fault.Fault {
	return &fault.Fault{
		Code: "AccessDeniedException", MessageMember: "Message", Status: 403, Sender: true,
		Message: "User: arn:aws:iam::" + call.Account + ":root is not authorized to perform: lambda:" + action +
			" on resource: " + resource + " because no resource-based policy allows the lambda:" + action + " action",
	}
}

// value is the string that p points to, or "".
func value(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

func is(p *bool) bool { return p != nil && *p }

// integer turns an optional wire number into one of core.
func integer(p *int32) *int {
	if p == nil {
		return nil
	}
	n := int(*p)
	return &n
}

// page reads the paging parameters that all lists share.
func page(marker *string, maxItems *int32) function.Page {
	p := function.Page{Marker: value(marker)}
	if maxItems != nil {
		p.MaxItems = int(*maxItems)
	}
	return p
}
