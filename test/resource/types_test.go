package resource

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/wire/local"
)

// same wants the live properties to hold what the template has.
func (m *made) same(want values) {
	m.t.Helper()
	live := m.read()
	for name, value := range want {
		if got := plain(live[name]); got != plain(value) {
			m.t.Errorf("%s: the live %s is %s, want %s", m.name, name, got, plain(value))
		}
	}
}

func plain(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return strings.NewReplacer(`"true"`, "true", `"false"`, "false").Replace(string(text))
}

func number(n int) json.Number { return json.Number(fmt.Sprint(n)) }

func TestQueues(t *testing.T) {
	p := newPlatform(t)
	letters := p.create("Letters", "AWS::SQS::Queue", nil)
	if letters.ref != endpoint+"/"+account+"/s-Letters-ABCDEFGHIJKL" || letters.attributes["Arn"] != "arn:aws:sqs:"+region+":"+account+":s-Letters-ABCDEFGHIJKL" {
		t.Errorf("%+v", letters)
	}
	redrive := values{"deadLetterTargetArn": letters.attributes["Arn"], "maxReceiveCount": number(3)}
	q := p.create("Queue", "AWS::SQS::Queue", values{"QueueName": "mine", "VisibilityTimeout": number(60), "RedrivePolicy": redrive, "Tags": []any{values{"Key": "a", "Value": "1"}}})
	q.same(values{"VisibilityTimeout": number(60), "RedrivePolicy": redrive, "Tags": q.properties["Tags"]})
	if _, err := q.kind.Create(t.Context(), q.request(q.properties)); err == nil || !strings.Contains(err.Error(), "Resource of type 'AWS::SQS::Queue' with identifier 'mine' already exists.") {
		t.Errorf("a queue of the same name: %v", err)
	}
	q.update(values{"QueueName": "mine", "DelaySeconds": "5", "Tags": []any{values{"Key": "b", "Value": "2"}}})
	q.same(values{"VisibilityTimeout": number(30), "DelaySeconds": number(5), "RedrivePolicy": nil, "Tags": q.properties["Tags"]})
	fifo := p.create("Fifo", "AWS::SQS::Queue", values{"FifoQueue": true})
	if fifo.attributes["QueueName"] != "s-Fifo-ABCDEFGHIJKL.fifo" {
		t.Errorf("a FIFO queue's name is %v", fifo.attributes["QueueName"])
	}
	document := values{"Version": "2012-10-17", "Statement": []any{values{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}}}
	policy := p.create("Policy", "AWS::SQS::QueuePolicy", values{"PolicyDocument": document, "Queues": []any{q.ref, letters.ref}})
	policy.update(values{"PolicyDocument": document, "Queues": []any{q.ref}})
	inline := p.create("Inline", "AWS::SQS::QueueInlinePolicy", values{"PolicyDocument": document, "Queue": letters.ref})
	for _, m := range []*made{inline, policy, fifo, q, letters} {
		m.delete()
	}
	q.gone()
}

// trust lets functions assume a role.
var trust = values{"Version": "2012-10-17", "Statement": []any{values{"Effect": "Allow", "Principal": values{"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}}}

// statement is a policy of one action.
func statement(action string) values {
	return values{"Version": "2012-10-17", "Statement": []any{values{"Effect": "Allow", "Action": action, "Resource": "*"}}}
}

func tags(pairs ...string) []any {
	all := []any{}
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, values{"Key": pairs[i], "Value": pairs[i+1]})
	}
	return all
}

const basicExecution = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"

func TestRoles(t *testing.T) {
	p := newPlatform(t)
	role := p.create("Role", "AWS::IAM::Role", values{"AssumeRolePolicyDocument": trust, "ManagedPolicyArns": []any{basicExecution}, "Tags": tags("a", "1"),
		"Policies": []any{values{"PolicyName": "one", "PolicyDocument": statement("s3:GetObject")}}})
	role.same(role.properties)
	profile := p.create("Profile", "AWS::IAM::InstanceProfile", values{"Roles": []any{role.ref}})
	policy := p.create("Policy", "AWS::IAM::Policy", values{"PolicyName": "p", "PolicyDocument": statement("sqs:*"), "Roles": []any{role.ref}})
	managed := p.create("Managed", "AWS::IAM::ManagedPolicy", values{"PolicyDocument": statement("sns:*"), "Roles": []any{role.ref}, "Description": "d"})
	if want := "arn:aws:iam::" + account + ":policy/s-Managed-ABCDEFGHIJKL"; managed.ref != want {
		t.Errorf("a managed policy's Ref is %s, want %s", managed.ref, want)
	}
	inline := p.create("Inline", "AWS::IAM::RolePolicy", values{"PolicyName": "i", "RoleName": role.ref, "PolicyDocument": statement("logs:*")})
	inline.update(values{"PolicyName": "i", "RoleName": role.ref, "PolicyDocument": statement("events:*")})
	inline.same(inline.properties)
	managed.update(values{"PolicyDocument": statement("sns:Publish"), "Description": "d"})
	managed.same(values{"PolicyDocument": statement("sns:Publish")})
	policy.update(values{"PolicyName": "q", "PolicyDocument": statement("sqs:*"), "Roles": []any{role.ref}})
	profile.delete()
	policy.delete()
	inline.delete()
	inline.gone()
	role.update(values{"AssumeRolePolicyDocument": trust, "MaxSessionDuration": number(7200), "Description": "changed", "PermissionsBoundary": managed.ref,
		"Policies": []any{values{"PolicyName": "two", "PolicyDocument": statement("s3:PutObject")}}, "Tags": tags("b", "2")})
	role.same(role.properties)
	role.same(values{"ManagedPolicyArns": []any{}})
	role.delete()
	role.gone()
	managed.delete()
	managed.gone()
	if _, err := role.kind.Create(t.Context(), role.request(values{"AssumeRolePolicyDocument": "{"})); err == nil || !strings.Contains(err.Error(), "(Service: Iam, Status Code: 400, Request ID: ") ||
		!strings.Contains(err.Error(), "HandlerErrorCode: InvalidRequest)") {
		t.Errorf("a malformed policy: %v", err)
	}
}

func TestUsersAndGroups(t *testing.T) {
	p := newPlatform(t)
	group := p.create("Group", "AWS::IAM::Group", values{"Policies": []any{values{"PolicyName": "one", "PolicyDocument": statement("s3:GetObject")}}})
	user := p.create("User", "AWS::IAM::User", values{"Groups": []any{group.ref}, "Path": "/a/", "ManagedPolicyArns": []any{basicExecution}})
	user.same(user.properties)
	other := p.create("Other", "AWS::IAM::Group", nil)
	addition := p.create("Addition", "AWS::IAM::UserToGroupAddition", values{"GroupName": other.ref, "Users": []any{user.ref}})
	m := p.create("Key", "AWS::IAM::AccessKey", values{"UserName": user.ref})
	secret := m.attributes["SecretAccessKey"]
	m.update(values{"UserName": user.ref, "Status": "Inactive"})
	m.same(m.properties)
	if secret == "" || m.attributes["SecretAccessKey"] != secret {
		t.Errorf("an update lost the secret of the key: %v", m.attributes)
	}
	m.delete()
	m.gone()
	addition.delete()
	userPolicy := p.create("UserPolicy", "AWS::IAM::UserPolicy", values{"PolicyName": "u", "UserName": user.ref, "PolicyDocument": statement("logs:*")})
	groupPolicy := p.create("GroupPolicy", "AWS::IAM::GroupPolicy", values{"PolicyName": "g", "GroupName": group.ref, "PolicyDocument": statement("logs:*")})
	userPolicy.delete()
	groupPolicy.delete()
	user.update(values{"Path": "/b/", "Policies": []any{values{"PolicyName": "own", "PolicyDocument": statement("s3:*")}}})
	user.same(user.properties)
	group.update(values{"ManagedPolicyArns": []any{basicExecution}})
	group.same(group.properties)
	for _, made := range []*made{user, group, other} {
		made.delete()
		made.gone()
	}
}

// function makes a function and its role.
func (p *platform) function(logical string, more values) (role, function *made) {
	role = p.create(logical+"Role", "AWS::IAM::Role", values{"AssumeRolePolicyDocument": trust})
	properties := values{"Role": role.attributes["Arn"], "Runtime": "python3.13", "Handler": "index.handler", "Code": values{"ZipFile": "def handler(event, context):\n    return 1\n"}}
	for name, value := range more {
		properties[name] = value
	}
	return role, p.create(logical, "AWS::Lambda::Function", properties)
}

func TestFunctions(t *testing.T) {
	p := newPlatform(t)
	_, f := p.function("F", values{"MemorySize": number(256), "Environment": values{"Variables": values{"AA": "1"}}, "ReservedConcurrentExecutions": number(5), "Tags": tags("a", "1"),
		"Description": "first", "RecursiveLoop": "Allow"})
	f.same(values{"MemorySize": number(256), "Environment": values{"Variables": values{"AA": "1"}}, "ReservedConcurrentExecutions": number(5), "Tags": tags("a", "1"), "Description": "first",
		"Role": f.properties["Role"]})
	first := p.create("V1", "AWS::Lambda::Version", values{"FunctionName": f.ref})
	if first.attributes["Version"] != "1" || !strings.HasSuffix(first.ref, ":function:"+f.ref+":1") {
		t.Errorf("the first version: %+v", first)
	}
	_, err := first.kind.Create(t.Context(), first.request(first.properties))
	if err == nil || !strings.Contains(err.Error(), "A version for this Lambda function exists ( 1 ). Modify the function to create a new version.") {
		t.Errorf("a version without a change: %v", err)
	}
	f.update(values{"Role": f.properties["Role"], "Runtime": "python3.13", "Handler": "index.handler", "Code": values{"ZipFile": "import cfnresponse\n"}, "Timeout": number(9)})
	f.same(values{"Timeout": number(9), "MemorySize": number(128), "Description": "", "ReservedConcurrentExecutions": nil, "Tags": tags()})
	second := p.create("V2", "AWS::Lambda::Version", values{"FunctionName": f.ref, "Description": "two"})
	alias := p.create("Alias", "AWS::Lambda::Alias", values{"FunctionName": f.ref, "FunctionVersion": "1", "Name": "live"})
	alias.update(values{"FunctionName": f.ref, "FunctionVersion": "1", "Name": "live", "Description": "d",
		"RoutingConfig": values{"AdditionalVersionWeights": []any{values{"FunctionVersion": "2", "FunctionWeight": json.Number("0.25")}}}, "ProvisionedConcurrencyConfig": values{"ProvisionedConcurrentExecutions": number(1)}})
	alias.same(values{"Description": "d", "RoutingConfig": alias.properties["RoutingConfig"], "FunctionVersion": "1"})
	alias.update(values{"FunctionName": f.ref, "FunctionVersion": "2", "Name": "live"})
	alias.same(values{"Description": "", "FunctionVersion": "2"})
	permission := p.create("Permission", "AWS::Lambda::Permission", values{"FunctionName": f.ref, "Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com",
		"SourceArn": "arn:aws:sns:" + region + ":" + account + ":t", "SourceAccount": account})
	permission.same(values{"Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com", "SourceArn": permission.properties["SourceArn"], "SourceAccount": account})
	queue := p.create("Queue", "AWS::SQS::Queue", nil)
	config := p.create("Config", "AWS::Lambda::EventInvokeConfig", values{"FunctionName": f.ref, "Qualifier": "$LATEST", "MaximumRetryAttempts": number(1),
		"DestinationConfig": values{"OnFailure": values{"Destination": queue.attributes["Arn"]}}})
	config.update(values{"FunctionName": f.ref, "Qualifier": "$LATEST", "MaximumRetryAttempts": number(0)})
	config.same(values{"MaximumRetryAttempts": number(0)})
	mapping := p.create("Mapping", "AWS::Lambda::EventSourceMapping", values{"FunctionName": f.ref, "EventSourceArn": queue.attributes["Arn"], "BatchSize": number(5), "Tags": tags("a", "1")})
	mapping.same(values{"BatchSize": number(5), "Tags": tags("a", "1")})
	mapping.update(values{"FunctionName": f.ref, "EventSourceArn": queue.attributes["Arn"], "FunctionResponseTypes": []any{"ReportBatchItemFailures"}, "Enabled": false})
	mapping.same(values{"BatchSize": number(10), "FunctionResponseTypes": []any{"ReportBatchItemFailures"}, "Tags": tags()})
	url := p.create("Url", "AWS::Lambda::Url", values{"TargetFunctionArn": f.attributes["Arn"], "AuthType": "NONE", "Cors": values{"AllowOrigins": []any{"*"}, "MaxAge": number(9)}})
	if !strings.HasPrefix(fmt.Sprint(url.attributes["FunctionUrl"]), "http") || url.ref != f.attributes["Arn"] {
		t.Errorf("a function's URL: %+v", url)
	}
	url.same(values{"AuthType": "NONE", "Cors": url.properties["Cors"]})
	url.update(values{"TargetFunctionArn": f.attributes["Arn"], "AuthType": "AWS_IAM", "InvokeMode": "RESPONSE_STREAM"})
	url.same(values{"AuthType": "AWS_IAM", "InvokeMode": "RESPONSE_STREAM"})
	qualified := p.create("Qualified", "AWS::Lambda::Url", values{"TargetFunctionArn": f.ref, "Qualifier": "live", "AuthType": "NONE"})
	for _, m := range []*made{qualified, url, mapping, config, permission, alias, second, first} {
		m.delete()
		m.gone()
	}
	queue.delete()
	f.delete()
	f.gone()
}

func TestAFunctionThatFailsSaysWhy(t *testing.T) {
	p := newPlatform(t)
	_, f := p.function("F", nil)
	_, err := f.kind.Create(t.Context(), f.request(values{"FunctionName": f.ref, "Role": f.properties["Role"], "Runtime": "python3.13", "Handler": "index.handler", "Code": f.properties["Code"]}))
	if err == nil || !strings.Contains(err.Error(), "Function already exist: "+f.ref+" (Service: Lambda, Status Code: 409, Request ID: ") || !strings.Contains(err.Error(), "HandlerErrorCode: AlreadyExists)") {
		t.Errorf("a function of the same name: %v", err)
	}
	if _, err := f.kind.Create(t.Context(), f.request(values{"Role": f.properties["Role"], "Runtime": "python3.13", "Handler": "h.h", "Code": values{"S3Bucket": "none-such", "S3Key": "k"}})); err == nil {
		t.Error("a function of a package that is not there was made")
	}
}

func TestLayers(t *testing.T) {
	p := newPlatform(t)
	bucket := p.create("Bucket", "AWS::S3::Bucket", nil)
	p.put(bucket.ref, "layer.zip", archive(t))
	layer := p.create("Layer", "AWS::Lambda::LayerVersion", values{"Content": values{"S3Bucket": bucket.ref, "S3Key": "layer.zip"}, "CompatibleRuntimes": []any{"python3.13"}})
	layer.same(values{"CompatibleRuntimes": []any{"python3.13"}})
	permission := p.create("Permission", "AWS::Lambda::LayerVersionPermission", values{"LayerVersionArn": layer.ref, "Action": "lambda:GetLayerVersion", "Principal": "*"})
	for _, m := range []*made{permission, layer} {
		m.delete()
		m.gone()
	}
	if err := bucket.kind.Delete(t.Context(), bucket.request(bucket.properties)); err == nil || !strings.Contains(err.Error(), "The bucket you tried to delete is not empty (Service: S3, Status Code: 409, Request ID: ") {
		t.Errorf("a bucket with an object was deleted: %v", err)
	}
}

// archive is a zip archive of one file.
func archive(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w := must[io.Writer](t)(z.Create("python/shared.py"))
	if _, err := io.WriteString(w, "A = 1\n"); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func (p *platform) put(bucket, key, body string) {
	p.t.Helper()
	who := local.Identity{Account: account, Region: region}
	if _, err := p.caller.Call(p.t.Context(), who, "s3", "PutObject", values{"Bucket": bucket, "Key": key, "Body": body}); err != nil {
		p.t.Fatal(err)
	}
}

func TestTopics(t *testing.T) {
	p := newPlatform(t)
	queue := p.create("Queue", "AWS::SQS::Queue", nil)
	other := p.create("Other", "AWS::SQS::Queue", nil)
	to := func(queue *made) values { return values{"Protocol": "sqs", "Endpoint": queue.attributes["Arn"]} }
	topic := p.create("Topic", "AWS::SNS::Topic", values{"DisplayName": "news", "Subscription": []any{to(queue)}, "Tags": tags("a", "1")})
	topic.same(values{"DisplayName": "news", "Tags": tags("a", "1")})
	topic.update(values{"Subscription": []any{to(other)}, "SignatureVersion": "2",
		"DeliveryStatusLogging": []any{values{"Protocol": "sqs", "SuccessFeedbackSampleRate": "10"}}})
	topic.same(values{"DisplayName": "", "SignatureVersion": "2", "Tags": tags()})
	subscription := p.create("Subscription", "AWS::SNS::Subscription", values{"TopicArn": topic.ref, "Protocol": "sqs", "Endpoint": queue.attributes["Arn"], "FilterPolicy": values{"a": []any{"b"}},
		"RawMessageDelivery": true})
	subscription.same(values{"FilterPolicy": values{"a": []any{"b"}}, "RawMessageDelivery": true})
	subscription.update(values{"TopicArn": topic.ref, "Protocol": "sqs", "Endpoint": queue.attributes["Arn"],
		"RedrivePolicy": values{"deadLetterTargetArn": other.attributes["Arn"]}})
	subscription.same(values{"RawMessageDelivery": false, "RedrivePolicy": subscription.properties["RedrivePolicy"]})
	document := values{"Version": "2012-10-17", "Statement": []any{values{"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": topic.ref}}}
	policy := p.create("Policy", "AWS::SNS::TopicPolicy", values{"PolicyDocument": document, "Topics": []any{topic.ref}})
	policy.update(values{"PolicyDocument": document, "Topics": []any{topic.ref}})
	inline := p.create("Inline", "AWS::SNS::TopicInlinePolicy", values{"PolicyDocument": document, "TopicArn": topic.ref})
	fifo := p.create("Fifo", "AWS::SNS::Topic", values{"FifoTopic": true, "ContentBasedDeduplication": true})
	fifo.update(values{"FifoTopic": true})
	for _, m := range []*made{policy, inline} {
		m.delete()
	}
	for _, m := range []*made{subscription, fifo, topic} {
		m.delete()
		m.gone()
	}
}

func TestBuckets(t *testing.T) {
	p := newPlatform(t)
	queue := p.create("Queue", "AWS::SQS::Queue", nil)
	_, function := p.function("F", nil)
	bucket := p.create("Bucket", "AWS::S3::Bucket", values{
		"VersioningConfiguration":        values{"Status": "Enabled"},
		"PublicAccessBlockConfiguration": values{"BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true},
		"BucketEncryption":               values{"ServerSideEncryptionConfiguration": []any{values{"ServerSideEncryptionByDefault": values{"SSEAlgorithm": "AES256"}}}},
		"OwnershipControls":              values{"Rules": []any{values{"ObjectOwnership": "BucketOwnerEnforced"}}},
		"CorsConfiguration":              values{"CorsRules": []any{values{"AllowedMethods": []any{"GET"}, "AllowedOrigins": []any{"*"}, "MaxAge": number(10), "Id": "one"}}},
		"LifecycleConfiguration": values{"Rules": []any{
			values{"Id": "old", "Status": "Enabled", "Prefix": "logs/", "ExpirationInDays": number(3), "TagFilters": tags("a", "b")},
			values{"Status": "Enabled", "NoncurrentVersionExpiration": values{"NoncurrentDays": number(1)}, "AbortIncompleteMultipartUpload": values{"DaysAfterInitiation": number(1)}},
		}},
		"NotificationConfiguration": values{
			"QueueConfigurations":      []any{values{"Event": "s3:ObjectCreated:*", "Queue": queue.attributes["Arn"], "Filter": values{"S3Key": values{"Rules": []any{values{"Name": "prefix", "Value": "in/"}}}}}},
			"EventBridgeConfiguration": values{"EventBridgeEnabled": true}},
		"Tags": tags("a", "1"), "AccessControl": "Private",
	})
	bucket.same(values{"VersioningConfiguration": values{"Status": "Enabled"}, "Tags": tags("a", "1"), "OwnershipControls": bucket.properties["OwnershipControls"]})
	permission := p.create("Permission", "AWS::Lambda::Permission", values{"FunctionName": function.ref, "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"})
	bucket.update(values{"NotificationConfiguration": values{"LambdaConfigurations": []any{values{"Event": "s3:ObjectRemoved:*", "Function": function.attributes["Arn"]}}}})
	bucket.same(values{"VersioningConfiguration": values{"Status": "Suspended"}, "Tags": nil})
	managed := maps.Clone(bucket.properties)
	managed["BucketEncryption"] = values{"ServerSideEncryptionConfiguration": []any{values{"ServerSideEncryptionByDefault": values{"SSEAlgorithm": "aws:kms"}}}}
	bucket.update(managed)
	policy := p.create("Policy", "AWS::S3::BucketPolicy", values{"Bucket": bucket.ref, "PolicyDocument": values{"Version": "2012-10-17", "Statement": []any{
		values{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": bucket.attributes["Arn"], "Condition": values{"Bool": values{"aws:SecureTransport": "false"}}}}}})
	policy.same(values{"PolicyDocument": policy.properties["PolicyDocument"]})
	if _, err := bucket.kind.Create(t.Context(), bucket.request(values{"BucketName": bucket.ref})); err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("a bucket of the same name: %v", err)
	}
	policy.delete()
	permission.delete()
	bucket.delete()
	bucket.gone()
}

func TestBucketsWhoseObjectsAreLocked(t *testing.T) {
	p := newPlatform(t)
	kept := values{"ObjectLockEnabled": "Enabled", "Rule": values{"DefaultRetention": values{"Mode": "GOVERNANCE", "Days": number(1)}}}
	bucket := p.create("Bucket", "AWS::S3::Bucket", values{"ObjectLockEnabled": true, "ObjectLockConfiguration": kept})
	bucket.same(values{"ObjectLockConfiguration": kept})
	bucket.update(values{"ObjectLockEnabled": true})
	bucket.same(values{"ObjectLockConfiguration": values{"ObjectLockEnabled": "Enabled"}})
	bucket.delete()
	bucket.gone()
}

func TestRules(t *testing.T) {
	p := newPlatform(t)
	queue := p.create("Queue", "AWS::SQS::Queue", nil)
	target := values{"Id": "one", "Arn": queue.attributes["Arn"]}
	bus := p.create("Bus", "AWS::Events::EventBus", values{"Name": "shop", "Tags": tags("a", "1"), "Description": "d"})
	bus.update(values{"Name": "shop", "Policy": values{"Version": "2012-10-17", "Statement": []any{
		values{"Sid": "x", "Effect": "Allow", "Principal": values{"AWS": "arn:aws:iam::444455556666:root"}, "Action": "events:PutEvents", "Resource": bus.attributes["Arn"]}}}})
	bus.same(bus.properties)
	rule := p.create("Rule", "AWS::Events::Rule", values{"EventPattern": values{"source": []any{"a"}}, "EventBusName": "shop", "State": "ENABLED", "Targets": []any{target}, "Tags": tags("a", "1")})
	if rule.ref != "shop|s-Rule-ABCDEFGHIJKL" {
		t.Errorf("Ref of a rule of another bus is %s", rule.ref)
	}
	rule.same(rule.properties)
	rule.update(values{"EventPattern": values{"source": []any{"b"}}, "EventBusName": "shop", "State": "DISABLED", "Targets": []any{values{"Id": "two", "Arn": queue.attributes["Arn"], "Input": "1"}}})
	rule.same(rule.properties)
	scheduled := p.create("Scheduled", "AWS::Events::Rule", values{"ScheduleExpression": "rate(5 minutes)", "Targets": []any{target}})
	if scheduled.ref != "s-Scheduled-ABCDEFGHIJKL" {
		t.Errorf("Ref of a rule of the default bus is %s", scheduled.ref)
	}
	simple := p.create("Simple", "AWS::Events::EventBusPolicy", values{"EventBusName": "shop", "StatementId": "s", "Action": "events:PutEvents", "Principal": "444455556666"})
	full := p.create("Full", "AWS::Events::EventBusPolicy", values{"EventBusName": "shop", "StatementId": "f", "Statement": values{
		"Effect": "Allow", "Principal": values{"AWS": "arn:aws:iam::444455556666:root"}, "Action": "events:PutEvents", "Resource": bus.attributes["Arn"]}})
	archive := p.create("Archive", "AWS::Events::Archive", values{"SourceArn": bus.attributes["Arn"], "RetentionDays": number(3), "EventPattern": values{"source": []any{"a"}}})
	archive.same(archive.properties)
	archive.update(values{"SourceArn": bus.attributes["Arn"], "Description": "d"})
	archive.same(archive.properties)
	for _, m := range []*made{simple, full} {
		m.delete()
	}
	for _, m := range []*made{archive, rule, scheduled, bus} {
		m.delete()
		m.gone()
	}
}

func TestSchedules(t *testing.T) {
	p := newPlatform(t)
	queue := p.create("Queue", "AWS::SQS::Queue", nil)
	group := p.create("Group", "AWS::Scheduler::ScheduleGroup", values{"Tags": tags("a", "1")})
	target := values{"Arn": queue.attributes["Arn"], "RoleArn": "arn:aws:iam::" + account + ":role/r", "RetryPolicy": values{"MaximumRetryAttempts": number(3)}}
	schedule := p.create("Schedule", "AWS::Scheduler::Schedule", values{"GroupName": group.ref, "ScheduleExpression": "rate(1 hour)", "FlexibleTimeWindow": values{"Mode": "OFF"}, "Target": target})
	schedule.same(values{"ScheduleExpression": "rate(1 hour)", "GroupName": group.ref})
	schedule.update(values{"GroupName": group.ref, "ScheduleExpression": "cron(0 8 * * ? *)", "ScheduleExpressionTimezone": "Europe/Berlin", "FlexibleTimeWindow": values{"Mode": "OFF"}, "Target": target, "State": "DISABLED"})
	schedule.same(values{"ScheduleExpressionTimezone": "Europe/Berlin", "State": "DISABLED"})
	for _, m := range []*made{schedule, group} {
		m.delete()
		m.gone()
	}
}

func TestConfiguration(t *testing.T) {
	p := newPlatform(t)
	parameter := p.create("Parameter", "AWS::SSM::Parameter", values{"Name": "/a/b", "Type": "String", "Value": "1", "Tags": values{"a": "1"}})
	parameter.same(parameter.properties)
	parameter.update(values{"Name": "/a/b", "Type": "String", "Value": "2", "Tags": values{"b": "2"}})
	parameter.same(parameter.properties)
	if parameter.attributes["Value"] != "2" {
		t.Errorf("the attributes of a changed parameter: %v", parameter.attributes)
	}
	secret := p.create("Secret", "AWS::SecretsManager::Secret", values{"GenerateSecretString": values{"SecretStringTemplate": `{"username":"me"}`, "GenerateStringKey": "password", "PasswordLength": number(20)}, "Tags": tags("a", "1")})
	value := p.value(secret.ref)
	var parts struct{ Username, Password string }
	if err := json.Unmarshal([]byte(value), &parts); err != nil || parts.Username != "me" || len(parts.Password) != 20 {
		t.Errorf("the value that was made up: %s, %v", value, err)
	}
	changed := values{"Description": "d", "GenerateSecretString": secret.properties["GenerateSecretString"]}
	secret.update(changed)
	if p.value(secret.ref) != value {
		t.Error("a change of the description made a new value")
	}
	secret.update(values{"SecretString": "mine"})
	if got := p.value(secret.ref); got != "mine" {
		t.Errorf("the value is %q, want mine", got)
	}
	policy := p.create("Policy", "AWS::SecretsManager::ResourcePolicy", values{"SecretId": secret.ref, "ResourcePolicy": values{"Version": "2012-10-17", "Statement": []any{
		values{"Effect": "Allow", "Principal": values{"AWS": "arn:aws:iam::" + account + ":root"}, "Action": "secretsmanager:GetSecretValue", "Resource": "*"}}}})
	policy.same(values{"ResourcePolicy": policy.properties["ResourcePolicy"]})
	for _, m := range []*made{policy, secret, parameter} {
		m.delete()
	}
	secret.gone()
	parameter.gone()
	if _, err := parameter.kind.Create(t.Context(), parameter.request(values{"Type": "SecureString", "Value": "x"})); err == nil || !strings.Contains(err.Error(), "SecureString") {
		t.Errorf("a SecureString: %v", err)
	}
}

// ask calls an operation as a client does.
func (p *platform) ask(service, operation string, in values) values {
	p.t.Helper()
	out, err := p.caller.Call(p.t.Context(), local.Identity{Account: account, Region: region}, service, operation, in)
	if err != nil {
		p.t.Fatalf("%s %v: %v", operation, in, err)
	}
	return out
}

func (p *platform) value(secret string) string {
	p.t.Helper()
	out, err := p.caller.Call(p.t.Context(), local.Identity{Account: account, Region: region}, "secretsmanager", "GetSecretValue", values{"SecretId": secret})
	if err != nil {
		p.t.Fatal(err)
	}
	return fmt.Sprint(out["SecretString"])
}

func TestLogGroups(t *testing.T) {
	p := newPlatform(t)
	group := p.create("Group", "AWS::Logs::LogGroup", values{"LogGroupName": "/a/b", "RetentionInDays": number(7), "Tags": tags("a", "1")})
	group.same(group.properties)
	if want := "arn:aws:logs:" + region + ":" + account + ":log-group:/a/b:*"; group.attributes["Arn"] != want {
		t.Errorf("the ARN is %v, want %s", group.attributes["Arn"], want)
	}
	group.update(values{"LogGroupName": "/a/b", "Tags": tags("b", "2"), "DeletionProtectionEnabled": true})
	group.same(values{"RetentionInDays": nil, "Tags": tags("b", "2")})
	group.update(values{"LogGroupName": "/a/b"})
	stream := p.create("Stream", "AWS::Logs::LogStream", values{"LogGroupName": "/a/b"})
	for _, m := range []*made{stream, group} {
		m.delete()
		m.gone()
	}
}

func TestRepositories(t *testing.T) {
	p := newPlatform(t)
	lifecycle := values{"LifecyclePolicyText": `{"rules":[{"rulePriority":1,"selection":{"tagStatus":"untagged","countType":"sinceImagePushed","countUnit":"days","countNumber":1},"action":{"type":"expire"}}]}`}
	// As in the template of cdk bootstrap.
	r := p.create("Repository", "AWS::ECR::Repository", values{"RepositoryName": "cdk-hnb659fds-container-assets", "ImageTagMutability": "IMMUTABLE", "LifecyclePolicy": lifecycle,
		"RepositoryPolicyText": statement("ecr:BatchGetImage"), "Tags": tags("a", "1"), "ImageScanningConfiguration": values{"ScanOnPush": true}})
	if want := account + ".dkr.ecr." + region + ".amazonaws.com/cdk-hnb659fds-container-assets"; r.attributes["RepositoryUri"] != want {
		t.Errorf("the URI is %v, want %s", r.attributes["RepositoryUri"], want)
	}
	r.same(values{"ImageTagMutability": "IMMUTABLE", "Tags": tags("a", "1")})
	r.update(values{"RepositoryName": "cdk-hnb659fds-container-assets"})
	r.same(values{"ImageTagMutability": "MUTABLE", "Tags": tags()})
	r.delete()
	r.gone()
}

// The words are those of the events of stacks, as users report them.
func TestPropertiesAreComparedWithTheSchema(t *testing.T) {
	p := newPlatform(t)
	m := &made{platform: p, kind: p.types["AWS::SQS::QueuePolicy"], name: "AWS::SQS::QueuePolicy", logical: "Policy"}
	_, err := m.kind.Create(t.Context(), m.request(values{"Queues": values{"a": "b"}}))
	if want := "Properties validation failed for resource Policy with message:\n#: required key [PolicyDocument] not found\n#/Queues: expected type: JSONArray, found: JSONObject"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// Each property of each schema is given to an operation, inert or refused for a reason.
func TestEveryPropertyIsAccountedFor(t *testing.T) {
	for name, kind := range newPlatform(t).types {
		for property, p := range kind.Facts().Properties {
			if p.Refused == "no operation takes it" {
				t.Errorf("%s: the property %s is neither mapped, inert nor refused for a reason", name, property)
			}
			if p.Refused != "" && p.Required && kind.Facts().NotYet == "" {
				t.Errorf("%s: the required property %s is refused", name, property)
			}
		}
	}
}

// A handler of the CDK in Node.js is one of ours in Python; any other is refused as it is.
func TestHandlersOfTheCDK(t *testing.T) {
	p := newPlatform(t)
	role := p.create("Role", "AWS::IAM::Role", values{"AssumeRolePolicyDocument": trust})
	properties := values{"Role": role.attributes["Arn"], "Runtime": "nodejs24.x", "Handler": "index.handler", "Timeout": number(900), "MemorySize": number(128),
		"Code": values{"S3Bucket": "cdk-hnb659fds-assets", "S3Key": "x.zip"}}
	for _, logical := range []string{"CustomS3AutoDeleteObjectsCustomResourceProviderHandler9D90184F", "LogRetentionaae0aa3c5b4d4f87b02d85b201efdd8aFD4BFC8A", "AWS679f53fac002430cb0da5b7982bd22872D164C4C"} {
		f := p.create(logical, "AWS::Lambda::Function", properties)
		f.same(values{"Runtime": "nodejs24.x", "Timeout": number(900)})
		if live := p.ask("lambda", "GetFunctionConfiguration", values{"FunctionName": f.ref}); live["Runtime"] != "python3.14" {
			t.Errorf("%s runs in %v", logical, live["Runtime"])
		}
		changed := maps.Clone(properties)
		changed["Timeout"] = number(30)
		f.update(changed)
		f.same(values{"Timeout": number(30)})
	}
	framework := maps.Clone(properties)
	framework["Handler"], framework["Environment"] = "framework.onEvent", values{"Variables": values{"USER_ON_EVENT_FUNCTION_ARN": "arn:aws:lambda:eu-west-1:111122223333:function:mine"}}
	f := p.create("PframeworkonEventCB72A785", "AWS::Lambda::Function", framework)
	f.same(values{"Runtime": "nodejs24.x", "Environment": framework["Environment"]})
	// That of deployments to buckets is Python of the CDK's own, for ARM.
	deployment := maps.Clone(properties)
	deployment["Runtime"], deployment["Architectures"], deployment["Code"] = "python3.14", []any{"arm64"}, values{"ZipFile": "def handler(event, context): pass"}
	f = p.create("CustomCDKBucketDeployment8693BB64968944B69AAFB0CC9EB8756C81C01536", "AWS::Lambda::Function", deployment)
	f.same(values{"Architectures": deployment["Architectures"]})
	changed := maps.Clone(deployment)
	changed["Code"] = values{"ZipFile": "def handler(event, context): return 1"}
	f.update(changed)

	framework["Environment"].(values)["Variables"].(values)["USER_IS_COMPLETE_FUNCTION_ARN"] = "arn:aws:lambda:eu-west-1:111122223333:function:waits"
	waits := &made{platform: p, kind: p.types["AWS::Lambda::Function"], name: "AWS::Lambda::Function", logical: "Waits"}
	if _, err := waits.kind.Create(t.Context(), waits.request(framework)); err == nil {
		t.Error("a provider that waits was made: it needs Step Functions")
	}
	other := &made{platform: p, kind: p.types["AWS::Lambda::Function"], name: "AWS::Lambda::Function", logical: "Mine"}
	if _, err := other.kind.Create(t.Context(), other.request(properties)); err == nil {
		t.Error("a function in Node.js was made")
	}
}
