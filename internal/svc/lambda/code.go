package lambda

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/wire"
)

// Links to code: Code.Location of GetFunction and Content.Location of layers.
const (
	// CodePath is where CodeHandler must be mounted.
	CodePath = "/_lambkin/code/"
	// CodeLinkLife is how long a link works.
	//
	// AWS: 10 minutes (API reference of GetFunction).
	CodeLinkLife = 10 * time.Minute

	minSecretBytes = 32
)

// location is a link to a package in the blob store, at the address by which the
// client reached us. Who holds it may read the package until it expires.
func (l *Lambda) location(call *wire.Call, id string) string {
	expires := strconv.FormatInt(l.clock.Now().Add(CodeLinkLife).Unix(), 10)
	return call.Endpoint + CodePath + id + "?Expires=" + expires + "&Signature=" + l.signature(id, expires)
}

func (l *Lambda) signature(id, expires string) string {
	mac := hmac.New(sha256.New, l.secret)
	mac.Write([]byte("code\x00" + id + "\x00" + expires)) // never fails
	return hex.EncodeToString(mac.Sum(nil))
}

// CodeHandler serves the packages that links point to. It needs no AWS
// signature: the link carries its own.
func (l *Lambda) CodeHandler() http.Handler { return http.HandlerFunc(l.serveCode) }

func (l *Lambda) serveCode(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	id, query := strings.TrimPrefix(r.URL.Path, CodePath), r.URL.Query()
	expires := query.Get("Expires")
	if !hmac.Equal([]byte(query.Get("Signature")), []byte(l.signature(id, expires))) {
		http.Error(w, "the signature of this link is wrong", http.StatusForbidden)
		return
	}
	// The signature covers expires, so it is a number that we wrote ourselves.
	if until, err := strconv.ParseInt(expires, 10, 64); err != nil || !l.clock.Now().Before(time.Unix(until, 0)) {
		http.Error(w, "this link has expired", http.StatusForbidden)
		return
	}
	file, err := l.blobs.Open(id)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		http.Error(w, "the package was deleted", http.StatusNotFound)
		return
	case err != nil:
		http.Error(w, "the package cannot be read", http.StatusInternalServerError)
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", "application/zip")
	http.ServeContent(w, r, "", time.Time{}, file)
}
