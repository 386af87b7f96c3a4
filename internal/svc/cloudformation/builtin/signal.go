package builtin

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/mailbox"
)

// signalBox is the box of the signals to a resource, by the token of its step.
func signalBox(boxes *mailbox.Boxes, token string) string { return boxes.Name("signals " + token) }

// Signal tells a resource that waits for signals (SignalResource); of one id the first
// counts.
func Signal(ctx context.Context, boxes *mailbox.Boxes, token, id, status string) error {
	letter, err := json.Marshal(map[string]string{"Status": status, "UniqueId": id})
	if err != nil {
		return err
	}
	err = boxes.Put(ctx, signalBox(boxes, token), id, letter)
	if errors.Is(err, mailbox.ErrNoBox) || errors.Is(err, mailbox.ErrFull) {
		return stack.Invalid("The resource takes no more signals")
	}
	return err
}

// Defaults of a ResourceSignal.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-creationpolicy.html
const (
	signalCount   = 1
	signalTimeout = 5 * time.Minute
)

// durations are those of ISO 8601 that a Timeout may be: PT#H#M#S.
var durations = regexp.MustCompile(`^PT(?:(\d{1,5})H)?(?:(\d{1,5})M)?(?:(\d{1,5})S)?$`)

// readSignals reads how many signals a CreationPolicy wants, and within which time.
func readSignals(policy map[string]any) (count int, timeout time.Duration, err error) {
	count, timeout = signalCount, signalTimeout
	wanted, ok := policy["ResourceSignal"].(map[string]any)
	if !ok || len(policy) > 1 {
		return 0, 0, stack.Invalid("CreationPolicy of a wait condition must have ResourceSignal and nothing else")
	}
	if given := wanted["Count"]; given != nil {
		if count, err = strconv.Atoi(text(given)); err != nil || count < 1 || count > mailbox.MaxLetters {
			return 0, 0, stack.Invalid("ResourceSignal.Count must be a number between 1 and %d", mailbox.MaxLetters)
		}
	}
	if given := text(wanted["Timeout"]); given != "" {
		parts := durations.FindStringSubmatch(given)
		if parts == nil {
			return 0, 0, stack.Invalid("ResourceSignal.Timeout must be a duration as PT1H30M10S")
		}
		timeout = 0
		for i, unit := range []time.Duration{time.Hour, time.Minute, time.Second} {
			n, _ := strconv.Atoi(parts[i+1]) // digits, or none
			timeout += time.Duration(n) * unit
		}
		if timeout > maxWait {
			return 0, 0, stack.Invalid("ResourceSignal.Timeout must be at most PT12H")
		}
	}
	return count, timeout, nil
}

// signalled waits for the signals of SignalResource. Texts: as recorded from AWS.
func (w waitCondition) signalled(ctx context.Context, r *stack.Request) (*stack.Result, error) {
	count, timeout, err := readSignals(r.Creation)
	if err != nil {
		return nil, err
	}
	box := signalBox(w.Boxes, r.Token)
	if _, err := w.Boxes.Open(ctx, box); err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	told, succeeded, failure := map[string]bool{}, 0, ""
	_, err = w.Boxes.Wait(waiting, box, func(letters [][]byte) bool {
		succeeded = 0
		for _, letter := range letters {
			s, ok := readSignal(letter)
			if !ok {
				continue
			}
			if !told[s.UniqueID] {
				told[s.UniqueID] = true
				r.Progress("Received " + s.Status + " signal with UniqueId " + s.UniqueID)
			}
			if s.Status == "SUCCESS" {
				succeeded++
			} else if failure == "" {
				failure = s.UniqueID
			}
		}
		return failure != "" || succeeded >= count
	})
	if err != nil && (ctx.Err() != nil || waiting.Err() == nil) {
		return nil, err
	}
	closing, done := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer done()
	if err := w.Boxes.Close(closing, box); err != nil {
		return nil, err
	}
	switch {
	case failure != "":
		return nil, stack.Invalid("Received FAILURE signal with UniqueId %s", failure)
	case succeeded < count:
		return nil, stack.Invalid("Failed to receive %d resource signal(s) within the specified duration", count-succeeded)
	}
	return &stack.Result{PhysicalID: r.Name, Attributes: map[string]any{"Data": "{}"}}, nil
}
