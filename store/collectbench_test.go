package store

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

// BenchmarkCollect measures what a quota and a collection cost on a store of small
// results, STORE_RESULTS of them (20,000 unless given), which were used one after the
// other within 1,000 hours: measuring it once, as a quota does at the start; a dry run;
// and removing a tenth while somebody puts a result every millisecond. It tells how much
// the collection's notes take on the disk at most, in hundredths of what the store holds, and how
// long a Put took at the worst. Run it with -benchtime 1x.
func BenchmarkCollect(b *testing.B) {
	n := 20_000
	if s := os.Getenv("STORE_RESULTS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	c := newClock()
	dir := filepath.Join(b.TempDir(), "store")
	s, err := Open(dir, Options{Now: c.Now})
	if err != nil {
		b.Fatal(err)
	}
	for i := range n {
		_, batch := oneTask(b, i)
		put(b, s, batch)
		if i%max(n/1000, 1) == 0 {
			c.add(time.Hour)
		}
	}
	closeStore(b, s)
	c.add(time.Hour)
	if s, err = Open(dir, Options{Now: c.Now}); err != nil {
		b.Fatal(err)
	}
	defer closeStore(b, s)
	var size uint64
	b.Run("measure", func(b *testing.B) {
		for b.Loop() {
			if size, err = s.Size(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(size)/float64(n), "B/result")
	})
	b.Run("held", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Held(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	run := func(name string, dry bool) {
		b.Run(name, func(b *testing.B) {
			ctx, stop := context.WithCancel(b.Context())
			var notes uint64
			var waits []time.Duration
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i := 0; ctx.Err() == nil; i++ {
					_, batch := oneTask(b, -1-i)
					began := time.Now()
					if err := s.Put(batch); err != nil {
						b.Error(err)
						return
					}
					waits = append(waits, time.Since(began))
					if i%50 == 0 {
						notes = max(notes, folderBytes(filepath.Join(dir, "collect")))
					}
					time.Sleep(time.Millisecond)
				}
			}()
			var sum Collected
			for b.Loop() {
				if sum, err = s.Collect(b.Context(), Collection{Bounded: true, MaxBytes: size / 10 * 9, DryRun: dry}); err != nil {
					b.Fatal(err)
				}
			}
			stop()
			<-done
			slices.Sort(waits)
			b.ReportMetric(float64(sum.Results), "results")
			b.ReportMetric(float64(notes)*100/float64(size), "notes-%")
			b.ReportMetric(float64(waits[len(waits)-1])/1e6, "worst-put-ms")
			b.ReportMetric(float64(waits[len(waits)*99/100])/1e6, "p99-put-ms")
		})
	}
	run("dry", true)
	run("tenth", false)
}

func folderBytes(dir string) (n uint64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			if info, err := e.Info(); err == nil {
				n += uint64(info.Size())
			}
		}
		return nil
	})
	return n
}
