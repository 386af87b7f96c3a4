package tools

import (
	"testing"

	"github.com/lambkin-dev/lambkin/test/clients"
)

const cliTemplate = `
Parameters:
  Delay:
    Type: Number
    Default: 1
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: orders
      DelaySeconds: !Ref Delay
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: 'sts:AssumeRole'}]
  Function:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: plain
      Runtime: python3.14
      Handler: app.handler
      Role: !GetAtt Role.Arn
      Code: code/
Outputs:
  Url:
    Value: !Ref Queue
    Export:
      Name: orders-url
`

// TestCommandLine packages and deploys a plain template with the AWS command line.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	p := newProject(t, install(t, clients.AWS).Bin)
	p.write("template.yaml", cliTemplate)
	p.write("code/app.py", "def handler(event, context):\n    return 'one'\n")
	p.aws("s3", "mb", "s3://packages")
	deploy := func() []string {
		p.aws("cloudformation", "package", "--template-file", "template.yaml", "--s3-bucket", "packages", "--output-template-file", "packaged.yaml")
		return []string{"cloudformation", "deploy", "--template-file", "packaged.yaml", "--stack-name", "plain", "--capabilities", "CAPABILITY_IAM", "--no-fail-on-empty-changeset"}
	}
	if out := p.fail("", "aws", "cloudformation", "deploy", "--template-file", "template.yaml", "--stack-name", "plain"); out == "" {
		t.Error("a template that was not packaged, without capabilities, fails without a word")
	}
	p.contains(p.aws(deploy()...), "Successfully created/updated stack - plain")
	invoke := func() string {
		p.aws("lambda", "invoke", "--function-name", "plain", "out.json")
		return p.read("out.json")
	}
	if got := invoke(); got != `"one"` {
		t.Errorf("the function answers %s", got)
	}
	p.contains(p.aws(deploy()...), "No changes to deploy. Stack plain is up to date")
	p.contains(p.aws("cloudformation", "list-exports"), "orders-url")

	p.write("code/app.py", "def handler(event, context):\n    return 'two'\n")
	p.contains(p.aws(append(deploy(), "--parameter-overrides", "Delay=5")...), "Successfully created/updated stack - plain")
	if got := invoke(); got != `"two"` {
		t.Errorf("the function answers %s", got)
	}

	// One that fails rolls back; the next succeeds.
	out := p.fail("", "aws", append(deploy(), "--parameter-overrides", "Delay=1000")...)
	p.contains(out, "Failed to create/update the stack")
	p.contains(p.aws("cloudformation", "describe-stacks", "--stack-name", "plain"), "UPDATE_ROLLBACK_COMPLETE")
	p.contains(p.aws("sqs", "get-queue-attributes", "--queue-url", p.queue("orders"), "--attribute-names", "All"), `"DelaySeconds": "5"`)
	p.contains(p.aws(append(deploy(), "--parameter-overrides", "Delay=6")...), "Successfully created/updated stack - plain")
	p.aws("cloudformation", "delete-stack", "--stack-name", "plain")
	p.aws("cloudformation", "wait", "stack-delete-complete", "--stack-name", "plain")
	p.nothingLeft()
}
