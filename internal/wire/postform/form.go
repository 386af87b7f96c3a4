package postform

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
)

// maxFieldBytes is what the form may have in front of the file, and slack what the
// multipart reader may take of the file ahead of that.
const (
	maxFieldBytes = 20 << 10
	slack         = 8 << 10
	maxFields     = 200
)

// Form is a form up to its file.
type Form struct {
	Fields   map[string]string // by name in lower case
	File     io.Reader         // ends with an error if the form has no end
	Filename string

	order []string // names as they came, for errors
}

// Is tells whether a request has a form.
func Is(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return r.Method == http.MethodPost && err == nil && kind == "multipart/form-data"
}

func refused(status int, code, message string, details ...string) *fault.Fault {
	f := &fault.Fault{Code: code, Message: message, Status: status, Sender: true}
	for i := 0; i+1 < len(details); i += 2 {
		f = f.With(details[i], details[i+1])
	}
	return f
}

func malformed() *fault.Fault {
	return refused(400, "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")
}

// MissingField is the error of a form without that field.
func MissingField(name string) *fault.Fault {
	return refused(400, "InvalidArgument", "Bucket POST must contain a field named '"+name+"'.  If it is specified, please check the order of the fields.", "ArgumentName", name, "ArgumentValue", "")
}

// Read reads the fields of a form. Errors are faults, or those of the body.
func Read(contentType string, body io.Reader) (*Form, error) {
	_, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || parameters["boundary"] == "" {
		return nil, malformed()
	}
	in := &bounded{in: body, left: maxFieldBytes + slack}
	parts := multipart.NewReader(in, parameters["boundary"])
	f := &Form{Fields: map[string]string{}}
	size := 0
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF { // its end; wrapped it tells that the body stops before
			return nil, refused(400, "IncorrectNumberOfFilesInPostRequest", "POST requires exactly one file upload per request.")
		} else if err != nil {
			return nil, broken(err)
		}
		name := strings.ToLower(part.FormName())
		if name == "file" {
			in.left = unbounded
			f.File, f.Filename = part, part.FileName()
			return f, f.expand()
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil, broken(err)
		}
		if size += len(name) + len(value); size > maxFieldBytes || len(f.Fields) >= maxFields {
			return nil, errTooMuch
		}
		if _, twice := f.Fields[name]; name != "" && !twice { // AWS: the first one counts
			f.Fields[name] = string(value)
			f.order = append(f.order, part.FormName())
		}
	}
}

// expand puts the name of the file where the form asks for it.
func (f *Form) expand() error {
	const variable = "${filename}"
	name := path.Base(strings.ReplaceAll(f.Filename, `\`, "/"))
	if f.Filename == "" {
		name = ""
	}
	size := 0
	for field, value := range f.Fields {
		size += len(value) + strings.Count(value, variable)*len(name)
		if size > 2*maxFieldBytes {
			return errTooMuch
		}
		if field != "policy" {
			f.Fields[field] = strings.ReplaceAll(value, variable, name)
		}
	}
	return nil
}

var errTooMuch = refused(400, "MaxPostPreDataLengthExceededError", "Your POST request fields preceeding the upload file was too large.")

// broken is the fault of a form that cannot be read; what the connection or the
// gateway's own limits say stays what it is.
func broken(err error) error {
	var ours *fault.Fault
	var tooLarge *http.MaxBytesError
	var slow interface{ Timeout() bool }
	if errors.As(err, &ours) || errors.As(err, &tooLarge) || errors.As(err, &slow) {
		return err
	}
	return malformed()
}

// unbounded is more than any form has.
const unbounded = 1 << 62

// bounded reads until what is left is used up.
type bounded struct {
	in   io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooMuch
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.in.Read(p)
	b.left -= int64(n)
	return n, err
}

// Header is the form as the headers of a PutObject request.
func (f *Form) Header() (http.Header, error) {
	h := http.Header{}
	for name, value := range f.Fields {
		switch name {
		case "acl":
			h.Set("X-Amz-Acl", value)
		case "cache-control", "content-type", "content-disposition", "content-encoding", "content-language", "content-md5", "expires":
			h.Set(name, value)
		case "x-amz-signature", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "x-amz-decoded-content-length", "x-amz-trailer":
		default:
			if strings.HasPrefix(name, "x-amz-") && headerName(name) {
				h.Set(name, value)
			}
		}
	}
	for name, values := range h {
		if strings.ContainsAny(values[0], "\r\n\x00") {
			return nil, refused(400, "InvalidArgument", "The value of the field is not valid for a header.", "ArgumentName", strings.ToLower(name))
		}
	}
	return h, nil
}

// headerName tells whether a name has only what names of headers have.
func headerName(name string) bool {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// Success is the status of the reply, and the page that the browser is led to.
func (f *Form) Success(bucket, key, etag string) (status int, location string) {
	target := f.Fields["success_action_redirect"]
	if target == "" {
		target = f.Fields["redirect"] // AWS: its older name
	}
	if location, ok := redirect(target, bucket, key, etag); ok {
		return http.StatusSeeOther, location
	}
	switch status, _ := strconv.Atoi(f.Fields["success_action_status"]); status {
	case http.StatusOK, http.StatusCreated:
		return status, ""
	}
	return http.StatusNoContent, ""
}

// Limit reads the file and fails when it is outside of the range of its policy.
func (f *Form) Limit(least, most int64) io.Reader {
	return &limited{in: f.File, least: least, most: most}
}

type limited struct {
	in                io.Reader
	least, most, size int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.in.Read(p)
	switch l.size += int64(n); {
	case l.size > l.most:
		return 0, refused(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", "ProposedSize", fmt.Sprint(l.size), "MaxSizeAllowed", fmt.Sprint(l.most))
	case errors.Is(err, io.EOF) && l.size < l.least:
		return 0, refused(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", "ProposedSize", fmt.Sprint(l.size), "MinSizeAllowed", fmt.Sprint(l.least))
	}
	return n, err
}
