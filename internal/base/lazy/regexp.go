// Package lazy makes package variables when they are first used: a server that starts
// does not need most of them, and pays for each in time and in memory that stays.
//
// It promises what package regexp does, after the first use; an expression that does not
// compile panics there, so the test of package lint compiles all of them. Values are safe
// for concurrent use. It has no goroutines; each value has a lock of its own. Start reading
// at Regexp.
package lazy

import (
	"regexp"
	"sync"
)

// Regexp is a regular expression that is compiled when it is first used.
type Regexp struct {
	compiled func() *regexp.Regexp
}

// MustCompile notes an expression, which must be one.
func MustCompile(expression string) *Regexp {
	return &Regexp{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })}
}

// Get is the compiled expression.
func (r *Regexp) Get() *regexp.Regexp { return r.compiled() }

// MatchString is that of package regexp.
func (r *Regexp) MatchString(s string) bool { return r.compiled().MatchString(s) }

// FindString is that of package regexp.
func (r *Regexp) FindString(s string) string { return r.compiled().FindString(s) }

// FindStringSubmatch is that of package regexp.
func (r *Regexp) FindStringSubmatch(s string) []string { return r.compiled().FindStringSubmatch(s) }

// FindAllStringSubmatch is that of package regexp.
func (r *Regexp) FindAllStringSubmatch(s string, n int) [][]string {
	return r.compiled().FindAllStringSubmatch(s, n)
}

// ReplaceAllString is that of package regexp.
func (r *Regexp) ReplaceAllString(s, by string) string { return r.compiled().ReplaceAllString(s, by) }

// ReplaceAllStringFunc is that of package regexp.
func (r *Regexp) ReplaceAllStringFunc(s string, by func(string) string) string {
	return r.compiled().ReplaceAllStringFunc(s, by)
}

// String is the expression.
func (r *Regexp) String() string { return r.compiled().String() }
