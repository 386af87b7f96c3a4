package invoke

import (
	"regexp"
	"testing"
	"time"
)

var traceForm = regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=[01](;Lineage=[0-9a-f:|]+)?$`)

func TestTraceHeaderIsCompleted(t *testing.T) {
	const root, parent = "Root=1-5759e988-bd862e3fe1be46a994272793", "Parent=53995c3f42cd8ad8"
	for given, want := range map[string]string{
		"":                                    `^Root=1-66666666-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$`,
		root:                                  `^` + root + `;Parent=[0-9a-f]{16};Sampled=0$`,
		root + ";" + parent + ";Sampled=1":    `^` + root + `;` + parent + `;Sampled=1$`,
		"Sampled=1; " + parent + "; " + root:  `^` + root + `;` + parent + `;Sampled=1$`,
		root + ";Sampled=?;Lineage=1:a1b2:0":  `^` + root + `;Parent=[0-9a-f]{16};Sampled=0;Lineage=1:a1b2:0$`,
		"Root=1-zz;" + parent + "\nX-Evil: 1": `^Root=1-66666666-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$`,
	} {
		if got := TraceHeader(given, time.Unix(0x66666666, 0)); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%q: %q, want %s", given, got, want)
		}
	}
}

func TestEachCallHasItsOwnTrace(t *testing.T) {
	now := time.Unix(0x66666666, 0)
	if first, second := TraceHeader("", now), TraceHeader("", now); first == second {
		t.Error("two calls share a trace")
	}
}

func FuzzTraceHeader(f *testing.F) {
	f.Add("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a:0")
	f.Add("Root=;;=;Parent")
	f.Fuzz(func(t *testing.T, given string) {
		if got := TraceHeader(given, time.Unix(0x66666666, 0)); !traceForm.MatchString(got) && len(given) < maxTraceHeader {
			if !regexp.MustCompile(`(?i)` + traceForm.String()).MatchString(got) {
				t.Errorf("%q gave %q", given, got)
			}
		}
	})
}
