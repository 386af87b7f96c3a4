package sam

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

func decode(t *testing.T, text string) any {
	t.Helper()
	value, err := pyjson.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func transform(t *testing.T, template string) *pyjson.Dict {
	t.Helper()
	out, err := Transform(decode(t, template), map[string]any{}, Environment{Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	value, err := pyjson.FromPlain(out)
	if err != nil {
		t.Fatal(err)
	}
	return value.(*pyjson.Dict)
}

// hello is the template of "sam init", hello-world in Python, after "sam package".
const hello = `{"Transform": "AWS::Serverless-2016-10-31",
 "Globals": {"Function": {"Timeout": 3, "LoggingConfig": {"LogFormat": "JSON"}}},
 "Resources": {"HelloWorldFunction": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "s3://bucket/key", "Handler": "app.lambda_handler",
   "Runtime": "python3.13", "Architectures": ["x86_64"], "Events": {"HelloWorld": {"Type": "Api", "Properties": {"Path": "/hello", "Method": "get"}}}}}},
 "Outputs": {"Api": {"Value": {"Fn::Sub": "https://${ServerlessRestApi}.execute-api.${AWS::Region}.amazonaws.com/Prod/hello/"}}}}`

// The ids are those that aws-sam-translator 1.115.0 gives; test/sam compares with it.
func TestHelloWorldBecomesWhatTheOfficialTranslatorMakes(t *testing.T) {
	out := transform(t, hello)
	resources := out.Get("Resources").(*pyjson.Dict)
	want := map[string]string{
		"HelloWorldFunction": "AWS::Lambda::Function", "HelloWorldFunctionRole": "AWS::IAM::Role",
		"HelloWorldFunctionHelloWorldPermissionProd": "AWS::Lambda::Permission", "ServerlessRestApi": "AWS::ApiGateway::RestApi",
		"ServerlessRestApiDeployment47fc2d5f9d": "AWS::ApiGateway::Deployment", "ServerlessRestApiProdStage": "AWS::ApiGateway::Stage",
	}
	for id, kind := range want {
		if got, _ := resources.Get(id).(*pyjson.Dict); got.Get("Type") != kind {
			t.Errorf("%s is %v, want a %s", id, got, kind)
		}
	}
	if resources.Len() != len(want) {
		t.Errorf("resources are %v", resources.Keys())
	}
	if out.Has("Transform") || out.Has("Globals") {
		t.Errorf("the sections Transform and Globals are still there")
	}
}

func TestTransformLeavesItsArgumentsAlone(t *testing.T) {
	template := map[string]any{}
	if err := json.Unmarshal([]byte(hello), &template); err != nil {
		t.Fatal(err)
	}
	before, _ := json.Marshal(template)
	plain, err := pyjson.Decode(before)
	if err != nil {
		t.Fatal(err)
	}
	given := pyjson.Plain(plain)
	if _, err := Transform(given, nil, Environment{Region: "us-east-1"}); err != nil {
		t.Fatal(err)
	}
	if after, _ := json.Marshal(given); string(after) != string(before) {
		t.Errorf("the template was changed to %s", after)
	}
}

func TestErrorsOfAllResourcesAreTold(t *testing.T) {
	_, err := Transform(decode(t, `{"Resources": {
	 "B": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "s3://b/k", "Runtime": "python3.13"}},
	 "A": {"Type": "AWS::Serverless::Function", "Properties": {"Colour": "red"}}}}`), nil, Environment{Region: "us-east-1"})
	want := "Invalid Serverless Application Specification document. Number of errors found: 2." +
		" Resource with id [A] is invalid. property Colour not defined for resource of type AWS::Serverless::Function" +
		" Resource with id [B] is invalid. Runtime and Handler needs to be present when PackageType is of type `Zip`"
	var told *Error
	if !errors.As(err, &told) || told.Message != want {
		t.Errorf("the error is\n%v, want\n%s", err, want)
	}
}

// A parameter's value may hold references to parameters: to itself, or so many that
// resolving all would take forever.
func TestReferencesThatNeverEndAreRefused(t *testing.T) {
	var many strings.Builder
	many.WriteString(`"P0": {"Default": "x"}`)
	for i := range 60 {
		ref := `{"Ref": "P` + pyjson.Itoa(i) + `"}`
		many.WriteString(`, "P` + pyjson.Itoa(i+1) + `": {"Default": {"a": ` + ref + `, "b": ` + ref + `}}`)
	}
	function := `, "Resources": {"F": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "s3://b/k", "Runtime": "r", "Handler": "h", "Tracing": {"Ref": "`
	for name, template := range map[string]string{
		"itself": `{"Parameters": {"P": {"Default": {"a": {"Ref": "P"}}}}` + function + `P"}}}}}`,
		"many":   `{"Parameters": {` + many.String() + `}` + function + `P60"}}}}}`,
	} {
		started := time.Now()
		_, err := Transform(decode(t, template), nil, Environment{Region: "us-east-1"})
		if err == nil || !strings.Contains(err.Error(), "Internal transform failure.") {
			t.Errorf("%s: the error is %v", name, err)
		}
		if took := time.Since(started); took > time.Minute {
			t.Errorf("%s: it took %s", name, took)
		}
	}
}

// An API's definition is copied for each event; with many events that must not take
// forever.
func TestAnAPIOfManyEventsIsQuick(t *testing.T) {
	const events = 400
	var text strings.Builder
	for i := range events {
		n := pyjson.Itoa(i)
		text.WriteString(`,"E` + n + `": {"Type": "Api", "Properties": {"Path": "/p` + n + `", "Method": "get"}}`)
	}
	started := time.Now()
	out := transform(t, `{"Resources": {"F": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "s3://b/k", "Runtime": "r", "Handler": "h", "Events": {`+
		text.String()[1:]+`}}}}}`)
	if took := time.Since(started); took > time.Minute {
		t.Errorf("it took %s", took)
	}
	if resources := out.Get("Resources").(*pyjson.Dict); resources.Len() != events+5 {
		t.Errorf("there are %d resources", resources.Len())
	}
}

// FuzzTransform gives templates with odd values in places to the transform: it must
// end, without a crash.
func FuzzTransform(f *testing.F) {
	for _, seed := range seeds {
		for mutation := range uint64(20) {
			f.Add(seed, mutation)
		}
	}
	f.Fuzz(func(t *testing.T, template string, mutation uint64) {
		value, err := pyjson.Decode([]byte(template))
		if err != nil {
			return
		}
		random := rand.New(rand.NewPCG(mutation, 0))
		for range mutation % 4 {
			value = mutated(random, value)
		}
		out, err := Transform(value, map[string]any{"P": "v"}, Environment{Region: "us-east-1", Application: func(string, string) (string, error) { return "u", nil }})
		if (out == nil) == (err == nil) {
			t.Errorf("both or neither of output and error: %v, %v", out, err)
		}
	})
}

// mutated puts an odd value, or one from elsewhere, in a place of a value.
func mutated(random *rand.Rand, value any) any {
	const replaceHere = 6 // one time in so many
	if random.IntN(replaceHere) == 0 {
		return odd[random.IntN(len(odd))]()
	}
	switch v := value.(type) {
	case []any:
		if len(v) > 0 {
			i := random.IntN(len(v))
			v[i] = mutated(random, v[i])
		}
	case *pyjson.Dict:
		if keys := v.Keys(); len(keys) > 0 {
			key := keys[random.IntN(len(keys))]
			v.Set(key, mutated(random, v.Get(key)))
		}
	default:
		return odd[random.IntN(len(odd))]()
	}
	return value
}

// odd are values that are seldom right.
var odd = []func() any{
	func() any { return nil },
	func() any { return true },
	func() any { return json.Number("1") },
	func() any { return json.Number("-1.5e300") },
	func() any { return "" },
	func() any { return "x" },
	func() any { return "\u00e9$/{}" },
	func() any { return []any{} },
	func() any { return []any{nil, "x", json.Number("1")} },
	func() any { return []any{pyjson.New()} },
	func() any { return pyjson.New() },
	func() any { return pyjson.New("a", "b", "c", nil) },
	func() any { return pyjson.New("Ref", "P") },
	func() any { return pyjson.New("Ref", nil) },
	func() any { return pyjson.New("Fn::If", []any{"C", "a", pyjson.New("Ref", "AWS::NoValue")}) },
	func() any { return pyjson.New("Fn::If", "x") },
	func() any { return pyjson.New("Fn::Sub", []any{"${P}", nil}) },
	func() any { return pyjson.New("Fn::GetAtt", []any{"F", nil}) },
	func() any { return pyjson.New("Fn::FindInMap", []any{"a"}) },
}

// Odd values in many places, by chance that is always the same.
func TestOddValuesNeverCrashTheTransform(t *testing.T) {
	const rounds = 400
	random := rand.New(rand.NewPCG(1, 2))
	for _, seed := range seeds {
		for range rounds {
			value := decode(t, seed)
			for range 1 + random.IntN(3) {
				value = mutated(random, value)
			}
			text := pyjson.Dump(value)
			func() {
				defer func() {
					if cause := recover(); cause != nil {
						t.Fatalf("%v\nof %s\n%s", cause, text, debug.Stack())
					}
				}()
				_, _ = Transform(value, map[string]any{"P": "v"}, Environment{Region: "us-east-1"})
			}()
		}
	}
}

// seeds have something of each kind of resource and event.
var seeds = []string{
	hello,
	`{"Resources":{"F":{"Type":"AWS::Serverless::Function","Condition":"C","Properties":{"InlineCode":"x","Runtime":"r","Handler":"h","AutoPublishAlias":"live",
	 "Policies":[{"SQSPollerPolicy":{"QueueName":"q"}},"AWSLambdaRole",{"Statement":[]}],"DeploymentPreference":{"Type":"AllAtOnce","Alarms":["a"]},
	 "FunctionUrlConfig":{"AuthType":"NONE","Cors":{"MaxAge":1}},"EventInvokeConfig":{"DestinationConfig":{"OnSuccess":{"Type":"SQS"},"OnFailure":{"Type":"SNS"}}},
	 "Events":{"A":{"Type":"SQS","Properties":{"Queue":"q","FilterCriteria":{"Filters":[]}}},"B":{"Type":"S3","Properties":{"Bucket":{"Ref":"Bucket"},"Events":["e"]}},
	 "C":{"Type":"Schedule","Properties":{"Schedule":"rate(1 day)","DeadLetterConfig":{"Type":"SQS"}}},"D":{"Type":"SNS","Properties":{"Topic":"t","SqsSubscription":true}},
	 "E":{"Type":"ScheduleV2","Properties":{"ScheduleExpression":"rate(1 day)"}},"G":{"Type":"SelfManagedKafka","Properties":{"Topics":["t"],
	 "KafkaBootstrapServers":["b"],"SourceAccessConfigurations":[{"Type":"BASIC_AUTH","URI":"u"}]}}}}},"Bucket":{"Type":"AWS::S3::Bucket"}},"Conditions":{"C":true}}`,
	`{"Resources":{"A":{"Type":"AWS::Serverless::Api","Properties":{"StageName":"s","Cors":"'*'","OpenApiVersion":"3.0.1","Models":{"M":{"type":"object"}},
	 "Auth":{"DefaultAuthorizer":"L","Authorizers":{"L":{"FunctionArn":"arn","FunctionPayloadType":"REQUEST","Identity":{"Headers":["h"]}}},"ApiKeyRequired":true,
	 "ResourcePolicy":{"IpRangeBlacklist":["1.2.3.4"],"SourceVpcWhitelist":["vpc-1"]},"UsagePlan":{"CreateUsagePlan":"SHARED"}},
	 "Domain":{"DomainName":"d","CertificateArn":"c","BasePath":["/p"],"Route53":{"HostedZoneId":"z","IpV6":true}},"GatewayResponses":{"DEFAULT_4XX":{"StatusCode":1}}}},
	 "F":{"Type":"AWS::Serverless::Function","Properties":{"CodeUri":{"Bucket":"b","Key":"k"},"Runtime":"r","Handler":"h","Events":{"X":{"Type":"Api",
	 "Properties":{"RestApiId":{"Ref":"A"},"Path":"/x/{y}/","Method":"ANY","RequestParameters":["method.request.header.H"],"RequestModel":{"Model":"M","ValidateBody":true}}}}}}}}`,
	`{"Globals":{"HttpApi":{"Auth":{"DefaultAuthorizer":"J","Authorizers":{"J":{"JwtConfiguration":{"issuer":"i"},"IdentitySource":"s"}}},"CorsConfiguration":true}},
	 "Resources":{"F":{"Type":"AWS::Serverless::Function","Properties":{"ImageUri":"i","PackageType":"Image","Events":{"H":{"Type":"HttpApi","Properties":{"Path":"/{p}","Method":"post"}},
	 "D":{"Type":"HttpApi"}}}},"W":{"Type":"AWS::Serverless::WebSocketApi","Properties":{"RouteSelectionExpression":"e","Routes":{"$connect":{"FunctionArn":"f"}},
	 "Auth":{"AuthType":"CUSTOM","AuthArn":"a"}}}}}`,
	`{"Resources":{"S":{"Type":"AWS::Serverless::StateMachine","Properties":{"Definition":{"States":{"A":{"Resource":{"Ref":"X"}}}},"AutoPublishAlias":"l","Events":{
	 "A":{"Type":"Api","Properties":{"Path":"/","Method":"get"}},"R":{"Type":"EventBridgeRule","Properties":{"Pattern":{}}}}}},
	 "T":{"Type":"AWS::Serverless::SimpleTable","Connectors":{"C":{"Properties":{"Destination":{"Id":"S"},"Permissions":["Read"]}}}},
	 "L":{"Type":"AWS::Serverless::LayerVersion","Properties":{"ContentUri":"s3://b/k"}},"N":{"Type":"AWS::Serverless::Application","Properties":{"Location":{"ApplicationId":"i","SemanticVersion":"1"}}},
	 "K":{"Type":"AWS::Serverless::Connector","Properties":{"Source":{"Id":"S"},"Destination":[{"Id":"T"}],"Permissions":["Write"]}}}}`,
}

// A seed that is refused at once would show nothing to the fuzzer.
func TestSeedsReachTheirResources(t *testing.T) {
	for i, seed := range seeds {
		_, err := Transform(decode(t, seed), map[string]any{}, Environment{Region: "us-east-1", Application: func(string, string) (string, error) { return "u", nil }})
		if err != nil && strings.Contains(err.Error(), "Structure of the SAM template") {
			t.Errorf("seed %d: %v", i, err)
		} else if err != nil {
			t.Logf("seed %d: %v", i, err)
		}
	}
}
