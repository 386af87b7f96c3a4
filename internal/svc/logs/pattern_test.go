package logs

import (
	"strings"
	"testing"
)

// The messages and patterns are those of AWS's page on filter syntax, and the
// corners around them.
func TestPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern string
		yes, no []string
	}{
		{"", []string{"", "x"}, nil},
		{"  ", []string{"x"}, nil},
		{"ERROR", []string{"[ERROR 400] BAD REQUEST", "ERROR"}, []string{"error", "[WARN]"}},
		{"ERROR ARGUMENTS", []string{"[ERROR 419] MISSING ARGUMENTS"}, []string{"[ERROR 400] BAD REQUEST"}},
		{"?ERROR ?ARGUMENTS", []string{"[ERROR 400]", "ARGUMENTS"}, []string{"OK"}},
		{"ERROR -ARGUMENTS", []string{"[ERROR 400] BAD REQUEST"}, []string{"[ERROR 419] MISSING ARGUMENTS", "OK"}},
		{"-ERROR", []string{"OK"}, []string{"ERROR"}},
		{"?ERROR ARGUMENTS", []string{"ARGUMENTS"}, []string{"ERROR"}},
		{`"INTERNAL SERVER ERROR"`, []string{"[ERROR 500] INTERNAL SERVER ERROR"}, []string{"INTERNAL ERROR"}},
		{`-"a b" c`, []string{"c a"}, []string{"c a b"}},
		{`"a\"b\\"`, []string{`xa"b\x`}, []string{`ab`}},
		{"überfall", []string{"ein überfall"}, []string{"uberfall"}},
		{"%AUTHORIZED%", []string{"UNAUTHORIZED", "AUTHORIZED"}, []string{"authorized"}},
		{`%\d{3}$% -%^9%`, []string{"code 404"}, []string{"code 40", "9 404"}},

		{`{ $.eventType = "UpdateTrail" }`, []string{`{"eventType":"UpdateTrail"}`}, []string{`{"eventType":"x"}`, `{}`, `UpdateTrail`, `[1]`, `{"eventType":`}},
		{`{$.a.b[1]=3}`, []string{`{"a":{"b":[1,3]}}`, ` {"a":{"b":[1,3.0]}}` + "\n"}, []string{`{"a":{"b":[3]}}`, `{"a":{"b":3}}`, `{"a":[]}`}},
		{`{$["a b"]="x*"}`, []string{`{"a b":"xyz"}`}, []string{`{"a b":"yx"}`}},
		{`{$.n >= 2 && $.n < 4.5}`, []string{`{"n":2}`, `{"n":4.49}`}, []string{`{"n":1.9}`, `{"n":4.5}`, `{"n":"3"}`}},
		{`{$.n = 1e3 || $.n = -2}`, []string{`{"n":1000}`, `{"n":-2}`}, []string{`{"n":2}`}},
		{`{($.a = 1 || $.b = 1) && $.c = 1}`, []string{`{"b":1,"c":1}`}, []string{`{"a":1}`, `{"c":1}`}},
		{`{$.a = 1 || $.b = 1 && $.c = 1}`, []string{`{"a":1}`, `{"b":1,"c":1}`}, []string{`{"b":1}`}},
		{`{$.s != "x"}`, []string{`{"s":"y"}`}, []string{`{"s":"x"}`, `{}`, `{"s":null}`}},
		{`{$.s = *}`, []string{`{"s":"y"}`, `{"s":""}`}, []string{`{}`}},
		{`{$.code = 4*}`, []string{`{"code":404}`, `{"code":"4xx"}`}, []string{`{"code":500}`}},
		{`{$.a IS NULL}`, []string{`{"a":null}`}, []string{`{}`, `{"a":0}`}},
		{`{$.a IS TRUE}`, []string{`{"a":true}`}, []string{`{"a":false}`, `{"a":"true"}`, `{"a":{}}`}},
		{`{$.a is false}`, []string{`{"a":false}`}, []string{`{"a":null}`}},
		{`{$.a NOT EXISTS}`, []string{`{}`, `{"b":1}`}, []string{`{"a":null}`}},
		{`{$.a EXISTS}`, []string{`{"a":null}`}, []string{`{}`}},
		{`{$.ip = %192\.168\.\d+%}`, []string{`{"ip":"192.168.7.1"}`}, []string{`{"ip":"10.0.0.1"}`}},
		{`{$.ip = 10.0.*}`, []string{`{"ip":"10.0.3.4"}`}, []string{`{"ip":"10.1.0.0"}`}},
		{`{$.user-agent = "x"}`, []string{`{"user-agent":"x"}`}, []string{`{}`}},
		{`{$[0].a = 1}`, []string{`[{"a":1}]`}, []string{`[]`, `{"a":1}`}},

		{`[ip, user, username, timestamp, request, status_code, bytes]`, []string{apache}, []string{"a b", apache + " x"}},
		{`[ip, user, username, timestamp, request, status_code = 4*, bytes]`, []string{strings.Replace(apache, " 200 ", " 404 ", 1)}, []string{apache}},
		{`[ip, user, username, timestamp, request =*html*, status_code = 4*, bytes > 1000]`, []string{strings.Replace(apache, " 200 ", " 404 ", 1)}, []string{apache}},
		{`[..., status_code = 200, bytes]`, []string{apache}, []string{"200"}},
		{`[ip, ..., bytes >= 1534]`, []string{apache}, []string{strings.Replace(apache, "1534", "1533", 1), "127.0.0.1"}},
		{`[ip = 127.0.0.1, ...]`, []string{apache}, []string{"10.0.0.1"}},
		{`[w1=ERROR || w1=WARN, w2]`, []string{"ERROR x", "WARN y"}, []string{"INFO x", "ERROR"}},
		{`[w1!="a*" && w1!=%^b%, ...]`, []string{"c"}, []string{"abc", "bcd"}},
		{`[,code=500]`, []string{"x 500"}, []string{"500 x"}},
	} {
		match, err := parsePattern(test.pattern)
		if err != nil {
			t.Errorf("%s: %v", test.pattern, err)
			continue
		}
		for _, message := range test.yes {
			if !match(message) {
				t.Errorf("%s does not match %s", test.pattern, message)
			}
		}
		for _, message := range test.no {
			if match(message) {
				t.Errorf("%s matches %s", test.pattern, message)
			}
		}
	}
}

const apache = `127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 200 1534`

func TestBadPatterns(t *testing.T) {
	for _, pattern := range []string{
		`"open`, `%open`, `%(%`, `a$b`, `-`, `? a`, `%a% %b% %c%`,
		`{`, `{}`, `{$.a}`, `{$ = 1}`, `{a = 1}`, `{$.a = }`, `{$.a > "x"}`, `{$.a = 1`, `{$.a = 1} x`, `{$.a IS x}`, `{$.a NOT x}`, `{($.a = 1}`, `{$.a[x] = 1}`, `{$.a = 1 && }`,
		`{` + strings.Repeat("(", 60) + `$.a = 1` + strings.Repeat(")", 60) + `}`,
		`[`, `[a`, `[a b]`, `[a=]`, `[..., ...]`, `[a=1 || b=2]`, `[a] x`,
	} {
		if _, err := parsePattern(pattern); err == nil {
			t.Errorf("%s is taken", pattern)
		}
	}
}

func TestWildcard(t *testing.T) {
	for _, test := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"a*", "a", true}, {"*a", "ba", true}, {"*a", "ab", false},
		{"a*b*c", "aXbYbZc", true}, {"a*b*c", "aXbYbZ", false}, {"**", "x", true}, {"a", "aa", false},
	} {
		if got := wildcard(test.pattern, test.text); got != test.want {
			t.Errorf("%q, %q: %v", test.pattern, test.text, got)
		}
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, pattern := range []string{`a -b ?c "d" %e%`, `{$.a[0]["b"] = 1 && ($.c NOT EXISTS || $.d IS NULL)}`, `[a, b = 4*, ..., c > 1 || c = %x%]`} {
		f.Add(pattern, `{"a":[{"b":1}],"d":null}`)
		f.Add(pattern, apache)
	}
	f.Fuzz(func(t *testing.T, pattern, message string) {
		if len(pattern) > 1024 { // the model's limit
			return
		}
		if match, err := parsePattern(pattern); err == nil {
			match(message)
		}
	})
}
