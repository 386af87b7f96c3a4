package sns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/topic"
	"github.com/lambkin-dev/lambkin/internal/wire/outbound"
)

// Limits of a request to an HTTP endpoint.
const (
	webhookTimeout = 15 * time.Second // AWS: an endpoint must answer within that
	webhookReply   = 64 << 10         // of the reply, which nobody reads
	webhookHeader  = 64 << 10
	webhookIdle    = 2 // connections that wait for the next message, a host
)

// Webhook makes the requests to the HTTP endpoints that users name.
//
// It calls only what an outbound.Guard lets it, and for functions only what they may
// call themselves. Redirections are not followed.
type Webhook struct {
	client      *http.Client
	forFunction *http.Client
}

// WebhookConfig is what a Webhook must know.
type WebhookConfig = outbound.Guard

// NewWebhook only builds.
func NewWebhook(c WebhookConfig) *Webhook {
	limits := outbound.Limits{Timeout: webhookTimeout, HeaderBytes: webhookHeader, IdlePerHost: webhookIdle}
	return &Webhook{client: c.Client(limits, false), forFunction: c.Client(limits, true)}
}

// Deliver sends a message to an endpoint. AWS: an answer of 200 to 299 takes it;
// after one of 100 to 199, 429 and 500 to 599 it is tried again, any other is
// the endpoint's own mistake and ends it:
// https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
func (w *Webhook) Deliver(ctx context.Context, m *delivery.Message) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, m.Target, bytes.NewReader(m.Body))
	if err != nil {
		return delivery.Permanent(fmt.Errorf("call the endpoint: %w", err))
	}
	for name, value := range m.Headers {
		request.Header.Set(name, value)
	}
	client := w.client
	if m.Detail[topic.ForFunction] != "" {
		client = w.forFunction
	}
	reply, err := client.Do(request)
	switch {
	case errors.Is(err, outbound.ErrForbidden):
		return delivery.Permanent(err)
	case err != nil:
		return fmt.Errorf("call the endpoint: %w", err)
	}
	defer reply.Body.Close()
	_, _ = io.CopyN(io.Discard, reply.Body, webhookReply) // so that the connection can be used again
	switch status := reply.StatusCode; {
	case status >= 200 && status < 300:
		return nil
	case status < 200, status == http.StatusTooManyRequests, status >= 500:
		return fmt.Errorf("the endpoint answered %s", reply.Status)
	default:
		return delivery.Permanent(fmt.Errorf("the endpoint answered %s", reply.Status))
	}
}

// Close gives the connections back that wait for the next message.
func (w *Webhook) Close() {
	w.client.CloseIdleConnections()
	w.forFunction.CloseIdleConnections()
}
