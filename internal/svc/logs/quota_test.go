package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/logsapi"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
)

// bytesOnDisk is what the segment files of all groups have.
func (w *world) bytesOnDisk() (sum int64) {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.folder, "logs", "*", "*", "*.seg"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			w.t.Fatal(err)
		}
		sum += info.Size()
	}
	return sum
}

// prints lets a function of a group log so many bytes in a stream.
func (w *world) prints(group, stream string, bytes int) {
	w.t.Helper()
	to := telemetry.LogStream{Account: call.Account, Region: call.Region, Group: group, Stream: stream}
	w.Append(to, []telemetry.LogEvent{{Time: w.clock.Now(), Message: stream + strings.Repeat("x", bytes) + "\n"}})
	w.flush(w.t.Context(), everything)
	w.clock.move(time.Second)
}

func TestOldestEventsOfATooLargeGroupGoFirst(t *testing.T) {
	w := open(t)
	w.quota.group, w.quota.total = 1<<20, 1<<30
	for i := range 40 { // each in an environment of its own, whose only segment it is
		w.prints("g", fmt.Sprintf("s%02d", i), 64<<10)
		if size := w.bytesOnDisk(); size > w.quota.group+128<<10 {
			t.Fatalf("%d bytes are kept after %d streams", size, i+1)
		}
	}
	w.prints("other", "s", 10)
	_, got := w.filter(logsapi.FilterLogEventsInput{})
	all := strings.Join(got, "")
	if strings.Contains(all, "s00xx") || !strings.Contains(all, "s39xx") || !strings.Contains(all, "s33xx") {
		t.Errorf("%d events, from %.5s to %.5s", len(got), got[0], got[len(got)-1])
	}
	if !strings.Contains(all, "LAMBKIN removed the oldest") {
		t.Error("no line says so")
	}
	// What is removed stays so, and its files' numbers do not come again.
	w.reopen()
	w.quota.group, w.quota.total = 1<<20, 1<<30
	w.prints("g", "s00", 10)
	if found, err := filepath.Glob(filepath.Join(w.folder, "logs", "*", "*", "00000002.seg")); err != nil || len(found) != 1 {
		t.Errorf("%v, %v", found, err)
	}
	if size := w.bytesOnDisk(); size > w.quota.group+128<<10 {
		t.Errorf("%d bytes are kept after the restart", size)
	}
}

func TestAllLogsTogetherAreBounded(t *testing.T) {
	w := open(t)
	w.quota.group, w.quota.total = 1<<20, 2<<20
	w.prints("quiet", "s", 1000)
	for i := range 30 {
		for _, group := range []string{"a", "b", "c"} {
			w.prints(group, fmt.Sprintf("s%02d", i), 64<<10)
		}
		if size := w.bytesOnDisk(); size > w.quota.total+256<<10 {
			t.Fatalf("%d bytes are kept", size)
		}
	}
	g, err := w.findGroup(t.Context(), scopeOf(call), "quiet")
	if err != nil || g == nil {
		t.Fatal(err)
	}
	if r, err := w.findStream(t.Context(), g, "s"); err != nil || len(r.Segments) != 1 {
		t.Errorf("a quiet group paid for loud ones: %+v, %v", r, err)
	}
	if size := w.bytesOnDisk(); size < w.quota.total/2 {
		t.Errorf("only %d bytes are kept", size)
	}
}

// What was deleted or has expired does not count.
func TestQuotaCountsWhatThereIs(t *testing.T) {
	w := open(t)
	w.quota.group, w.quota.total = 1<<20, 2<<20
	for i := range 30 {
		group := fmt.Sprint("g", i)
		w.prints(group, "s", 512<<10)
		w.prints(group, "t", 256<<10)
		if _, got := w.filterOf(group); len(got) != 2 {
			t.Fatalf("%d events of group %d: what is gone counts", len(got), i)
		}
		must[logsapi.DeleteLogGroupOutput](t)(w.deleteLogGroup(t.Context(), call, &logsapi.DeleteLogGroupInput{LogGroupName: &group}))
	}
}

func (w *world) filterOf(group string) (*logsapi.FilterLogEventsOutput, []string) {
	out := must[logsapi.FilterLogEventsOutput](w.t)(w.filterLogEvents(w.t.Context(), call, &logsapi.FilterLogEventsInput{LogGroupName: &group}))
	var messages []string
	for _, e := range out.Events {
		messages = append(messages, *e.Message)
	}
	return out, messages
}
