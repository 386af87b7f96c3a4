package fault

import (
	"errors"
	"fmt"
	"testing"
)

func TestFromFindsAWrappedFault(t *testing.T) {
	f := &Fault{Code: "ResourceNotFoundException", Message: "gone"}
	if got := From(fmt.Errorf("get function: %w", f)); got != f {
		t.Errorf("From(wrapped) = %v, want the fault itself", got)
	}
	if got := From(errors.New("plain")); got != nil {
		t.Errorf("From(plain error) = %v, want nil", got)
	}
}

func TestWithLeavesTheOriginalAlone(t *testing.T) {
	f := &Fault{Code: "TooManyRequestsException", Detail: map[string]any{"Type": "User"}}
	g := f.With("Reason", "CallerRateLimitExceeded").WithHeader("Retry-After", "1")
	if len(f.Detail) != 1 || f.Header != nil {
		t.Errorf("With changed its receiver: %+v", f)
	}
	if g.Detail["Reason"] != "CallerRateLimitExceeded" || g.Detail["Type"] != "User" || g.Header["Retry-After"] != "1" {
		t.Errorf("With lost a member: %+v", g)
	}
}
