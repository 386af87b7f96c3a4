package vtl

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf16"
)

// Bounds of what regular expressions do.
const (
	patternCost = 4       // a byte that is matched is charged so often
	maxMatches  = 100_000 // of one call
	// instructionShare is for how many instructions of an expression on a byte one is charged.
	instructionShare = 8
)

var patternMethods = map[string]bool{"matches": true, "split": true, "replaceAll": true, "replaceFirst": true}

// stringMethod calls the methods of Java's String. What it makes is charged.
func stringMethod(r *run, s, name string, args []any) (value any, err error) {
	cost := len(s)
	if patternMethods[name] {
		cost *= patternCost
	}
	if err := r.charge(cost); err != nil {
		return nil, err
	}
	texts := make([]string, len(args))
	for i, arg := range args {
		texts[i] = scalar(arg)
	}
	switch len(args) {
	case 0:
		if value = plainMethod(s, name); name == "toCharArray" {
			err = r.charge(entryBytes * len(s))
		}
	case 1:
		value, err = textMethod(r, s, name, args[0], texts[0])
	case 2:
		value, err = pairMethod(r, s, name, args, texts)
	}
	if made, is := value.(string); is && err == nil {
		err = r.charge(len(made))
	}
	return value, err
}

func plainMethod(s, name string) any {
	switch name {
	case "length":
		return int64(len(units(s)))
	case "isEmpty":
		return s == ""
	case "isBlank":
		return strings.TrimSpace(s) == ""
	case "trim", "strip":
		return strings.TrimFunc(s, func(c rune) bool { return c <= ' ' })
	case "toUpperCase":
		return strings.ToUpper(s)
	case "toLowerCase":
		return strings.ToLower(s)
	case "toCharArray":
		list := &List{}
		for _, unit := range units(s) {
			list.items = append(list.items, string(utf16.Decode([]uint16{unit})))
		}
		return list
	case "intern":
		return s
	case "stripLeading":
		return strings.TrimLeftFunc(s, func(c rune) bool { return c <= ' ' })
	case "stripTrailing":
		return strings.TrimRightFunc(s, func(c rune) bool { return c <= ' ' })
	case "hashCode":
		hash := int32(0)
		for _, unit := range units(s) {
			hash = 31*hash + int32(unit)
		}
		return int64(hash)
	}
	return nil
}

func textMethod(r *run, s, name string, arg any, other string) (any, error) {
	switch name {
	case "equalsIgnoreCase":
		return strings.EqualFold(s, other), nil
	case "contains":
		return strings.Contains(s, other), nil
	case "startsWith":
		return strings.HasPrefix(s, other), nil
	case "endsWith":
		return strings.HasSuffix(s, other), nil
	case "concat":
		return s + other, nil
	case "compareTo":
		return javaCompare(units(s), units(other)), nil
	case "compareToIgnoreCase":
		return javaCompare(units(strings.ToLower(s)), units(strings.ToLower(other))), nil
	case "repeat":
		return repeat(r, s, arg)
	case "valueOf", "copyValueOf": // of the class: the text that it is called by does not matter
		return r.print(arg)
	case "indexOf":
		return unitIndex(s, strings.Index(s, other)), nil
	case "lastIndexOf":
		return unitIndex(s, strings.LastIndex(s, other)), nil
	case "matches":
		pattern, err := compilePattern(r, s, "^(?:"+other+")$")
		return err == nil && pattern.MatchString(s), err
	case "split":
		return split(r, s, other, 0)
	case "substring":
		return substring(s, arg, int64(len(units(s)))), nil
	case "charAt":
		if i, is := arg.(int64); is {
			return substring(s, i, i+1), nil
		}
	}
	return nil, nil
}

func pairMethod(r *run, s, name string, args []any, texts []string) (any, error) {
	switch name {
	case "replace":
		return replaceAll(s, texts[0], texts[1])
	case "replaceAll", "replaceFirst":
		return replacePattern(r, s, texts[0], texts[1], name == "replaceFirst")
	case "substring", "subSequence":
		return substring(s, args[0], args[1]), nil
	case "split":
		if limit, is := args[1].(int64); is {
			return split(r, s, texts[0], limit)
		}
	case "startsWith":
		if rest, is := substring(s, args[1], int64(len(units(s)))).(string); is {
			return strings.HasPrefix(rest, texts[0]), nil
		}
		return false, nil
	case "indexOf":
		from, is := args[1].(int64)
		all := units(s)
		if !is || from < 0 || from > int64(len(all)) {
			return int64(-1), nil
		}
		found := unitIndex(string(utf16.Decode(all[from:])), strings.Index(string(utf16.Decode(all[from:])), texts[0]))
		if found >= 0 {
			found += from
		}
		return found, nil
	}
	return nil, nil
}

// units are the characters as Java counts them.
func units(s string) []uint16 { return utf16.Encode([]rune(s)) }

// unitIndex is an index of bytes as Java counts.
func unitIndex(s string, index int) int64 {
	if index < 0 {
		return -1
	}
	return int64(len(units(s[:index])))
}

// substring is nil for what Java throws an exception at.
func substring(s string, from, to any) any {
	i, isFrom := from.(int64)
	j, isTo := to.(int64)
	all := units(s)
	if !isFrom || !isTo || i < 0 || j < i || j > int64(len(all)) {
		return nil
	}
	return string(utf16.Decode(all[i:j]))
}

// compilePattern compiles a regular expression for a text. What the search may take,
// the product of both their lengths, is charged: a short expression can repeat itself.
//
// AWS: Java's look-around and back references are not to be had here: an
// expression must not take exponential time.
func compilePattern(r *run, s, pattern string) (*regexp.Regexp, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("%w: a regular expression of more than %d bytes", ErrLimit, maxPattern)
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	if err := r.charge(len(program.Inst) * (1 + len(s)/instructionShare)); err != nil {
		return nil, err
	}
	return regexp.Compile(pattern)
}

// split cuts as Java does: a limit above zero is how many parts there are at most, without
// one the empty parts at the end are dropped.
func split(r *run, s, pattern string, limit int64) (any, error) {
	compiled, err := compilePattern(r, s, pattern)
	if err != nil {
		return nil, err
	}
	most := int64(maxMatches + 2)
	if limit > 0 {
		most = min(most, limit)
	}
	parts := compiled.Split(s, int(most))
	if len(parts) > maxMatches+1 {
		return nil, fmt.Errorf("%w: a regular expression fits more than %d times", ErrLimit, maxMatches)
	}
	for limit == 0 && len(parts) > 1 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	list := &List{}
	for _, part := range parts {
		if err := list.add(r, part); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// javaCompare is String.compareTo: the difference of the first characters that differ,
// else of the lengths.
func javaCompare(a, b []uint16) int64 {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return int64(a[i]) - int64(b[i])
		}
	}
	return int64(len(a) - len(b))
}

// repeat is nil for what Java throws an exception at.
func repeat(r *run, s string, count any) (any, error) {
	n, is := count.(int64)
	if !is || n < 0 {
		return nil, nil
	}
	if len(s) > 0 && n > int64(maxBytes/len(s)) {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrLimit, maxBytes)
	}
	if err := r.charge(len(s) * int(n)); err != nil {
		return nil, err
	}
	return strings.Repeat(s, int(n)), nil
}

func replaceAll(s, old, replacement string) (any, error) {
	if n := strings.Count(s, old) * len(replacement); n > maxBytes {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrLimit, maxBytes)
	}
	return strings.ReplaceAll(s, old, replacement), nil
}

// replacePattern replaces as Java's Matcher does: $1 is a group, \ escapes.
func replacePattern(r *run, s, pattern, replacement string, once bool) (any, error) {
	compiled, err := compilePattern(r, s, pattern)
	if err != nil {
		return nil, err
	}
	count := maxMatches + 1
	if once {
		count = 1
	}
	matches := compiled.FindAllStringSubmatchIndex(s, count)
	if len(matches) > maxMatches {
		return nil, fmt.Errorf("%w: a regular expression fits more than %d times", ErrLimit, maxMatches)
	}
	var b strings.Builder
	last := 0
	for _, m := range matches {
		b.WriteString(s[last:m[0]])
		if expand(&b, s, m, replacement); b.Len() > maxBytes {
			return nil, fmt.Errorf("%w: more than %d bytes", ErrLimit, maxBytes)
		}
		last = m[1]
	}
	b.WriteString(s[last:])
	return b.String(), nil
}

// expand stops once there is too much: the groups may be as long as the text.
func expand(b *strings.Builder, s string, match []int, replacement string) {
	for i := 0; i < len(replacement) && b.Len() <= maxBytes; i++ {
		switch c := replacement[i]; {
		case c == '\\' && i+1 < len(replacement):
			i++
			b.WriteByte(replacement[i])
		case c == '$' && i+1 < len(replacement) && digit(replacement[i+1]):
			i++
			if group := int(replacement[i]-'0') * 2; group+1 < len(match) && match[group] >= 0 {
				b.WriteString(s[match[group]:match[group+1]])
			}
		default:
			b.WriteByte(c)
		}
	}
}
