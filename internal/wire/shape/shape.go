// Package shape describes the shapes and operations of one AWS API as data, so
// that one generic codec a protocol serves every service.
//
// The tables are written by internal/wire/modelgen into internal/api/<svc>api
// and never change at run time. Members refer to shapes by index into
// Service.Shapes, because Go forbids initialisation cycles and the tables must
// cost nothing at program start. Member i of a structure is field i of the
// generated Go struct: codecs walk both together by reflection (see Kind for
// the Go type of each field).
//
// The package also holds what every codec needs of a model: time stamps
// (ParseTime, AppendTime), AWS's constraint checks (Validate) and the making of
// errors from the model (Errorf).
//
// No goroutines; the only lock is in the cache of compiled patterns. Start
// reading at Service.
package shape

// Service is one AWS API.
type Service struct {
	ID             string     // "Lambda"
	EndpointPrefix string     // "lambda": first label of AWS host names
	SigningName    string     // credential scope service, "lambda"
	TargetPrefix   string     // X-Amz-Target prefix of the json protocols, "DynamoDB_20120810"
	JSONVersion    string     // "1.0" or "1.1"
	APIVersion     string     // "2015-03-31"; the Version parameter of the query protocol
	XMLNamespace   string     // of rest-xml and query replies
	Protocols      []Protocol // best first; clients may use any of them
	QueryErrors    bool       // awsQueryCompatible: x-amzn-query-error header
	ValidationCode string     // code of constraint violations where it is not ValidationException
	Shapes         []Shape
	Operations     []Operation // sorted by name
}

// Protocol is an AWS wire protocol, by the name that the API models use.
type Protocol string

// The wire protocols.
const (
	RestJSON Protocol = "rest-json"
	RestXML  Protocol = "rest-xml"
	JSON     Protocol = "json"
	Query    Protocol = "query"
	EC2      Protocol = "ec2"
	CBOR     Protocol = "smithy-rpc-v2-cbor"
)

// Operation is one call of an API.
type Operation struct {
	Name      string
	Method    string // HTTP method, "POST"
	Path      string // URI template without query, "/2015-03-31/functions/{FunctionName}"
	Query     string // constant query part of the template, "List=ALL"
	Status    int    // HTTP status of success; 0 means 200
	Input     Index  // a Structure, or None
	Output    Index  // a Structure, or None
	Wrapper   string // resultWrapper of the query protocol
	Root      string // root element of a rest-xml request body without payload member
	Namespace string // XML namespace of that root
	Unsigned  bool   // authtype none: the operation is called without a signature
	Checksum  bool   // the request must carry Content-MD5 or another checksum
	Errors    []Index
	NewInput  func() any // new(XInput), never nil
	NewOutput func() any // new(XOutput), never nil; rarely needed by a server
}

// Index points into Service.Shapes.
type Index int32

// None is the index of no shape.
const None Index = -1

// Kind is the type of a shape.
type Kind uint8

// The kinds and the Go types of struct fields that hold them. Elements of lists
// and values of maps have the same type without the pointer ([]string, []T,
// map[string]T), unless the collection is Sparse: then they have it, and null
// is nil. Keys of maps are always string. A Streaming payload is an
// io.ReadCloser, an event stream a shape.EventStream.
const (
	Structure Kind = iota + 1 // *T of the generated struct
	List                      // []E, nil when absent, also inside collections
	Map                       // map[string]V, nil when absent, also inside collections
	String                    // *string (also enums)
	Blob                      // []byte, nil when absent, also inside collections
	Boolean                   // *bool
	Integer                   // *int32 (also byte and short)
	Long                      // *int64
	Float                     // *float32
	Double                    // *float64
	Timestamp                 // *time.Time
	Document                  // json.RawMessage, also inside collections
)

// EventStream produces the events of a streaming reply: it calls send with a
// pointer to the generated union struct (exactly one member set) for each
// event, in order, and returns after the last one. send's error ends it.
type EventStream func(send func(event any) error) error

// Shape is one type of the model.
type Shape struct {
	Name    string
	Kind    Kind
	Members []Member // of a Structure, in model order
	Elem    *Member  // of a List, and the value of a Map
	Key     *Member  // of a Map
	Payload int32    // 1 + index of the payload member; 0 = none

	Union       bool
	Sparse      bool // collection that keeps nulls
	Flattened   bool // list or map without a wrapping element
	Wrapper     bool // old query result that is wrapped in an element of its own name
	EventStream bool // union of events
	Event       bool // one event of such a union
	Sensitive   bool
	Root        string          // element name of the shape itself, when the model gives one
	Namespace   string          // XML namespace of the shape itself
	Timestamp   TimestampFormat // explicit format of a Timestamp shape, or empty

	// Constraints; see Validate.
	Range   *Range // length of strings, blobs, lists and maps; value of numbers
	Pattern string // Java regular expression that the whole value must match, as AWS prints it
	Enum    []string

	Error *ErrorInfo // set for exception shapes
}

// Range is a closed interval.
type Range struct {
	Min, Max         float64
	MinText, MaxText string // as AWS prints them; empty = no bound on that side
}

// Member is a field of a structure, an element of a list, or a key or value of a map.
type Member struct {
	Name         string // member name in the model; the Go field name is its exported form
	Wire         string // locationName if it differs from Name, else empty
	QueryName    string // queryName of the ec2 protocol
	Location     Location
	Shape        Index
	Required     bool
	Flattened    bool
	Streaming    bool            // an io.ReadCloser: the payload is not read into memory
	JSONValue    bool            // string that holds JSON text: base64 in a header, a string in a body
	Attribute    bool            // xmlAttribute
	Namespace    string          // XML namespace on the member
	Prefix       string          // prefix of that namespace
	Timestamp    TimestampFormat // explicit format at this place, or empty
	HostLabel    bool
	Idempotency  bool
	EventPayload bool // of an Event: the raw payload of the message
	EventHeader  bool // of an Event: a header of the message
}

// WireName is the name of the member on the wire.
func (m *Member) WireName() string {
	if m.Wire != "" {
		return m.Wire
	}
	return m.Name
}

// Location says where a member travels in HTTP.
type Location uint8

// The locations of the rest protocols; Body is the default.
const (
	Body       Location = iota
	URI                 // {FunctionName}
	Query_              // querystring (trailing underscore: Query is a Protocol)
	Header              // header; Wire is in canonical form
	Headers             // prefix headers, a map; Wire is the prefix in canonical form
	StatusCode          // HTTP status code of the reply
)

// ErrorInfo is what a client sees of an exception besides its members.
type ErrorInfo struct {
	Code          string // error.code of the model if it differs from the shape name: wire code of query and rest-xml, and of x-amzn-query-error
	Status        int    // never 0
	Sender        bool
	MessageMember string // wire name, "message", "Message" or empty
}

// Operation returns the operation of that name, or nil. It is a binary search.
func (s *Service) Operation(name string) *Operation {
	lo, hi := 0, len(s.Operations)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if s.Operations[mid].Name < name {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(s.Operations) && s.Operations[lo].Name == name {
		return &s.Operations[lo]
	}
	return nil
}

// Exception returns the exception shape of that name, or nil. It scans the
// whole table: for error replies only.
func (s *Service) Exception(name string) *Shape {
	for i := range s.Shapes {
		if s.Shapes[i].Error != nil && s.Shapes[i].Name == name {
			return &s.Shapes[i]
		}
	}
	return nil
}

// TimestampFormat is the text form of a timestamp.
type TimestampFormat string

// The timestamp formats.
const (
	UnixTimestamp TimestampFormat = "unixTimestamp" // seconds, with milliseconds when not whole
	ISO8601       TimestampFormat = "iso8601"
	RFC822        TimestampFormat = "rfc822"
)

// TimeFormat is the format of the timestamp at member m: the member's own, the
// shape's, or the default of the protocol at that place.
func (s *Service) TimeFormat(m *Member, fallback TimestampFormat) TimestampFormat {
	if m.Timestamp != "" {
		return m.Timestamp
	}
	if f := s.Shapes[m.Shape].Timestamp; f != "" {
		return f
	}
	return fallback
}
