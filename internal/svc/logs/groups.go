package logs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/logsapi"
	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// Texts of AWS, as its clients and their tests quote them.
const (
	textGroupMissing  = "The specified log group does not exist."
	textGroupExists   = "The specified log group already exists"
	textStreamMissing = "The specified log stream does not exist."
	textStreamExists  = "The specified log stream already exists"
	textBadToken      = "The specified nextToken is invalid."
)

func scopeOf(call *wire.Call) scope { return scope{call.Account, call.Region} }

// value is *p, or the zero value for nil.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// group finds a group or answers as AWS does.
func (l *Logs) group(ctx context.Context, s scope, name string) (*groupRow, error) {
	g, err := l.findGroup(ctx, s, name)
	if err == nil && g == nil {
		return nil, logsapi.ResourceNotFoundException(textGroupMissing)
	}
	return g, err
}

// identified finds the group that is named by one of two members.
func (l *Logs) identified(ctx context.Context, s scope, name, identifier *string) (*groupRow, error) {
	if name != nil && identifier != nil {
		return nil, logsapi.InvalidParameterException("LogGroup name and LogGroup identifier cannot be specified at the same time.")
	}
	if name == nil && identifier == nil {
		return nil, logsapi.InvalidParameterException("Either logGroupName or logGroupIdentifier must be specified.")
	}
	if identifier == nil {
		return l.group(ctx, s, *name)
	}
	return l.group(ctx, s, nameOf(s, *identifier))
}

// nameOf is the group's name in an ARN of this account and region, with or
// without ":*" at its end; a name is itself.
func nameOf(s scope, identifier string) string {
	a, err := arn.Parse(identifier)
	if err != nil {
		return identifier
	}
	name, ok := strings.CutPrefix(a.Resource, "log-group:")
	if !ok || a.Service != "logs" || a.Account != s.account || a.Region != s.region {
		return "" // no group has it
	}
	return strings.TrimSuffix(name, ":*")
}

func (g *groupRow) arn() string {
	return arn.New("logs", g.scope.region, g.scope.account, "log-group:"+g.Name).String()
}

func (l *Logs) createLogGroup(ctx context.Context, call *wire.Call, in *logsapi.CreateLogGroupInput) (*logsapi.CreateLogGroupOutput, error) {
	if in.KmsKeyId != nil {
		return nil, logsapi.InvalidParameterException("Log groups with a KMS key are not supported.")
	}
	if class := value(in.LogGroupClass); class != "" && class != classStandard {
		return nil, logsapi.InvalidParameterException("Log group class %s is not supported.", class)
	}
	if err := checkTags(nil, in.Tags); err != nil {
		return nil, err
	}
	g := l.newGroup(scopeOf(call), *in.LogGroupName)
	g.Tags, g.Protected = in.Tags, value(in.DeletionProtectionEnabled)
	err := l.putGroup(ctx, g)
	if errors.Is(err, store.ErrConflict) {
		return nil, logsapi.ResourceAlreadyExistsException(textGroupExists)
	}
	return &logsapi.CreateLogGroupOutput{}, err
}

const classStandard = "STANDARD"

func (l *Logs) deleteLogGroup(ctx context.Context, call *wire.Call, in *logsapi.DeleteLogGroupInput) (*logsapi.DeleteLogGroupOutput, error) {
	g, err := l.group(ctx, scopeOf(call), *in.LogGroupName)
	if err != nil {
		return nil, err
	}
	if g.Protected {
		return nil, logsapi.ValidationException("Log group %s has deletion protection enabled.", g.Name)
	}
	key := groupKey(g.scope, g.Name)
	lo, hi := tuple.Range(space, "stream", g.ID)
	_, err = l.store.Commit(ctx, &store.Batch{
		Checks:       []store.Check{store.At(key, g.version)},
		Deletes:      [][]byte{key},
		DeleteRanges: []store.Range{{Lo: lo, Hi: hi}},
	})
	if errors.Is(err, store.ErrConflict) {
		return nil, logsapi.OperationAbortedException("Multiple concurrent requests to update the same resource were in conflict.")
	}
	if err != nil {
		return nil, err
	}
	l.removeFiles(g.ID)
	return &logsapi.DeleteLogGroupOutput{}, nil
}

// removeFiles takes the files of a deleted group or stream; what cannot be
// removed now is for the sweep.
func (l *Logs) removeFiles(path ...string) {
	name := filepath.Join(append([]string{l.folder}, path...)...)
	if err := os.RemoveAll(name); err != nil {
		l.logger.Error("remove log files", "err", err)
	}
}

// change updates a group; it repeats when another change came in between.
func (l *Logs) change(ctx context.Context, s scope, name string, do func(*groupRow) error) error {
	for range changeAttempts {
		g, err := l.group(ctx, s, name)
		if err != nil {
			return err
		}
		if err := do(g); err != nil {
			return err
		}
		if err := l.putGroup(ctx, g); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return logsapi.OperationAbortedException("Multiple concurrent requests to update the same resource were in conflict.")
}

const changeAttempts = 10

func (l *Logs) putLogGroupDeletionProtection(ctx context.Context, call *wire.Call, in *logsapi.PutLogGroupDeletionProtectionInput) (*logsapi.PutLogGroupDeletionProtectionOutput, error) {
	err := l.change(ctx, scopeOf(call), nameOf(scopeOf(call), *in.LogGroupIdentifier), func(g *groupRow) error {
		g.Protected = *in.DeletionProtectionEnabled
		return nil
	})
	return &logsapi.PutLogGroupDeletionProtectionOutput{}, err
}

func (l *Logs) putRetentionPolicy(ctx context.Context, call *wire.Call, in *logsapi.PutRetentionPolicyInput) (*logsapi.PutRetentionPolicyOutput, error) {
	if !slices.Contains(retentionDays, *in.RetentionInDays) {
		return nil, logsapi.InvalidParameterException("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %s",
			*in.RetentionInDays, strings.Join(strings.Fields(sprint(retentionDays)), ", "))
	}
	err := l.change(ctx, scopeOf(call), *in.LogGroupName, func(g *groupRow) error {
		g.Retention = *in.RetentionInDays
		return nil
	})
	return &logsapi.PutRetentionPolicyOutput{}, err
}

func (l *Logs) deleteRetentionPolicy(ctx context.Context, call *wire.Call, in *logsapi.DeleteRetentionPolicyInput) (*logsapi.DeleteRetentionPolicyOutput, error) {
	err := l.change(ctx, scopeOf(call), *in.LogGroupName, func(g *groupRow) error {
		g.Retention = 0
		return nil
	})
	return &logsapi.DeleteRetentionPolicyOutput{}, err
}

func (l *Logs) createLogStream(ctx context.Context, call *wire.Call, in *logsapi.CreateLogStreamInput) (*logsapi.CreateLogStreamOutput, error) {
	for range changeAttempts {
		g, err := l.group(ctx, scopeOf(call), *in.LogGroupName)
		if err != nil {
			return nil, err
		}
		r, err := l.findStream(ctx, g, *in.LogStreamName)
		if err != nil {
			return nil, err
		}
		if r != nil {
			return nil, logsapi.ResourceAlreadyExistsException(textStreamExists)
		}
		// The group may have changed: then look again.
		if err := l.createStream(ctx, g, *in.LogStreamName); !errors.Is(err, store.ErrConflict) {
			return &logsapi.CreateLogStreamOutput{}, err
		}
	}
	return nil, logsapi.OperationAbortedException("Multiple concurrent requests to update the same resource were in conflict.")
}

func (l *Logs) deleteLogStream(ctx context.Context, call *wire.Call, in *logsapi.DeleteLogStreamInput) (*logsapi.DeleteLogStreamOutput, error) {
	g, err := l.group(ctx, scopeOf(call), *in.LogGroupName)
	if err != nil {
		return nil, err
	}
	lock := l.lockOf(g.ID, *in.LogStreamName)
	lock.Lock()
	defer lock.Unlock()
	r, err := l.findStream(ctx, g, *in.LogStreamName)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, logsapi.ResourceNotFoundException(textStreamMissing)
	}
	if _, err := l.store.Commit(ctx, &store.Batch{Deletes: [][]byte{streamKey(g.ID, r.Name)}}); err != nil {
		return nil, err
	}
	l.removeFiles(g.ID, r.ID)
	return &logsapi.DeleteLogStreamOutput{}, nil
}
