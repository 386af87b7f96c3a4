// Package schedule reads the schedule expressions of EventBridge's rules and of
// EventBridge Scheduler, and tells when they are due: cron(...) in AWS's dialect,
// rate(...) and at(...).
//
// It promises: what AWS documents as valid is taken and what it documents as
// invalid is refused; times are those of the wall clock in the given zone, so
// that a time which a change of the clock leaves out is left out, and one that
// comes twice is due once, the first time.
//
// An Expression is immutable and has no goroutines. Start reading at Parse.
//
// AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
// and https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html.
package schedule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Kind is the form of an expression.
type Kind string

// The forms. Rules know cron and rate, Scheduler knows all.
const (
	Cron Kind = "cron"
	Rate Kind = "rate"
	At   Kind = "at"
)

// MaxBytes bounds the text of an expression (API models of both services).
const MaxBytes = 256

// maxRate keeps durations from overflowing: 100 years.
const maxRate = 100 * 365 * 24 * time.Hour

// Expression is a schedule.
type Expression struct {
	kind  Kind
	cron  cron
	every time.Duration
	at    wall
}

// Kind is its form.
func (e *Expression) Kind() Kind { return e.kind }

// Parse reads an expression. The error says what is wrong; AWS only says that
// something is.
func Parse(text string) (*Expression, error) { return parse(text, false) }

// ParseAnyNumber is Parse for who takes a rate's unit in the singular and the plural
// alike: EventBridge Scheduler, whose guide has it in the plural only.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
func ParseAnyNumber(text string) (*Expression, error) { return parse(text, true) }

func parse(text string, anyNumber bool) (*Expression, error) {
	kind, inner, found := strings.Cut(text, "(")
	inner, closed := strings.CutSuffix(inner, ")")
	if !found || !closed || len(text) > MaxBytes {
		return nil, fmt.Errorf("%q is none of cron(...), rate(...) and at(...)", text[:min(len(text), MaxBytes)])
	}
	e := &Expression{kind: Kind(kind)}
	var err error
	switch e.kind {
	case Cron:
		e.cron, err = parseCron(inner)
	case Rate:
		e.every, err = parseRate(inner, anyNumber)
	case At:
		e.at, err = parseAt(inner)
	default:
		err = fmt.Errorf("%q is none of cron, rate and at", kind)
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// parseRate reads "value unit": one of a unit is singular, more are plural, unless
// that does not matter.
func parseRate(text string, anyNumber bool) (time.Duration, error) {
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return 0, errors.New("a rate is a number and a unit")
	}
	n, err := strconv.ParseUint(fields[0], 10, 31)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no positive number", fields[0])
	}
	unit, plural := strings.CutSuffix(fields[1], "s")
	if plural != (n > 1) && !anyNumber {
		return 0, fmt.Errorf("%d %s: a unit is singular for 1 and plural for more", n, fields[1])
	}
	length := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[unit]
	switch {
	case length == 0:
		return 0, fmt.Errorf("%q is none of minute, hour and day", unit)
	case time.Duration(n) > maxRate/length:
		return 0, fmt.Errorf("%d %s is too long", n, fields[1])
	}
	return time.Duration(n) * length, nil
}

// atForm is yyyy-mm-ddThh:mm:ss.
const atForm = "2006-01-02T15:04:05"

func parseAt(text string) (wall, error) {
	t, err := time.Parse(atForm, text)
	if err != nil || len(text) != len(atForm) {
		return wall{}, fmt.Errorf("%q is no time of the form yyyy-mm-ddThh:mm:ss", text)
	}
	return wall{t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second()}, nil
}

// Next is the first time after a moment at which the schedule is due; false if
// it never will be. A rate counts from start; cron and at are times of the zone.
func (e *Expression) Next(after, start time.Time, zone *time.Location) (time.Time, bool) {
	switch e.kind {
	case Rate:
		if after.Before(start) {
			return start, true
		}
		return start.Add((after.Sub(start)/e.every + 1) * e.every), true
	case At:
		due, exists := e.at.in(zone)
		if !exists { // AWS: a one-time schedule has no rule for this; it is better late than never
			due = time.Date(e.at.year, time.Month(e.at.month), e.at.day, e.at.hour, e.at.minute, e.at.second, 0, zone)
		}
		return due, due.After(after)
	default:
		return e.cron.next(after, zone)
	}
}

// Last is the last time at which the schedule was due, of those from due on until
// now, and whether it is no older than oldest: what is made up for after a
// downtime. Without such a time it is due itself.
func (e *Expression) Last(due, now, oldest, start time.Time, zone *time.Location) (last time.Time, recent bool) {
	last = due
	if due.Before(oldest) {
		if next, more := e.Next(oldest.Add(-time.Nanosecond), start, zone); more && !next.After(now) {
			last = next
		}
	}
	for !last.Before(oldest) {
		next, more := e.Next(last, start, zone)
		if !more || next.After(now) {
			break
		}
		last = next
	}
	return last, !last.Before(oldest)
}

// wall is a time as a clock and a calendar on a wall show it.
type wall struct{ year, month, day, hour, minute, second int }

// in is the moment at which the clock of a zone shows this for the first time;
// false if a change of the clock leaves it out.
func (w wall) in(zone *time.Location) (time.Time, bool) {
	t := time.Date(w.year, time.Month(w.month), w.day, w.hour, w.minute, w.second, 0, zone)
	if t.Hour() != w.hour || t.Minute() != w.minute || t.Day() != w.day {
		return time.Time{}, false
	}
	// If it comes twice, time.Date may give either: look for the earlier one.
	start, _ := t.ZoneBounds()
	if start.IsZero() {
		return t, true
	}
	_, before := start.Add(-time.Second).Zone()
	_, now := t.Zone()
	earlier := t.Add(time.Duration(now-before) * time.Second)
	if before > now && earlier.Before(start) {
		return earlier, true
	}
	return t, true
}
