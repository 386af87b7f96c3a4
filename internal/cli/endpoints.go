package cli

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/hosts"
)

// Endpoint is an address at which users' HTTP clients reach a function.
type Endpoint struct {
	Kind string // "function URL", "HTTP API", "REST API", "WEBSOCKET API"
	Name string // of the function (with its alias) or the API
	URL  string
}

// Endpoints lists the function URLs and the stages of all APIs. The addresses are
// those of this server, also where AWS's names of APIs would have others.
func (c *Client) Endpoints(ctx context.Context) ([]Endpoint, error) {
	all := []Endpoint{}
	for _, list := range []func(context.Context) ([]Endpoint, error){c.functionURLs, c.httpAPIs, c.restAPIs} {
		found, err := list(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// pages reads a list page by page. mark is the query parameter of the mark that
// each page gives for the next.
func pages[P any](ctx context.Context, c *Client, service, path, mark string, next func(*P) string) error {
	for at := ""; ; {
		query := ""
		if at != "" {
			query = "?" + mark + "=" + url.QueryEscape(at)
		}
		var page P
		if err := c.call(ctx, request{service: service, method: http.MethodGet, path: path + query}, nil, &page); err != nil {
			return err
		}
		if at = next(&page); at == "" {
			return nil
		}
	}
}

func (c *Client) functionURLs(ctx context.Context) (found []Endpoint, err error) {
	type page struct {
		FunctionUrlConfigs []struct{ FunctionArn, FunctionUrl string }
		NextMarker         string
	}
	functions, err := c.Functions(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range functions {
		err := pages(ctx, c, "lambda", "/2021-10-31/functions/"+url.PathEscape(f.FunctionName)+"/urls", "Marker", func(p *page) string {
			for _, u := range p.FunctionUrlConfigs {
				alias := strings.TrimPrefix(u.FunctionArn, f.FunctionArn) // ":live", or nothing
				found = append(found, Endpoint{"function URL", f.FunctionName + alias, u.FunctionUrl})
			}
			return p.NextMarker
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// apiService is by which name requests to both versions of API Gateway are signed.
const apiService = "apigateway"

func (c *Client) httpAPIs(ctx context.Context) (found []Endpoint, err error) {
	type apis struct {
		Items []struct {
			ID       string `json:"apiId"`
			Name     string `json:"name"`
			Protocol string `json:"protocolType"`
		} `json:"items"`
		NextToken string `json:"nextToken"`
	}
	type stages struct {
		Items []struct {
			Name string `json:"stageName"`
		} `json:"items"`
		NextToken string `json:"nextToken"`
	}
	var all apis
	err = pages(ctx, c, apiService, "/v2/apis", "nextToken", func(p *apis) string { all.Items = append(all.Items, p.Items...); return p.NextToken })
	for _, api := range all.Items {
		if err == nil {
			err = pages(ctx, c, apiService, "/v2/apis/"+url.PathEscape(api.ID)+"/stages", "nextToken", func(p *stages) string {
				for _, stage := range p.Items {
					found = append(found, Endpoint{api.Protocol + " API", api.Name, c.stage(api.ID, stage.Name, api.Protocol == "WEBSOCKET")})
				}
				return p.NextToken
			})
		}
	}
	return found, err
}

func (c *Client) restAPIs(ctx context.Context) (found []Endpoint, err error) {
	type apis struct {
		Items    []struct{ ID, Name string } `json:"item"`
		Position string                      `json:"position"`
	}
	type stages struct {
		Items []struct {
			Name string `json:"stageName"`
		} `json:"item"`
	}
	var all apis
	err = pages(ctx, c, apiService, "/restapis", "position", func(p *apis) string { all.Items = append(all.Items, p.Items...); return p.Position })
	for _, api := range all.Items {
		if err == nil {
			err = pages(ctx, c, apiService, "/restapis/"+url.PathEscape(api.ID)+"/stages", "position", func(p *stages) string {
				for _, stage := range p.Items {
					found = append(found, Endpoint{"REST API", api.Name, c.stage(api.ID, stage.Name, false)})
				}
				return ""
			})
		}
	}
	return found, err
}

// stage is the address of a stage, as this server answers it.
func (c *Client) stage(api, stage string, webSocket bool) string {
	server, err := url.Parse(c.Endpoint)
	if err != nil {
		return "" // a client without a sound address has not come this far
	}
	address := *server
	if webSocket {
		address.Scheme = strings.Replace(address.Scheme, "http", "ws", 1)
	}
	base := hosts.Address(&address, hosts.APILabel, hosts.APIPath, api, c.Region)
	if stage == "$default" {
		return base + "/"
	}
	return base + "/" + stage
}
