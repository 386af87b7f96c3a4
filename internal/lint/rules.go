package lint

// Layer is one step of the import order. A package may import its own layer and
// every layer above it in the table (the table is listed from the bottom up).
type Layer struct {
	Name     string
	Prefixes []string // folders, relative to the root
}

// Policy is what the rules compare a tree with.
type Policy struct {
	Layers     []Layer
	Budgets    Budgets
	Exceptions []Exception
	Deps       map[string]string // direct module -> why it is worth having
}

// Budgets are the sizes that keep a reader's head above water.
type Budgets struct {
	FunctionLines       int // from "func" to the closing brace
	FunctionPaths       int // 1 + if, for, case, && and ||
	FileLines           int
	PackageLines        int // without tests and generated files
	PackageCommentLines int
	DirectModules       int
}

// Exception is a named line: this rule is broken here, on purpose.
type Exception struct {
	Rule   string
	Path   string // file, or folder for rules about packages
	Name   string // function or word that the problem names; empty = any
	Reason string
}

// House is the policy of this repository.
var House = &Policy{
	// Order of architecture.md, lowest first. wire and api know no core: that is
	// the one place where the order alone is not enough, see onlyImports.
	Layers: []Layer{
		{"base", []string{"internal/base"}},
		{"engine", []string{"internal/engine"}},
		{"core", []string{"internal/core"}},
		{"wire", []string{"internal/wire", "internal/api"}},
		{"service", []string{"internal/svc", "internal/guard"}},
		{"front", []string{"internal/front"}},
		{"edge", []string{"internal/gateway", "internal/console", "internal/cost", "internal/foreign"}},
		{"server", []string{"internal/server"}},
		{"command", []string{"cmd", "internal/cli", "examples"}},
		{"outside", []string{"internal/lint", "test"}},
	},
	Budgets:    Budgets{FunctionLines: 70, FunctionPaths: 20, FileLines: 800, PackageLines: 4000, PackageCommentLines: 25, DirectModules: 16},
	Exceptions: exceptions,
	Deps:       Deps,
}

// exceptions of this repository. Each needs a reason that a reviewer accepts.
var exceptions = []Exception{
	{"package-lines", "internal/core/function", "", "all rows below a function change under its one guard row (see its DESIGN.md), so the code that reads and writes them is one unit"},
	{"goroutine", "internal/core/function/run.go", "", "Run blocks; its workers are a group that ends with it"},
}

// onlyImports narrows what some folders may import of this module, beyond the
// layer order. A folder matches with everything below it.
var onlyImports = []struct {
	folder, reason string
	allowed        []string
}{
	{"internal/wire", "the codecs know no service, no engine and no core", []string{"internal/base", "internal/wire", "internal/api"}},
	{"internal/api", "the generated shapes know no service, no engine and no core", []string{"internal/base", "internal/wire", "internal/api"}},
	{"internal/cli", "the client side speaks to the server by the AWS API, as any other client does", []string{"internal/base", "internal/wire", "internal/api"}},
	{"internal/lint", "the rules are not part of the product", nil},
	{"examples", "the examples are what users write", nil},
}

// owners names the only folders that may import a package (or one below it).
// Tests are free: they may look from outside.
var owners = []struct {
	imported, reason string
	folders          []string
}{
	{"github.com/cockroachdb/pebble/v2", "the store contract hides the engine", []string{"internal/engine/store"}},
	{"github.com/google/nftables", "only the sandbox touches the host's network", []string{"internal/engine/sandbox"}},
	{"github.com/kluctl/go-embed-python", "one place knows where interpreters come from", []string{"internal/engine/pyboot", "test/clients"}},
	{"github.com/spf13/cobra", "flags belong to the command line", []string{"cmd"}},
	{"github.com/aws/aws-sdk-go-v2", "the product must not depend on a client", []string{"test"}},
	{"github.com/aws/aws-lambda-go", "functions' own library is what our events are compared with", []string{"test"}},
	{"flag", "only cmd and server read flags", []string{"cmd", "internal/server", "test", "internal/wire/modelgen", "internal/svc/resource/schemagen"}},
	{"net/http", "core and engine know no HTTP", []string{"internal/wire", "internal/api", "internal/svc", "internal/guard", "internal/front", "internal/gateway", "internal/console", "internal/cost", "internal/foreign", "internal/server", "internal/cli", "cmd", "test", "internal/engine/sandbox"}},
	{"testing", "test code never reaches the binary", []string{"test", "internal/engine/store/storetest"}},
	{"C", "the binary is pure Go: it must build anywhere without a C compiler", nil},
}

// goroutineFolders may contain go statements; everybody else offers a blocking
// Run(ctx) and lets server choose.
var goroutineFolders = []string{
	"internal/server", "internal/core/invoke", "internal/core/poller", "internal/engine/sandbox", "test",
	"internal/core/mapping",           // the pollers in front of core/invoke: a call that runs is a goroutine
	"internal/core/async",             // the queue in front of core/invoke: an event that runs is a goroutine
	"internal/core/delivery",          // a delivery that is under way is a goroutine
	"internal/core/stack",             // a stack, and each resource of it, that is worked on is a goroutine
	"internal/front/websocket",        // an open connection, and each message of it that is worked on
	"internal/front/functions",        // a call that the client of an API no longer waits for
	"internal/engine/store/hold",      // renews a lease beside the work that it is for
	"internal/engine/store/storetest", // test code that other engines' tests import
}

// environmentFolders may read the environment of the process.
var environmentFolders = []string{"cmd", "internal/server", "test"}

// environmentFuncs are the functions of package os that read it.
var environmentFuncs = []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"}

// kernelFolders may call the functions below: what changes the process's view
// of the machine stays where it can be reviewed in one sitting.
var kernelFolders = []string{"internal/engine/sandbox", "test"}

// kernelFuncs are functions of package unix and syscall.
var kernelFuncs = []string{
	"Unshare", "Setns", "Mount", "Unmount", "PivotRoot", "Chroot", "Fsopen", "Fsmount", "Fsconfig", "MoveMount", "OpenTree",
	"MountSetattr", "LandlockCreateRuleset", "LandlockAddPathBeneathRule", "LandlockRestrictSelf", "PidfdSendSignal", "Ptrace",
}

// coreFolders must tell the time by a clock.Clock.
var coreFolders = []string{"internal/core"}

// clockFuncs are the functions of package time that read the wall clock. Timers
// are allowed: they are tested inside testing/synctest.
var clockFuncs = []string{"Now", "Since", "Until", "Sleep"}

// machineWords match paths that exist on one machine only.
var machineWords = []string{
	`/home/[a-z][a-z0-9_-]*/`,
	`/Users/[a-z][A-Za-z0-9_-]*/`,
	`/root/\.(pyenv|cache|local|config)\b`,
	`/w[o]rk(space|/main|/shared)\b`,
	`C:\\Users\\`,
}
