package domain

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Names were rows of each kind of APIs once. adopt makes them rows of this package, in
// one commit, and reads nothing once that is done.
func (n *Names) adopt(ctx context.Context) error {
	snap, err := n.config.Store.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snap.Close()
	rows := map[string]*Name{}
	if err := oldHTTP(snap, rows); err != nil {
		return err
	}
	if err := oldREST(snap, rows); err != nil {
		return err
	}
	if len(rows) == 0 {
		return nil
	}
	b := &store.Batch{}
	for _, old := range [][]any{{"apigatewayv2", "domain"}, {"apigatewayv2", "domain-name"}, {"apigatewayv2", "domain-mapping"}, {"restapi", "domain"}} {
		lo, hi := tuple.Range(old...)
		b.DeleteRanges = append(b.DeleteRanges, store.Range{Lo: lo, Hi: hi})
	}
	for name, row := range rows {
		text, err := json.Marshal(row)
		if err != nil {
			return err
		}
		b.Puts = append(b.Puts, store.KV{Key: key(name), Value: text})
	}
	return n.commit(ctx, b)
}

// oldRows reads the rows of a range, with the parts of their keys.
func oldRows(snap store.Snap, read func(parts []any, value []byte) error, prefix ...any) error {
	lo, hi := tuple.Range(prefix...)
	return store.Each(snap, lo, hi, func(e *store.Entry) (bool, error) {
		parts, err := tuple.Parse(e.Key)
		if err != nil {
			return false, err
		}
		return true, read(parts, e.Value)
	})
}

func oldHTTP(snap store.Snap, rows map[string]*Name) error {
	err := oldRows(snap, func(_ []any, value []byte) error {
		var old struct {
			DomainName               string
			DomainNameConfigurations []struct{ CertificateArn, CertificateName, SecurityPolicy string }
			Tags                     map[string]string
			Scope                    Scope
		}
		if err := json.Unmarshal(value, &old); err != nil {
			return err
		}
		row := &Name{Name: old.DomainName, Scope: old.Scope, Tags: old.Tags, EndpointTypes: []string{Regional}, Mappings: map[string]*Mapping{}}
		if len(old.DomainNameConfigurations) > 0 {
			c := &old.DomainNameConfigurations[0]
			row.RegionalARN, row.RegionalCertificate, row.SecurityPolicy = c.CertificateArn, c.CertificateName, c.SecurityPolicy
		}
		rows[row.Name] = row
		return row.complete()
	}, "apigatewayv2", "domain")
	if err != nil {
		return err
	}
	return oldRows(snap, func(parts []any, value []byte) error {
		var old struct{ ApiMappingId, ApiId, ApiMappingKey, Stage string }
		if err := json.Unmarshal(value, &old); err != nil {
			return err
		}
		if row := rows[parts[2].(string)]; row != nil {
			row.Mappings[old.ApiMappingId] = &Mapping{ID: old.ApiMappingId, API: old.ApiId, Kind: HTTP, Key: old.ApiMappingKey, Stage: old.Stage}
		}
		return nil
	}, "apigatewayv2", "domain-mapping")
}

func oldREST(snap store.Snap, rows map[string]*Name) error {
	return oldRows(snap, func(parts []any, value []byte) error {
		var old struct {
			DomainName, CertificateArn, CertificateName, RegionalCertificateArn, RegionalCertificateName, SecurityPolicy string
			EndpointTypes                                                                                                []string
			CertificateUploadDate                                                                                        time.Time
			Mappings                                                                                                     map[string]*struct{ BasePath, RestApiId, Stage string }
			Tags                                                                                                         map[string]string
		}
		if err := json.Unmarshal(value, &old); err != nil {
			return err
		}
		row := &Name{Name: strings.ToLower(old.DomainName), Scope: Scope{parts[2].(string), parts[3].(string)}, EndpointTypes: old.EndpointTypes, CertificateARN: old.CertificateArn, CertificateName: old.CertificateName,
			RegionalARN: old.RegionalCertificateArn, RegionalCertificate: old.RegionalCertificateName, SecurityPolicy: old.SecurityPolicy, Uploaded: old.CertificateUploadDate, Tags: old.Tags, Mappings: map[string]*Mapping{}}
		for _, m := range old.Mappings {
			id := newID()
			row.Mappings[id] = &Mapping{ID: id, API: m.RestApiId, Kind: REST, Key: Key(m.BasePath), Stage: m.Stage}
		}
		rows[row.Name] = row
		return row.complete()
	}, "restapi", "domain")
}
