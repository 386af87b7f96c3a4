package shape

import (
	"fmt"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
)

// Errorf makes the Fault of an exception shape: wire codes, status, sender and
// the spelling of the message member come from the model. The generated error
// constructors call it; a shape that is no exception panics.
func Errorf(s *Shape, format string, args ...any) *fault.Fault {
	return &fault.Fault{
		Code:          s.Name,
		QueryCode:     s.Error.Code,
		Message:       fmt.Sprintf(format, args...),
		MessageMember: s.Error.MessageMember,
		Status:        s.Error.Status,
		Sender:        s.Error.Sender,
	}
}
