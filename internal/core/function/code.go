package function

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/core/function/archive"
)

// codeLimits bound what one zip may unpack to.
var codeLimits = archive.Limits{UnpackedBytes: limit.UnzippedCodeBytes, Entries: maxArchiveEntries}

// maxArchiveEntries bounds files, folders and links of one zip. AWS names no
// number; the largest packages seen in the wild have about 50,000.
const maxArchiveEntries = 100_000

// codePackage is code that has been checked and is in the blob store, or will be.
type codePackage struct {
	id            string // content address
	sha256        string // as AWS prints it
	sizeBytes     int64
	unpackedBytes int64
}

// accept checks code; with keep it is in the blob store afterwards. What no row
// refers to within graceTime is collected.
func (r *Registry) accept(ctx context.Context, scope Scope, code Code, keep bool) (codePackage, error) {
	most := int64(limit.ZippedCodeBytes)
	if code.FromBucket {
		most = limit.UnzippedCodeBytes
	}
	if int64(len(code.ZipFile)) > most {
		return codePackage{}, &LimitError{Limit: RequestSize, Message: fmt.Sprintf("Zipped size must be smaller than %d bytes", most)}
	}
	p, err := inspect(code.ZipFile)
	if err != nil || !keep {
		return p, err
	}
	if err := r.checkStorage(ctx, scope, p.sizeBytes); err != nil {
		return p, err
	}
	ref, err := r.config.Blobs.Put(ctx, bytes.NewReader(code.ZipFile), most)
	if err != nil {
		return p, fmt.Errorf("store code: %w", err)
	}
	p.id = ref.ID
	return p, nil
}

// usage is how much code a scope had at a time.
type usage struct {
	bytes int64
	at    time.Time
}

// usageAge bounds how old the sum may be that an upload is checked with: it
// costs a scan of all versions.
const usageAge = time.Minute

// checkStorage holds the code of a scope to AWS's limit, within what uploads of
// one usageAge can bring.
func (r *Registry) checkStorage(ctx context.Context, scope Scope, more int64) error {
	now := r.config.Clock.Now()
	value, ok := r.usage.Load(scope)
	known, _ := value.(usage)
	if !ok || now.Sub(known.at) >= usageAge {
		settings, err := r.AccountSettings(ctx, scope)
		if err != nil {
			return err
		}
		known = usage{bytes: settings.UsedCodeSizeBytes, at: now}
		r.usage.Store(scope, known)
	}
	if known.bytes+more > r.config.codeStorage() {
		return &LimitError{Limit: CodeStorage, Message: "Code storage limit exceeded."}
	}
	return nil
}

func inspect(zipFile []byte) (codePackage, error) {
	summary, err := archive.Check(bytes.NewReader(zipFile), int64(len(zipFile)), codeLimits)
	if err != nil {
		return codePackage{}, archiveError(err)
	}
	sum := sha256.Sum256(zipFile)
	return codePackage{
		sha256:        base64.StdEncoding.EncodeToString(sum[:]),
		sizeBytes:     int64(len(zipFile)),
		unpackedBytes: summary.UnpackedBytes,
	}, nil
}

// archiveError gives the reasons of package archive AWS's words.
func archiveError(err error) error {
	switch {
	case errors.Is(err, archive.ErrEmpty):
		return &InvalidError{Message: "Uploaded file must be a non-empty zip"}
	case errors.Is(err, archive.ErrTooLarge):
		return &InvalidError{Message: fmt.Sprintf("Unzipped size must be smaller than %d bytes", limit.UnzippedCodeBytes)}
	case errors.Is(err, archive.ErrFormat):
		return &InvalidError{Message: "Could not unzip uploaded file. Please check your file, then try to upload again."}
	}
	return err
}

// set makes the package the code of a version.
func (p codePackage) set(row *versionRow) {
	row.Code, row.CodeSHA256, row.CodeSizeBytes, row.CodeBytes = p.id, p.sha256, p.sizeBytes, p.unpackedBytes
}

// checkUnpacked holds code and layers together to the limit.
func (row *versionRow) checkUnpacked() error {
	if total := row.CodeBytes + row.LayerBytes; total > limit.UnzippedCodeBytes {
		return &InvalidError{Message: fmt.Sprintf("Function code combined with layers exceeds the maximum allowed size of %d bytes. The actual size is %d bytes.", limit.UnzippedCodeBytes, total)}
	}
	return nil
}
