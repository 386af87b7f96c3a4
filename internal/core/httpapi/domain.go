package httpapi

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/hosts"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// A domain name belongs to one scope, whoever makes it first.

func domainKey(s Scope, name string) []byte {
	return tuple.Key(service, tableDomain, s.Account, s.Region, name)
}

func ownerKey(name string) []byte { return tuple.Key(service, tableOwner, name) }

func mappingKey(name, id string) []byte { return tuple.Key(service, "domain-mapping", name, id) }

func mappingRange(name string) (lo, hi []byte) {
	return tuple.Range(service, "domain-mapping", name)
}

func noDomain() error {
	return missing("The domain name resource specified in the request was not found.")
}

func noMapping() error {
	return missing("The api mapping resource specified in the request was not found.")
}

var domainName = regexp.MustCompile(`^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// CreateDomain makes a domain name.
func (a *APIs) CreateDomain(ctx context.Context, s Scope, d Domain) (*Domain, error) {
	d.Name, d.Scope = strings.ToLower(d.Name), s
	if !domainName.MatchString(d.Name) || hosts.Platform(d.Name) {
		return nil, bad("The domain name is invalid: %s", d.Name)
	}
	if err := checkTags(d.Tags); err != nil {
		return nil, err
	}
	d.ARN = arn.New("apigateway", s.Region, "", "/domainnames/"+d.Name).String()
	d.MappingSelection = "$request.basepath"
	d.complete()
	// AWS: REST APIs and HTTP APIs share their domain names, which each lists. Here a
	// name is of the API that made it, and the other refuses it.
	taken := conflict("The domain name resource already exists.")
	if !a.config.Named(d.Name) {
		return nil, taken
	}
	err := store.Change(ctx, a.config.Store, func(snap store.Snap) (*store.Batch, error) {
		if version, err := get(snap, ownerKey(d.Name), &Scope{}); err != nil || version != 0 {
			return nil, join(err, taken)
		}
		return &store.Batch{Checks: []store.Check{store.Absent(ownerKey(d.Name))},
			Puts: []store.KV{{Key: ownerKey(d.Name), Value: encode(s)}, {Key: domainKey(s, d.Name), Value: encode(&d)}}}, nil
	})
	if err != nil {
		if !errors.Is(err, taken) { // else a commit that nobody was told of has made it
			a.config.Unnamed(d.Name)
		}
		return nil, err
	}
	return &d, nil
}

// complete fills in what AWS answers.
func (d *Domain) complete() {
	if len(d.Configurations) == 0 {
		d.Configurations = []DomainConfig{{}}
	}
	for i := range d.Configurations {
		c := &d.Configurations[i]
		c.Status, c.HostedZoneID = "AVAILABLE", "Z00000000000000000000"
		c.APIGatewayDomainName = "d-" + strings.ReplaceAll(strings.TrimPrefix(d.Name, "*."), ".", "-") + ".execute-api." + d.Scope.Region + ".localhost"
		if c.EndpointType == "" {
			c.EndpointType = "REGIONAL"
		}
		if c.SecurityPolicy == "" {
			c.SecurityPolicy = "TLS_1_2"
		}
		if c.IPAddressType == "" {
			c.IPAddressType = "ipv4"
		}
	}
	if d.RoutingMode == "" {
		d.RoutingMode = "API_MAPPING_ONLY"
	}
}

// Domains lists those of a scope.
func (a *APIs) Domains(ctx context.Context, s Scope) (all []Domain, err error) {
	lo, hi := tuple.Range(service, tableDomain, s.Account, s.Region)
	err = a.view(ctx, func(snap store.Snap) error {
		all, err = each[Domain](snap, lo, hi)
		return err
	})
	return all, err
}

// Domain reads one.
func (a *APIs) Domain(ctx context.Context, s Scope, name string) (*Domain, error) {
	d := &Domain{}
	return d, a.view(ctx, func(snap store.Snap) error {
		if version, err := get(snap, domainKey(s, name), d); err != nil || version == 0 {
			return join(err, noDomain())
		}
		return nil
	})
}

// changeDomain changes a domain name with what belongs to it.
func (a *APIs) changeDomain(ctx context.Context, s Scope, name string, f func(snap store.Snap, d *Domain, b *store.Batch) error) error {
	return store.Change(ctx, a.config.Store, func(snap store.Snap) (*store.Batch, error) {
		d := &Domain{}
		version, err := get(snap, domainKey(s, name), d)
		if err != nil || version == 0 {
			return nil, join(err, noDomain())
		}
		b := &store.Batch{Checks: []store.Check{store.At(domainKey(s, name), version)}}
		if err := f(snap, d, b); err != nil {
			return nil, err
		}
		if len(b.Deletes) == 0 || string(b.Deletes[0]) != string(domainKey(s, name)) {
			b.Puts = append(b.Puts, store.KV{Key: domainKey(s, name), Value: encode(d)}) // so that changes come one after the other
		}
		return b, nil
	})
}

// UpdateDomain changes one.
func (a *APIs) UpdateDomain(ctx context.Context, s Scope, name string, f func(*Domain) error) (*Domain, error) {
	var updated *Domain
	return r2(&updated, a.changeDomain(ctx, s, name, func(_ store.Snap, d *Domain, _ *store.Batch) error {
		if err := f(d); err != nil {
			return err
		}
		d.Name, d.Scope, updated = name, s, d
		d.complete()
		return checkTags(d.Tags)
	}))
}

// DeleteDomain takes one with its mappings.
func (a *APIs) DeleteDomain(ctx context.Context, s Scope, name string) error {
	err := a.changeDomain(ctx, s, name, func(_ store.Snap, _ *Domain, b *store.Batch) error {
		lo, hi := mappingRange(name)
		b.Deletes = [][]byte{domainKey(s, name), ownerKey(name)}
		b.DeleteRanges = []store.Range{{Lo: lo, Hi: hi}}
		return nil
	})
	if err == nil {
		a.config.Unnamed(name)
	}
	return err
}

var mappingPath = regexp.MustCompile(`^[A-Za-z0-9._~$+!'()*-]+(/[A-Za-z0-9._~$+!'()*-]+)*$`)

// putMapping checks a mapping and writes it.
func (a *APIs) putMapping(snap store.Snap, s Scope, name string, m *Mapping, b *store.Batch) error {
	if m.Key == "(none)" {
		m.Key = ""
	}
	if m.Key != "" && !mappingPath.MatchString(m.Key) {
		return bad("API mapping key should be empty or match a path without slashes at its ends")
	}
	if version, err := get(snap, apiKey(s, m.APIID), &API{}); err != nil || version == 0 {
		return join(err, noAPI(m.APIID))
	}
	if version, err := get(snap, partKey(s, m.APIID, partStage, m.Stage), &Stage{}); err != nil || version == 0 {
		return join(err, bad("Invalid stage identifier specified"))
	}
	lo, hi := mappingRange(name)
	others, err := each[Mapping](snap, lo, hi)
	if err != nil {
		return err
	}
	for i := range others {
		if others[i].Key == m.Key && others[i].ID != m.ID {
			return conflict("ApiMapping key already exists for this domain name")
		}
	}
	b.Puts = append(b.Puts, store.KV{Key: mappingKey(name, m.ID), Value: encode(m)})
	return nil
}

// CreateMapping adds a mapping to a domain name.
func (a *APIs) CreateMapping(ctx context.Context, s Scope, name string, m Mapping) (*Mapping, error) {
	m.ID = ids.Short(ctx, partIDLength)
	return &m, a.changeDomain(ctx, s, name, func(snap store.Snap, _ *Domain, b *store.Batch) error {
		return a.putMapping(snap, s, name, &m, b)
	})
}

// Mappings lists those of a domain name.
func (a *APIs) Mappings(ctx context.Context, s Scope, name string) (all []Mapping, err error) {
	err = a.view(ctx, func(snap store.Snap) error {
		if version, err := get(snap, domainKey(s, name), &Domain{}); err != nil || version == 0 {
			return join(err, noDomain())
		}
		lo, hi := mappingRange(name)
		all, err = each[Mapping](snap, lo, hi)
		return err
	})
	return all, err
}

// Mapping reads one.
func (a *APIs) Mapping(ctx context.Context, s Scope, name, id string) (*Mapping, error) {
	all, err := a.Mappings(ctx, s, name)
	for i := range all {
		if all[i].ID == id {
			return &all[i], err
		}
	}
	return nil, join(err, noMapping())
}

// UpdateMapping changes one.
func (a *APIs) UpdateMapping(ctx context.Context, s Scope, name, id string, f func(*Mapping) error) (*Mapping, error) {
	var updated *Mapping
	return r2(&updated, a.changeDomain(ctx, s, name, func(snap store.Snap, _ *Domain, b *store.Batch) error {
		m := &Mapping{}
		if version, err := get(snap, mappingKey(name, id), m); err != nil || version == 0 {
			return join(err, noMapping())
		}
		if err := f(m); err != nil {
			return err
		}
		m.ID, updated = id, m
		return a.putMapping(snap, s, name, m, b)
	}))
}

// DeleteMapping takes one out.
func (a *APIs) DeleteMapping(ctx context.Context, s Scope, name, id string) error {
	return a.changeDomain(ctx, s, name, func(snap store.Snap, _ *Domain, b *store.Batch) error {
		if version, err := get(snap, mappingKey(name, id), &Mapping{}); err != nil || version == 0 {
			return join(err, noMapping())
		}
		b.Deletes = [][]byte{mappingKey(name, id)}
		return nil
	})
}

// Lead is where a domain name leads a request.
type Lead struct {
	Scope   Scope
	Mapping Mapping
	Rest    string // of the path, below the mapping's key; begins with a slash
}

// Lead finds the mapping for a host and a path: that of the longest key. Nil if
// there is none. A name *.example.org stands for all names with one label more.
func (a *APIs) Lead(ctx context.Context, host, path string) (found *Lead, known bool, err error) {
	err = a.view(ctx, func(snap store.Snap) error {
		var s Scope
		name := host
		version, err := get(snap, ownerKey(name), &s)
		if err == nil && version == 0 {
			_, parent, _ := strings.Cut(host, ".")
			name = "*." + parent
			version, err = get(snap, ownerKey(name), &s)
		}
		if err != nil || version == 0 {
			return err
		}
		known = true
		lo, hi := mappingRange(name)
		all, err := each[Mapping](snap, lo, hi)
		if err != nil {
			return err
		}
		for i := range all {
			rest, ok := below(path, all[i].Key)
			if ok && (found == nil || len(all[i].Key) > len(found.Mapping.Key)) {
				found = &Lead{Scope: s, Mapping: all[i], Rest: rest}
			}
		}
		return nil
	})
	return found, known, err
}

// below is the path below a key.
func below(path, key string) (string, bool) {
	if key == "" {
		return path, true
	}
	rest, ok := strings.CutPrefix(path, "/"+key)
	switch {
	case !ok, rest != "" && rest[0] != '/':
		return "", false
	case rest == "":
		rest = "/"
	}
	return rest, true
}
