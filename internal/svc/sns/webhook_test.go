package sns

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/topic"
)

func TestWhatAnEndpointAnswersDecides(t *testing.T) {
	// AWS: https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
	var got *http.Request
	var body string
	status, location := 0, ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		data, _ := io.ReadAll(r.Body)
		body = string(data)
		if location != "" {
			w.Header().Set("Location", location)
		}
		w.WriteHeader(status)
		io.WriteString(w, strings.Repeat("x", 3*webhookReply))
	}))
	defer server.Close()
	w := NewWebhook(WebhookConfig{Loopback: true})
	defer w.Close()
	m := &delivery.Message{Target: server.URL + "/hook", Body: []byte("hello"), Headers: map[string]string{"x-amz-sns-message-type": "Notification", "Content-Type": "text/csv"}}
	for _, c := range []struct {
		status          int
		good, permanent bool
	}{
		{200, true, false}, {201, true, false}, {301, false, true}, {400, false, true}, {404, false, true}, {429, false, false}, {500, false, false}, {503, false, false},
	} {
		status, location = c.status, ""
		if c.status == 301 {
			location = "http://169.254.169.254/"
		}
		err := w.Deliver(context.Background(), m)
		if (err == nil) != c.good || delivery.IsPermanent(err) != c.permanent {
			t.Errorf("%d: %v, permanent %v", c.status, err, delivery.IsPermanent(err))
		}
	}
	if got.Method != "POST" || body != "hello" || got.Header.Get("X-Amz-Sns-Message-Type") != "Notification" || got.Header.Get("Content-Type") != "text/csv" {
		t.Errorf("%s %s %v", got.Method, body, got.Header)
	}
}

func TestAnEndpointThatMayNotBeCalledIsGivenUp(t *testing.T) {
	called := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer server.Close()
	w := NewWebhook(WebhookConfig{})
	defer w.Close()
	// A name that means the loopback interface is seen through too.
	for _, target := range []string{server.URL, strings.Replace(server.URL, "127.0.0.1", "localhost", 1)} {
		if err := w.Deliver(context.Background(), &delivery.Message{Target: target}); !delivery.IsPermanent(err) || called {
			t.Errorf("%s: %v, called %v", target, err, called)
		}
	}
	function := NewWebhook(WebhookConfig{Loopback: true, Functions: func(netip.AddrPort) bool { return false }})
	defer function.Close()
	inside := &delivery.Message{Target: server.URL, Detail: map[string]string{topic.ForFunction: "true"}}
	if err := function.Deliver(context.Background(), inside); !delivery.IsPermanent(err) || called {
		t.Errorf("for a function: %v, called %v", err, called)
	}
	if err := function.Deliver(context.Background(), &delivery.Message{Target: server.URL}); err != nil || !called {
		t.Errorf("for everybody else: %v, called %v", err, called)
	}
	called = false
	own := NewWebhook(WebhookConfig{Loopback: true, Own: []net.Addr{server.Listener.Addr()}})
	defer own.Close()
	if err := own.Deliver(context.Background(), &delivery.Message{Target: server.URL}); !delivery.IsPermanent(err) || called {
		t.Errorf("%v, called %v", err, called)
	}
	server.Close()
	if err := NewWebhook(WebhookConfig{Loopback: true}).Deliver(context.Background(), &delivery.Message{Target: server.URL}); err == nil || delivery.IsPermanent(err) {
		t.Errorf("a server that is down: %v", err)
	}
}
