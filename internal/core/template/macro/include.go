package macro

import (
	"errors"
	"maps"

	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/core/template/syntax"
)

// failed words the refusal of a transform.
func failed(name string, err error) error {
	var refusal *template.Error
	var malformed *syntax.Error
	switch {
	case errors.As(err, &refusal):
		return refuse("Transform %s failed with: %s", name, refusal.Message)
	case errors.As(err, &malformed):
		return refuse("Transform %s failed with: %s", name, malformed.Error())
	}
	return err
}

// include puts a snippet in the place of its call, beside what is there already
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/transform-aws-include.html).
func (p *processor) include(parameters map[string]any, fragment any, whole bool) (any, error) {
	location, ok := parameters["Location"].(string)
	if !ok || len(parameters) != 1 {
		return nil, refuse("Transform %s failed with: The Location parameter is required and must be a string, and is the only one.", Include)
	}
	if p.environment.Include == nil {
		return nil, refuse("No transform named %s found.", Include)
	}
	text, err := p.environment.Include(p.ctx, location)
	if err != nil {
		return nil, failed(Include, err)
	}
	snippet, err := syntax.ParseSnippet(text)
	if err != nil {
		return nil, failed(Include, err)
	}
	beside, _ := fragment.(map[string]any)
	object, isMap := snippet.(map[string]any)
	switch {
	case !isMap && len(beside) == 0:
		return snippet, nil
	case !isMap:
		return nil, refuse("Transform %s failed with: The snippet at %s must be an object.", Include, location)
	}
	return merge(beside, object, whole)
}

// merge adds the members of a snippet; at the top of a template a section may be
// in both, with different members.
func merge(into, snippet map[string]any, sections bool) (map[string]any, error) {
	merged := maps.Clone(into)
	if merged == nil {
		merged = map[string]any{}
	}
	for key, value := range snippet {
		old, there := merged[key]
		a, isMap := old.(map[string]any)
		b, alsoMap := value.(map[string]any)
		switch {
		case !there:
			merged[key] = value
		case sections && isMap && alsoMap:
			section, err := merge(a, b, false)
			if err != nil {
				return nil, err
			}
			merged[key] = section
		default:
			// AWS: undefined, as any member that is there twice.
			return nil, refuse("Transform %s failed with: The template has a member %s already.", Include, key)
		}
	}
	return merged, nil
}
