package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"

	"github.com/lambkin-dev/lambkin/internal/api/eventsapi"
	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/hosts"
	"github.com/lambkin-dev/lambkin/internal/core/async"
	"github.com/lambkin-dev/lambkin/internal/core/bus"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/functionurl"
	"github.com/lambkin-dev/lambkin/internal/core/iam"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/core/mapping"
	"github.com/lambkin-dev/lambkin/internal/core/object"
	"github.com/lambkin-dev/lambkin/internal/core/parameter"
	"github.com/lambkin-dev/lambkin/internal/core/queue"
	"github.com/lambkin-dev/lambkin/internal/core/scheduler"
	"github.com/lambkin-dev/lambkin/internal/core/secret"
	"github.com/lambkin-dev/lambkin/internal/core/topic"
	"github.com/lambkin-dev/lambkin/internal/engine/blob"
	"github.com/lambkin-dev/lambkin/internal/engine/bytecode"
	"github.com/lambkin-dev/lambkin/internal/engine/hostmemory"
	"github.com/lambkin-dev/lambkin/internal/engine/pyboot"
	"github.com/lambkin-dev/lambkin/internal/engine/resident"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/netns"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/front"
	urlserver "github.com/lambkin-dev/lambkin/internal/front/functionurl"
	apiserver "github.com/lambkin-dev/lambkin/internal/front/httpapi"
	"github.com/lambkin-dev/lambkin/internal/gateway"
	"github.com/lambkin-dev/lambkin/internal/svc/apigateway"
	"github.com/lambkin-dev/lambkin/internal/svc/apigatewayv2"
	"github.com/lambkin-dev/lambkin/internal/svc/cloudformation/builtin"
	"github.com/lambkin-dev/lambkin/internal/svc/ecr"
	"github.com/lambkin-dev/lambkin/internal/svc/events"
	iamservice "github.com/lambkin-dev/lambkin/internal/svc/iam"
	"github.com/lambkin-dev/lambkin/internal/svc/lambda"
	"github.com/lambkin-dev/lambkin/internal/svc/logs"
	"github.com/lambkin-dev/lambkin/internal/svc/s3"
	schedulerapi "github.com/lambkin-dev/lambkin/internal/svc/scheduler"
	"github.com/lambkin-dev/lambkin/internal/svc/secretsmanager"
	"github.com/lambkin-dev/lambkin/internal/svc/sns"
	"github.com/lambkin-dev/lambkin/internal/svc/sqs"
	"github.com/lambkin-dev/lambkin/internal/svc/ssm"
	"github.com/lambkin-dev/lambkin/internal/svc/sts"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/cbor"
	"github.com/lambkin-dev/lambkin/internal/wire/intake"
	"github.com/lambkin-dev/lambkin/internal/wire/jsonrpc"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
	"github.com/lambkin-dev/lambkin/internal/wire/outbound"
	"github.com/lambkin-dev/lambkin/internal/wire/query"
	"github.com/lambkin-dev/lambkin/internal/wire/restjson"
	"github.com/lambkin-dev/lambkin/internal/wire/restxml"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// Modes of folders: environments read runtimes and trees, nobody but the
// supervisor the rest.
const (
	sharedMode  = 0o755
	privateMode = 0o700
)

// build makes every part, engine first.
func (s *Server) build(ctx context.Context) error {
	if err := os.MkdirAll(s.config.Folder, sharedMode); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	var err error
	if s.listener, err = net.Listen("tcp", s.config.Listen); errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use: another server may be running there; choose another port with --listen", s.config.Listen)
	} else if err != nil {
		return fmt.Errorf("listen at %s: %w", s.config.Listen, err)
	}
	s.closers = append(s.closers, func() error { s.listener.Close(); return nil }) // closed twice after a shutdown
	if err := s.openAuthority(); err != nil {
		return err
	}
	if err := s.listenTLS(); err != nil {
		return err
	}
	state, blobs, err := s.buildState()
	if err != nil {
		return err
	}
	s.urls = functionurl.New(functionurl.Config{Store: state, Clock: clock.System})
	master, err := masterSecret(filepath.Join(s.config.Folder, "master.key"))
	if err != nil {
		return fmt.Errorf("read the master secret: %w", err)
	}
	keys, err := s.buildIdentity(state, master)
	if err != nil {
		return err
	}
	if err := s.buildSandbox(ctx); err != nil {
		return err
	}
	if err := s.buildCore(ctx, state, blobs, keys); err != nil {
		return err
	}
	if err := s.buildTopics(state, master); err != nil {
		return err
	}
	if err := s.buildSecrets(state, master); err != nil {
		return err
	}
	return s.buildEdge(state, blobs, keys, master)
}

func (s *Server) buildState() (*localstore.Store, *blob.Store, error) {
	folder, err := s.folder("store", privateMode)
	if err != nil {
		return nil, nil, err
	}
	state, err := localstore.Open(localstore.Config{Folder: folder, Reserve: diskReserve})
	if errors.Is(err, localstore.ErrInUse) {
		return nil, nil, fmt.Errorf("another lambkin serves the data folder %s: stop it, or choose another folder with --data", s.config.Folder)
	} else if err != nil {
		return nil, nil, fmt.Errorf("open the store in %s: %w", folder, err)
	}
	s.closers = append(s.closers, state.Close)
	s.state = state
	if folder, err = s.folder("blobs", privateMode); err != nil {
		return nil, nil, err
	}
	blobs, err := blob.Open(folder)
	if err != nil {
		return nil, nil, fmt.Errorf("open the blobs in %s: %w", folder, err)
	}
	blobs.Reserve(diskReserve)
	if folder, err = s.folder("logs", privateMode); err != nil {
		return nil, nil, err
	}
	group, total, err := s.config.logBounds()
	if err != nil {
		return nil, nil, err
	}
	s.logs, err = logs.Open(logs.Config{Folder: folder, Store: state, Clock: clock.System, Logger: s.config.Logger, GroupBytes: group, TotalBytes: total, Reserve: diskReserve})
	if err != nil {
		return nil, nil, fmt.Errorf("open the logs in %s: %w", folder, err)
	}
	return state, blobs, nil
}

// buildIdentity makes what knows the callers: the configured key, and IAM's users.
func (s *Server) buildIdentity(state *localstore.Store, secret []byte) (keys *identity.Keys, err error) {
	if s.iam, err = iam.New(iam.Config{Store: state, Secret: secret, Clock: clock.System}); err != nil {
		return nil, err
	}
	config := identity.Config{AllowUnknown: s.config.AccessKey == "", Stored: s.iam.Lookup, Master: secret, Clock: clock.System}
	if s.config.AccessKey != "" {
		config.Keys = []identity.Key{{AccessKeyID: s.config.AccessKey, Secret: s.config.SecretKey}}
	}
	return identity.New(config)
}

func (s *Server) buildSandbox(ctx context.Context) error {
	folder, err := s.folder("runtimes", sharedMode)
	if err != nil {
		return err
	}
	s.runtimes, err = pyboot.New(pyboot.Config{Folder: folder, Interpreters: s.config.Interpreters, Search: s.config.Search,
		Packages: &pyboot.Packages{}, Logger: s.config.Logger})
	if err != nil {
		return fmt.Errorf("prepare the runtimes: %w", err)
	}
	if s.trust, err = s.writeTrust(); err != nil {
		return fmt.Errorf("write what functions trust: %w", err)
	}
	s.host, err = s.openTier(ctx)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, s.host.Close)
	s.listenInside()
	if err := s.checkIsolation(s.host.Isolation()); err != nil {
		return err
	}
	if folder, err = s.folder("compiler", sharedMode); err != nil {
		return err
	}
	s.compiler, err = bytecode.New(s.host, folder)
	return err
}

func (s *Server) buildCore(ctx context.Context, state *localstore.Store, blobs *blob.Store, keys *identity.Keys) error {
	folder, err := s.folder("trees", sharedMode)
	if err != nil {
		return err
	}
	s.registry, err = function.NewRegistry(function.Config{
		Store: state, Blobs: blobs, Folder: folder, Clock: clock.System, Logger: s.config.Logger,
		Runtime: s.prepareRuntime, Compile: s.compile, Preload: s.preload, SnapStartEarlier: s.config.SnapStartEarlier,
		Snapshot: func(ctx context.Context, v *function.Version) (string, error) { return s.invoker.Snapshot(ctx, v) },
		// The invoker is made after the registry; nothing changes before Run.
		Changed:     func(scope function.Scope, name, version string) { s.invoker.Retire(scope, name, version) },
		Concurrency: s.config.AccountConcurrency,
	})
	if err != nil {
		return fmt.Errorf("open the registry of functions: %w", err)
	}
	s.invoker, err = invoke.New(invoke.Config{
		Starter: s.host, Trust: s.trusted(), Snapshot: s.snapshot, Clock: clock.System, Logger: s.config.Logger, Logs: s.logs,
		Credentials: func(account, roleARN, sessionName string) invoke.Credentials {
			c := keys.ForRole(account, roleARN, sessionName, credentialsLife)
			return invoke.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}
		},
		AccountConcurrency: s.config.AccountConcurrency,
		ReservedTotal:      s.registry.ReservedTotal,
		Provisions:         s.registry,
		MaxEnvironments:    s.memory.Environments,
		MemoryBudget:       s.memory.Budget,
		SpareBytes:         s.host.SpareBytes,
		Tight:              s.host.SetTight,
		MemoryLack:         hostmemory.Lack,
	})
	if err != nil {
		return err
	}
	s.queues, err = queue.New(queue.Config{Store: state, Clock: clock.System, Logger: s.config.Logger})
	if err != nil {
		return err
	}
	retries := clock.System // tells when what failed is tried again, and is too old
	if s.config.RetrySpeed > 1 {
		retries = clock.Fast(s.config.RetrySpeed)
	}
	s.outbox, err = delivery.New(delivery.Config{Store: state, Clock: retries, Logger: s.config.Logger, Targets: map[string]delivery.Target{"sqs": s.queues},
		Permit: s.permit, GivenUp: func(m *delivery.Message, why error) { s.events.GivenUp(m, why) }})
	if err != nil {
		return err
	}
	s.events, err = async.New(async.Config{Store: state, Resolver: s.registry, Invoker: s.invoker, Outbox: s.outbox, Permits: s.registry.Permits, Clock: retries, Logger: s.config.Logger})
	if err != nil {
		return err
	}
	s.outbox.Serve("lambda", s.events)
	s.mappings, err = mapping.New(mapping.Config{Store: state, Queues: s.queues, Functions: s.registry, Invoker: s.invoker, Permit: s.permitPolling, Clock: clock.System, Logger: s.config.Logger})
	if err != nil {
		return err
	}
	s.buses, err = bus.Open(ctx, bus.Config{Store: state, Outbox: s.outbox, Clock: clock.System, Logger: s.config.Logger})
	if err != nil {
		return err
	}
	s.outbox.Serve("events", s.buses)
	s.schedules, err = scheduler.Open(ctx, scheduler.Config{Store: state, Outbox: s.outbox, Clock: clock.System, Logger: s.config.Logger})
	if err != nil {
		return err
	}
	if err := s.openREST(ctx, state); err != nil {
		return err
	}
	return s.buildObjects(state)
}

// buildObjects makes S3's buckets, with a store of blobs of their own.
func (s *Server) buildObjects(state *localstore.Store) error {
	folder, err := s.folder("objects", privateMode)
	if err != nil {
		return err
	}
	blobs, err := blob.Open(folder)
	if err != nil {
		return fmt.Errorf("open the objects in %s: %w", folder, err)
	}
	blobs.Reserve(diskReserve)
	s.objects, err = object.New(object.Config{Store: state, Blobs: blobs, Outbox: s.outbox, Objection: s.objection, Clock: clock.System, Logger: s.config.Logger})
	if err != nil {
		return err
	}
	s.outbox.Serve("s3", s.objects)
	return nil
}

// objection tells why a bucket cannot send events to a queue, a topic or a function, in
// S3's words; empty if it can.
func (s *Server) objection(ctx context.Context, bucket, target string) string {
	a, err := arn.Parse(target)
	if err != nil {
		return "The ARN is not well formed"
	}
	switch a.Service {
	case "sqs":
		if id, err := queue.ParseARN(target); err != nil || s.queues.Exists(ctx, id) != nil {
			return "The destination queue does not exist"
		}
	case "sns":
		id, err := topic.ParseARN(target)
		if err == nil {
			_, err = s.topics.Attributes(ctx, id)
		}
		if err != nil {
			return "The destination topic does not exist"
		}
	case "lambda":
		t, err := function.ParseTarget(function.Scope{Account: a.Account, Region: a.Region}, target, "")
		if err == nil {
			_, err = s.registry.GetConfiguration(ctx, t)
		}
		if err != nil {
			return "The destination Lambda does not exist"
		}
		permitted, err := s.registry.Permits(ctx, t, function.Caller{Service: "s3.amazonaws.com", Source: bucket})
		if err != nil || !permitted {
			return "Not authorized to invoke function [" + target + "]"
		}
	}
	return ""
}

// buildSecrets makes what functions read their configuration from.
func (s *Server) buildSecrets(state *localstore.Store, master []byte) (err error) {
	if s.parameters, err = parameter.New(parameter.Config{Store: state, Secret: master, Clock: clock.System}); err != nil {
		return err
	}
	s.secrets, err = secret.New(secret.Config{Store: state, Secret: master, Clock: clock.System, Logger: s.config.Logger})
	return err
}

// buildTopics makes the topics and what calls their HTTP endpoints.
func (s *Server) buildTopics(state *localstore.Store, secret []byte) error {
	var err error
	s.topics, err = topic.New(topic.Config{Store: state, Outbox: s.outbox, Clock: clock.System, Logger: s.config.Logger, CertificatePath: certificatePath(secret)})
	if err != nil {
		return err
	}
	border, err := s.border()
	if err != nil {
		return err
	}
	calls := sns.NewWebhook(*border)
	s.closers = append(s.closers, func() error { calls.Close(); return nil })
	s.outbox.Serve("sns", s.topics)
	s.outbox.Serve("http", calls)
	return nil
}

// border is what may be called on behalf of users.
func (s *Server) border() (*outbound.Guard, error) {
	at, isTCP := s.listener.Addr().(*net.TCPAddr)
	// AWS: has no such border. Of a list of what functions may call, the networks
	// and addresses count here, not the names.
	policy, err := netns.NewPolicy(netns.Mode(s.config.Egress), s.config.EgressAllow)
	if err != nil {
		return nil, err
	}
	return &outbound.Guard{Functions: policy.Allows, Own: s.own(), Loopback: isTCP && at.IP.IsLoopback()}, nil
}

// certificatePath is where the certificate of SNS's signatures is: a name like
// AWS's, of its own for each data folder.
func certificatePath(secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("certificate of SNS"))
	return "/SimpleNotificationService-" + hex.EncodeToString(mac.Sum(nil)[:16]) + ".pem"
}

// credentialsLife outlives an environment and its last call.
const credentialsLife = 2 * invoke.MaxEnvironmentAge

// prepareRuntime makes a runtime ready before a function that needs it becomes
// active; custom runtimes bring everything themselves.
func (s *Server) prepareRuntime(ctx context.Context, id string) error {
	if sandbox.IsCustom(id) {
		return nil
	}
	if err := s.runtimes.Prepare(ctx, id); err != nil {
		return err
	}
	return s.host.Warm(ctx, id, "")
}

// compile writes the bytecode of a package. A function also runs without, only
// its cold starts take longer.
func (s *Server) compile(ctx context.Context, runtime, dir string) error {
	if err := s.compiler.Compile(ctx, runtime, dir); err != nil && ctx.Err() == nil {
		s.config.Logger.Warn("a package could not be compiled; it is imported from its source", "runtime", runtime, "err", err)
	}
	return ctx.Err()
}

// preload has a zygote that holds boto3 ready for a function that imports it.
func (s *Server) preload(ctx context.Context, v *function.Version) string {
	if sandbox.IsCustom(v.Runtime) || !bytecode.ImportsBoto3(v.TaskDir, v.OptDir) {
		return ""
	}
	if err := s.host.Warm(ctx, v.Runtime, sandbox.PreloadBoto3); err != nil && ctx.Err() == nil {
		s.config.Logger.Warn("boto3 could not be imported ahead", "runtime", v.Runtime, "err", err)
	}
	return sandbox.PreloadBoto3
}

// warm makes the runtimes of the functions that exist ready for their first call.
func (s *Server) warm(ctx context.Context) {
	runtimes, err := s.registry.Runtimes(ctx)
	if err != nil {
		s.config.Logger.Warn("the functions' runtimes could not be listed", "err", err)
	}
	for _, needed := range runtimes {
		err := s.prepareRuntime(ctx, needed.ID)
		if err == nil && needed.Preload != "" {
			err = s.host.Warm(ctx, needed.ID, needed.Preload)
		}
		if err != nil && ctx.Err() == nil {
			s.config.Logger.Warn("a runtime could not be made ready", "runtime", needed.ID, "err", err)
		}
	}
	s.restoreSnapshots(ctx)
}

// settle gives back the memory of the start.
func (s *Server) settle() error {
	if err := resident.Release(); err != nil {
		s.config.Logger.Warn("the memory of the start was not given back", "err", err)
	}
	return nil
}

func (s *Server) buildEdge(state *localstore.Store, blobs *blob.Store, keys *identity.Keys, secret []byte) error {
	api, err := lambda.New(lambda.Config{Registry: s.registry, Invoker: s.invoker, URLs: s.urls, URLAddress: urlserver.Address, Queue: s.events, Objects: s.objects, Mappings: s.mappings, Blobs: blobs, Secret: secret, Clock: clock.System,
		Development: s.config.AccessKey == "", DebugLayer: s.runtimes.DebugLayer})
	if err != nil {
		return err
	}
	if err := s.buildGuard(); err != nil {
		return err
	}
	httpAPIs, err := s.openHTTPAPIs(state)
	if err != nil {
		return err
	}
	services, err := s.guarded(append(sqs.Services(s.queues),
		api.Service(),
		s3.Service(s.objects),
		apigateway.Service(apigateway.Config{APIs: s.restAPIs, Names: s.names, Front: func() apigateway.Front { return s.restFront }, Pass: s.mayPassToAPIs}), // before the second version: calls inside the process find it by their common name
		apigatewayv2.Service(apigatewayv2.Config{APIs: httpAPIs, Names: s.names, Address: apiserver.Address}),
		sns.New(s.topics),
		events.Service(s.buses),
		ssm.Service(s.parameters),
		secretsmanager.Service(s.secrets),
		iamservice.Service(s.iam),
		s.logs.Service(),
		ecr.Service(state, clock.System),
		sts.New(sts.Config{Identity: keys, CrossAccount: s.config.AccessKey == "", Enforced: s.guard != nil, Roles: s.iam}),
	)...)
	if err != nil {
		return err
	}
	room := intake.NewRoom()
	door := front.New(front.Config{APIs: s.apis, Names: s.names, URLs: s.urlServer(keys), Room: room, Clock: clock.System, Logger: s.config.Logger})
	if err := s.buildREST(keys, services); err != nil {
		return err
	}
	if err := s.buildHTTPAPIs(httpAPIs, keys, services); err != nil {
		return err
	}
	universal := &schedulerapi.Universal{Caller: local.New(services)}
	s.outbox.Serve("scheduler", universal)
	schedules, err := s.guarded(schedulerapi.Service(s.schedules, universal))
	if err != nil {
		return err
	}
	services = append(services, schedules...)
	stacks, answers, err := s.buildStacks(state, secret, local.New(services))
	if err != nil {
		return err
	}
	s.gateway, err = gateway.New(gateway.Config{
		Services: append(services, stacks...), Enforced: s.guard != nil,
		Codecs: map[shape.Protocol]wire.Codec{
			shape.RestJSON: restjson.Codec{}, shape.JSON: jsonrpc.Codec{}, shape.Query: query.Codec{}, shape.CBOR: cbor.Codec{},
			shape.RestXML: restxml.Codec{}, gateway.S3XML: restxml.Codec{Bare: true},
		},
		Identity: keys, Used: s.iam.Used, Clock: clock.System, Logger: s.config.Logger,
		AllowedOrigins: s.config.AllowedOrigins, AllowedHosts: s.config.AllowedHosts, Room: room, Named: door.Named,
		BucketOrigins: s3.Origins(s.objects),
		Mounts:        s.mounts(door, api, answers, secret),
	})
	if err != nil {
		return err
	}
	s.http, s.inside = s.httpServer(), s.httpServer()
	s.http.RegisterOnShutdown(s.queues.EndWaits) // else a long poll would hold the end up
	s.http.RegisterOnShutdown(s.sockets.Stop)    // they are no requests any longer
	return nil
}

// httpServer serves the gateway.
func (s *Server) httpServer() *http.Server {
	return &http.Server{Handler: s.gateway, ReadHeaderTimeout: gateway.ReadHeaderTimeout, IdleTimeout: gateway.IdleTimeout, MaxHeaderBytes: gateway.MaxHeaderBytes, HTTP2: gateway.HTTP2(),
		ErrorLog: slog.NewLogLogger(s.config.Logger.Handler(), slog.LevelDebug), BaseContext: s.baseContext}
}

// mounts are what answers beside the APIs of AWS.
func (s *Server) mounts(door *front.Door, api *lambda.Lambda, answers http.Handler, secret []byte) []gateway.Mount {
	return []gateway.Mount{
		{Label: hosts.URLLabel, Handler: door.URLs()},
		{Path: hosts.URLPath, Handler: door.URLs()},
		{Label: hosts.APILabel, Handler: door.APIs()},
		{Path: hosts.APIPath, Handler: door.APIs()},
		{Path: hosts.ScriptPath, Segment: hosts.ScriptSegment, Handler: door.Scripts()},
		{Path: builtin.ResponsePath, Handler: answers},
		{Path: certificatePath(secret), Handler: sns.Certificate(s.topics)},
		{Path: lambda.CodePath, Handler: api.CodeHandler()},
		{Path: lambda.DevelopmentPath, API: &gateway.API{Service: lambdaapi.Model.SigningName, BodyBytes: lambda.DevelopmentBodyBytes, Serve: s.developing(api.Development)}},
		{Path: events.CloudEventsPath, API: &gateway.API{Service: eventsapi.Model.SigningName, BodyBytes: events.CloudEventsBodyBytes, Unsigned: true, Serve: events.CloudEvents(s.buses, s.mayPutEvents)}},
	}
}

// baseContext marks the requests of functions, which come by a listener of their own.
func (s *Server) baseContext(l net.Listener) context.Context {
	if s.fromFunctions(l) {
		return intake.FromFunctions(context.Background())
	}
	return context.Background()
}
