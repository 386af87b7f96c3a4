package plan

import (
	"path"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/core/template/syntax"
)

// What a stack policy allows or denies.
const (
	UpdateModify  = "Update:Modify"
	UpdateReplace = "Update:Replace"
	UpdateDelete  = "Update:Delete"
)

// Policy protects the resources of a stack from updates. With one, what no
// statement allows is denied.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html
type Policy struct{ statements []statement }

type statement struct {
	allow               bool
	actions, resources  []string
	notAction, notMatch bool // NotAction, NotResource
	types               []string
	typesLike           bool
}

// ReadPolicy reads the text of a stack policy.
func ReadPolicy(text string) (*Policy, error) {
	malformed := func(why string) error { return stack.Invalid("Error validating stack policy: %s", why) }
	values, err := syntax.ParseJSON(text)
	document, ok := values.(map[string]any)
	if err != nil || !ok {
		return nil, malformed("it is no JSON object")
	}
	list, ok := document["Statement"].([]any)
	if one, isOne := document["Statement"].(map[string]any); isOne {
		list, ok = []any{one}, true
	}
	if !ok || len(list) == 0 {
		return nil, malformed("Statement is missing")
	}
	p := &Policy{}
	for _, item := range list {
		object, _ := item.(map[string]any)
		s, why := readStatement(object)
		if why != "" {
			return nil, malformed(why)
		}
		p.statements = append(p.statements, s)
	}
	return p, nil
}

func readStatement(object map[string]any) (s statement, why string) {
	for key := range object {
		if !slices.Contains([]string{"Sid", "Effect", "Action", "NotAction", "Principal", "Resource", "NotResource", "Condition"}, key) {
			return s, "a statement has no member " + key
		}
	}
	effect, _ := template.Text(object["Effect"])
	if effect != "Allow" && effect != "Deny" {
		return s, "Effect must be Allow or Deny"
	}
	s.allow = effect == "Allow"
	if principal, _ := template.Text(object["Principal"]); principal != "*" {
		return s, `Principal must be "*"`
	}
	s.actions, s.resources = list(object["Action"]), list(object["Resource"])
	if object["Action"] == nil {
		s.actions, s.notAction = list(object["NotAction"]), true
	}
	if object["Resource"] == nil {
		s.resources, s.notMatch = list(object["NotResource"]), true
	}
	if len(s.actions) == 0 || len(s.resources) == 0 {
		return s, "a statement needs Action or NotAction, and Resource or NotResource"
	}
	for _, action := range s.actions {
		if !slices.Contains([]string{UpdateModify, UpdateReplace, UpdateDelete, "Update:*", "*"}, action) {
			return s, "there is no action " + action
		}
	}
	condition, _ := object["Condition"].(map[string]any)
	if object["Condition"] == nil {
		return s, ""
	}
	for operator, keys := range condition {
		types, _ := keys.(map[string]any)
		if operator != "StringEquals" && operator != "StringLike" || len(types) != 1 || types["ResourceType"] == nil || len(condition) != 1 {
			return s, "a Condition can only be StringEquals or StringLike of ResourceType"
		}
		s.types, s.typesLike = list(types["ResourceType"]), operator == "StringLike"
	}
	return s, ""
}

// list is a text or a list of texts.
func list(value any) (texts []string) {
	items, ok := value.([]any)
	if !ok {
		items = []any{value}
	}
	for _, item := range items {
		if text, ok := item.(string); ok {
			texts = append(texts, text)
		}
	}
	return texts
}

// Denies tells why an action on a resource is denied; "" if it is allowed. Text: as
// recorded from AWS.
func (p *Policy) Denies(action, logical, typeName string) string {
	if p == nil {
		return ""
	}
	allowed := false
	for i := range p.statements {
		s := &p.statements[i]
		if !s.matches(action, logical, typeName) {
			continue
		}
		if !s.allow {
			return "Action denied by stack policy: Statement [#" + string(rune('1'+min(i, 8))) + "] does not allow [" + action + "] for resource [" + logical + "]"
		}
		allowed = true
	}
	if allowed {
		return ""
	}
	return "Action denied by stack policy: no statement allows [" + action + "] for resource [" + logical + "]"
}

func (s *statement) matches(action, logical, typeName string) bool {
	onAction := slices.ContainsFunc(s.actions, func(pattern string) bool { return pattern == "*" || pattern == "Update:*" || pattern == action })
	onResource := slices.ContainsFunc(s.resources, func(pattern string) bool {
		return pattern == "*" || like(pattern, "LogicalResourceId/"+logical)
	})
	onType := s.types == nil || slices.ContainsFunc(s.types, func(pattern string) bool {
		return pattern == typeName || s.typesLike && like(pattern, typeName)
	})
	return onAction != s.notAction && onResource != s.notMatch && onType
}

// like matches "*" and "?".
func like(pattern, text string) bool {
	escaped := strings.NewReplacer("[", `\[`, `\`, `\\`, "/", "\x00").Replace(pattern)
	ok, err := path.Match(escaped, strings.ReplaceAll(text, "/", "\x00"))
	return err == nil && ok
}
