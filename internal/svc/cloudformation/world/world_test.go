package world

import (
	"context"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
)

// roles has every role of every account.
type roles struct{}

func (roles) Call(_ context.Context, _ local.Identity, _, _ string, _ map[string]any) (map[string]any, error) {
	return map[string]any{"Role": map[string]any{"RoleId": "AROA"}}, nil
}

// TestAStackActsByARoleOfItsAccount: a role of another account would be a way into it.
func TestAStackActsByARoleOfItsAccount(t *testing.T) {
	w := &World{Calls: roles{}}
	s := state.Scope{Account: "111122223333", Region: "eu-west-1"}
	who, err := w.Role(t.Context(), s, "arn:aws:iam::111122223333:role/path/deployer")
	if err != nil || who.ARN != "arn:aws:sts::111122223333:assumed-role/deployer/AWSCloudFormation" || who.UserID != "AROA:AWSCloudFormation" {
		t.Errorf("%+v, %v", who, err)
	}
	for _, other := range []string{"arn:aws:iam::999999999999:role/deployer", "arn:aws:iam::111122223333:user/deployer", "deployer"} {
		if who, err := w.Role(t.Context(), s, other); err == nil {
			t.Errorf("%s is taken for %+v", other, who)
		}
	}
}

// TestAStackOfAFunctionIsOne: a stack is no way around what functions may call.
func TestAStackOfAFunctionIsOne(t *testing.T) {
	for _, of := range []bool{false, true} {
		if who := Identity(stack.Caller{ARN: "arn", Function: of}, state.Scope{Account: "a", Region: "r"}); who.Function != of || who.Account != "a" || who.CallerARN != "arn" {
			t.Errorf("%v: %+v", of, who)
		}
	}
}
