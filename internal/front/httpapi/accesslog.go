package httpapi

import (
	"strconv"

	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
)

// log writes the line of a request that has ended.
func (x *exchange) log(status, length int) {
	l := x.stage.log
	if l == nil || x.server.config.Logs == nil {
		return
	}
	now := x.server.config.Clock.Now()
	line := l.Line(func(name string) string {
		switch name {
		case "status":
			return strconv.Itoa(status)
		case "responseLength":
			return strconv.Itoa(length)
		case "responseLatency":
			return milliseconds(now.Sub(x.r.Received))
		}
		return x.variable(name)
	})
	x.server.config.Logs.Append(l.Stream, []telemetry.LogEvent{{Time: now, Message: line + "\n"}})
}
