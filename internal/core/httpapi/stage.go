package httpapi

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/base/lazy"
)

func noStage() error { return missing("Invalid stage identifier specified") }

func noDeployment() error { return missing("Invalid deployment identifier specified") }

var (
	stageName     = lazy.MustCompile(`^(\$default|[A-Za-z0-9_-]{1,128})$`)
	variableName  = lazy.MustCompile(`^[A-Za-z0-9_]+$`)
	variableValue = lazy.MustCompile(`^[A-Za-z0-9._~:/?#&=,-]*$`)
)

// maxVariableValue is AWS's.
const maxVariableValue = 2048

// check refuses what is no stage. New stages have the settings of AWS's.
func (s *Stage) check() error {
	if !stageName.MatchString(s.Name) {
		return bad("Stage name only allows a-zA-Z0-9_- or $default")
	}
	for name, value := range s.Variables {
		if !variableName.MatchString(name) || len(value) > maxVariableValue || !variableValue.MatchString(value) {
			return bad("Stage variable names only allow a-zA-Z0-9_, and values A-Za-z0-9-._~:/?#&=,")
		}
	}
	if s.AccessLog != nil {
		if s.AccessLog.DestinationARN == "" || s.AccessLog.Format == "" {
			return bad("Access log settings need a destination ARN and a format")
		}
		if !strings.Contains(s.AccessLog.DestinationARN, ":logs:") {
			return bad("Invalid ARN specified in the request. ARNs must start with 'arn:' and contain at least 6 elements separated by colons (:), and name a log group.")
		}
	}
	if s.ClientCertificateID != "" {
		return bad("Client certificates are not supported for HTTP APIs")
	}
	if s.Settings == nil {
		s.Settings = &Settings{}
	}
	if s.Settings.DetailedMetricsEnabled == nil {
		off := false
		s.Settings.DetailedMetricsEnabled = &off
	}
	if s.RouteSettings == nil {
		s.RouteSettings = map[string]Settings{}
	}
	if s.Variables == nil {
		s.Variables = map[string]string{}
	}
	return checkTags(s.Tags)
}

// checkHTTP refuses settings that HTTP APIs do not have.
//
// AWS: the text as users report it.
func (s *Stage) checkHTTP() error {
	all := slices.Collect(maps.Values(s.RouteSettings))
	if s.Settings != nil {
		all = append(all, *s.Settings)
	}
	for _, of := range all {
		if of.DataTraceEnabled != nil && *of.DataTraceEnabled || of.LoggingLevel != nil && *of.LoggingLevel != "" && *of.LoggingLevel != LogOff {
			return bad("Execution logs are not supported on protocolType HTTP")
		}
	}
	return nil
}

// checkRouteSettings refuses settings of routes that there are not; those that a stage
// has already may stay when their routes go.
//
// AWS: the text as users of CloudFormation report it.
func (c *change) checkRouteSettings(s *Stage, before map[string]Settings) error {
	for _, key := range slices.Sorted(maps.Keys(s.RouteSettings)) {
		if _, had := before[key]; had {
			continue
		}
		keys, err := c.routeKeys()
		if err != nil {
			return err
		}
		if keys[key] == "" {
			return missing("Unable to find Route by key %s within the provided RouteSettings", key)
		}
	}
	return nil
}

func (c *change) putStage(s *Stage, before map[string]Settings) error {
	check := s.checkHTTP
	if c.api.ProtocolType == WebSocket {
		check = s.checkSocket
	}
	if err := check(); err != nil {
		return err
	}
	if err := c.checkRouteSettings(s, before); err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return err
	}
	if s.DeploymentID != "" {
		if found, err := c.read(partDeployment, s.DeploymentID, &Deployment{}); err != nil || !found {
			return join(err, bad("Deployment id does not exist: %s", s.DeploymentID))
		}
	}
	s.Updated = c.apis.config.Clock.Now().UTC()
	c.put(partStage, s.Name, s)
	c.redeploy = c.redeploy || s.AutoDeploy
	return nil
}

func (c *change) addStage(s *Stage) error {
	if found, err := c.read(partStage, s.Name, &Stage{}); err != nil || found {
		return join(err, conflict("Stage already exists"))
	}
	if others, err := parts[Stage](c, partStage); err != nil || len(others) >= maxStages {
		return join(err, bad("Maximum number of stages for this API has been reached"))
	}
	s.Created = c.apis.config.Clock.Now().UTC()
	if s.AutoDeploy && s.DeploymentID != "" {
		return bad("Deployment ID cannot be set for a stage with auto deploy enabled")
	}
	return c.putStage(s, nil)
}

// CreateStage adds a stage. The result is read anew: it may have been deployed.
func (a *APIs) CreateStage(ctx context.Context, s Scope, api string, row Stage) (*Stage, error) {
	err := a.change(ctx, s, api, func(c *change) error {
		made := row
		return c.addStage(&made)
	})
	if err != nil {
		return nil, err
	}
	return a.Stage(ctx, s, api, row.Name)
}

// Stages lists those of an API.
func (a *APIs) Stages(ctx context.Context, s Scope, api string) ([]Stage, error) {
	return list[Stage](ctx, a, s, api, partStage)
}

// Stage reads one.
func (a *APIs) Stage(ctx context.Context, s Scope, api, name string) (*Stage, error) {
	return one[Stage](ctx, a, s, api, partStage, name, noStage())
}

// UpdateStage changes one.
func (a *APIs) UpdateStage(ctx context.Context, s Scope, api, name string, f func(*Stage) error) (*Stage, error) {
	err := a.change(ctx, s, api, func(c *change) error {
		row := &Stage{}
		if found, err := c.read(partStage, name, row); err != nil || !found {
			return join(err, noStage())
		}
		before, settings := row.DeploymentID, maps.Clone(row.RouteSettings)
		if err := f(row); err != nil {
			return err
		}
		row.Name = name
		if row.AutoDeploy && row.DeploymentID != before {
			return bad("Deployment ID cannot be set for a stage with auto deploy enabled")
		}
		return c.putStage(row, settings)
	})
	if err != nil {
		return nil, err
	}
	return a.Stage(ctx, s, api, name)
}

// DeleteStage takes one out.
func (a *APIs) DeleteStage(ctx context.Context, s Scope, api, name string) error {
	err := a.change(ctx, s, api, func(c *change) error {
		if found, err := c.read(partStage, name, &Stage{}); err != nil || !found {
			return join(err, noStage())
		}
		c.delete(partStage, name)
		return nil
	})
	if err == nil {
		a.config.StageGone(api, name)
	}
	return err
}

// Deploy makes a deployment, and gives it to a stage if one is named.
func (a *APIs) Deploy(ctx context.Context, s Scope, api string, description *string, stage string) (*Deployment, error) {
	var d *Deployment
	return r2(&d, a.change(ctx, s, api, func(c *change) error {
		if others, err := parts[Deployment](c, partDeployment); err != nil || len(others) >= maxDeployments {
			return join(err, bad("Maximum number of deployments for this API has been reached: delete those that no stage has"))
		}
		if routes, err := parts[Route](c, partRoute); err != nil || len(routes) == 0 {
			return join(err, bad("At least one route is required before deploying the Api."))
		}
		var err error
		if d, err = c.deploy(ids.Short(ctx, partIDLength), false, description); err != nil || stage == "" {
			return err
		}
		row := &Stage{}
		found, err := c.read(partStage, stage, row)
		switch {
		case err != nil:
			return err
		case !found:
			return noStage()
		case row.AutoDeploy:
			return bad("Deployment for a stage with auto deploy enabled is not supported")
		}
		row.DeploymentID, row.LastDeploymentStatusMessage = d.ID, ""
		return c.putStage(row, row.RouteSettings)
	}))
}

// Deployments lists those of an API.
func (a *APIs) Deployments(ctx context.Context, s Scope, api string) ([]Deployment, error) {
	return list[Deployment](ctx, a, s, api, partDeployment)
}

// Deployment reads one.
func (a *APIs) Deployment(ctx context.Context, s Scope, api, id string) (*Deployment, error) {
	return one[Deployment](ctx, a, s, api, partDeployment, id, noDeployment())
}

// DescribeDeployment changes the description of one.
func (a *APIs) DescribeDeployment(ctx context.Context, s Scope, api, id string, description *string) (*Deployment, error) {
	var d *Deployment
	return r2(&d, a.change(ctx, s, api, func(c *change) error {
		d = &Deployment{}
		if found, err := c.read(partDeployment, id, d); err != nil || !found {
			return join(err, noDeployment())
		}
		if description != nil {
			d.Description = description
		}
		c.put(partDeployment, id, d)
		return nil
	}))
}

// DeleteDeployment takes one out that no stage has.
func (a *APIs) DeleteDeployment(ctx context.Context, s Scope, api, id string) error {
	return a.change(ctx, s, api, func(c *change) error {
		d := &Deployment{}
		if found, err := c.read(partDeployment, id, d); err != nil || !found {
			return join(err, noDeployment())
		}
		stages, err := parts[Stage](c, partStage)
		if err != nil {
			return err
		}
		for i := range stages {
			if stages[i].DeploymentID == id {
				return bad("Active stages pointing to this deployment must be moved or deleted")
			}
		}
		c.dropDeployment(d)
		return nil
	})
}
