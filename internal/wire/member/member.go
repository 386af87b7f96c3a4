// Package member reads and makes the optional members of the generated structs,
// in which what is absent is a nil pointer.
//
// No goroutines, no locks. Start reading at Text.
package member

// Text is the text of a member; an absent one is empty.
func Text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Optional is a member of that text; it is absent if the text is empty.
func Optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// On tells whether a flag is given and true.
func On(flag *bool) bool { return flag != nil && *flag }
