package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// boto3Runtime is the one that comes inside the binary.
const boto3Runtime = "python3.14"

// Boto3 is a Python interpreter and the folder with the boto3 of its runtime, for
// programs outside of the sandbox that are ours.
func (s *Server) Boto3(ctx context.Context) (python, packages string, err error) {
	found, err := s.runtimes.Resolve(ctx, boto3Runtime)
	if err != nil {
		return "", "", err
	}
	if _, err := os.Stat(filepath.Join(found.SiteDir, "boto3")); err != nil {
		return "", "", errors.New("boto3 could not be installed; the log says why")
	}
	return filepath.Join(found.Prefix, found.Python), found.SiteDir, nil
}
