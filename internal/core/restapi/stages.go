package restapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/base/lazy"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Snapshot is what a deployment keeps of an API.
type Snapshot struct {
	Definition
	Name string
}

// Stage finds a stage by its name.
func (api *API) Stage(name string) (*Stage, error) {
	s := api.Stages[name]
	if s == nil {
		return nil, missing("stage")
	}
	return s, nil
}

// Deployment finds a deployment by its id.
func (api *API) Deployment(id string) (*Deployment, error) {
	d := api.Deployments[id]
	if d == nil {
		return nil, missing("Deployment")
	}
	return d, nil
}

// Deploy makes a deployment, and with a stage's name lets that stage have it; a
// stage that is not there is made of the one given.
func (a *APIs) Deploy(ctx context.Context, id ID, description string, wanted *Stage) (*Deployment, error) {
	made := &Deployment{Id: ids.Short(ctx, resourceLength), Description: description, CreatedDate: a.config.Clock.Now().UTC()}
	_, err := a.change(ctx, id, func(api *API, batch *store.Batch) error {
		if err := api.checkDeployable(); err != nil {
			return err
		}
		if len(api.Deployments) >= MaxDeployments {
			return fail(Limit, "Maximum number of deployments for this API has been reached.")
		}
		rows, err := snapshotRows(id, made.Id, &Snapshot{api.Definition, api.Name})
		if err != nil {
			return err
		}
		batch.Puts = append(batch.Puts, rows...)
		api.Deployments[made.Id] = made
		if wanted == nil {
			return nil
		}
		wanted.DeploymentId = made.Id
		return a.deployTo(api, wanted)
	})
	return made, err
}

// deployTo lets a stage have a deployment.
func (a *APIs) deployTo(api *API, wanted *Stage) error {
	now := a.config.Clock.Now().UTC()
	old := api.Stages[wanted.StageName]
	if old == nil {
		return api.addStage(wanted, a.config.Clock.Now().UTC())
	}
	old.LastUpdatedDate = now
	if c := wanted.CanarySettings; c != nil { // AWS: the canary of the stage gets it
		c.DeploymentId = wanted.DeploymentId
		old.CanarySettings = c
		return api.CheckStage(old)
	}
	old.DeploymentId = wanted.DeploymentId
	if wanted.Description != "" {
		old.Description = wanted.Description
	}
	if wanted.Variables != nil {
		old.Variables = wanted.Variables
	}
	return old.check()
}

// checkDeployable refuses an API that nobody could call.
func (api *API) checkDeployable() error {
	methods := 0
	for _, r := range api.Resources {
		for _, m := range r.ResourceMethods {
			methods++
			if m.MethodIntegration == nil {
				return Invalid("No integration defined for method")
			}
		}
	}
	if methods == 0 {
		return Invalid("The REST API doesn't contain any methods")
	}
	return nil
}

// snapshotRows are the rows of a snapshot, which is compressed: many of an API are kept.
func snapshotRows(id ID, deployment string, snapshot *Snapshot) ([]store.KV, error) {
	text, err := json.Marshal(snapshot)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(text); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	var rows []store.KV
	for i := 0; packed.Len() > 0; i++ {
		rows = append(rows, store.KV{Key: tuple.Key("restapi", deploymentRows, id.Account, id.Region, id.ID, deployment, int64(i)), Value: bytes.Clone(packed.Next(chunkBytes))})
	}
	return rows, nil
}

// Snapshot reads what a deployment keeps.
func (a *APIs) Snapshot(ctx context.Context, id ID, deployment string) (*Snapshot, error) {
	snap, err := a.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	var packed bytes.Buffer
	lo, hi := tuple.Range("restapi", deploymentRows, id.Account, id.Region, id.ID, deployment)
	err = store.Each(snap, lo, hi, func(e *store.Entry) (bool, error) {
		packed.Write(e.Value)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if packed.Len() == 0 {
		return nil, missing("Deployment")
	}
	z, err := gzip.NewReader(&packed)
	if err != nil {
		return nil, fmt.Errorf("read deployment %s: %w", deployment, err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("read deployment %s: %w", deployment, err)
	}
	snapshot := &Snapshot{}
	return snapshot, json.Unmarshal(text, snapshot)
}

// DeleteDeployment removes a deployment. AWS: not while a stage has it.
func (a *APIs) DeleteDeployment(ctx context.Context, id ID, deployment string) error {
	_, err := a.change(ctx, id, func(api *API, batch *store.Batch) error {
		if _, err := api.Deployment(deployment); err != nil {
			return err
		}
		for _, stage := range api.Stages {
			if stage.DeploymentId == deployment || stage.CanarySettings != nil && stage.CanarySettings.DeploymentId == deployment {
				return Invalid("Active stages pointing to this deployment must be moved or deleted")
			}
		}
		delete(api.Deployments, deployment)
		lo, hi := tuple.Range("restapi", deploymentRows, id.Account, id.Region, id.ID, deployment)
		batch.DeleteRanges = append(batch.DeleteRanges, store.Range{Lo: lo, Hi: hi})
		return nil
	})
	return err
}

// CreateStage makes a stage.
func (a *APIs) CreateStage(ctx context.Context, id ID, wanted *Stage) (*Stage, error) {
	_, err := a.Change(ctx, id, func(api *API) error {
		if api.Stages[wanted.StageName] != nil {
			return fail(Conflict, "Stage already exists")
		}
		return api.addStage(wanted, a.config.Clock.Now().UTC())
	})
	return wanted, err
}

// DeleteStage removes a stage. AWS: not while a usage plan has it.
func (a *APIs) DeleteStage(ctx context.Context, id ID, name string) error {
	for _, plan := range Plain[UsagePlan](a, id.Scope) {
		for _, s := range plan.ApiStages {
			if s.ApiId == id.ID && s.Stage == name {
				return Invalid("Stage is currently associated with a usage plan: %s", plan.Id)
			}
		}
	}
	_, err := a.Change(ctx, id, func(api *API) error {
		if _, err := api.Stage(name); err != nil {
			return err
		}
		delete(api.Stages, name)
		return nil
	})
	return err
}

var (
	stageName     = lazy.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)
	variableName  = lazy.MustCompile(`^[A-Za-z0-9_]{1,64}$`)
	variableValue = lazy.MustCompile(`^[A-Za-z0-9\-._~:/?#&=,]{0,512}$`)
)

// CheckStage refuses a stage that makes no sense.
func (api *API) CheckStage(s *Stage) error {
	if api.Deployments[s.DeploymentId] == nil {
		return fail(NotFound, "Deployment id does not exist")
	}
	if c := s.CanarySettings; c != nil && c.DeploymentId != "" && api.Deployments[c.DeploymentId] == nil {
		return fail(NotFound, "Deployment id does not exist")
	}
	return s.check()
}

func (api *API) addStage(s *Stage, now time.Time) error {
	if len(api.Stages) >= MaxStages {
		return fail(Limit, "Maximum number of stages for this API has been reached.")
	}
	if err := api.CheckStage(s); err != nil {
		return err
	}
	s.CreatedDate, s.LastUpdatedDate = now, now
	api.Stages[s.StageName] = s
	return nil
}

// The levels of execution logs.
const (
	LogOff   = "OFF"
	LogError = "ERROR"
	LogInfo  = "INFO"
)

func (s *Stage) check() error {
	switch {
	case !stageName.MatchString(s.StageName):
		return Invalid("Stage name only allows a-zA-Z0-9_-")
	case len(s.Tags) > maxTags:
		return Invalid("The number of tags exceeds the limit of %d", maxTags)
	}
	for name, value := range s.Variables {
		if !variableName.MatchString(name) {
			return Invalid("Stage variable name is not valid: %s. Please use only alphanumeric characters and underscores.", name)
		}
		if !variableValue.MatchString(value) {
			return Invalid("Stage variable value is not valid: %s. Please use values with alphanumeric characters and the symbols ' ', -', '.', '_', ':', '/', '?', '&', '=', and ','.", value)
		}
	}
	if c := s.CanarySettings; c != nil && (c.PercentTraffic < 0 || c.PercentTraffic > 100) {
		return Invalid("Invalid canary percent traffic specified: it must be between 0 and 100")
	}
	for key, setting := range s.MethodSettings {
		switch setting.LoggingLevel {
		case "", LogOff, LogError, LogInfo:
		default:
			return Invalid("Invalid logging level specified for %s: %s", key, setting.LoggingLevel)
		}
	}
	if log := s.AccessLogSettings; log != nil {
		if _, err := LogGroupOf(log.DestinationArn); err != nil {
			return err
		}
		if len(log.Format) > maxLogFormat {
			return Invalid("Invalid access log format. It must not be larger than %d bytes", maxLogFormat)
		}
		if !strings.Contains(log.Format, "$context.requestId") && !strings.Contains(log.Format, "$context.extendedRequestId") {
			return Invalid("Invalid access log format. Must contain $context.requestId or $context.extendedRequestId")
		}
	}
	return nil
}

// LogGroupOf is the group of logs that an ARN names.
func LogGroupOf(destination string) (string, error) {
	a, err := arn.Parse(destination)
	group, found := strings.CutPrefix(a.Resource, "log-group:")
	if err == nil && (a.Service == "firehose" || a.Service != "logs") {
		err = errors.New("not of this platform")
	}
	if err != nil || !found {
		return "", Invalid("Invalid ARN specified in the request: the destination of access logs must be a log group of CloudWatch Logs")
	}
	return strings.TrimSuffix(group, ":*"), nil
}
