package resource

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// fuzzPatience bounds one resource, which may never become what it should.
const fuzzPatience = 2 * time.Second

// FuzzProperties makes, changes, reads and deletes resources of all types with
// whatever a template may hold: the type answers or refuses, it never breaks.
func FuzzProperties(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"Tags":"x"}`, `{"Tags":[1,{"Key":[]}],"Policies":[[]],"Roles":{"a":1}}`,
		`{"BucketName":"b","LifecycleConfiguration":{"Rules":{"Status":1}},"NotificationConfiguration":{"LambdaConfigurations":[null,"x"]},"BucketEncryption":[1],"CorsConfiguration":7}`,
		`{"Code":7,"Role":"r","Environment":[],"Layers":{"a":1}}`, `{"Code":{"ZipFile":[1]},"Runtime":"nodejs24.x"}`,
		`{"QueueName":"q","RedrivePolicy":[1],"VisibilityTimeout":{"a":1},"FifoQueue":"true"}`,
		`{"EventPattern":[1],"Targets":{"Id":1},"EventBusName":[]}`, `{"Statement":7,"StatementId":{}}`,
		`{"GenerateSecretString":{"SecretStringTemplate":"[","GenerateStringKey":1}}`,
		`{"Name":"a","ProtocolType":"HTTP","Body":"{","RouteSettings":[],"StageVariables":[],"ResponseParameters":{"200":7}}`,
		`{"RestApiId":"a","MethodSettings":["x",{"ResourcePath":{}}],"StageDescription":[],"Integration":"x","MethodResponses":7,"ApiStages":{"a":1}}`,
		`{"RoutingConfig":{"AdditionalVersionWeights":7},"ProvisionedConcurrencyConfig":7,"FunctionName":"f","Name":"n","FunctionVersion":"1"}`,
		`{"Subscription":{"a":1},"DeliveryStatusLogging":"x","PolicyDocument":[],"Topics":{"a":1}}`,
	} {
		f.Add(seed, `{"Tags":{"a":{"b":1}},"Policies":7}`)
	}
	p := newPlatformFor(f)
	f.Fuzz(func(t *testing.T, before, after string) {
		var properties, changed values
		if decode(before, &properties) != nil || decode(after, &changed) != nil {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(p.types)) {
			kind := p.types[name]
			if kind.Facts().NotYet != "" {
				continue
			}
			ctx, cancel := context.WithTimeout(context.Background(), fuzzPatience)
			m := &made{platform: p, kind: kind, name: name, logical: "Fuzzed"}
			result, err := kind.Create(ctx, m.request(clone(properties)))
			if err == nil && (result == nil || result.PhysicalID == "") {
				t.Errorf("%s %s: made without an id", name, before)
			}
			if result != nil {
				m.id, m.attributes = result.PhysicalID, result.Attributes
				request := m.request(clone(changed))
				request.Previous = clone(properties)
				if result, err := kind.Update(ctx, request); err == nil && result.PhysicalID == "" {
					t.Errorf("%s %s: changed without an id", name, after)
				}
				kind.Read(ctx, m.request(clone(changed)))   // whatever it says, it says
				kind.Delete(ctx, m.request(clone(changed))) // as above
			}
			cancel()
		}
	})
}

func decode(text string, into *values) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	return decoder.Decode(into)
}

// clone is a deep copy.
func clone(v values) values {
	var copied values
	text, err := json.Marshal(v)
	if err != nil || decode(string(text), &copied) != nil {
		return nil
	}
	return copied
}
