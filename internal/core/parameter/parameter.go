// Package parameter is the behaviour of the Parameter Store of AWS Systems
// Manager: named values with versions and labels.
//
// It promises: when Put returns nil the version survives kill -9 and power loss;
// the versions of a parameter count up without a gap, also under concurrent
// writers; a SecureString lies on the disk encrypted.
//
// There is no state beside the store: every change checks the row that it read
// and is done again if another was faster. No goroutines, no locks. Start reading
// at Parameters.
package parameter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/seal"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Limits. AWS: https://docs.aws.amazon.com/general/latest/gr/ssm.html and the
// user guide's page on tiers.
const (
	MaxVersions        = 100 // older ones go
	MaxLabels          = 10  // of a version
	MaxLevels          = 15
	maxStandardBytes   = 4096
	maxAdvancedBytes   = 8192
	maxTags            = 50
	maxNameBytes       = 1011
	maxLabelCharacters = 100
)

// Types and tiers.
const (
	String       = "String"
	StringList   = "StringList"
	SecureString = "SecureString"
	Standard     = "Standard"
	Advanced     = "Advanced"
	Intelligent  = "Intelligent-Tiering"
)

// DefaultKey is the only key for SecureStrings: AWS's own.
const DefaultKey = "alias/aws/ssm"

// Scope is where parameters are.
type Scope struct{ Account, Region string }

// ARN is that of a parameter.
func (s Scope) ARN(name string) string {
	return arn.New("ssm", s.Region, s.Account, "parameter/"+strings.TrimPrefix(name, "/")).String()
}

// head is a parameter without its versions.
type head struct {
	Latest, Oldest int64
	Type           string
	Tags           map[string]string `json:",omitempty"`
}

// Version is one value of a parameter.
type Version struct {
	Name           string `json:"-"`
	Number         int64
	Type           string
	Value          string // sealed on the disk, if it is a SecureString; see Parameters.reveal
	Tier           string
	DataType       string
	KeyID          string
	Description    string
	AllowedPattern string
	Modified       time.Time
	User           string // ARN of who put it
	Labels         []string

	Sealed []byte `json:",omitempty"`
}

// Config is what Parameters work with. Store and Secret are required.
type Config struct {
	Store  store.Store
	Secret []byte // of the data folder
	Clock  clock.Clock
}

// Parameters holds all parameters.
type Parameters struct {
	config Config
	sealer *seal.Sealer
}

// New only builds.
func New(config Config) (*Parameters, error) {
	if config.Store == nil || len(config.Secret) == 0 {
		return nil, errors.New("parameter: Store and Secret are required")
	}
	if config.Clock == nil {
		config.Clock = clock.System
	}
	sealer, err := seal.New(config.Secret, "ssm parameters")
	return &Parameters{config, sealer}, err
}

func headKey(s Scope, name string) []byte {
	return tuple.Key("ssm", "parameter", s.Account, s.Region, name)
}

func versionKey(s Scope, name string, number int64) []byte {
	return tuple.Key("ssm", "version", s.Account, s.Region, name, number)
}

// Error is a refusal that the caller can understand; Code is AWS's name of it.
type Error struct{ Code, Message string }

// Error names the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

func fail(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// The codes that are used more than once.
const (
	validation = "ValidationException"
	NotFound   = "ParameterNotFound"
)

func notFound() *Error { return fail(NotFound, "") }

var nameForm = regexp.MustCompile(`^[a-zA-Z0-9_.\-/]+$`)

// checkName refuses the name of a new parameter. Texts: recorded from AWS.
func checkName(name string) error {
	trimmed := strings.ToLower(strings.TrimPrefix(name, "/"))
	switch levels := strings.Count(name, "/"); {
	case strings.HasPrefix(trimmed, "aws"):
		return fail("AccessDeniedException", "No access to reserved parameter name: %s.", name)
	case strings.HasPrefix(trimmed, "ssm"), !nameForm.MatchString(name), len(name) > maxNameBytes, strings.Contains(name, "//"), strings.HasSuffix(name, "/"):
		return fail(validation, `Parameter name: can't be prefixed with "ssm" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_`)
	case levels > 0 && name[0] != '/':
		return fail(validation, "Parameter name must be a fully qualified name.")
	case levels > MaxLevels:
		return fail("HierarchyLevelLimitExceededException", "Hierarchy can have a maximum of %d levels", MaxLevels)
	}
	return nil
}

// checkValue refuses a value. Texts: recorded from AWS.
func checkValue(v *Version) error {
	size := len(v.Value)
	switch {
	case v.Tier == Intelligent && size > maxStandardBytes:
		v.Tier = Advanced
	case v.Tier == Intelligent || v.Tier == "":
		v.Tier = Standard
	}
	switch {
	case v.Tier == Standard && size > maxStandardBytes:
		return fail(validation, "Standard tier parameters support a maximum parameter value of %d characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier. For more information, see https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html", maxStandardBytes)
	case size > maxAdvancedBytes:
		return fail(validation, "Advanced tier parameters support a maximum parameter value of %d characters.", maxAdvancedBytes)
	}
	if v.AllowedPattern == "" {
		return nil
	}
	form, err := regexp.Compile(`^(?:` + v.AllowedPattern + `)$`)
	if err != nil {
		return fail("InvalidAllowedPatternException", "The pattern %s is not a valid regular expression.", v.AllowedPattern)
	}
	if !form.MatchString(v.Value) {
		return fail("ParameterPatternMismatchException", "Parameter value, cannot be validated against allowedPattern: %s", v.AllowedPattern)
	}
	return nil
}

// CheckTags bounds them.
func CheckTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return fail("TooManyTagsError", "The Targets parameter includes too many tags. Remove one or more tags and try the command again.")
	}
	return nil
}

// readHead reads a parameter; the check is that nobody has changed it since.
func readHead(snap store.Snap, s Scope, name string) (*head, store.Check, error) {
	value, version, err := snap.Get(headKey(s, name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, store.Absent(headKey(s, name)), nil
	}
	h := &head{}
	if err == nil {
		err = json.Unmarshal(value, h)
	}
	return h, store.At(headKey(s, name), version), err
}

func row(key []byte, value any) (store.KV, error) {
	text, err := json.Marshal(value)
	return store.KV{Key: key, Value: text}, err
}

// Put adds a version, the first if there is no such parameter.
func (p *Parameters) Put(ctx context.Context, s Scope, v Version, overwrite bool, tags map[string]string) (*Version, error) {
	if err := CheckTags(tags); err != nil {
		return nil, err
	}
	if overwrite && len(tags) > 0 {
		return nil, fail(validation, "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.")
	}
	err := store.Change(ctx, p.config.Store, func(snap store.Snap) (*store.Batch, error) {
		h, check, err := readHead(snap, s, v.Name)
		switch {
		case err != nil:
			return nil, err
		case h == nil:
			if h, err = newHead(&v, tags); err != nil {
				return nil, err
			}
		case !overwrite:
			return nil, fail("ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")
		case v.Type != "" && v.Type != h.Type:
			return nil, fail("HierarchyTypeMismatchException", "Parameter Store doesn't support changing a parameter type in a hierarchy. For example, you can't change a parameter from a String type to a SecureString type. Create a new, unique parameter.")
		}
		v.Type = h.Type
		if err := checkValue(&v); err != nil {
			return nil, err
		}
		return p.putBatch(snap, s, h, check, &v)
	})
	return &v, err
}

func newHead(v *Version, tags map[string]string) (*head, error) {
	if err := checkName(v.Name); err != nil {
		return nil, err
	}
	if v.Type == "" {
		return nil, fail(validation, "A parameter type is required when you create a parameter.")
	}
	return &head{Oldest: 1, Type: v.Type, Tags: tags}, nil
}

// putBatch is the commit of a new version; the oldest goes if there are too many.
func (p *Parameters) putBatch(snap store.Snap, s Scope, h *head, check store.Check, v *Version) (*store.Batch, error) {
	batch := &store.Batch{Checks: []store.Check{check}}
	h.Latest++
	v.Number, v.Modified = h.Latest, p.config.Clock.Now().UTC()
	if h.Latest-h.Oldest >= MaxVersions {
		oldest, err := p.version(snap, s, v.Name, h.Oldest)
		if err != nil {
			return nil, err
		}
		if len(oldest.Labels) > 0 {
			return nil, fail("ParameterMaxVersionLimitExceeded", "You attempted to create a new version of %s by calling the PutParameter API with the overwrite flag. Version %d, the oldest version, can't be deleted because it has a label associated with it. Move the label to another version of the parameter, and try again.", v.Name, h.Oldest)
		}
		batch.Deletes = append(batch.Deletes, versionKey(s, v.Name, h.Oldest))
		h.Oldest++
	}
	stored := *v
	if v.Type == SecureString {
		stored.Value, stored.Sealed = "", p.sealer.Seal([]byte(v.Value), s.ARN(v.Name))
	}
	put, err := row(versionKey(s, v.Name, v.Number), &stored)
	if err != nil {
		return nil, err
	}
	putHead, err := row(headKey(s, v.Name), h)
	batch.Puts = append(batch.Puts, put, putHead)
	return batch, err
}

func (p *Parameters) version(snap store.Snap, s Scope, name string, number int64) (*Version, error) {
	value, _, err := snap.Get(versionKey(s, name, number))
	if err != nil {
		return nil, err
	}
	v := &Version{}
	if err := json.Unmarshal(value, v); err != nil {
		return nil, err
	}
	v.Name = name
	return v, nil
}

// Reveal decrypts the value of a SecureString; without it the value is the sealed
// one, as text.
func (p *Parameters) Reveal(s Scope, v *Version, decrypt bool) (string, error) {
	switch {
	case v.Type != SecureString:
		return v.Value, nil
	case !decrypt:
		return fmt.Sprintf("%x", v.Sealed), nil
	}
	plain, err := p.sealer.Open(v.Sealed, s.ARN(v.Name))
	return string(plain), err
}

// Get finds a version by "name", "name:number" or "name:label"; the name may be
// an ARN.
func (p *Parameters) Get(ctx context.Context, s Scope, selector string) (*Version, error) {
	name, chosen := splitSelector(selector)
	snap, err := p.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	name, h, err := p.find(snap, s, name)
	if err != nil {
		return nil, err
	}
	if chosen == "" {
		return p.version(snap, s, name, h.Latest)
	}
	if number, err := strconv.ParseInt(chosen, 10, 64); err == nil {
		v, err := p.version(snap, s, name, number)
		if errors.Is(err, store.ErrNotFound) {
			return nil, fail("ParameterVersionNotFound", "Systems Manager could not find version %s of %s. Verify the version and try again.", chosen, name)
		}
		return v, err
	}
	all, err := p.versions(snap, s, name)
	if err != nil {
		return nil, err
	}
	for _, v := range all {
		if slices.Contains(v.Labels, chosen) {
			return v, nil
		}
	}
	return nil, fail("ParameterVersionLabelNotFound", "Systems Manager could not find label %s for parameter %s. Verify the label and try again.", chosen, name)
}

// splitSelector parts "name:selector"; an ARN has colons of its own.
func splitSelector(text string) (name, selector string) {
	if a, err := arn.Parse(text); err == nil && a.Service == "ssm" {
		name, selector, _ = strings.Cut(strings.TrimPrefix(a.Resource, "parameter"), ":")
		return name, selector
	}
	name, selector, _ = strings.Cut(text, ":")
	return name, selector
}

// find is the head of a parameter. An ARN does not tell whether the name begins
// with a slash.
func (p *Parameters) find(snap store.Snap, s Scope, name string) (string, *head, error) {
	for _, candidate := range []string{name, strings.TrimPrefix(name, "/")} {
		h, _, err := readHead(snap, s, candidate)
		if err != nil || h != nil {
			return candidate, h, err
		}
	}
	return "", nil, notFound()
}

// versions are all of a parameter, oldest first.
func (p *Parameters) versions(snap store.Snap, s Scope, name string) (all []*Version, err error) {
	lo, hi := tuple.Range("ssm", "version", s.Account, s.Region, name)
	entries, err := snap.Scan(lo, hi, MaxVersions+1, false)
	if err != nil {
		return nil, err
	}
	for i := range entries {
		v := &Version{}
		if err := json.Unmarshal(entries[i].Value, v); err != nil {
			return nil, err
		}
		v.Name = name
		all = append(all, v)
	}
	return all, nil
}

// History are all versions of a parameter, oldest first.
func (p *Parameters) History(ctx context.Context, s Scope, name string) ([]*Version, error) {
	snap, err := p.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	if name, _, err = p.find(snap, s, name); err != nil {
		return nil, err
	}
	return p.versions(snap, s, name)
}

// Delete removes a parameter with its versions.
func (p *Parameters) Delete(ctx context.Context, s Scope, name string) error {
	return store.Change(ctx, p.config.Store, func(snap store.Snap) (*store.Batch, error) {
		h, check, err := readHead(snap, s, name)
		if err == nil && h == nil {
			err = notFound()
		}
		if err != nil {
			return nil, err
		}
		lo, hi := tuple.Range("ssm", "version", s.Account, s.Region, name)
		return &store.Batch{Checks: []store.Check{check}, Deletes: [][]byte{headKey(s, name)}, DeleteRanges: []store.Range{{Lo: lo, Hi: hi}}}, nil
	})
}

// Each visits the latest version of the parameters of a scope, in the order of
// their names, that come after a name, until visit returns false.
func (p *Parameters) Each(ctx context.Context, s Scope, after string, visit func(v *Version, tags map[string]string) bool) error {
	snap, err := p.config.Store.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snap.Close()
	lo, hi := tuple.Range("ssm", "parameter", s.Account, s.Region)
	if after != "" {
		lo = append(headKey(s, after), 0)
	}
	return store.Each(snap, lo, hi, func(e *store.Entry) (bool, error) {
		parts, err := tuple.Parse(e.Key)
		if err != nil {
			return false, err
		}
		h := &head{}
		if err := json.Unmarshal(e.Value, h); err != nil {
			return false, err
		}
		v, err := p.version(snap, s, parts[4].(string), h.Latest)
		return err == nil && visit(v, h.Tags), err
	})
}

// ChangeTags changes the tags of a parameter; a change that returns nil is none.
func (p *Parameters) ChangeTags(ctx context.Context, s Scope, name string, change func(map[string]string)) (tags map[string]string, err error) {
	err = store.Change(ctx, p.config.Store, func(snap store.Snap) (*store.Batch, error) {
		h, check, err := readHead(snap, s, name)
		if err == nil && h == nil {
			err = fail("InvalidResourceId", "")
		}
		if err != nil {
			return nil, err
		}
		if h.Tags == nil {
			h.Tags = map[string]string{}
		}
		if tags = h.Tags; change == nil {
			return nil, nil
		}
		before := maps.Clone(tags)
		change(tags)
		if err := CheckTags(tags); err != nil || maps.Equal(before, tags) {
			return nil, err
		}
		put, err := row(headKey(s, name), h)
		return &store.Batch{Checks: []store.Check{check}, Puts: []store.KV{put}}, err
	})
	return tags, err
}

var labelForm = regexp.MustCompile(`^[a-zA-Z_.\-][a-zA-Z0-9_.\-]*$`)

// validLabel: AWS: not beginning with a number, "aws" or "ssm".
func validLabel(label string) bool {
	lower := strings.ToLower(label)
	return len(label) <= maxLabelCharacters && labelForm.MatchString(label) && !strings.HasPrefix(lower, "aws") && !strings.HasPrefix(lower, "ssm")
}

// Label moves labels to a version, 0 for the latest; invalid ones are returned.
func (p *Parameters) Label(ctx context.Context, s Scope, name string, number int64, labels []string) (at int64, invalid []string, err error) {
	err = p.relabel(ctx, s, name, number, func(all []*Version, target *Version) error {
		invalid, at = nil, target.Number
		for _, label := range labels {
			if !validLabel(label) {
				invalid = append(invalid, label)
				continue
			}
			for _, v := range all {
				v.Labels = slices.DeleteFunc(v.Labels, func(other string) bool { return other == label })
			}
			target.Labels = append(target.Labels, label)
		}
		if len(target.Labels) > MaxLabels {
			return fail("ParameterVersionLabelLimitExceeded", "An error occurred (ParameterVersionLabelLimitExceeded) when calling the LabelParameterVersion operation: A parameter version can have maximum %d labels.Move one or more labels to another version and try again.", MaxLabels)
		}
		return nil
	})
	return at, invalid, err
}

// Unlabel takes labels from a version; those that it did not have are returned.
func (p *Parameters) Unlabel(ctx context.Context, s Scope, name string, number int64, labels []string) (removed, invalid []string, err error) {
	err = p.relabel(ctx, s, name, number, func(_ []*Version, target *Version) error {
		removed, invalid = nil, nil
		for _, label := range labels {
			if i := slices.Index(target.Labels, label); i >= 0 {
				target.Labels = slices.Delete(target.Labels, i, i+1)
				removed = append(removed, label)
			} else {
				invalid = append(invalid, label)
			}
		}
		return nil
	})
	return removed, invalid, err
}

func (p *Parameters) relabel(ctx context.Context, s Scope, name string, number int64, change func(all []*Version, target *Version) error) error {
	return store.Change(ctx, p.config.Store, func(snap store.Snap) (*store.Batch, error) {
		h, check, err := readHead(snap, s, name)
		if err == nil && h == nil {
			err = notFound()
		}
		if err != nil {
			return nil, err
		}
		if number == 0 {
			number = h.Latest
		}
		all, err := p.versions(snap, s, name)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(all, func(v *Version) bool { return v.Number == number })
		if i < 0 {
			return nil, fail("ParameterVersionNotFound", "Systems Manager could not find version %d of %s. Verify the version and try again.", number, name)
		}
		if err := change(all, all[i]); err != nil {
			return nil, err
		}
		put, err := row(headKey(s, name), h) // so that two changes meet
		batch := &store.Batch{Checks: []store.Check{check}, Puts: []store.KV{put}}
		for _, v := range all {
			changed, rowErr := row(versionKey(s, name, v.Number), v)
			err = errors.Join(err, rowErr)
			batch.Puts = append(batch.Puts, changed)
		}
		return batch, err
	})
}
