package builtin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/stack/mailbox"
	"github.com/lambkin-dev/lambkin/internal/core/template/syntax"
)

// ResponsePath is where Handler must be mounted: the answers of custom resources and
// the signals of wait conditions come there.
const ResponsePath = "/_aws/cloudformation-custom-resource/"

// letterTime is how long a letter may take to come: anybody may begin one.
const letterTime = time.Minute

// Handler takes answers and signals. It needs no AWS signature: who knows the name of
// a box, which cannot be guessed, may put a letter in, once.
func Handler(boxes *mailbox.Boxes) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			w.Header().Set("Allow", http.MethodPut)
			http.Error(w, "only PUT", http.StatusMethodNotAllowed)
			return
		}
		// Only a connection of net/http's own server has deadlines.
		control := http.NewResponseController(w)
		if err := control.SetReadDeadline(time.Now().Add(letterTime)); err == nil {
			defer control.SetReadDeadline(time.Time{})
		}
		letter, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mailbox.MaxLetterBytes))
		if err != nil {
			http.Error(w, "the answer is too long or was cut off", http.StatusRequestEntityTooLarge)
			return
		}
		// What is acknowledged is kept, also if the client has gone away.
		err = boxes.Put(context.WithoutCancel(r.Context()), strings.TrimPrefix(r.URL.Path, ResponsePath), letterID(letter), letter)
		switch {
		case errors.Is(err, mailbox.ErrNoBox), errors.Is(err, mailbox.ErrFull):
			http.Error(w, "this address takes no answer, or has one", http.StatusForbidden)
		case err != nil:
			http.Error(w, "the answer could not be kept: send it again", http.StatusInternalServerError)
		}
	})
}

// letterID is the UniqueId of a signal; an answer has none, so only the first is kept.
func letterID(letter []byte) string {
	value, err := syntax.ParseJSON(string(letter))
	object, ok := value.(map[string]any)
	if err != nil || !ok {
		return ""
	}
	return text(object["UniqueId"])
}
