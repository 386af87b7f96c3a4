package intake

import (
	"net/http"
	"time"
)

// piece is how much of an answer is written at once.
const piece = 64 << 10

// Send writes the body of an answer to a client that keeps the pace of pacedBody; of one
// that does not the connection ends.
func Send(w http.ResponseWriter, body []byte) error {
	control := http.NewResponseController(w)
	begun, sent := time.Now(), 0
	// Only connections have deadlines; tests call the handler directly.
	for {
		earned := min(grace+time.Duration(sent/slowest)*time.Second, Timeout)
		if err := control.SetWriteDeadline(begun.Add(earned)); err == nil && sent == 0 {
			defer control.SetWriteDeadline(time.Time{})
		}
		n, err := w.Write(body[sent:min(sent+piece, len(body))])
		if sent += n; err != nil || sent == len(body) {
			return err
		}
	}
}
