package resource

import (
	"context"
	_ "embed"
	"encoding/json"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/wire"
)

// handlersText has the permissions that CloudFormation's handlers of the types
// need, as AWS publishes them with the schemas of its registry (handlers.*.permissions).
//
//go:embed testdata/handlers.json
var handlersText []byte

// more are permissions beyond those, and why.
var more = map[string]string{
	"AWS::IAM::Role read iam:ListRoleTags":       "AWS: takes the tags from the answer of GetRole",
	"AWS::IAM::User read iam:ListUserTags":       "AWS: takes the tags from the answer of GetUser",
	"AWS::Lambda::Function read lambda:ListTags": "AWS: takes the tags from the answer of GetFunction",
	"AWS::S3::Bucket create s3:PutBucketAcl":     "CreateBucket needs it for a list (API_CreateBucket.html, Permissions); the schema leaves it out",
}

// needed are the permissions that calls in the name of the stack's user have needed.
type needed struct {
	handlers map[string]map[string][]string // by type and handler

	mu      sync.Mutex
	actions []string // of the handler at work
}

// watch wraps the operations of the services, so that what they need is known.
func watch(t testing.TB, services []*wire.Service) (*needed, []*wire.Service) {
	t.Helper()
	n := &needed{}
	if err := json.Unmarshal(handlersText, &n.handlers); err != nil {
		t.Fatal(err)
	}
	for _, s := range services {
		actions := actionsOf(t, s)
		for name, op := range s.Operations {
			do, action := op.Do, actions[name]
			if action == "" {
				action = actions["*"]
			}
			action = strings.Replace(action, "{method}", op.Model.Method, 1)
			op.Do = func(ctx context.Context, call *wire.Call, in any) (any, error) {
				if call.CallerARN == user {
					n.mu.Lock()
					n.actions = append(n.actions, action)
					n.mu.Unlock()
				}
				return do(ctx, call, in)
			}
			s.Operations[name] = op
		}
	}
	return n, services
}

// actionsOf are the first permissions of a service's operations.
func actionsOf(t testing.TB, s *wire.Service) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../internal/guard/permissions/" + strings.ToLower(strings.ReplaceAll(s.Model.ID, " ", "")) + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	actions := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] != "+" && !strings.HasPrefix(fields[0], "#") {
			actions[fields[0]] = fields[1]
		}
	}
	return actions
}

// begin forgets what was needed before.
func (n *needed) begin() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.actions = nil
}

// within fails the test if a handler has needed what AWS's does not: who may deploy
// there could not here.
func (m *made) within(handler string) {
	m.t.Helper()
	if m.needed.handlers[m.name] == nil {
		return // AWS publishes none
	}
	m.needed.mu.Lock()
	defer m.needed.mu.Unlock()
	for _, action := range m.needed.actions {
		published := slices.ContainsFunc(m.needed.handlers[m.name][handler], func(pattern string) bool {
			matches, err := path.Match(strings.ToLower(pattern), strings.ToLower(action))
			return err == nil && matches
		})
		if !published && more[m.name+" "+handler+" "+action] == "" {
			m.t.Errorf("to %s a %s needs %s, which AWS's handler does not", handler, m.name, action)
		}
	}
}
