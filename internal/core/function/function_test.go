package function

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
)

const creating = "The function is being created."

func TestCreateAnswersAWSDefaults(t *testing.T) {
	w := newWorld(t, nil)
	in := createInput(t, "x")
	got, err := w.Create(t.Context(), at("f"), in)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(in.Code.ZipFile)
	want := &Version{
		Account: here.Account, Region: here.Region, Name: "f", Version: Latest,
		Role: "arn:aws:iam::000000000000:role/r", Runtime: "python3.13", Handler: "app.handler",
		MemoryMB: 128, EphemeralMB: 512, Timeout: 3 * time.Second, Architecture: "x86_64",
		CodeSHA256: base64.StdEncoding.EncodeToString(sum[:]), CodeSizeBytes: int64(len(in.Code.ZipFile)), Code: fmt.Sprintf("%x", sum),
		State: Pending, StateReason: creating, StateReasonCode: "Creating",
		LogFormat: "Text", LogGroup: "/aws/lambda/f", TracingMode: "PassThrough", SnapStart: "None",
		LastModified: got.LastModified, RevisionID: got.RevisionID, Generation: got.Generation, TaskDir: got.TaskDir,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.RevisionID == "" || got.Generation == "" || got.LastModified.IsZero() || got.LastModified.Nanosecond()%int(time.Millisecond) != 0 {
		t.Errorf("identity: %+v", got)
	}
	if got.ARN() != functionARN("f") || got.QualifiedARN() != functionARN("f:$LATEST") {
		t.Errorf("ARNs: %s %s", got.ARN(), got.QualifiedARN())
	}
}

func TestFunctionBecomesActive(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	made := w.create("f")
	got := w.settled(at("f"))
	if got.State != Active || got.StateReason != "" || got.StateReasonCode != "" || got.LastUpdateStatus != "Successful" || got.LastUpdateReason != "" {
		t.Errorf("state: %+v", got)
	}
	if got.RevisionID == made.RevisionID || got.Generation != made.Generation {
		t.Error("becoming active must change the revision and keep the generation")
	}
	if got.Environment != nil || got.OptDir != "" {
		t.Errorf("Environment %v, OptDir %q", got.Environment, got.OptDir)
	}
	if text := readFile(t, got.TaskDir, "app.py"); text != "code of f" {
		t.Errorf("code is %q", text)
	}
}

func TestCreateRefuses(t *testing.T) {
	w := newWorld(t, nil)
	w.create("taken")
	bigEnvironment := map[string]string{"LARGE_VAR": strings.Repeat("x", 4<<10)}
	for name, c := range map[string]struct {
		change  func(*CreateInput)
		message string
	}{
		"no runtime":    {func(in *CreateInput) { in.Runtime = nil }, "Runtime and Handler are mandatory parameters for functions created with deployment packages."},
		"no handler":    {func(in *CreateInput) { in.Handler = nil }, "Runtime and Handler are mandatory parameters for functions created with deployment packages."},
		"other runtime": {func(in *CreateInput) { in.Runtime = ptr("PYTHON3.9") }, "Value PYTHON3.9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [python3.14, python3.13, python3.12, python3.11, python3.10, python3.9, python3.8, provided.al2023] or be a valid ARN"},
		"environment":   {func(in *CreateInput) { in.Environment = bigEnvironment }, `Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {"LARGE_VAR":"` + strings.Repeat("x", 4<<10) + `"}`},
		"egress": {func(in *CreateInput) { in.Environment = map[string]string{"LAMBKIN_EGRESS": "db.example.com:https"} },
			`The environment variable LAMBKIN_EGRESS is not valid: egress list: "db.example.com:https" has no port between 1 and 65535 after its last colon; want a network, an address or a host name, with or without a port (10.0.0.0/8, [fd00::/8]:443, db.example.com:5432)`},
		"reserved":   {func(in *CreateInput) { in.Environment = map[string]string{"AWS_REGION": "x", "OK": "y"} }, "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: AWS_REGION"},
		"SnapStart":  {func(in *CreateInput) { in.Runtime, in.SnapStart = ptr("python3.11"), ptr("PublishedVersions") }, "python3.11 is not supported for SnapStart enabled functions."},
		"log level":  {func(in *CreateInput) { in.Logging = &Logging{ApplicationLogLevel: ptr("DEBUG")} }, `LogLevel is not supported when LogFormat is set to "Text". Remove LogLevel from your request or change the LogFormat to "JSON" and try again.`},
		"no zip":     {func(in *CreateInput) { in.Code.ZipFile = []byte("no zip") }, "Could not unzip uploaded file. Please check your file, then try to upload again."},
		"empty zip":  {func(in *CreateInput) { in.Code.ZipFile = zipOf(t) }, "Uploaded file must be a non-empty zip"},
		"evil zip":   {func(in *CreateInput) { in.Code.ZipFile = zipOf(t, "../x", "x") }, "Could not unzip uploaded file. Please check your file, then try to upload again."},
		"tags":       {func(in *CreateInput) { in.Tags = manyTags(51) }, "Number of tags exceeds resource tag limit."},
		"six layers": {func(in *CreateInput) { in.Layers = make([]string, 6) }, "Cannot reference more than 5 layers."},
	} {
		in := createInput(t, "x")
		c.change(&in)
		_, err := w.Create(t.Context(), at("f"), in)
		t.Run(name, func(t *testing.T) { wantError[*InvalidError](t, err, c.message) })
	}
	for name, c := range map[string]struct {
		change  func(*CreateInput)
		message string
	}{
		"timeout 0":   {func(in *CreateInput) { in.Timeout = ptr(time.Duration(0)) }, "1 validation error detected: Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		"timeout 901": {func(in *CreateInput) { in.Timeout = ptr(901 * time.Second) }, "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900"},
		"memory 127":  {func(in *CreateInput) { in.MemoryMB = ptr(127) }, "1 validation error detected: Value '127' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"},
		"memory big":  {func(in *CreateInput) { in.MemoryMB = ptr(10241) }, "1 validation error detected: Value '10241' at 'memorySize' failed to satisfy constraint: Member must have value less than or equal to 10240"},
		"tmp":         {func(in *CreateInput) { in.EphemeralMB = ptr(511) }, "1 validation error detected: Value '511' at 'ephemeralStorage.size' failed to satisfy constraint: Member must have value greater than or equal to 512"},
	} {
		in := createInput(t, "x")
		c.change(&in)
		_, err := w.Create(t.Context(), at("f"), in)
		t.Run(name, func(t *testing.T) { wantError[*ValidationError](t, err, c.message) })
	}
	_, err := w.Create(t.Context(), at("taken"), createInput(t, "x"))
	wantError[*ConflictError](t, err, "Function already exist: taken")
	if _, err := w.GetConfiguration(t.Context(), at("f")); err == nil {
		t.Error("a refused function exists")
	}
}

func TestCodeLimits(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.CodeStorageBytes = 400 })
	in := createInput(t, "x")
	in.Code.ZipFile = make([]byte, limit.ZippedCodeBytes+1)
	_, err := w.Create(t.Context(), at("f"), in)
	wantError[*LimitError](t, err, "Zipped size must be smaller than 52428800 bytes")
	if e := new(LimitError); err != nil && asLimit(err, &e) && e.Limit != RequestSize {
		t.Errorf("limit %v", e.Limit)
	}
	in.Code.ZipFile = zipOf(t, "zeros", strings.Repeat("\x00", 1<<20))
	patchSize(t, in.Code.ZipFile, limit.UnzippedCodeBytes+1)
	_, err = w.Create(t.Context(), at("f"), in)
	wantError[*InvalidError](t, err, "Unzipped size must be smaller than 262144000 bytes")
	for i := range 10 {
		if _, err = w.Create(t.Context(), at(fmt.Sprint("f", i)), createInput(t, strings.Repeat("y", 100))); err != nil {
			break
		}
		w.usage.Clear()
	}
	wantError[*LimitError](t, err, "Code storage limit exceeded.")
}

func TestUpdatesShowProgressAndServeTheOld(t *testing.T) {
	w := newWorld(t, nil)
	stop := w.run()
	old := w.ready("f")
	stop()
	w.reopen()
	updated, err := w.UpdateCode(t.Context(), at("f"), UpdateCodeInput{Code: Code{ZipFile: zipOf(t, "app.py", "new")}, Architectures: []string{"arm64"}})
	if err != nil {
		t.Fatal(err)
	}
	if updated.State != Active || updated.LastUpdateStatus != "InProgress" || updated.LastUpdateReason != creating || updated.LastUpdateCode != "Creating" || updated.Architecture != "arm64" {
		t.Errorf("updated: %+v", updated)
	}
	if updated.RevisionID == old.RevisionID || updated.Generation == old.Generation || updated.CodeSHA256 == old.CodeSHA256 {
		t.Error("an update must change revision, generation and code")
	}
	busy := "The operation cannot be performed at this time. An update is in progress for resource: " + functionARN("f")
	_, err = w.UpdateCode(t.Context(), at("f"), UpdateCodeInput{Code: Code{ZipFile: zipOf(t, "app.py", "newer")}})
	wantError[*ConflictError](t, err, busy)
	_, err = w.UpdateConfiguration(t.Context(), at("f"), UpdateConfigurationInput{})
	wantError[*ConflictError](t, err, busy)
	_, err = w.PublishVersion(t.Context(), at("f"), PublishVersionInput{})
	wantError[*ConflictError](t, err, busy)
	resolved, err := w.Resolve(t.Context(), here, "f", "")
	if err != nil || resolved.Version.Generation != old.Generation || readFile(t, resolved.Version.TaskDir, "app.py") != "code of f" {
		t.Fatalf("during the update runs %+v, %v", resolved, err)
	}
	w.run()
	now := w.settled(at("f"))
	if now.LastUpdateStatus != "Successful" || now.LastUpdateReason != "" || now.Generation != updated.Generation {
		t.Errorf("after the update: %+v", now)
	}
	resolved, err = w.Resolve(t.Context(), here, "f", "")
	if err != nil || readFile(t, resolved.Version.TaskDir, "app.py") != "new" {
		t.Errorf("after the update runs %+v, %v", resolved, err)
	}
}

func TestPendingFunctionsRefuseChanges(t *testing.T) {
	w := newWorld(t, nil)
	w.create("f")
	pending := "The operation cannot be performed at this time. The function is currently in the following state: Pending"
	_, err := w.UpdateConfiguration(t.Context(), at("f"), UpdateConfigurationInput{})
	wantError[*ConflictError](t, err, pending)
	_, err = w.PublishVersion(t.Context(), at("f"), PublishVersionInput{})
	wantError[*ConflictError](t, err, pending)
	_, err = w.Resolve(t.Context(), here, "f", "")
	wantError[*ConflictError](t, err, pending)
	if err := w.Delete(t.Context(), at("f")); err != nil {
		t.Errorf("Delete: %v", err)
	}
}

func TestUpdateConfigurationChangesWhatIsGiven(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	w.ready("f")
	update := func(s Settings) *Version {
		t.Helper()
		if _, err := w.UpdateConfiguration(t.Context(), at("f"), UpdateConfigurationInput{Settings: s}); err != nil {
			t.Fatal(err)
		}
		return w.settled(at("f"))
	}
	v := update(Settings{Description: ptr("d"), MemoryMB: ptr(256), Timeout: ptr(9 * time.Second), Environment: map[string]string{"A": "1"}, Logging: &Logging{LogFormat: ptr("JSON"), SystemLogLevel: ptr("DEBUG")}})
	if v.Description != "d" || v.MemoryMB != 256 || v.Timeout != 9*time.Second || v.Environment["A"] != "1" || v.Handler != "app.handler" {
		t.Errorf("%+v", v)
	}
	if v.LogFormat != "JSON" || v.ApplicationLogLevel != "INFO" || v.SystemLogLevel != "DEBUG" || v.LogGroup != "/aws/lambda/f" {
		t.Errorf("logging: %+v", v)
	}
	v = update(Settings{Environment: map[string]string{}, Logging: &Logging{LogGroup: ptr("own")}})
	if v.Environment == nil || len(v.Environment) != 0 || v.Description != "d" || v.LogFormat != "JSON" || v.LogGroup != "own" || v.SystemLogLevel != "DEBUG" {
		t.Errorf("%+v", v)
	}
	_, err := w.UpdateConfiguration(t.Context(), at("f"), UpdateConfigurationInput{Settings: Settings{MemoryMB: ptr(1)}})
	if err == nil || w.settled(at("f")).RevisionID != v.RevisionID {
		t.Errorf("a refused update left a trace: %v", err)
	}
}

func TestUpdateConfigurationTakesAway(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	w.ready("f")
	update := func(s Settings) *Version {
		t.Helper()
		must2(w.UpdateConfiguration(t.Context(), at("f"), UpdateConfigurationInput{Settings: s}))(t)
		return w.settled(at("f"))
	}
	update(Settings{Logging: &Logging{LogFormat: ptr("JSON")}})
	v := update(Settings{Logging: &Logging{LogFormat: ptr("Text")}, DeadLetter: ptr("arn:aws:sqs:us-east-1:000000000000:q")})
	if v.ApplicationLogLevel != "" || v.SystemLogLevel != "" || v.DeadLetterARN == "" {
		t.Errorf("%+v", v)
	}
	if v = update(Settings{DeadLetter: ptr("")}); v.DeadLetterARN != "" {
		t.Errorf("%+v", v)
	}
}

func TestRevisionIDsGuardUpdates(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	v := w.ready("f")
	stale := ptr("5e5b6b1e-0000-4000-8000-000000000000")
	_, err := w.UpdateCode(t.Context(), at("f"), UpdateCodeInput{Code: Code{ZipFile: zipOf(t, "a", "b")}, RevisionID: stale})
	wantError[*PreconditionError](t, err, revisionMismatch)
	_, err = w.UpdateConfiguration(t.Context(), at("f"), UpdateConfigurationInput{RevisionID: stale})
	wantError[*PreconditionError](t, err, revisionMismatch)
	_, err = w.PublishVersion(t.Context(), at("f"), PublishVersionInput{RevisionID: stale})
	wantError[*PreconditionError](t, err, revisionMismatch)
	if _, err = w.UpdateConfiguration(t.Context(), at("f"), UpdateConfigurationInput{RevisionID: &v.RevisionID}); err != nil {
		t.Error(err)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	before := w.ready("f")
	got, err := w.UpdateCode(t.Context(), at("f"), UpdateCodeInput{Code: Code{ZipFile: zipOf(t, "other", "code")}, DryRun: true})
	if err != nil || got.CodeSHA256 == before.CodeSHA256 {
		t.Errorf("dry run: %+v, %v", got, err)
	}
	after, err := w.GetConfiguration(t.Context(), at("f"))
	if diff := cmp.Diff(before, after); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	blobs := 0
	for range w.config.Blobs.All() {
		blobs++
	}
	if blobs != 1 {
		t.Errorf("%d blobs after a dry run", blobs)
	}
}

func TestGetNamesWhatIsMissing(t *testing.T) {
	w := newWorld(t, nil)
	w.create("f")
	for target, arn := range map[Target]string{at("none"): "none", qualified("none", "$LATEST"): "none:$LATEST", qualified("f", "9"): "f:9", qualified("f", "live"): "f:live"} {
		_, err := w.Get(t.Context(), target)
		wantError[*NotFoundError](t, err, "Function not found: "+functionARN(arn))
		_, err = w.GetConfiguration(t.Context(), target)
		wantError[*NotFoundError](t, err, "Function not found: "+functionARN(arn))
	}
	_, err := w.UpdateCode(t.Context(), at("none"), UpdateCodeInput{Code: Code{ZipFile: zipOf(t, "a", "b")}})
	wantError[*NotFoundError](t, err, "Function not found: "+functionARN("none"))
	_, err = w.UpdateConfiguration(t.Context(), at("none"), UpdateConfigurationInput{})
	wantError[*NotFoundError](t, err, "Function not found: "+functionARN("none"))
	wantError[*NotFoundError](t, w.Delete(t.Context(), at("none")), "Function not found: "+functionARN("none"))
	wantError[*NotFoundError](t, w.Delete(t.Context(), qualified("none", "1")), "Function not found: "+functionARN("none"))
}

func TestGetShowsTagsAndReservation(t *testing.T) {
	w := newWorld(t, nil)
	in := createInput(t, "x")
	in.Tags = map[string]string{"team": "a"}
	if _, err := w.Create(t.Context(), at("f"), in); err != nil {
		t.Fatal(err)
	}
	if err := w.PutConcurrency(t.Context(), at("f"), 7); err != nil {
		t.Fatal(err)
	}
	f, err := w.Get(t.Context(), at("f"))
	if err != nil || f.Tags["team"] != "a" || f.ReservedConcurrency == nil || *f.ReservedConcurrency != 7 {
		t.Errorf("%+v, %v", f, err)
	}
	code, err := w.config.Blobs.Open(f.Version.Code)
	if err != nil {
		t.Fatal(err)
	}
	defer code.Close()
	var content bytes.Buffer
	if _, err := content.ReadFrom(code); err != nil || !bytes.Equal(content.Bytes(), in.Code.ZipFile) {
		t.Errorf("the blob is not the zip: %v", err)
	}
}

func TestDeleteTakesEverythingButTheNumbers(t *testing.T) {
	var stale []string
	var mu sync.Mutex
	w := newWorld(t, func(c *Config) {
		c.Changed = func(s Scope, name, version string) {
			mu.Lock()
			defer mu.Unlock()
			stale = append(stale, name+":"+version)
		}
	})
	w.run()
	ctx := context.Background()
	w.ready("f")
	w.ready("f-not-this")
	w.publish("f")
	must(t, w.PutConcurrency(ctx, at("f"), 900))
	must(t, w.Tag(ctx, here, functionARN("f"), map[string]string{"a": "b"}))
	must2(w.CreateAlias(ctx, at("f"), AliasInput{Name: "live", FunctionVersion: ptr("1")}))(t)
	must2(w.AddPermission(ctx, qualified("f", "live"), PermissionInput{StatementID: "s", Action: "lambda:InvokeFunction", Principal: "*"}))(t)
	must(t, w.Delete(ctx, at("f")))
	for key := range w.store.dump() {
		if strings.Contains(key, "\x03f\x00") && !strings.Contains(key, tableNumbers) {
			t.Errorf("left behind: %q", key)
		}
	}
	mu.Lock()
	if len(stale) == 0 || stale[len(stale)-1] != "f:" {
		t.Errorf("Changed was told %v", stale)
	}
	mu.Unlock()
	must2(w.GetConfiguration(ctx, at("f-not-this")))(t)
	must(t, w.PutConcurrency(ctx, at("f-not-this"), 900)) // the reservation was given back
	w.ready("f")
	if v := w.publish("f"); v.Version != "2" {
		t.Errorf("the number %s was used again", v.Version)
	}
}

func TestCreateIsOnlyWonOnce(t *testing.T) {
	w := newWorld(t, nil)
	var wg sync.WaitGroup
	results := make([]error, 16)
	for i := range results {
		wg.Go(func() { _, results[i] = w.Create(context.Background(), at("f"), createInput(t, fmt.Sprint("x", i))) })
	}
	wg.Wait()
	won := 0
	for _, err := range results {
		if err == nil {
			won++
			continue
		}
		wantError[*ConflictError](t, err, "Function already exist: f")
	}
	if won != 1 {
		t.Errorf("%d creators won", won)
	}
}

func TestListPages(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	for i := range 7 {
		w.create(fmt.Sprintf("f%d", i))
	}
	if _, err := w.Create(t.Context(), Target{Scope: Scope{here.Account, "eu-west-1"}, Name: "elsewhere"}, createInput(t, "x")); err != nil {
		t.Fatal(err)
	}
	w.settled(at("f3"))
	w.publish("f3")
	w.change("f3", "second")
	w.publish("f3")
	var got []string
	in := ListInput{Page: Page{MaxItems: 3}}
	for {
		page, err := w.List(t.Context(), here, in)
		if err != nil || len(page.Versions) > 3 || len(page.Versions) == 0 {
			t.Fatalf("%+v, %v", page, err)
		}
		for _, v := range page.Versions {
			got = append(got, v.Name+":"+v.Version)
		}
		if in.Marker = page.NextMarker; in.Marker == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"f0:$LATEST", "f1:$LATEST", "f2:$LATEST", "f3:$LATEST", "f4:$LATEST", "f5:$LATEST", "f6:$LATEST"}, got); diff != "" {
		t.Error(diff)
	}
	for size := 1; size <= 10; size++ {
		got = nil
		in = ListInput{Page: Page{MaxItems: size}, AllVersions: true}
		for rounds := 0; rounds < 20; rounds++ {
			page, err := w.List(t.Context(), here, in)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range page.Versions {
				got = append(got, v.Name+":"+v.Version)
			}
			if in.Marker = page.NextMarker; in.Marker == "" {
				break
			}
		}
		want := []string{"f0:$LATEST", "f1:$LATEST", "f2:$LATEST", "f3:$LATEST", "f3:1", "f3:2", "f4:$LATEST", "f5:$LATEST", "f6:$LATEST"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d: %s", size, diff)
		}
	}
	for _, marker := range []string{"%%%", "AAAA"} {
		page, err := w.List(t.Context(), here, ListInput{Page: Page{Marker: marker}})
		if err == nil && len(page.Versions) != 7 {
			t.Errorf("marker %q leads out: %+v", marker, page)
		}
	}
}
