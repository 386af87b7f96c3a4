package builtin

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// deadlined is a connection that is told of its deadline.
type deadlined struct {
	*httptest.ResponseRecorder
	first time.Time
}

func (d *deadlined) SetReadDeadline(t time.Time) error {
	if d.first.IsZero() {
		d.first = t
	}
	return nil
}

// TestALetterHasATimeToCome: nobody may hold connections with letters that never end.
func TestALetterHasATimeToCome(t *testing.T) {
	w := &deadlined{ResponseRecorder: httptest.NewRecorder()}
	Handler(nil).ServeHTTP(w, httptest.NewRequest(http.MethodPut, ResponsePath+"box", strings.NewReader(strings.Repeat("x", 1<<20))))
	if w.Code != http.StatusRequestEntityTooLarge || w.first.IsZero() {
		t.Errorf("%d, the deadline is %v", w.Code, w.first)
	}
}
