// Package shape describes the shapes and operations of one AWS API as data, so
// that one generic codec a protocol serves every service.
//
// The tables are written by internal/wire/modelgen into internal/api/<svc>api
// and never change at run time. Members refer to shapes by index into
// Service.Shapes, because Go forbids initialisation cycles and the tables must
// cost nothing at program start. Member i of a structure is field i of the
// generated Go struct: codecs walk both together by reflection.
//
// No goroutines, no locks. Start reading at Service.
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
	Shapes         []Shape
	Operations     []Operation
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
	Errors    []Index
	NewInput  func() any // new(XInput)
	NewOutput func() any // new(XOutput); rarely needed by a server
}

// Index points into Service.Shapes.
type Index int32

// None is the index of no shape.
const None Index = -1

// Kind is the type of a shape.
type Kind uint8

// The kinds and the Go types of struct fields that hold them.
const (
	Structure Kind = iota + 1 // *T of the generated struct
	List                      // []E, nil when absent
	Map                       // map[string]V, nil when absent
	String                    // *string (also enums)
	Blob                      // []byte, nil when absent; io.ReadCloser for a streaming payload
	Boolean                   // *bool
	Integer                   // *int32 (also byte and short)
	Long                      // *int64
	Float                     // *float32
	Double                    // *float64
	Timestamp                 // *time.Time
	Document                  // json.RawMessage
)

// Shape is one type of the model.
type Shape struct {
	Name    string
	Kind    Kind
	Members []Member // of a Structure, in model order
	Elem    *Member  // of a List, and the value of a Map
	Key     *Member  // of a Map
	Payload int32    // 1 + index of the payload member; 0 = none

	Union       bool
	Flattened   bool
	Streaming   bool
	EventStream bool
	Sensitive   bool
	JSONValue   bool
	Timestamp   TimestampFormat // explicit format of a Timestamp shape, or empty

	// Constraints; see Validate.
	Min, Max *float64 // length of strings, blobs, lists and maps; value of numbers
	Pattern  string   // regular expression that the whole value must match
	Enum     []string

	Error *ErrorInfo // set for exception shapes
}

// Member is a field of a structure, an element of a list, or a key or value of a map.
type Member struct {
	Name         string // member name in the model; the Go field name is its exported form
	Wire         string // locationName if it differs from Name, else empty
	Location     Location
	Shape        Index
	Required     bool
	Flattened    bool
	Attribute    bool            // xmlAttribute
	XMLNamespace string          // on the member
	XMLPrefix    string          // on the member
	Timestamp    TimestampFormat // explicit format at this place, or empty
	HostLabel    bool
	Idempotency  bool
}

// Location says where a member travels in HTTP.
type Location uint8

// The locations of the rest protocols; Body is the default.
const (
	Body       Location = iota
	URI                 // {FunctionName}
	Query_              // querystring (trailing underscore: Query is a Protocol)
	Header              // header
	Headers             // prefix headers, a map
	StatusCode          // HTTP status code of the reply
)

// TimestampFormat is the text form of a timestamp.
type TimestampFormat string

// The timestamp formats.
const (
	UnixTimestamp TimestampFormat = "unixTimestamp" // seconds, with milliseconds when not whole
	ISO8601       TimestampFormat = "iso8601"
	RFC822        TimestampFormat = "rfc822"
)

// ErrorInfo is what a client sees of an exception besides its members.
type ErrorInfo struct {
	Code          string // wire code; differs from the shape name in query APIs
	Status        int
	Sender        bool
	MessageMember string // "message", "Message" or empty
}
