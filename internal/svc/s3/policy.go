package s3

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/s3api"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// maxPolicyBytes is the largest policy of a bucket.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/add-bucket-policy.html
const maxPolicyBytes = 20 << 10

func (a *api) getBucketPolicy(ctx context.Context, call *wire.Call, in *s3api.GetBucketPolicyInput) (*s3api.GetBucketPolicyOutput, error) {
	out := &s3api.GetBucketPolicyOutput{}
	header(call, "Content-Type", "application/json")
	return out, a.get(ctx, call, in.Bucket, policySetting, &out.Policy)
}

func (a *api) putBucketPolicy(ctx context.Context, call *wire.Call, in *s3api.PutBucketPolicyInput) (*struct{}, error) {
	if err := checkPolicy(member.Text(in.Policy)); err != nil {
		return nil, err
	}
	return nil, a.set(ctx, call, in.Bucket, policySetting, in.Policy)
}

func (a *api) deleteBucketPolicy(ctx context.Context, call *wire.Call, in *s3api.DeleteBucketPolicyInput) (*struct{}, error) {
	return a.deleteSetting(ctx, call, in.Bucket, policySetting)
}

// policy is what is looked at of a policy; the rest is kept and shown.
type policy struct {
	Version   string
	Statement json.RawMessage
}

type policyStatement struct {
	Effect                  string
	Principal, NotPrincipal json.RawMessage
	Action, NotAction       json.RawMessage
	Resource, NotResource   json.RawMessage
	Condition               map[string]json.RawMessage
}

func malformedPolicy(message string) error { return refused(400, "MalformedPolicy", message) }

// statements reads the statements, one or a list of them.
func statements(document string) ([]policyStatement, error) {
	var p policy
	if err := json.Unmarshal([]byte(document), &p); err != nil || !strings.HasPrefix(strings.TrimSpace(document), "{") {
		return nil, malformedPolicy("Policies must be valid JSON and the first byte must be '{'")
	}
	if p.Version != "" && p.Version != "2012-10-17" && p.Version != "2008-10-17" {
		return nil, malformedPolicy("The policy must contain a valid version string")
	}
	var list []policyStatement
	if json.Unmarshal(p.Statement, &list) != nil {
		list = make([]policyStatement, 1)
		if json.Unmarshal(p.Statement, &list[0]) != nil {
			return nil, malformedPolicy("Missing required field Statement")
		}
	}
	if len(list) == 0 {
		return nil, malformedPolicy("Could not parse the policy: Statement is empty!")
	}
	return list, nil
}

// checkPolicy refuses what is no policy of a bucket.
func checkPolicy(document string) error {
	if len(document) > maxPolicyBytes {
		return refused(400, "InvalidArgument", "Policy exceeds the maximum allowed document size.")
	}
	list, err := statements(document)
	if err != nil {
		return err
	}
	for _, s := range list {
		switch {
		case s.Effect != "Allow" && s.Effect != "Deny":
			return malformedPolicy("Invalid effect: " + s.Effect)
		case s.Principal == nil && s.NotPrincipal == nil:
			return malformedPolicy("Missing required field Principal")
		case s.Action == nil && s.NotAction == nil:
			return malformedPolicy("Missing required field Action")
		case s.Resource == nil && s.NotResource == nil:
			return malformedPolicy("Missing required field Resource")
		}
	}
	return nil
}

func (a *api) getBucketPolicyStatus(ctx context.Context, call *wire.Call, in *s3api.GetBucketPolicyStatusInput) (*s3api.GetBucketPolicyStatusOutput, error) {
	var document string
	if err := a.get(ctx, call, in.Bucket, policySetting, &document); err != nil {
		return nil, err
	}
	list, err := statements(document)
	if err != nil {
		return nil, err
	}
	public := false
	for _, s := range list {
		who := strings.ReplaceAll(string(s.Principal), " ", "")
		public = public || s.Effect == "Allow" && len(s.Condition) == 0 && (who == `"*"` || who == `{"AWS":"*"}` || who == `{"AWS":["*"]}`)
	}
	return &s3api.GetBucketPolicyStatusOutput{PolicyStatus: &s3api.PolicyStatus{IsPublic: &public}}, nil
}
