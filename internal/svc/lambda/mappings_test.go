package lambda

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/queue"
)

const mappings = "/2015-03-31/event-source-mappings"

// makeQueue makes a queue and gives its ARN.
func (b *bench) makeQueue(t testing.TB, name string) string {
	t.Helper()
	id := queue.ID{Account: account, Region: region, Name: name}
	attributes := map[string]string{}
	if strings.HasSuffix(name, ".fifo") {
		attributes["FifoQueue"] = "true"
	}
	if err := b.queues.Create(t.Context(), id, attributes, nil); err != nil {
		t.Fatal(err)
	}
	return id.ARN()
}

// mapped maps a queue of its own to the function and gives the UUID.
func (b *bench) mapped(t testing.TB, function string) string {
	t.Helper()
	w := b.do(t, "CreateEventSourceMapping", mappings, `{"FunctionName":"`+function+`","EventSourceArn":"`+b.makeQueue(t, "mapped")+`"}`)
	var made struct{ UUID string }
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || made.UUID == "" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return made.UUID
}

// The pollers do not run: the mapping is Creating.
func TestAMappingInATransitionTakesNoChange(t *testing.T) {
	b := newBench(t)
	b.do(t, "CreateFunction", functions, create(t, "foo", ""))
	b.wait(t, "foo")
	path := mappings + "/" + b.mapped(t, "foo")
	for operation, verb := range map[string]string{"UpdateEventSourceMapping": "update", "DeleteEventSourceMapping": "delete"} {
		w := b.do(t, operation, path, "{}")
		// AWS: as reported by users of the Terraform provider.
		want := `"Cannot ` + verb + ` the event source mapping because it is in use."`
		if w.Code != 400 || w.Header().Get("X-Amzn-Errortype") != "ResourceInUseException" || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %v %s", operation, w.Code, w.Header(), w.Body)
		}
	}
}

func TestTagsOfAMapping(t *testing.T) {
	b := newBench(t)
	b.do(t, "CreateFunction", functions, create(t, "foo", ""))
	b.wait(t, "foo")
	tags := "/2017-03-31/tags/arn:aws:lambda:us-east-1:000000000000:event-source-mapping:" + b.mapped(t, "foo")
	if w := b.do(t, "TagResource", tags, `{"Tags":{"a":"1","b":"2"}}`); w.Code != 204 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := b.do(t, "UntagResource", tags+"?tagKeys=a", ""); w.Code != 204 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := b.do(t, "ListTags", tags, ""); w.Body.String() != `{"Tags":{"b":"2"}}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	missing := "/2017-03-31/tags/arn:aws:lambda:us-east-1:000000000000:event-source-mapping:00000000-0000-4000-8000-000000000000"
	if w := b.do(t, "ListTags", missing, ""); w.Code != 404 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
