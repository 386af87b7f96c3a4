package websocket

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"github.com/lambkin-dev/lambkin/internal/front"
	"github.com/lambkin-dev/lambkin/internal/wire/intake"
)

// connectionsPath is where the API is by which functions reach their clients.
const connectionsPath = "/@connections/"

// The errors of the API, with its codes and statuses.
// AWS: https://docs.aws.amazon.com/apigatewaymanagementapi/latest/api/ (the API model)
var (
	gone       = &refusal{status: http.StatusGone, kind: "GoneException"}
	tooLarge   = &refusal{status: http.StatusRequestEntityTooLarge, kind: "PayloadTooLargeException", text: "Payload too large"}
	unknown    = &refusal{status: http.StatusNotFound, kind: "NotFoundException", text: "Not Found"}
	noSuchID   = &refusal{status: http.StatusBadRequest, kind: "BadRequestException", text: "Invalid connectionId: "}
	unreadable = &refusal{status: http.StatusBadRequest, kind: "BadRequestException", text: "Bad Request"}
)

// told is GetConnection's answer.
type told struct {
	ConnectedAt string `json:"connectedAt"`
	Identity    struct {
		SourceIP  string `json:"sourceIp"`
		UserAgent string `json:"userAgent"`
	} `json:"identity"`
	LastActiveAt string `json:"lastActiveAt"`
}

// fail answers an error of the API.
func (n *refusal) fail(w http.ResponseWriter) {
	w.Header().Set("X-Amzn-Errortype", n.kind)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(n.status)
	body := []byte("{}") // AWS: GoneException has no text
	if n.text != "" {
		body = front.Message(n.text)
	}
	_, _ = w.Write(body) // a caller that has gone needs no answer
}

// manage serves PostToConnection, GetConnection and DeleteConnection.
//
// AWS: a caller must be permitted execute-api:ManageConnections; where permissions
// are not enforced, callers of the API's account may.
func (s *Server) manage(w http.ResponseWriter, r *front.Request, stage *compiled, escaped string) {
	w.Header().Set("X-Amzn-Requestid", r.RequestID)
	body, err := r.Read(w, maxMessage)
	switch {
	case errors.Is(err, intake.ErrTooLarge):
		intake.Drain(w, r.Request)
		tooLarge.fail(w)
		return
	case err != nil:
		unreadable.fail(w)
		return
	}
	id, err := url.PathUnescape(escaped)
	if err != nil {
		id = escaped
	}
	if _, refused := s.identify(r, body, stage, manageAction, stage.arn(r.Method+connectionsPath+id)); refused != nil {
		refused.fail(w)
		return
	}
	if plain, err := base64.URLEncoding.DecodeString(id); err != nil || len(plain) != connectionIDBytes {
		(&refusal{status: noSuchID.status, kind: noSuchID.kind, text: noSuchID.text + id}).fail(w)
		return
	}
	c := s.find(stage, id)
	if c == nil {
		gone.fail(w)
		return
	}
	switch r.Method {
	case http.MethodPost:
		s.post(w, c, body)
	case http.MethodGet:
		out := told{ConnectedAt: stamp(c.socket.Connected), LastActiveAt: stamp(c.active())}
		out.Identity.SourceIP, out.Identity.UserAgent = c.socket.SourceIP, c.socket.UserAgent
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(encode(out))
	case http.MethodDelete:
		c.close(websocket.CloseNormalClosure, "Connection Closed Normally")
		s.leave(c) // nobody finds it again
		w.WriteHeader(http.StatusNoContent)
	default:
		unknown.fail(w)
	}
}

// connectionIDBytes is what connectionID encodes.
const connectionIDBytes = 11

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (s *Server) post(w http.ResponseWriter, c *connection, body []byte) {
	switch err := c.send(body); {
	case errors.Is(err, errWaiting):
		tooMany.fail(w)
	case err != nil:
		gone.fail(w)
	default:
		w.WriteHeader(http.StatusOK)
	}
}
