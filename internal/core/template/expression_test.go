package template

import (
	"strings"
	"testing"
)

func TestPatternsOfJava(t *testing.T) {
	for _, c := range []struct {
		pattern  string
		yes, not []string
	}{
		{`[a-z]+`, []string{"abc"}, []string{"", "abc1", "1abc", "abc\n"}},
		{`a|b`, []string{"a", "b"}, []string{"ab", "ac"}},
		{`^[A-Za-z0-9_-]{1,10}$`, []string{"hnb659fds"}, []string{"", "12345678901"}},
		{`^(?=.*[a-z])(?=.*[A-Z])(?=.*\d).{8,64}$`, []string{"aB345678"}, []string{"ab345678", "aB34567", "AB345678"}},
		{`(?!-)[a-z-]+`, []string{"a-b"}, []string{"-ab"}},
		{`^(?!aws|amazon(?:-x)?$)[a-z-]+$`, []string{"amazon-y"}, []string{"awsome", "amazon", "amazon-x"}},
		{`(?=[)\]]).+`, []string{")a", "]"}, []string{"a"}},
		{`.{0,2048}`, []string{"", strings.Repeat("x", 2048)}, []string{strings.Repeat("x", 2049)}},
		{`[\w+=,.@-]{1500}`, []string{strings.Repeat("=", 1500)}, []string{strings.Repeat("=", 1499), strings.Repeat("=", 1501)}},
		{`[a-z]{2,3}+\d*+[x]++`, []string{"abx", "abc12xx"}, []string{"ab", "1x"}},
		{`\d{2}\++`, []string{"12+", "12++"}, []string{"12"}},
		{`\S{1001,}`, []string{strings.Repeat("x", 1001), strings.Repeat("x", 4000)}, []string{strings.Repeat("x", 1000)}},
		{`[a-z]{1200,1201}\d`, []string{strings.Repeat("x", 1200) + "1", strings.Repeat("x", 1201) + "1"}, []string{strings.Repeat("x", 1202) + "1"}},
		{`arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+`, []string{"arn:aws:iam::123456789012:role/x"}, []string{"arn:aws:iam::12345678901:role/x"}},
	} {
		e, err := compile(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		for _, value := range c.yes {
			if !e.matches(value) {
				t.Errorf("%s does not match %.40q", c.pattern, value)
			}
		}
		for _, value := range c.not {
			if e.matches(value) {
				t.Errorf("%s matches %.40q", c.pattern, value)
			}
		}
	}
	for _, pattern := range []string{`(`, `[`, `a(?=b)`, `(a)\1`, `(?<!x)`, `(?=a`, `(?:a{1500}){2}{3}`, strings.Repeat(`.{4000}`, 3), strings.Repeat(`(?:x{10}){100}`, 11)} {
		if _, err := compile(pattern); err == nil {
			t.Errorf("%s is taken", pattern)
		}
	}
}

func FuzzPattern(f *testing.F) {
	f.Add(`^(?=[a-z]{1,2000})(?!x).*$`, "abc")
	f.Add(`[^]]{2000}\]`, "]")
	f.Fuzz(func(t *testing.T, pattern, value string) {
		if len(pattern) > MaxParameterBytes || len(value) > MaxParameterBytes {
			t.Skip()
		}
		if e, err := compile(pattern); err == nil {
			e.matches(value)
		}
	})
}
