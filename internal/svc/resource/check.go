package resource

import (
	"fmt"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack/published"
)

// check compares the properties with the schema. What a resource has that cannot
// be read may be missing where it is changed without knowing it.
func (k *kind) check(c *call) error {
	s := published.Find(k.name)
	if s == nil {
		return nil
	}
	unknown := []string{}
	for _, name := range s.WriteOnly() {
		if name = strings.Split(name, "/")[0]; c.r.PhysicalID != "" && c.r.Previous[name] == nil {
			unknown = append(unknown, name)
		}
	}
	problems := s.Check(c.properties, unknown...)
	if len(problems) == 0 {
		return nil
	}
	message := strings.Join(problems, "\n")
	return &handlerError{text: fmt.Sprintf("Properties validation failed for resource %s with message:\n%s", c.r.LogicalID, message), code: "InvalidRequest", message: message}
}
