package crash

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/test/platform"
)

const functionsPath = "/2015-03-31/functions"

// state is all that can be seen of one function; nil if there is none.
type state struct {
	Code, Description string
	Tags, Aliases     map[string]string // alias -> version
	Versions          map[string]published
}

// published is a version; Description is that of its publication.
type published struct{ Code, Description string }

func (s *state) clone() *state {
	c := *s
	c.Tags, c.Aliases, c.Versions = maps.Clone(s.Tags), maps.Clone(s.Aliases), maps.Clone(s.Versions)
	return &c
}

// function creates, changes and deletes one function.
type function struct {
	random *rand.Rand
	name   string
	acked  *state
	dirty  bool    // $LATEST is not what was published last
	doubt  *change // under way
	last   int     // version number; no number is given twice
	serial int
	answer map[string]string // by code: what it returns
}

func newFunction(random *rand.Rand, name string) *function {
	return &function{random: random, name: name, answer: map[string]string{}}
}

func (f *function) path() string { return functionsPath + "/" + f.name }

// change is a write and what it makes of the function.
type change struct {
	next   *state
	dirty  bool
	method string
	path   string
	in     map[string]any
}

func (f *function) write(ctx context.Context, c client) error {
	if f.acked != nil {
		if err := c.server.WaitActive(ctx, f.name); err != nil {
			return &downError{err} // a failure is found by the check
		}
	}
	w, err := f.choose()
	if err != nil {
		return err
	}
	f.doubt = &w
	if err := c.lambda(ctx, w.method, w.path, w.in, nil); err != nil {
		return err
	}
	f.settle(w.next, w.dirty)
	return nil
}

// settle takes what is there as the state from now on.
func (f *function) settle(now *state, dirty bool) {
	if now != nil {
		for number := range now.Versions {
			n, _ := strconv.Atoi(number) // we chose it
			f.last = max(f.last, n)
		}
	}
	f.acked, f.dirty, f.doubt = now, dirty, nil
}

func (f *function) choose() (change, error) {
	if f.acked == nil {
		return f.create()
	}
	next := f.acked.clone()
	switch n := f.random.IntN(100); {
	case n < 25 || n < 50 && !f.dirty:
		return f.updateCode(next)
	case n < 35:
		next.Description = f.text()
		return change{next, true, "PUT", f.path() + "/configuration", map[string]any{"Description": next.Description}}, nil
	case n < 50:
		description := f.text()
		next.Versions[f.number()] = published{next.Code, description}
		return change{next, false, "POST", f.path() + "/versions", map[string]any{"Description": description}}, nil
	case n < 65:
		return f.tag(next), nil
	case n < 85 && len(next.Versions) > 0:
		return f.alias(next), nil
	case n < 90:
		return f.deleteVersion(next)
	default:
		return change{method: "DELETE", path: f.path()}, nil
	}
}

// number is that of the next version.
func (f *function) number() string { return strconv.Itoa(f.last + 1) }

func (f *function) text() string {
	f.serial++
	return fmt.Sprint("text ", f.serial)
}

// code packs a new package, of up to some 100 KB that do not compress.
func (f *function) code() (archive []byte, sum string, err error) {
	f.serial++
	answer := fmt.Sprintf("%s-%d", f.name, f.serial)
	padding := make([]byte, f.random.IntN(100<<10))
	for i := range padding {
		padding[i] = byte(f.random.Uint32())
	}
	archive, err = platform.Zip(map[string]string{"padding": hex.EncodeToString(padding), "app.py": fmt.Sprintf("def handler(event, context):\n    return %q\n", answer)})
	sum = sha(archive)
	f.answer[sum] = answer
	return archive, sum, err
}

func (f *function) create() (change, error) {
	archive, sum, err := f.code()
	next := &state{Code: sum, Description: f.text(), Tags: map[string]string{"made": f.text()}, Aliases: map[string]string{}, Versions: map[string]published{}}
	publish := f.random.IntN(2) == 0
	if publish {
		next.Versions[f.number()] = published{sum, next.Description}
	}
	return change{next, !publish, "POST", functionsPath, map[string]any{
		"FunctionName": f.name, "Runtime": "python3.14", "Handler": "app.handler", "Role": role, "Description": next.Description,
		"Tags": next.Tags, "Publish": publish, "Code": map[string]any{"ZipFile": archive}}}, err
}

// role is one that every server of this suite takes.
const role = "arn:aws:iam::000000000000:role/test"

func (f *function) updateCode(next *state) (change, error) {
	archive, sum, err := f.code()
	next.Code = sum
	publish := f.random.IntN(2) == 0
	if publish {
		next.Versions[f.number()] = published{sum, next.Description}
	}
	return change{next, !publish, "PUT", f.path() + "/code", map[string]any{"ZipFile": archive, "Publish": publish}}, err
}

func (f *function) tag(next *state) change {
	path := "/2017-03-31/tags/" + url.PathEscape("arn:aws:lambda:"+platform.Region+":000000000000:function:"+f.name)
	keys := slices.Sorted(maps.Keys(next.Tags))
	if len(keys) > 2 {
		delete(next.Tags, keys[0])
		return change{next, f.dirty, "DELETE", path + "?tagKeys=" + url.QueryEscape(keys[0]), nil}
	}
	added := map[string]string{f.text(): f.text(), f.text(): f.text()}
	maps.Copy(next.Tags, added)
	return change{next, f.dirty, "POST", path, map[string]any{"Tags": added}}
}

func (f *function) alias(next *state) change {
	numbers := slices.Sorted(maps.Keys(next.Versions))
	number, name := numbers[f.random.IntN(len(numbers))], fmt.Sprint("a", f.random.IntN(3))
	_, exists := next.Aliases[name]
	path := f.path() + "/aliases"
	switch {
	case !exists:
		next.Aliases[name] = number
		return change{next, f.dirty, "POST", path, map[string]any{"Name": name, "FunctionVersion": number}}
	case f.random.IntN(2) == 0:
		next.Aliases[name] = number
		return change{next, f.dirty, "PUT", path + "/" + name, map[string]any{"FunctionVersion": number}}
	default:
		delete(next.Aliases, name)
		return change{next, f.dirty, "DELETE", path + "/" + name, nil}
	}
}

// deleteVersion deletes one that is neither the newest nor named by an alias.
func (f *function) deleteVersion(next *state) (change, error) {
	named := slices.Collect(maps.Values(next.Aliases))
	for _, number := range slices.Sorted(maps.Keys(next.Versions)) {
		if number != strconv.Itoa(f.last) && !slices.Contains(named, number) {
			delete(next.Versions, number)
			return change{next, f.dirty, "DELETE", f.path() + "?Qualifier=" + number, nil}, nil
		}
	}
	return f.updateCode(next)
}

func (f *function) check(ctx context.Context, c client) error {
	found, location, err := f.read(ctx, c)
	if err != nil {
		return err
	}
	switch {
	case cmp.Equal(f.acked, found):
		f.settle(found, f.dirty)
	case f.doubt != nil && cmp.Equal(f.doubt.next, found):
		f.settle(found, f.doubt.dirty)
	default:
		diff := cmp.Diff(f.acked, found)
		if f.doubt != nil {
			diff += fmt.Sprintf("nor is it that with %s %s, which was under way (-):\n%s", f.doubt.method, f.doubt.path, cmp.Diff(f.doubt.next, found))
		}
		return fmt.Errorf("%s is not what was acknowledged (-):\n%s", f.name, diff)
	}
	if found == nil {
		return nil
	}
	if err := download(ctx, location, found.Code); err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	return f.run(ctx, c)
}

// run calls $LATEST and all versions: each must be the code it says.
func (f *function) run(ctx context.Context, c client) error {
	codes := map[string]string{"$LATEST": f.acked.Code}
	for number, v := range f.acked.Versions {
		codes[number] = v.Code
	}
	for qualifier, code := range codes {
		if err := c.server.WaitActive(ctx, f.name+":"+qualifier); err != nil {
			return err
		}
		var got string
		path := platform.InvokePath(f.name) + "?Qualifier=" + url.QueryEscape(qualifier)
		if err := c.lambda(ctx, "POST", path, nil, &got); err != nil {
			return fmt.Errorf("%s:%s does not run: %w", f.name, qualifier, err)
		}
		if got != f.answer[code] {
			return fmt.Errorf("%s:%s answers %q, not %q", f.name, qualifier, got, f.answer[code])
		}
	}
	return nil
}

// read collects what the server has of the function.
func (f *function) read(ctx context.Context, c client) (found *state, location string, err error) {
	var listed struct {
		Functions []struct{ FunctionName string }
	}
	if err := c.lambda(ctx, "GET", functionsPath+"/", nil, &listed); err != nil {
		return nil, "", err
	}
	var got struct {
		Configuration struct{ CodeSha256, Description string }
		Code          struct{ Location string }
		Tags          map[string]string
	}
	err = c.lambda(ctx, "GET", f.path(), nil, &got)
	inList := slices.ContainsFunc(listed.Functions, func(l struct{ FunctionName string }) bool { return l.FunctionName == f.name })
	if inList != (err == nil) {
		return nil, "", fmt.Errorf("%s: in the list: %t, read: %w", f.name, inList, err)
	}
	if isAbsent(err) {
		if err := c.lambda(ctx, "GET", f.path()+"/versions", nil, nil); !isAbsent(err) {
			return nil, "", fmt.Errorf("the versions of %s, which does not exist: %w", f.name, err)
		}
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	found = &state{Code: got.Configuration.CodeSha256, Description: got.Configuration.Description, Tags: got.Tags, Aliases: map[string]string{}, Versions: map[string]published{}}
	if found.Tags == nil {
		found.Tags = map[string]string{}
	}
	return found, got.Code.Location, f.readVersions(ctx, c, found)
}

func (f *function) readVersions(ctx context.Context, c client, found *state) error {
	for marker := "start"; marker != ""; {
		var page struct {
			Versions   []struct{ Version, CodeSha256, Description string }
			NextMarker string
		}
		path := f.path() + "/versions"
		if marker != "start" {
			path += "?Marker=" + url.QueryEscape(marker)
		}
		if err := c.lambda(ctx, "GET", path, nil, &page); err != nil {
			return err
		}
		for _, v := range page.Versions {
			if v.Version != "$LATEST" {
				found.Versions[v.Version] = published{v.CodeSha256, v.Description}
			}
		}
		marker = page.NextMarker
	}
	var aliases struct {
		Aliases []struct{ Name, FunctionVersion string }
	}
	if err := c.lambda(ctx, "GET", f.path()+"/aliases", nil, &aliases); err != nil {
		return err
	}
	for _, a := range aliases.Aliases {
		found.Aliases[a.Name] = a.FunctionVersion
	}
	return nil
}
