package httpapi

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/front"
)

func tableOf(keys ...string) *table {
	t := &table{}
	for _, key := range keys {
		r := &route{Route: httpapi.Route{Key: key}}
		if key != httpapi.DefaultRoute {
			r.method, r.path, _ = strings.Cut(key, " ")
		}
		t.add(r)
	}
	return t
}

func TestTheMostSpecificRouteIsFound(t *testing.T) {
	// AWS: the order is that of "Selecting a route" in
	// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
	table := tableOf("GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default", "POST /{a}/{b}", "GET /{x}/dog/{y}/z", "GET /")
	for request, want := range map[string]string{
		"GET /pets/dog/1": "GET /pets/dog/1", "GET /pets/dog/2": "GET /pets/dog/{id} id=2", "GET /pets/cat/1": "GET /pets/{proxy+} proxy=cat/1", "POST /test/5": "POST /{a}/{b} a=test b=5",
		"GET /pets/dog/2/z": "GET /{x}/dog/{y}/z x=pets y=2", "GET /pets/dog/2/z/1": "GET /pets/{proxy+} proxy=dog/2/z/1", "PUT /pets/dog/1": "ANY /{proxy+} proxy=pets/dog/1",
		"GET /": "GET /", "POST /": "$default", "GET /pets/": "ANY /{proxy+} proxy=pets/", "GET /a%2Fb/c": "ANY /{proxy+} proxy=a/b/c", "GET //": "ANY /{proxy+} proxy=/",
	} {
		method, path, _ := strings.Cut(request, " ")
		r, values := table.find(method, path)
		got := r.Key
		for _, name := range r.names {
			got += " " + name + "=" + values[name]
		}
		if got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
	if r, _ := tableOf("GET /a").find("GET", "/b"); r != nil {
		t.Errorf("%v for nothing", r.Key)
	}
}

// FuzzFind compares the tree with a look at each route.
func FuzzFind(f *testing.F) {
	f.Add("/a/{x}/c\n/a/b/{y+}\n/{z}", "/a/b/c")
	f.Add("/\n/{p+}", "//")
	f.Fuzz(func(t *testing.T, paths, path string) {
		var keys []string
		seen := map[string]bool{}
		for line := range strings.SplitSeq(paths, "\n") {
			shape := shapeOf(line)
			if httpapi.CheckKey("GET "+line) == nil && !seen[shape] && len(keys) < 20 {
				keys, seen[shape] = append(keys, "GET "+line), true
			}
		}
		table := tableOf(keys...)
		r, values := table.find("GET", path)
		if r == nil {
			for _, key := range keys {
				if fits(strings.TrimPrefix(key, "GET "), path) {
					t.Fatalf("%q fits %q, nothing was found among %q", key, path, keys)
				}
			}
			return
		}
		if !fits(r.path, path) || len(values) != len(r.names) {
			t.Fatalf("%q was found for %q: %v", r.Key, path, values)
		}
	})
}

// shapeOf is a path without the names of its parameters: two routes of one shape
// would hide each other.
func shapeOf(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = "{}"
			if strings.HasSuffix(s, "+}") {
				segments[i] = "{+}"
			}
		}
	}
	return strings.Join(segments, "/")
}

func fits(template, path string) bool {
	want, got := strings.Split(strings.TrimPrefix(template, "/"), "/"), strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, segment := range want {
		switch {
		case strings.HasSuffix(segment, "+}"):
			return i < len(got) && strings.Join(got[i:], "/") != ""
		case i >= len(got), strings.HasPrefix(segment, "{") && got[i] == "", !strings.HasPrefix(segment, "{") && got[i] != segment:
			return false
		}
	}
	return len(want) == len(got)
}

func BenchmarkFind(b *testing.B) {
	for _, count := range []int{10, 1000} {
		keys := make([]string, count)
		for i := range keys {
			keys[i] = fmt.Sprintf("GET /part%d/{id}/sub", i)
		}
		table := tableOf(keys...)
		path := fmt.Sprintf("/part%d/7/sub", count-1)
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			for b.Loop() {
				if r, _ := table.find("GET", path); r == nil {
					b.Fatal("not found")
				}
			}
		})
	}
}

func TestMembersOfBodies(t *testing.T) {
	const body = `{"a":{"b":[1,{"c":"x"},[true]]},"n":null,"s":"text","o":{"k":1}}`
	for path, want := range map[string]string{"a.b[1].c": "x", "a.b.0": "1", "$.s": "text", "o": `{"k":1}`, "none": "", "a.b[9]": "", "a.b[-1]": "", "s.x": "", "a.b[2][0]": "true", strings.Repeat("a.", 100): ""} {
		if got := member([]byte(body), path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestTheSizeOfAHead(t *testing.T) {
	r := httptest.NewRequest("GET", "http://x/path", nil)
	r.Header.Set("A", strings.Repeat("x", 100))
	if n := front.HeadSize(r); n < 100 || n > 200 {
		t.Error(n)
	}
}
