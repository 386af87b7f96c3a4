package invoke

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// restore brings the environment up from the snapshot of its version. False:
// there is none, and an ordinary environment serves.
func (c *call) restore() (bool, error) {
	i, e := c.invoker, c.environment
	for range restoreAttempts {
		t, clone := i.acquire(e.pool, c.version)
		if t == nil {
			break
		}
		restored, err := c.restoreFrom(t, clone)
		if restored || errors.Is(err, ErrRestoreFailed) || errors.Is(err, ErrRestoreTimeout) || errors.Is(err, ErrShuttingDown) {
			return restored, err
		}
		i.broken(t, err)
	}
	return false, nil
}

// restoreFrom makes the environment of a template. An error that is not of this
// package's own says that the template is of no use.
func (c *call) restoreFrom(t *template, clone Clone) (bool, error) {
	i, e := c.invoker, c.environment
	begin := i.config.Clock.Now()
	if clone == nil {
		var err error
		if clone, err = t.process.Fork(); err != nil {
			i.letGo(t)
			return false, err
		}
	}
	c.openLog(begin)
	e.log.restoreStarted(begin)
	spec := c.describe(SnapStart)
	spec.InitTimeout = limit.RestoreTimeout
	started, init, err := clone.Bind(spec)
	now := i.config.Clock.Now()
	report := restoreReport{duration: now.Sub(begin), status: statusSuccess}
	var exit *sandbox.ExitError
	switch {
	case err == nil && init.ErrorType == "":
		e.log.restoreEnded(now, report)
		e.template, e.sandbox, e.startTook = t, started, report.duration
		c.restored, c.billedRestore = report.duration, billed(init.Duration, 0)
		i.host.started(e)
		if i.life.Err() != nil {
			return false, ErrShuttingDown // Close may have looked before it was there
		}
		return true, nil
	case errors.Is(err, sandbox.ErrTimeout):
		report.status = statusTimeout
		e.log.restoreEnded(now, report)
		i.letGo(t)
		return false, ErrRestoreTimeout
	case err != nil && (!errors.As(err, &exit) || t.ended()):
		i.letGo(t)
		return false, err
	}
	// AWS: the documentation's example of a hook that failed has this type, whatever
	// the hook raised: lambda-runtime-environment.html, Failures during the Restore phase.
	report.status, report.errorType = statusError, errorExit
	e.log.restoreEnded(now, report)
	c.closeFailed(started)
	i.letGo(t)
	return false, ErrRestoreFailed
}

// restoreReport is how a restoration went.
type restoreReport struct {
	duration  time.Duration
	status    string
	errorType string // of statusError
}

func (f *lineFormat) restoreStart(b []byte, at time.Time, stream string) []byte {
	v := f.version
	name, arn := RuntimeVersion(v.Runtime, v.Region)
	if !f.json {
		return fmt.Appendf(b, "RESTORE_START Runtime Version: %s\tRuntime Version ARN: %s\n", name, arn)
	}
	if f.least > info {
		return nil
	}
	b = appendRecord(b, at, "platform.restoreStart")
	return fmt.Appendf(b, `"runtimeVersion":"%s","runtimeVersionArn":"%s","functionName":"%s","functionVersion":"%s","instanceId":"%s","instanceMaxMemory":%d}}`+"\n",
		name, arn, v.Name, v.Version, stream, v.MemoryMB<<20)
}

func (f *lineFormat) restoreRuntimeDone(b []byte, at time.Time, r restoreReport) []byte {
	if !f.json || f.least > r.level(debug) {
		return nil
	}
	b = append(append(appendRecord(b, at, "platform.restoreRuntimeDone"), `"status":"`...), r.status...)
	return append(appendErrorType(append(b, '"'), r.errorType), "}}\n"...)
}

func (f *lineFormat) restoreReport(b []byte, at time.Time, r restoreReport) []byte {
	if !f.json {
		b = appendMilliseconds(append(b, "RESTORE_REPORT Restore Duration: "...), r.duration)
		b = append(b, " ms"...)
		if r.status == statusSuccess {
			return append(b, '\n')
		}
		return appendStatus(b, r.status, r.errorType)
	}
	if f.least > r.level(info) {
		return nil
	}
	b = append(append(appendRecord(b, at, "platform.restoreReport"), `"status":"`...), r.status...)
	b = appendErrorType(append(b, '"'), r.errorType)
	b = appendExact(append(b, `,"metrics":{"durationMs":`...), r.duration)
	return append(b, "}}}\n"...)
}

func (r restoreReport) level(success systemLevel) systemLevel {
	if r.status == statusSuccess {
		return success
	}
	return warn
}

// fallback is the line that tells why a version is not started from a snapshot.
//
// AWS: has no such line, since it can take a snapshot of any process.
func (f *lineFormat) fallback(b []byte, at time.Time, reason string) []byte {
	if !f.json {
		return fmt.Appendf(b, "SNAPSTART_FALLBACK Reason: %s\n", reason)
	}
	return appendJSON(appendTyped(b, at, "lambkin.snapStartFallback"), struct {
		Reason string `json:"reason"`
	}{reason})
}

// restoreStarted writes the line that opens the log of a restored environment.
func (l *logWriter) restoreStarted(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(now, l.format.restoreStart(l.scratch[:0], now, l.stream.Stream))
	l.flush()
}

// restoreEnded writes how a restoration went.
func (l *logWriter) restoreEnded(now time.Time, r restoreReport) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(now, l.format.restoreRuntimeDone(l.scratch[:0], now, r))
	l.add(now, l.format.restoreReport(l.scratch[:0], now, r))
	l.flush()
}

// fellBack writes why ordinary environments serve.
func (l *logWriter) fellBack(now time.Time, reason error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(now, l.format.fallback(l.scratch[:0], now, strings.ReplaceAll(reason.Error(), "\n", "; ")))
	l.flush()
}

// peak is the most memory that the environment held, with what it shares with
// its template.
func (e *environment) peak() int64 {
	if e.template == nil {
		return e.maxMemory
	}
	return min(e.maxMemory+e.template.memory, int64(e.version.MemoryMB)<<20)
}
