package object

import (
	"flag"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/checksum"
)

var long = flag.Bool("long", false, "store an object of 5 GiB instead of one of 192 MiB")

// maxGrowth is how much memory may be taken while a large object goes through.
const maxGrowth = 64 << 20

// counted is a body of that many bytes, none of which is in memory.
type counted struct {
	left, position int64
	most           uint64 // memory in use
}

func (c *counted) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), c.left)
	for i := range p[:n] {
		p[i] = byte((c.position + int64(i)) >> 10)
	}
	if (c.position+n)>>24 != c.position>>24 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		c.most = max(c.most, m.HeapInuse+m.StackInuse)
	}
	c.left, c.position = c.left-n, c.position+n
	return int(n), nil
}

func TestALargeObjectGoesThroughInConstantMemory(t *testing.T) {
	size := int64(192 << 20)
	if *long {
		size = 5 << 30
	}
	b := open(t)
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	body := &counted{left: size}
	begin := time.Now()
	v, err := b.Put(t.Context(), at("large"), Attributes{}, Body{Reader: body, Algorithms: []checksum.Algorithm{checksum.CRC64NVME}}, checksum.CRC64NVME, Condition{}, CreatedPut)
	b.must(err)
	growth := int64(body.most) - int64(before.HeapInuse+before.StackInuse)
	t.Logf("%d MiB in %v, memory grew by %d MiB", size>>20, time.Since(begin).Round(time.Millisecond), growth>>20)
	if growth > maxGrowth || v.Size != size {
		t.Errorf("memory grew by %d bytes while %d were stored", growth, v.Size)
	}
	f, err := b.Find(t.Context(), at("large"), "")
	b.must(err)
	r, err := f.Read(t.Context(), 0, f.Size)
	b.must(err)
	h := checksum.CRC64NVME.New()
	_, err = io.Copy(h, r)
	b.must(err)
	b.must(r.Close())
	if checksum.Text(h) != v.Checksum.Value {
		t.Error("what is read is not what was written")
	}
}
