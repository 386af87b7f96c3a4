package lint

// Deps is every module that our own packages import, and why the standard
// library does not do. A module leaves the list with its last import.
var Deps = map[string]string{
	"github.com/aws/aws-lambda-go":             "tests only: the structs of events as AWS publishes them",
	"github.com/aws/aws-sdk-go-v2":             "tests only: signs requests as real clients do",
	"github.com/cockroachdb/pebble/v2":         "the embedded engine of the store: group commit and crash safety",
	"github.com/fsnotify/fsnotify":             "deploy --watch: tells when a source file changes, without polling",
	"github.com/go-jose/go-jose/v4":            "JSON Web Tokens: callers of HTTP APIs prove themselves with them",
	"github.com/google/go-cmp":                 "tests only: readable differences",
	"github.com/google/nftables":               "redirects the connections of functions inside their namespace, without running nft",
	"github.com/gorilla/websocket":             "WebSocket APIs: frames, masks and close codes; no goroutine and few bytes for a connection that waits",
	"github.com/kluctl/go-embed-python":        "python3.14 and pip inside the binary: a fresh machine needs no Python",
	"github.com/pelletier/go-toml/v2":          "the project and configuration files that users write",
	"github.com/rogpeppe/go-internal":          "tests only: scripts that run the real binary",
	"github.com/santhosh-tekuri/jsonschema/v6": "models of REST and WebSocket APIs: JSON schema draft 4",
	"github.com/spf13/cobra":                   "subcommands, help, suggestions and shell completion",
	"go.yaml.in/yaml/v4":                       "CloudFormation templates in YAML, with the places of nodes and a bound on their depth; the maintained line of go-yaml",
	"golang.org/x/sync":                        "groups of workers that end together with the first error",
	"golang.org/x/sys":                         "the system calls of the sandbox",
}
