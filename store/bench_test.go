package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
)

// oneTask is what the engine keeps of one new small task: the task's block and
// its receipt.
func oneTask(tb testing.TB, n int) (task.ID, Batch) {
	tb.Helper()
	block, link, err := ipld.Encode(ipld.Map(
		ipld.Entry{Key: "sub", Value: ipld.String("did:ipvm:pure")},
		ipld.Entry{Key: "cmd", Value: ipld.String("/wasm/run")},
		ipld.Entry{Key: "nonce", Value: ipld.Bytes(nil)},
		ipld.Entry{Key: "args", Value: ipld.Map(
			ipld.Entry{Key: "mod", Value: ipld.LinkValue(taskID(0).Link)},
			ipld.Entry{Key: "fun", Value: ipld.String("add-one")},
			ipld.Entry{Key: "params", Value: ipld.List(ipld.Int(int64(n)))},
		)},
	))
	if err != nil {
		tb.Fatal(err)
	}
	id := task.ID{Link: link}
	return id, Batch{
		Blocks:   []ipld.Block{{Link: link, Data: block}},
		Receipts: []*receipt.Signed{issue(tb, 0, okReceipt(id, ipld.Int(int64(n+1))))},
	}
}

func openBench(b *testing.B, dir string) *Store {
	s, err := Open(dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkPutSync measures one small task put and made durable, by writers
// that each wait for their own.
func BenchmarkPutSync(b *testing.B) {
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := openBench(b, b.TempDir())
			defer closeStore(b, s)
			batches := make([]Batch, b.N)
			for i := range batches {
				_, batches[i] = oneTask(b, i)
			}
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
						if err := s.Put(batches[i]); err != nil {
							b.Error(err)
						}
						if err := s.Sync(context.Background()); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
		})
	}
}

// BenchmarkPut measures the same without waiting for the disk.
func BenchmarkPut(b *testing.B) {
	s := openBench(b, b.TempDir())
	defer closeStore(b, s)
	batches := make([]Batch, b.N)
	for i := range batches {
		_, batches[i] = oneTask(b, i)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range batches {
		put(b, s, batches[i])
	}
	syncStore(b, s)
	b.StopTimer()
}

// BenchmarkReceipts measures recall in a store of 100,000 tasks, once with
// everything in its lowest level and once as writing left it.
func BenchmarkReceipts(b *testing.B) {
	const n = 100_000
	dir := b.TempDir()
	s := openBench(b, dir)
	ids := make([]task.ID, n)
	for i := range n {
		var batch Batch
		ids[i], batch = oneTask(b, i)
		put(b, s, batch)
	}
	syncStore(b, s)
	for _, shape := range []string{"written", "compacted"} {
		if shape == "compacted" {
			if err := s.db.Compact(context.Background(), []byte{0}, []byte{255}, true); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(shape+"/hit", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if rs, err := s.Receipts(ids[i*7919%n]); err != nil || len(rs) != 1 {
					b.Fatal(len(rs), err)
				}
			}
		})
		b.Run(shape+"/row", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := s.eachRow(ids[i*7919%n], func(row) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(shape+"/miss", func(b *testing.B) {
			absent := make([]task.ID, 10_000)
			for i := range absent {
				absent[i] = taskID(i)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if rs, err := s.Receipts(absent[i%len(absent)]); err != nil || len(rs) != 0 {
					b.Fatal(len(rs), err)
				}
			}
		})
		b.Run(shape+"/bytes", func(b *testing.B) {
			for b.Loop() {
			}
			b.ReportMetric(float64(s.db.Metrics().DiskSpaceUsage())/n, "B/task")
			b.ReportMetric(float64(s.db.Metrics().Total().TablesSize)/n, "tableB/task")
		})
	}
	closeStore(b, s)
	b.Run("directory/bytes", func(b *testing.B) {
		total := int64(0)
		if err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
			if info, e := d.Info(); err == nil && e == nil && !d.IsDir() {
				total += info.Size()
			}
			return err
		}); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
		}
		b.ReportMetric(float64(total)/n, "B/task")
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			s := openBench(b, dir)
			closeStore(b, s)
		}
	})
}

// BenchmarkOpen measures opening and closing a small store, which a short
// command does every time.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := openBench(b, dir)
	for i := range 100 {
		_, batch := oneTask(b, i)
		put(b, s, batch)
	}
	closeStore(b, s)
	for b.Loop() {
		closeStore(b, openBench(b, dir))
	}
}
