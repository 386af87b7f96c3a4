package events

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/bus"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/cloudevent"
)

// CloudEventsPath is where CloudEvents are posted: the name or ARN of a bus
// follows. AWS has nothing like it; docs/api.md tells what becomes of an event.
const CloudEventsPath = "/_lambkin/events/"

// CloudEventsBodyBytes bounds a request: as much as a bus takes, in base64.
const CloudEventsBodyBytes = 2 * bus.MaxEntryBytes

// CloudEvents answers a POST with 202 when all its events are durable for all
// targets; of a request that is refused none was taken.
//
// may decides whether a caller may put events on a bus.
func CloudEvents(buses *bus.Buses, may func(ctx context.Context, call *wire.Call, busARN string) error) func(context.Context, *wire.Call, http.ResponseWriter, []byte) error {
	return func(ctx context.Context, call *wire.Call, w http.ResponseWriter, body []byte) error {
		if call.Request.Method != http.MethodPost {
			return refusal(http.StatusMethodNotAllowed, "MethodNotAllowedException", "CloudEvents come by POST.").WithHeader("Allow", http.MethodPost)
		}
		name, err := url.PathUnescape(strings.TrimPrefix(call.Request.URL.EscapedPath(), CloudEventsPath))
		if err != nil || name == "" {
			return refusal(http.StatusNotFound, string(bus.NotFound), "The path must end with the name of an event bus: "+CloudEventsPath+"BUS.")
		}
		target := bus.ParseID(scope(call), name)
		if target.Account != call.Account {
			return refusal(http.StatusForbidden, "AccessDeniedException", "The event bus is another account's.")
		}
		if err := may(ctx, call, target.ARN()); err != nil {
			return err
		}
		if _, err := buses.Get(target); err != nil {
			return cloudEventFault(err)
		}
		parsed, err := cloudevent.Parse(call.Request.Header, body)
		if err != nil {
			return cloudEventFault(err)
		}
		entries := make([]bus.Entry, len(parsed))
		for i, e := range parsed {
			if entries[i], err = entryOf(e); err != nil {
				return err
			}
			entries[i].Bus, entries[i].Trace = target.ARN(), call.Request.Header.Get("X-Amzn-Trace-Id")
			if refused := entries[i].Check(); refused != nil {
				return refusal(http.StatusBadRequest, string(refused.Code), fmt.Sprintf("Event %d of %d, %.100q: %s", i+1, len(parsed), e.ID, refused.Message))
			}
		}
		if _, err := buses.Put(ctx, target.Scope, entries); err != nil {
			return cloudEventFault(err)
		}
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
}

func refusal(status int, code, message string) *fault.Fault {
	return &fault.Fault{Code: code, Message: message, Status: status, Sender: true}
}

// cloudEventFault gives errors the statuses that senders of CloudEvents know: the
// json protocol of EventBridge has 400 for all.
func cloudEventFault(err error) error {
	var unread *cloudevent.Error
	if errors.As(err, &unread) && unread.Unsupported {
		return refusal(http.StatusUnsupportedMediaType, "UnsupportedMediaTypeException", unread.Message)
	} else if unread != nil {
		return refusal(http.StatusBadRequest, string(bus.Validation), unread.Message)
	}
	var refused *bus.Error
	switch {
	case !errors.As(err, &refused):
		return err
	case refused.Code == bus.NotFound:
		return refusal(http.StatusNotFound, string(refused.Code), refused.Message)
	}
	return refusal(http.StatusBadRequest, string(refused.Code), refused.Message)
}

// entryOf makes the event of a bus. What EventBridge's events have no place for
// stands in a member "cloudevent" of its own, so that the detail is the data alone
// and rules can match both.
func entryOf(e *cloudevent.Event) (bus.Entry, error) {
	entry := bus.Entry{ID: e.ID, Source: e.Source, DetailType: e.Type, Time: e.Time}
	if e.Subject != "" {
		entry.Resources = []string{e.Subject}
	}
	attributes := map[string]any{"specversion": "1.0"}
	for name, value := range e.Extensions {
		attributes[name] = value
	}
	for name, value := range map[string]string{"subject": e.Subject, "datacontenttype": e.DataContentType, "dataschema": e.DataSchema} {
		if value != "" {
			attributes[name] = value
		}
	}
	var err error
	if entry.CloudEvent, err = json.Marshal(attributes); err != nil {
		return entry, err
	}
	detail, err := detailOf(e)
	entry.Detail = string(detail)
	return entry, err
}

// detailOf is the data as the object that a detail must be.
func detailOf(e *cloudevent.Event) ([]byte, error) {
	switch {
	case e.Binary != nil:
		return json.Marshal(map[string]string{"data_base64": base64.StdEncoding.EncodeToString(e.Binary)})
	case e.JSON == nil:
		return []byte("{}"), nil
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(e.JSON, &object) == nil && object != nil {
		return e.JSON, nil
	}
	return json.Marshal(map[string]json.RawMessage{"data": e.JSON})
}
