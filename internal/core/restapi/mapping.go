package restapi

import (
	"context"
	"regexp"
	"strings"
)

// maxMappings bounds the base paths of a domain name. AWS: 200.
const maxMappings = 200

var basePath = regexp.MustCompile(`^[a-zA-Z0-9$_.+!*'()-]{0,300}$`)

// mappingKey is a base path as it is kept.
func mappingKey(path string) string {
	if path == "" || path == NoBasePath {
		return NoBasePath
	}
	return path
}

// Mapping finds a base path of a domain name.
func (a *APIs) Mapping(scope Scope, domain, path string) (*BasePathMapping, error) {
	d, err := GetPlain[DomainName](a, scope, domain)
	if err != nil {
		return nil, err
	}
	m := d.Mappings[mappingKey(path)]
	if m == nil {
		return nil, missing("base path mapping")
	}
	return m, nil
}

// PutMapping makes a base path, or replaces the one that is named old.
func (a *APIs) PutMapping(ctx context.Context, scope Scope, domain, old string, wanted *BasePathMapping) error {
	wanted.BasePath = mappingKey(wanted.BasePath)
	api, err := a.Get(ID{scope, wanted.RestApiId})
	if err != nil || wanted.Stage != "" && api.Stages[wanted.Stage] == nil {
		return Invalid("Invalid stage identifier specified")
	}
	if wanted.BasePath != NoBasePath && !basePath.MatchString(wanted.BasePath) {
		return Invalid("API Gateway V1 doesn't support the slash character (/) in base path mappings. To create a multi-level base path mapping, use API Gateway V2.")
	}
	_, err = ChangePlain(ctx, a, scope, domain, func(d *DomainName) error {
		if d.Mappings[wanted.BasePath] != nil && wanted.BasePath != old {
			return fail(Conflict, "Base path already exists for this domain name")
		}
		if len(d.Mappings) >= maxMappings {
			return fail(Limit, "Maximum number of base path mappings has been reached.")
		}
		if d.Mappings == nil {
			d.Mappings = map[string]*BasePathMapping{}
		}
		delete(d.Mappings, old)
		d.Mappings[wanted.BasePath] = wanted
		return nil
	})
	return err
}

// DeleteMapping removes a base path.
func (a *APIs) DeleteMapping(ctx context.Context, scope Scope, domain, path string) error {
	_, err := ChangePlain(ctx, a, scope, domain, func(d *DomainName) error {
		if d.Mappings[mappingKey(path)] == nil {
			return missing("base path mapping")
		}
		delete(d.Mappings, mappingKey(path))
		return nil
	})
	return err
}

// ForHost finds the API, the stage ("" for one that the path names) and what is left
// of a path, for a domain name of any account.
func (a *APIs) ForHost(host, path string) (id ID, stage, rest string, found bool) {
	d := a.index().domains[strings.ToLower(host)]
	if d.domain == nil {
		return ID{}, "", "", false
	}
	first, below, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if m := d.domain.Mappings[first]; m != nil && first != NoBasePath {
		return ID{d.Scope, m.RestApiId}, m.Stage, "/" + below, true
	}
	if m := d.domain.Mappings[NoBasePath]; m != nil {
		return ID{d.Scope, m.RestApiId}, m.Stage, path, true
	}
	return ID{}, "", "", false
}
