package world

import (
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
)

// TestAStackOfAFunctionIsOne: a stack is no way around what functions may call.
func TestAStackOfAFunctionIsOne(t *testing.T) {
	for _, of := range []bool{false, true} {
		if who := Identity(stack.Caller{ARN: "arn", Function: of}, state.Scope{Account: "a", Region: "r"}); who.Function != of || who.Account != "a" || who.CallerARN != "arn" {
			t.Errorf("%v: %+v", of, who)
		}
	}
}
