// Package resource tries the resource types of CloudFormation against the
// platform's real services, in this process, over a store of its own. Start
// reading at newPlatform, then types_test.go.
package resource

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/async"
	"github.com/lambkin-dev/lambkin/internal/core/bus"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/domain"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/functionurl"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/core/iam"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/core/mapping"
	"github.com/lambkin-dev/lambkin/internal/core/object"
	"github.com/lambkin-dev/lambkin/internal/core/parameter"
	"github.com/lambkin-dev/lambkin/internal/core/queue"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/core/scheduler"
	"github.com/lambkin-dev/lambkin/internal/core/secret"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/topic"
	"github.com/lambkin-dev/lambkin/internal/engine/blob"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	urlserver "github.com/lambkin-dev/lambkin/internal/front/functionurl"
	apiserver "github.com/lambkin-dev/lambkin/internal/front/httpapi"
	"github.com/lambkin-dev/lambkin/internal/svc/apigateway"
	"github.com/lambkin-dev/lambkin/internal/svc/apigatewayv2"
	"github.com/lambkin-dev/lambkin/internal/svc/ecr"
	"github.com/lambkin-dev/lambkin/internal/svc/events"
	iamservice "github.com/lambkin-dev/lambkin/internal/svc/iam"
	"github.com/lambkin-dev/lambkin/internal/svc/lambda"
	"github.com/lambkin-dev/lambkin/internal/svc/logs"
	"github.com/lambkin-dev/lambkin/internal/svc/resource"
	"github.com/lambkin-dev/lambkin/internal/svc/s3"
	schedulerservice "github.com/lambkin-dev/lambkin/internal/svc/scheduler"
	"github.com/lambkin-dev/lambkin/internal/svc/secretsmanager"
	"github.com/lambkin-dev/lambkin/internal/svc/sns"
	"github.com/lambkin-dev/lambkin/internal/svc/sqs"
	"github.com/lambkin-dev/lambkin/internal/svc/ssm"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
)

const (
	account  = "111122223333"
	region   = "eu-west-1"
	endpoint = "http://127.0.0.1:4566"
	user     = "arn:aws:iam::" + account + ":user/u" // who deploys
)

// platform is all services but those that need environments.
type platform struct {
	t      *testing.T
	caller *local.Caller
	types  map[string]stack.Type
	tokens int
	needed *needed
}

// nothing runs: functions are kept, never called.
type nothing struct{}

func (nothing) Invoke(context.Context, *invoke.Request) (*invoke.Response, error) {
	return &invoke.Response{Payload: []byte("null")}, nil
}

func (nothing) ProvisionedStatus(*function.Provisioned) invoke.ProvisionedStatus {
	return invoke.ProvisionedStatus{Status: invoke.ProvisionReady}
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := newPlatformFor(t)
	p.t = t
	return p
}

func newPlatformFor(t testing.TB) *platform {
	t.Helper()
	needed, watched := watch(t, services(t))
	p := &platform{caller: local.New(watched), needed: needed}
	p.types = resource.New(p.caller)
	return p
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func services(t testing.TB) []*wire.Service {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"blobs", "trees", "objects", "logs"} {
		if err := os.Mkdir(filepath.Join(folder, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	secretBytes := bytes.Repeat([]byte("s"), 32)
	store := must[*localstore.Store](t)(localstore.Open(localstore.Config{Folder: filepath.Join(folder, "store")}))
	t.Cleanup(func() { store.Close() })
	blobs := must[*blob.Store](t)(blob.Open(filepath.Join(folder, "blobs")))
	registry := must[*function.Registry](t)(function.NewRegistry(function.Config{Store: store, Blobs: blobs, Folder: filepath.Join(folder, "trees")}))
	run(t, registry.Run)
	queues := must[*queue.Queues](t)(queue.New(queue.Config{Store: store}))
	outbox := must[*delivery.Outbox](t)(delivery.New(delivery.Config{Store: store, Targets: map[string]delivery.Target{"sqs": queues}}))
	asynchronous := must[*async.Queue](t)(async.New(async.Config{Store: store, Resolver: registry, Invoker: nothing{}, Outbox: outbox}))
	outbox.Serve("lambda", asynchronous)
	mappings := must[*mapping.Mappings](t)(mapping.New(mapping.Config{Store: store, Queues: queues, Functions: registry, Invoker: nothing{}}))
	run(t, mappings.Run)
	buses := must[*bus.Buses](t)(bus.Open(t.Context(), bus.Config{Store: store, Outbox: outbox, Clock: clock.System}))
	outbox.Serve("events", buses)
	schedules := must[*scheduler.Schedules](t)(scheduler.Open(t.Context(), scheduler.Config{Store: store, Outbox: outbox, Clock: clock.System}))
	topics := must[*topic.Topics](t)(topic.New(topic.Config{Store: store, Outbox: outbox, Clock: clock.System, CertificatePath: "/certificate.pem"}))
	outbox.Serve("sns", topics)
	objects := must[*object.Objects](t)(object.New(object.Config{Store: store, Blobs: must[*blob.Store](t)(blob.Open(filepath.Join(folder, "objects"))), Outbox: outbox,
		Clock: clock.System}))
	outbox.Serve("s3", objects)
	people := must[*iam.IAM](t)(iam.New(iam.Config{Store: store, Secret: secretBytes, Clock: clock.System}))
	parameters := must[*parameter.Parameters](t)(parameter.New(parameter.Config{Store: store, Secret: secretBytes, Clock: clock.System}))
	secrets := must[*secret.Secrets](t)(secret.New(secret.Config{Store: store, Secret: secretBytes, Clock: clock.System}))
	lines := must[*logs.Logs](t)(logs.Open(logs.Config{Folder: filepath.Join(folder, "logs"), Store: store, Clock: clock.System}))
	run(t, lines.Run)
	functions := must[*lambda.Lambda](t)(lambda.New(lambda.Config{Registry: registry, Invoker: nothing{}, URLs: functionurl.New(functionurl.Config{Store: store, Clock: clock.System}), URLAddress: urlserver.Address, Queue: asynchronous, Objects: objects, Mappings: mappings, Blobs: blobs,
		Secret: secretBytes, Clock: clock.System}))
	restAPIs := must[*restapi.APIs](t)(restapi.Open(t.Context(), restapi.Config{Store: store, Clock: clock.System}))
	httpAPIs := must[*httpapi.APIs](t)(httpapi.New(httpapi.Config{Store: store, Clock: clock.System}))
	names := must[*domain.Names](t)(domain.Open(t.Context(), domain.Config{Store: store, Clock: clock.System,
		Find: func(ctx context.Context, s domain.Scope, id, _ string) (domain.Kind, error) {
			if _, err := restAPIs.Get(restapi.ID{Scope: restapi.Scope(s), ID: id}); err == nil {
				return domain.REST, nil
			}
			if _, err := httpAPIs.Get(ctx, httpapi.Scope(s), id); err != nil {
				return "", domain.ErrNoAPI
			}
			return domain.HTTP, nil
		}}))
	all := append(sqs.Services(queues),
		functions.Service(),
		s3.Service(objects),
		sns.New(topics),
		events.Service(buses),
		ssm.Service(parameters),
		secretsmanager.Service(secrets),
		iamservice.Service(people),
		lines.Service(),
		ecr.Service(store, clock.System),
		apigateway.Service(apigateway.Config{APIs: restAPIs, Names: names}),
		apigatewayv2.Service(apigatewayv2.Config{APIs: httpAPIs, Address: apiserver.Address, Names: names}),
	)
	universal := &schedulerservice.Universal{Caller: local.New(all)}
	outbox.Serve("scheduler", universal)
	return append(all, schedulerservice.Service(schedules, universal))
}

// run runs a part until the test ends.
func run(t testing.TB, part func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- part(ctx) }() // ends with the test
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("a part ended with %v", err)
		}
	})
}

type values = map[string]any

// made is a resource of the test's.
type made struct {
	*platform
	kind       stack.Type
	name       string // of the type
	logical    string
	id, ref    string
	attributes values
	properties values
}

func (m *made) request(properties values) *stack.Request {
	m.tokens++
	return &stack.Request{Account: account, Region: region, Caller: stack.Caller{ARN: user, Endpoint: endpoint},
		StackID: "arn:aws:cloudformation:" + region + ":" + account + ":stack/s/1", StackName: "s", LogicalID: m.logical, Token: fmt.Sprint("token-", m.tokens),
		Name: "s-" + m.logical[:min(len(m.logical), 20)] + "-ABCDEFGHIJKL", PhysicalID: m.id, Properties: properties, Attributes: m.attributes, Progress: func(string) {}}
}

// create makes a resource, checks that it gives the attributes that it promises,
// and that a try after a crash finds it.
func (p *platform) create(logical, kind string, properties values) *made {
	p.t.Helper()
	m := &made{platform: p, kind: p.types[kind], name: kind, logical: logical}
	if m.kind == nil {
		p.t.Fatalf("there is no %s", kind)
	}
	m.check(properties)
	request := m.request(properties)
	if name := m.kind.Facts().Name; name.LowerCase {
		request.Name = "s-" + "bucket-abcdefghijkl"
	}
	p.needed.begin()
	result, err := m.kind.Create(p.t.Context(), request)
	m.within("create")
	if err != nil {
		p.t.Fatalf("create %s %s: %v", kind, logical, err)
	}
	if result.PhysicalID == "" {
		p.t.Fatalf("%s %s has no physical id", kind, logical)
	}
	request.Again = true
	again, err := m.kind.Create(p.t.Context(), request)
	if err != nil || again.PhysicalID != result.PhysicalID {
		p.t.Fatalf("a second try of %s %s: %+v, %v; the first made %s", kind, logical, again, err, result.PhysicalID)
	}
	m.keep(again, properties)
	return m
}

// check wants the properties to be ones that a change set lets pass.
func (m *made) check(properties values) {
	m.t.Helper()
	facts := m.kind.Facts()
	if facts.NotYet != "" {
		m.t.Fatalf("%s: %s", m.name, facts.NotYet)
	}
	for name := range properties {
		if p, known := facts.Properties[name]; !known || p.Refused != "" {
			m.t.Errorf("%s: the property %s is refused: %s", m.name, name, p.Refused)
		}
	}
}

func (m *made) keep(result *stack.Result, properties values) {
	m.t.Helper()
	m.id, m.ref, m.attributes, m.properties = result.PhysicalID, result.Ref, result.Attributes, properties
	if m.ref == "" {
		m.ref = m.id
	}
	facts := m.kind.Facts()
	if slices.Contains(facts.Attributes, "*") {
		return
	}
	for _, name := range facts.Attributes {
		if m.attributes[name] == nil {
			m.t.Errorf("%s: GetAtt %s gives nothing of %v", m.name, name, m.attributes)
		}
	}
	for name := range m.attributes {
		if !slices.Contains(facts.Attributes, name) {
			m.t.Errorf("%s: the attribute %s is not one of %v", m.name, name, facts.Attributes)
		}
	}
}

// update changes a resource in place, twice, as after a crash.
func (m *made) update(properties values) {
	m.t.Helper()
	m.check(properties)
	if !m.kind.Facts().Updatable {
		m.t.Fatalf("%s has no updates", m.name)
	}
	request := m.request(properties)
	request.Previous = m.properties
	for _, again := range []bool{false, true} {
		request.Again = again
		m.needed.begin()
		result, err := m.kind.Update(m.t.Context(), request)
		if !again {
			m.within("update")
		}
		if err != nil {
			m.t.Fatalf("update %s %s: %v", m.name, m.logical, err)
		}
		m.keep(result, properties)
	}
}

// read gives the live properties, of all that were set.
func (m *made) read() values {
	m.t.Helper()
	m.needed.begin()
	properties, attributes, err := m.kind.Read(m.t.Context(), m.request(m.properties))
	m.within("read")
	if err != nil {
		m.t.Fatalf("read %s %s: %v", m.name, m.logical, err)
	}
	for name := range m.properties { // else drift detection takes it for removed
		if p := m.kind.Facts().Properties[name]; !p.WriteOnly && properties[name] == nil {
			m.t.Errorf("%s: Read does not give the property %s", m.name, name)
		}
	}
	for name, value := range m.attributes {
		if fmt.Sprint(attributes[name]) != fmt.Sprint(value) {
			m.t.Errorf("%s: Read gives the attribute %s = %v, want %v", m.name, name, attributes[name], value)
		}
	}
	return properties
}

// delete removes a resource, twice; then it is absent.
func (m *made) delete() {
	m.t.Helper()
	for range 2 {
		m.needed.begin()
		err := m.kind.Delete(m.t.Context(), m.request(m.properties))
		m.within("delete")
		if err != nil {
			m.t.Fatalf("delete %s %s: %v", m.name, m.logical, err)
		}
	}
}

// gone wants a resource that can be read to be absent.
func (m *made) gone() {
	m.t.Helper()
	if properties, _, err := m.kind.Read(m.t.Context(), m.request(m.properties)); err != stack.ErrAbsent {
		m.t.Errorf("%s %s is deleted and can be read: %v, %v", m.name, m.logical, properties, err)
	}
}
