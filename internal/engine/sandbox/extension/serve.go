package extension

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
)

// version begins the paths of the API.
const version = "/2020-01-01/extension"

// Bounds of what an extension may send.
const (
	maxBodyBytes = 64 << 10
	maxNameBytes = 255 // that of a file name, which an external extension's is
	maxErrorType = 255
)

// Headers of the API.
const (
	nameHeader      = "Lambda-Extension-Name"
	idHeader        = "Lambda-Extension-Identifier"
	eventIDHeader   = "Lambda-Extension-Event-Identifier"
	errorTypeHeader = "Lambda-Extension-Function-Error-Type"
	featureHeader   = "Lambda-Extension-Accept-Feature"
)

// Error types, and the texts that AWS's emulator makes from Go errors.
const (
	invalidState    = "Extension.InvalidExtensionState"
	unknownID       = "Extension.UnknownExtensionIdentifier"
	notAllowed      = "State transition is not allowed"
	transitionError = "State transition from %s to %s failed for extension %s. Error: %s"
)

// Handle adds the API to a mux.
func (r *Registry) Handle(mux *http.ServeMux) {
	mux.HandleFunc("POST "+version+"/register", r.register)
	mux.HandleFunc("GET "+version+"/event/next", r.identified(r.next))
	mux.HandleFunc("POST "+version+"/init/error", r.identified(r.initError))
	mux.HandleFunc("POST "+version+"/exit/error", r.identified(r.exitError))
}

// uuidForm is that of an identifier.
var uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)

// identified passes requests on that carry an identifier.
func (r *Registry) identified(handle func(w http.ResponseWriter, request *http.Request, id string)) http.HandlerFunc {
	return func(w http.ResponseWriter, request *http.Request) {
		if id, ok := Identify(w, request); ok {
			handle(w, request, id)
		}
	}
}

// Identify reads the identifier of a request, or refuses it.
func Identify(w http.ResponseWriter, request *http.Request) (id string, ok bool) {
	id = request.Header.Get(idHeader)
	switch {
	case id == "":
		Refuse(w, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
	case !uuidForm.MatchString(id):
		Refuse(w, "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier")
	default:
		return strings.ToLower(id), true
	}
	return "", false
}

// Name is the name of the extension with an identifier; unknown ones are
// refused.
func (r *Registry) Name(w http.ResponseWriter, id string) (name string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.find(id)
	if m == nil {
		Refuse(w, unknownID, "Unknown extension "+id)
		return "", false
	}
	return m.name, true
}

// find returns the extension with the identifier, or nil. Called with mu held.
func (r *Registry) find(id string) *member {
	i := slices.IndexFunc(r.all, func(m *member) bool { return m.id == id })
	if i < 0 {
		return nil
	}
	return r.all[i]
}

func (r *Registry) register(w http.ResponseWriter, request *http.Request) {
	name := request.Header.Get(nameHeader)
	if name == "" {
		Refuse(w, "Extension.InvalidExtensionName", "Empty extension name")
		return
	}
	if len(name) > maxNameBytes {
		Refuse(w, "Extension.InvalidExtensionName", "Extension name is too long")
		return
	}
	events, err := readRegistration(w, request)
	if err != nil {
		Refuse(w, "InvalidRequestFormat", err.Error())
		return
	}
	id, refusal := r.enter(name, events)
	if refusal != nil {
		Refuse(w, refusal.Type, refusal.Message)
		return
	}
	reply := struct {
		AccountID       string `json:"accountId,omitempty"`
		FunctionName    string `json:"functionName"`
		FunctionVersion string `json:"functionVersion"`
		Handler         string `json:"handler"`
	}{"", r.function.Name, r.function.Version, r.function.Handler}
	for feature := range strings.SplitSeq(request.Header.Get(featureHeader), ",") {
		if strings.TrimSpace(feature) == "accountId" {
			reply.AccountID = r.function.Account
		}
	}
	w.Header().Set(idHeader, id)
	writeJSON(w, http.StatusOK, reply)
}

func readRegistration(w http.ResponseWriter, request *http.Request) ([]string, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxBodyBytes))
	if err != nil {
		return nil, err
	}
	var registration struct {
		Events            []string `json:"events"`
		ConfigurationKeys []string `json:"configurationKeys"`
	}
	if err := json.Unmarshal(body, &registration); err != nil {
		return nil, err
	}
	if len(registration.ConfigurationKeys) != 0 {
		return nil, errors.New("configurationKeys are deprecated; use environment variables instead")
	}
	return registration.Events, nil
}

// enter registers an extension: an external one that is expected, or else an
// internal one. It returns its identifier, or why not.
func (r *Registry) enter(name string, events []string) (id string, refusal *Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.all, func(m *member) bool { return m.name == name && !m.internal })
	external := i >= 0
	var distinct []string
	for _, event := range events {
		switch {
		case event == shutdownEvent && !external:
			return "", &Fault{"Extension.InvalidEventType", event + ": ShutdownEventNotSupportedForInternalExtension"}
		case event != invokeEvent && event != shutdownEvent:
			return "", &Fault{"Extension.InvalidEventType", event + ": ErrorInvalidEventType"}
		case !slices.Contains(distinct, event):
			distinct = append(distinct, event)
		}
	}
	m := newMember(name)
	if external {
		m = r.all[i]
		if m.state != Started {
			return "", &Fault{invalidState, fmt.Sprintf(transitionError, m.state, Registered, name, notAllowed)}
		}
	} else {
		switch {
		case r.closed:
			return "", &Fault{"Extension.RegistrationClosed", "Extension registration closed already"}
		case len(r.all) >= Most:
			return "", &Fault{"Extension.TooManyExtensions", fmt.Sprintf("Extension limit (%d) reached", Most)}
		case slices.ContainsFunc(r.all, func(other *member) bool { return other.name == name }):
			return "", &Fault{invalidState, "Extension with this name already registered"}
		}
		m.internal = true
		r.all = append(r.all, m)
	}
	m.events, m.state = distinct, Registered
	r.tell()
	return m.id, nil
}

// next gives the next event; it waits for as long as it takes.
func (r *Registry) next(w http.ResponseWriter, request *http.Request, id string) {
	r.mu.Lock()
	m := r.find(id)
	if m == nil {
		r.mu.Unlock()
		Refuse(w, unknownID, "Unknown extension "+id)
		return
	}
	from := m.state
	if from != Registered && from != Running {
		r.mu.Unlock()
		Refuse(w, invalidState, fmt.Sprintf(transitionError, from, Ready, id, notAllowed))
		return
	}
	m.state = Ready
	r.tell()
	r.mu.Unlock()
	select {
	case event := <-m.inbox:
		r.become(m, Running)
		w.Header().Set(eventIDHeader, ids.UUID())
		w.Header().Set("Content-Type", "application/json")
		w.Write(event) // an extension that went away asks again, or ends
	case <-request.Context().Done():
		r.become(m, from) // it may ask again
	}
}

// become moves on from Ready or Running; the other states are final.
func (r *Registry) become(m *member, to State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.state == Ready || m.state == Running {
		m.state = to
		r.tell()
	}
}

func (r *Registry) initError(w http.ResponseWriter, request *http.Request, id string) {
	r.report(w, request, id, InitError, InitError, initFault, Registered)
}

// exitError: AWS's emulator names the state that it moves to Exited in the text.
func (r *Registry) exitError(w http.ResponseWriter, request *http.Request, id string) {
	r.report(w, request, id, ExitError, Exited, exitFault, Registered, Ready, Running)
}

// report takes an error that the extension will end with.
func (r *Registry) report(w http.ResponseWriter, request *http.Request, id string, to, named State, fault string, from ...State) {
	errorType := request.Header.Get(errorTypeHeader)
	if errorType == "" {
		Refuse(w, "Extension.MissingHeader", errorTypeHeader+" not found")
		return
	}
	if refusal := r.fail(id, errorType[:min(len(errorType), maxErrorType)], to, named, fault, from); refusal != nil {
		Refuse(w, refusal.Type, refusal.Message)
		return
	}
	writeJSON(w, http.StatusAccepted, struct {
		Status string `json:"status"`
	}{"OK"})
}

func (r *Registry) fail(id, errorType string, to, named State, fault string, from []State) (refusal *Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.find(id)
	switch {
	case m == nil:
		return &Fault{unknownID, "Unknown " + idHeader}
	case m.state == to:
		return nil // the first report counts
	case !slices.Contains(from, m.state):
		return &Fault{invalidState, fmt.Sprintf(transitionError, m.state, named, id, notAllowed)}
	}
	m.state, m.errorType, m.fault = to, errorType, fault
	r.tell()
	return nil
}

// Refuse answers as the API refuses everything: 403 with a type and a text.
func Refuse(w http.ResponseWriter, errorType, message string) {
	writeJSON(w, http.StatusForbidden, struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}{message, errorType})
}

func writeJSON(w http.ResponseWriter, status int, reply any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(reply) // who went away needs no answer
}
