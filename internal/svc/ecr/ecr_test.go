package ecr

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
	"github.com/lambkin-dev/lambkin/test/apidoc"
)

func TestTheDocumentationListsEveryOperationAndOption(t *testing.T) {
	apidoc.Check(t, "ECR", Service(nil, nil))
}

type values = map[string]any

// ask calls operations as a client of account 000000000000 does.
func ask(t *testing.T) func(operation string, in values) (values, error) {
	store, err := localstore.Open(localstore.Config{Folder: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	caller := local.New([]*wire.Service{Service(store, clock.System)})
	return func(operation string, in values) (values, error) {
		return caller.Call(t.Context(), local.Identity{Account: "000000000000", Region: "us-east-1"}, "ecr", operation, in)
	}
}

// The texts are those of the API's errors, as clients print them.
func TestRefusals(t *testing.T) {
	do := ask(t)
	name := values{"repositoryName": "here"}
	if _, err := do("CreateRepository", name); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		operation string
		in        values
		want      string
	}{
		{"CreateRepository", name, "RepositoryAlreadyExistsException: The repository with name 'here' already exists in the registry with id '000000000000'"},
		{"DescribeRepositories", values{"repositoryNames": []any{"gone"}}, "RepositoryNotFoundException: The repository with name 'gone' does not exist in the registry with id '000000000000'"},
		{"DescribeRepositories", values{"repositoryNames": []any{"here"}, "registryId": "111111111111"}, "RepositoryNotFoundException: The repository with name 'here' does not exist in the registry with id '111111111111'"},
		{"DeleteRepository", values{"repositoryName": "gone"}, "RepositoryNotFoundException: "},
		{"GetRepositoryPolicy", name, "RepositoryPolicyNotFoundException: Repository policy does not exist for the repository with name 'here' in the registry with id '000000000000'"},
		{"GetLifecyclePolicy", name, "LifecyclePolicyNotFoundException: Lifecycle policy does not exist for the repository with name 'here' in the registry with id '000000000000'"},
		{"SetRepositoryPolicy", values{"repositoryName": "here", "policyText": "["}, "InvalidParameterException: "},
		{"DescribeImages", values{"repositoryName": "here", "imageIds": []any{values{"imageTag": "latest"}}}, "ImageNotFoundException: The image with imageId {imageDigest:'null', imageTag:'latest'} does not exist"},
		{"CreateRepository", values{"repositoryName": "keyed", "encryptionConfiguration": values{"encryptionType": "KMS"}}, "InvalidParameterException: "},
		{"TagResource", values{"resourceArn": "arn:aws:ecr:us-east-1:111111111111:repository/here", "tags": []any{}}, "InvalidParameterException: "},
		{"TagResource", values{"resourceArn": "arn:aws:ecr:us-east-1:000000000000:repository/here", "tags": []any{values{"Key": "aws:x", "Value": ""}}}, "InvalidTagParameterException: "},
	} {
		if _, err := do(c.operation, c.in); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s %v: %v, want %s", c.operation, c.in, err, c.want)
		}
	}
}

func TestRepositoriesArePaged(t *testing.T) {
	do := ask(t)
	for _, name := range []string{"cc", "aa", "bb"} {
		if _, err := do("CreateRepository", values{"repositoryName": name}); err != nil {
			t.Fatal(err)
		}
	}
	in, got := values{"maxResults": 2}, []string{}
	for {
		out, err := do("DescribeRepositories", in)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out["repositories"].([]any) {
			got = append(got, r.(values)["repositoryName"].(string))
		}
		if out["nextToken"] == nil {
			break
		}
		in["nextToken"] = out["nextToken"]
	}
	if strings.Join(got, " ") != "aa bb cc" {
		t.Errorf("the pages have %v", got)
	}
}

// Deployment tools ask first whether a repository is there: the answer must be one
// that is not tried again.
func TestAMissingRepositoryIsTheCallersFault(t *testing.T) {
	s := Service(nil, nil)
	for name, op := range s.Operations {
		for _, e := range op.Model.Errors {
			if info := s.Model.Shapes[e].Error; s.Model.Shapes[e].Name == "RepositoryNotFoundException" && info.Status != http.StatusBadRequest {
				t.Errorf("%s: the status of RepositoryNotFoundException is %d", name, info.Status)
			}
		}
	}
}
