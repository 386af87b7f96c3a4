package gateway

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/api/logsapi"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/svc/sts"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/cbor"
	"github.com/lambkin-dev/lambkin/internal/wire/jsonrpc"
	"github.com/lambkin-dev/lambkin/internal/wire/query"
	"github.com/lambkin-dev/lambkin/internal/wire/restjson"
	"github.com/lambkin-dev/lambkin/internal/wire/restxml"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
	"github.com/lambkin-dev/lambkin/internal/wire/sigv4"
)

func p[T any](v T) *T { return &v }

// ada is a configured key; intruder signs with her id and another secret.
var (
	ada      = sigv4.Credentials{AccessKeyID: "AKIAADA", SecretAccessKey: "ada's secret"}
	intruder = sigv4.Credentials{AccessKeyID: "AKIAADA", SecretAccessKey: "a guess"}
	tester   = sigv4.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}
)

const adaAccount = "123456789012"

// fakeLambda answers with what it saw of the call.
type fakeLambda struct {
	mu   sync.Mutex
	call wire.Call // guarded by mu: of the last request
}

func (f *fakeLambda) saw(call *wire.Call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.call = *call
}

func (f *fakeLambda) last() wire.Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.call
}

func (f *fakeLambda) service() *wire.Service {
	return wire.NewService(lambdaapi.Model,
		lambdaapi.HandleInvoke(func(_ context.Context, call *wire.Call, in *lambdaapi.InvokeInput) (*lambdaapi.InvokeOutput, error) {
			f.saw(call)
			return &lambdaapi.InvokeOutput{StatusCode: p(int32(200)), Payload: in.Payload, ExecutedVersion: in.FunctionName}, nil
		}),
		lambdaapi.HandleListTags(func(_ context.Context, call *wire.Call, in *lambdaapi.ListTagsInput) (*lambdaapi.ListTagsOutput, error) {
			f.saw(call)
			return &lambdaapi.ListTagsOutput{Tags: map[string]string{"resource": *in.Resource}}, nil
		}),
		lambdaapi.HandleGetFunction(func(_ context.Context, call *wire.Call, in *lambdaapi.GetFunctionInput) (*lambdaapi.GetFunctionOutput, error) {
			f.saw(call)
			switch *in.FunctionName {
			case "panics":
				panic("a broken invariant of " + *in.FunctionName)
			case "breaks":
				return nil, errors.New("disk on fire at /var/secret")
			case "full":
				return nil, fmt.Errorf("commit: %w", store.ErrDiskFull)
			case "busy":
				return nil, fmt.Errorf("commit: %w", store.ErrBusy)
			case "failed":
				return nil, fmt.Errorf("commit: %w: %w", store.ErrReadOnly, store.ErrStalled)
			case "aborts":
				panic(http.ErrAbortHandler)
			}
			return nil, lambdaapi.ResourceNotFoundException("Function not found: %s", *in.FunctionName)
		}),
		lambdaapi.HandleUpdateFunctionCode(func(_ context.Context, call *wire.Call, in *lambdaapi.UpdateFunctionCodeInput) (*lambdaapi.UpdateFunctionCodeOutput, error) {
			f.saw(call)
			return &lambdaapi.UpdateFunctionCodeOutput{CodeSize: p(int64(len(in.ZipFile)))}, nil
		}),
	)
}

func fakeLogs() *wire.Service {
	return wire.NewService(logsapi.Model, logsapi.HandleDescribeLogGroups(
		func(context.Context, *wire.Call, *logsapi.DescribeLogGroupsInput) (*logsapi.DescribeLogGroupsOutput, error) {
			return &logsapi.DescribeLogGroupsOutput{LogGroups: []logsapi.LogGroup{}}, nil
		}))
}

// platform is a gateway behind a real server.
type platform struct {
	*httptest.Server
	t       testing.TB
	gateway *Gateway
	lambda  *fakeLambda
	keys    *identity.Keys
	log     *bytes.Buffer
}

func (s *platform) services() []*wire.Service {
	return []*wire.Service{s.lambda.service(), fakeLogs(), sts.New(sts.Config{Identity: s.keys})}
}

func gzipped(t testing.TB, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func codecs() map[shape.Protocol]wire.Codec {
	return map[shape.Protocol]wire.Codec{shape.RestJSON: restjson.Codec{}, shape.JSON: jsonrpc.Codec{}, shape.Query: query.Codec{}, shape.RestXML: restxml.Codec{}, S3XML: restxml.Codec{Bare: true}, shape.CBOR: cbor.Codec{}}
}

// start serves until the test ends.
func start(t testing.TB, development bool, change ...func(*Config)) *platform {
	t.Helper()
	keys, err := identity.New(identity.Config{
		Master: bytes.Repeat([]byte{1}, identity.MasterBytes), AllowUnknown: development,
		Keys: []identity.Key{{AccessKeyID: ada.AccessKeyID, Secret: ada.SecretAccessKey, Account: adaAccount, ARN: "arn:aws:iam::123456789012:user/ada", UserID: "AIDAADA"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &platform{t: t, lambda: &fakeLambda{}, keys: keys, log: &bytes.Buffer{}}
	config := Config{
		Services: s.services(),
		Codecs:   codecs(), Identity: keys, Logger: slog.New(slog.NewTextHandler(s.log, nil)),
	}
	for _, c := range change {
		c(&config)
	}
	if s.gateway, err = New(config); err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewUnstartedServer(s.gateway)
	s.Config.ReadHeaderTimeout, s.Config.MaxHeaderBytes = ReadHeaderTimeout, MaxHeaderBytes
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// request makes a request that is not signed yet.
func (s *platform) request(method, path string, body []byte, header ...string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func sign(r *http.Request, creds sigv4.Credentials, service string, body []byte) *http.Request {
	sigv4.Sign(r, creds, service, "eu-west-1", time.Now(), sigv4.PayloadHash(body))
	return r
}

// answer is a reply in memory.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) code() string {
	code, _, _ := strings.Cut(a.header.Get("X-Amzn-Errortype"), ":")
	return code
}

func (s *platform) send(r *http.Request) answer {
	s.t.Helper()
	reply, err := s.Client().Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{reply.StatusCode, reply.Header, string(body)}
}

// call sends a signed request.
func (s *platform) call(creds sigv4.Credentials, service, method, path string, body []byte, header ...string) answer {
	s.t.Helper()
	return s.send(sign(s.request(method, path, body, header...), creds, service, body))
}

const invoke = "/2015-03-31/functions/f/invocations"
