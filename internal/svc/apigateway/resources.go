package apigateway

import (
	"context"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/apigatewayapi"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// resources are the operations of paths.
func (a *api) resources() []wire.Operation {
	return []wire.Operation{
		apigatewayapi.HandleCreateResource(creating[apigatewayapi.Resource](a, func(ctx context.Context, api *restapi.API, in *apigatewayapi.CreateResourceInput) (any, error) {
			return api.AddResourceAs(restapi.NewPartID(ctx), *in.ParentId, *in.PathPart)
		})),
		apigatewayapi.HandleGetResource(reading[apigatewayapi.Resource](a, func(api *restapi.API, in *apigatewayapi.GetResourceInput) (any, error) {
			r, err := api.Resource(*in.ResourceId)
			if err != nil {
				return nil, err
			}
			return showResource(r, slices.Contains(in.Embed, "methods")), nil
		})),
		apigatewayapi.HandleGetResources(reading[apigatewayapi.Resources](a, func(api *restapi.API, in *apigatewayapi.GetResourcesInput) (any, error) {
			all := sorted(api.Resources)
			slices.SortFunc(all, func(x, y *restapi.Resource) int { return strings.Compare(x.Path, y.Path) })
			shown, next, err := page(all, in.Position, in.Limit)
			out := &apigatewayapi.Resources{Position: next, Items: []apigatewayapi.Resource{}}
			for _, r := range shown {
				out.Items = append(out.Items, *showResource(r, slices.Contains(in.Embed, "methods")))
			}
			return out, err
		})),
		apigatewayapi.HandleUpdateResource(changing[apigatewayapi.Resource](a, func(api *restapi.API, in *apigatewayapi.UpdateResourceInput) (any, error) {
			r, err := api.Resource(*in.ResourceId)
			if err != nil {
				return nil, err
			}
			return r, api.PatchResource(r, patches(in.PatchOperations))
		})),
		apigatewayapi.HandleDeleteResource(deleting(a, func(api *restapi.API, in *apigatewayapi.DeleteResourceInput) error {
			return api.DeleteResource(*in.ResourceId)
		})),
	}
}

// showResource shows a resource. AWS: without the embedding of methods only their
// names are shown.
func showResource(r *restapi.Resource, methods bool) *apigatewayapi.Resource {
	out := show[apigatewayapi.Resource](r)
	if !methods {
		for name := range out.ResourceMethods {
			out.ResourceMethods[name] = apigatewayapi.Method{}
		}
	}
	return out
}

// methods are the operations of methods and their answers.
func (a *api) methods() []wire.Operation {
	return []wire.Operation{
		apigatewayapi.HandlePutMethod(changing[apigatewayapi.Method](a, func(api *restapi.API, in *apigatewayapi.PutMethodInput) (any, error) {
			wanted := show[restapi.Method](in)
			return wanted, api.PutMethod(*in.ResourceId, wanted)
		})),
		apigatewayapi.HandleGetMethod(reading[apigatewayapi.Method](a, func(api *restapi.API, in *apigatewayapi.GetMethodInput) (any, error) {
			return api.Method(*in.ResourceId, *in.HttpMethod)
		})),
		apigatewayapi.HandleUpdateMethod(changing[apigatewayapi.Method](a, func(api *restapi.API, in *apigatewayapi.UpdateMethodInput) (any, error) {
			m, err := api.Method(*in.ResourceId, *in.HttpMethod)
			if err != nil {
				return nil, err
			}
			return m, api.PatchMethod(m, patches(in.PatchOperations))
		})),
		apigatewayapi.HandleDeleteMethod(deleting(a, func(api *restapi.API, in *apigatewayapi.DeleteMethodInput) error {
			return api.DeleteMethod(*in.ResourceId, *in.HttpMethod)
		})),
		apigatewayapi.HandlePutMethodResponse(changing[apigatewayapi.MethodResponse](a, func(api *restapi.API, in *apigatewayapi.PutMethodResponseInput) (any, error) {
			m, err := api.Method(*in.ResourceId, *in.HttpMethod)
			if err != nil {
				return nil, err
			}
			wanted := show[restapi.MethodResponse](in)
			return wanted, api.PutMethodResponse(m, wanted)
		})),
		apigatewayapi.HandleGetMethodResponse(reading[apigatewayapi.MethodResponse](a, func(api *restapi.API, in *apigatewayapi.GetMethodResponseInput) (any, error) {
			_, r, err := methodResponse(api, in.ResourceId, in.HttpMethod, in.StatusCode)
			return r, err
		})),
		apigatewayapi.HandleUpdateMethodResponse(changing[apigatewayapi.MethodResponse](a, func(api *restapi.API, in *apigatewayapi.UpdateMethodResponseInput) (any, error) {
			_, r, err := methodResponse(api, in.ResourceId, in.HttpMethod, in.StatusCode)
			if err != nil {
				return nil, err
			}
			return r, api.PatchMethodResponse(r, patches(in.PatchOperations))
		})),
		apigatewayapi.HandleDeleteMethodResponse(deleting(a, func(api *restapi.API, in *apigatewayapi.DeleteMethodResponseInput) error {
			m, r, err := methodResponse(api, in.ResourceId, in.HttpMethod, in.StatusCode)
			if err == nil {
				delete(m.MethodResponses, r.StatusCode)
			}
			return err
		})),
	}
}

var noStatus = &restapi.Error{Code: restapi.NotFound, Message: "Invalid Response status code specified"}

func methodResponse(api *restapi.API, resource, method, status *string) (*restapi.Method, *restapi.MethodResponse, error) {
	m, err := api.Method(*resource, *method)
	if err != nil {
		return nil, nil, err
	}
	r := m.MethodResponses[*status]
	if r == nil {
		return nil, nil, noStatus
	}
	return m, r, nil
}

// showIntegration shows an integration.
func showIntegration(i *restapi.Integration) *apigatewayapi.Integration {
	out := show[apigatewayapi.Integration](i)
	if i.Type == restapi.TypeMock {
		out.ConnectionType = nil
	}
	if out.CacheKeyParameters == nil {
		out.CacheKeyParameters = []string{}
	}
	return out
}

// integrations are the operations of what methods call.
func (a *api) integrations() []wire.Operation {
	return []wire.Operation{
		apigatewayapi.HandlePutIntegration(changing[apigatewayapi.Integration](a, putIntegration)),
		apigatewayapi.HandleGetIntegration(reading[apigatewayapi.Integration](a, func(api *restapi.API, in *apigatewayapi.GetIntegrationInput) (any, error) {
			i, err := api.Integration(*in.ResourceId, *in.HttpMethod)
			if err != nil {
				return nil, err
			}
			return showIntegration(i), nil
		})),
		apigatewayapi.HandleUpdateIntegration(changing[apigatewayapi.Integration](a, func(api *restapi.API, in *apigatewayapi.UpdateIntegrationInput) (any, error) {
			i, err := api.Integration(*in.ResourceId, *in.HttpMethod)
			if err != nil {
				return nil, err
			}
			err = restapi.PatchIntegration(i, patches(in.PatchOperations))
			return showIntegration(i), err
		})),
		apigatewayapi.HandleDeleteIntegration(deleting(a, func(api *restapi.API, in *apigatewayapi.DeleteIntegrationInput) error {
			if _, err := api.Integration(*in.ResourceId, *in.HttpMethod); err != nil {
				return err
			}
			m, err := api.Method(*in.ResourceId, *in.HttpMethod)
			if err == nil {
				m.MethodIntegration = nil
			}
			return err
		})),
		apigatewayapi.HandlePutIntegrationResponse(changing[apigatewayapi.IntegrationResponse](a, func(api *restapi.API, in *apigatewayapi.PutIntegrationResponseInput) (any, error) {
			i, err := api.Integration(*in.ResourceId, *in.HttpMethod)
			if err != nil {
				return nil, err
			}
			m, err := api.Method(*in.ResourceId, *in.HttpMethod)
			if err != nil {
				return nil, err
			}
			wanted := show[restapi.IntegrationResponse](in)
			return wanted, i.PutResponse(m, wanted)
		})),
		apigatewayapi.HandleGetIntegrationResponse(reading[apigatewayapi.IntegrationResponse](a, func(api *restapi.API, in *apigatewayapi.GetIntegrationResponseInput) (any, error) {
			_, r, err := integrationResponse(api, in.ResourceId, in.HttpMethod, in.StatusCode)
			return r, err
		})),
		apigatewayapi.HandleUpdateIntegrationResponse(changing[apigatewayapi.IntegrationResponse](a, func(api *restapi.API, in *apigatewayapi.UpdateIntegrationResponseInput) (any, error) {
			_, r, err := integrationResponse(api, in.ResourceId, in.HttpMethod, in.StatusCode)
			if err != nil {
				return nil, err
			}
			m, err := api.Method(*in.ResourceId, *in.HttpMethod)
			if err != nil {
				return nil, err
			}
			return r, restapi.PatchIntegrationResponse(m, r, patches(in.PatchOperations))
		})),
		apigatewayapi.HandleDeleteIntegrationResponse(deleting(a, func(api *restapi.API, in *apigatewayapi.DeleteIntegrationResponseInput) error {
			i, r, err := integrationResponse(api, in.ResourceId, in.HttpMethod, in.StatusCode)
			if err == nil {
				delete(i.IntegrationResponses, r.StatusCode)
			}
			return err
		})),
	}
}

func putIntegration(api *restapi.API, in *apigatewayapi.PutIntegrationInput) (any, error) {
	m, err := api.Method(*in.ResourceId, *in.HttpMethod)
	if err != nil {
		return nil, err
	}
	if err := refuse(refusedOption{"ConnectionId", member.Text(in.ConnectionId) != ""}, refusedOption{"IntegrationTarget", member.Text(in.IntegrationTarget) != ""},
		refusedOption{"A ResponseTransferMode of STREAM", member.Text(in.ResponseTransferMode) == "STREAM"}); err != nil {
		return nil, err
	}
	wanted := show[restapi.Integration](in)
	wanted.HttpMethod = member.Text(in.IntegrationHttpMethod)
	if wanted.CacheNamespace == "" {
		wanted.CacheNamespace = *in.ResourceId
	}
	if in.TlsConfig != nil && in.TlsConfig.InsecureSkipVerification != nil {
		wanted.TlsInsecure = *in.TlsConfig.InsecureSkipVerification
	}
	if err := m.PutIntegration(wanted); err != nil {
		return nil, err
	}
	return showIntegration(wanted), nil
}

func integrationResponse(api *restapi.API, resource, method, status *string) (*restapi.Integration, *restapi.IntegrationResponse, error) {
	i, err := api.Integration(*resource, *method)
	if err != nil {
		return nil, nil, err
	}
	r := i.IntegrationResponses[*status]
	if r == nil {
		return nil, nil, noStatus
	}
	return i, r, nil
}
