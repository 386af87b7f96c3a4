package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestWhatOthersSendUnaskedFillsNoLog(t *testing.T) {
	var spoken bytes.Buffer
	logger, err := newLogger(&spoken, "info")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(overheard{logger}, "Unsolicited response received on idle HTTP channel starting with \"HTTP/1.1\"; err=<nil>\n")
	io.WriteString(overheard{logger}, "http: panic serving 127.0.0.1:1\n")
	if got := spoken.String(); strings.Contains(got, "Unsolicited") || !strings.Contains(got, `level=WARN msg="http: panic serving 127.0.0.1:1"`) {
		t.Errorf("logged %q", got)
	}
}
