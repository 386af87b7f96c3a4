package cli

import (
	"context"
	"net/http"
	"time"
)

// followInterval is the pause between two looks for new log events.
const followInterval = 300 * time.Millisecond

// lookBack is how far behind the newest event a late one is still looked for:
// streams are written independently of each other.
const lookBack = 10 * time.Second

// LogEvent is one event of a log group.
type LogEvent struct {
	LogStream string `json:"logStreamName"`
	Timestamp int64  `json:"timestamp"` // Unix milliseconds
	Message   string `json:"message"`
	EventID   string `json:"eventId"`
}

// Logs passes the events of the group since the given time to show, oldest
// first. With follow it goes on with new ones until ctx ends; a group that does
// not exist yet is then waited for.
func (c *Client) Logs(ctx context.Context, group, filter string, since time.Time, follow bool, show func(LogEvent) error) error {
	from, newest := since.UnixMilli(), since.UnixMilli()
	seen := map[string]int64{} // id -> time of the events that were shown
	for {
		err := c.logsOnce(ctx, group, filter, from, func(event LogEvent) error {
			if _, shown := seen[event.EventID]; shown {
				return nil
			}
			seen[event.EventID] = event.Timestamp
			newest = max(newest, event.Timestamp)
			return show(event)
		})
		if err != nil && (!follow || !IsNotFound(err)) {
			return err
		}
		if !follow {
			return nil
		}
		from = max(from, newest-lookBack.Milliseconds())
		for id, shown := range seen {
			if shown < from {
				delete(seen, id)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followInterval):
		}
	}
}

// logsOnce passes every event from the time on to show.
func (c *Client) logsOnce(ctx context.Context, group, filter string, from int64, show func(LogEvent) error) error {
	in := map[string]any{"logGroupName": group, "startTime": from}
	if filter != "" {
		in["filterPattern"] = filter
	}
	header := map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Logs_20140328.FilterLogEvents"}
	for {
		var page struct {
			Events    []LogEvent `json:"events"`
			NextToken string     `json:"nextToken"`
		}
		if err := c.call(ctx, request{service: "logs", method: http.MethodPost, path: "/", header: header}, in, &page); err != nil {
			return err
		}
		for _, event := range page.Events {
			if err := show(event); err != nil {
				return err
			}
		}
		if page.NextToken == "" {
			return nil
		}
		in["nextToken"] = page.NextToken
	}
}
