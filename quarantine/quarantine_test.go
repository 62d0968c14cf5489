//go:build unix

package quarantine

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// site is a state directory in which processes live and die.
type site struct {
	*testing.T
	path  string
	store *store.Store
	now   time.Time
	log   bytes.Buffer
}

func newSite(t *testing.T) *site {
	t.Helper()
	s, err := store.OpenMemory(store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &site{T: t, path: filepath.Join(t.TempDir(), "calls"), store: s, now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
}

// open begins the life of a process.
func (s *site) open() *List {
	s.Helper()
	s.now = s.now.Add(time.Minute)
	l, err := Open(context.Background(), Config{
		Store: s.store, Path: s.path, Calls: 3, Now: func() time.Time { return s.now }, Log: slog.New(slog.NewTextHandler(&s.log, nil)),
	})
	if err != nil {
		s.Fatal(err)
	}
	return l
}

// die is a process that ends in calls of all of subjects at once. Each has the mark
// of the same position.
func (s *site) die(subjects []Subject, marks ...uint32) {
	s.Helper()
	l := s.open()
	var left []byte
	var within func(int)
	within = func(i int) {
		if i == len(subjects) {
			var err error
			if left, err = os.ReadFile(s.path); err != nil {
				s.Fatal(err)
			}
			return
		}
		l.Watch(subjects[i], func(died *uint32) bool {
			*died = marks[i]
			within(i + 1)
			return false
		})
	}
	within(0)
	if err := l.Close(); err != nil {
		s.Fatal(err)
	}
	s.leave(left)
}

// leave makes data what a process has left behind.
func (s *site) leave(data []byte) {
	s.Helper()
	if err := os.WriteFile(s.path, data, 0o600); err != nil {
		s.Fatal(err)
	}
}

func subject(n int) Subject {
	return Subject{Task: task.ID{Link: ipld.LinkOf(ipld.CodecDagCBOR, fmt.Append(nil, n))}, Module: ipld.LinkOf(ipld.CodecRaw, []byte("module")), Func: "f"}
}

const abort = uint32(syscall.SIGABRT)

func TestSecondDeathConvicts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	bad, beside := subject(1), subject(2)
	for i, refused := range []bool{false, true} {
		s.die([]Subject{beside, bad}, 0, abort)
		l := s.open()
		if f := l.Refuses(beside); f != nil {
			t.Errorf("one that ran beside it: %v", f)
		}
		f := l.Refuses(bad)
		if (f != nil) != refused {
			t.Fatalf("after %d deaths: %v", i+1, f)
		}
		if f != nil && (f.Kind != task.KindQuarantined || !strings.Contains(f.Message, bad.Task.String()) || !strings.Contains(f.Message, bad.Module.String())) {
			t.Errorf("refused with %v", f)
		}
		all := l.All()
		want := Record{Subject: bad, Strikes: i + 1, How: "SIGABRT", First: all[0].First, Last: s.now, Refused: refused, session: all[0].session}
		if len(all) != 1 || all[0] != want {
			t.Errorf("got %+v\nwant %+v", all, want)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if log := s.log.String(); strings.Count(log, "a call ended the process before") != 2 {
		t.Error(log)
	}
}

// TestKilledFromOutside is a process that was killed, or lost its power, over and
// over.
func TestKilledFromOutside(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for range 20 {
		s.die([]Subject{subject(1), subject(2)}, 0, 0)
	}
	if all := s.open().All(); len(all) > 0 {
		t.Errorf("held against somebody: %v", all)
	}
}

// TestCountedOnce is a death that the next process has counted when it is killed
// itself, before anything else.
func TestCountedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.die([]Subject{subject(1)}, abort)
	left, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		l := s.open()
		if all := l.All(); len(all) != 1 || all[0].Strikes != 1 {
			t.Fatalf("counted %v", all)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		s.leave(left)
	}
}

func TestAcquitted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.die([]Subject{subject(1)}, abort)
	l := s.open()
	l.Watch(subject(1), func(*uint32) bool { return false }) // it was given up
	if len(l.All()) != 1 {
		t.Error("acquitted by a call that has not come to its end")
	}
	l.Watch(subject(1), func(*uint32) bool { return true })
	if len(l.All()) != 0 {
		t.Error("held against a task that came to its end")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if all := s.open().All(); len(all) != 0 {
		t.Errorf("and again: %v", all)
	}
}

// TestModule has a module of which every task is bad.
func TestModule(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	stranger := subject(100)
	stranger.Module = ipld.LinkOf(ipld.CodecRaw, []byte("another"))
	guest := subject(101)
	guest.For = "did:key:guest"
	for i := range MostOfModule {
		l := s.open()
		if f := l.Refuses(subject(50)); f != nil {
			t.Errorf("after %d deaths: %v", i, f)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		s.die([]Subject{subject(i)}, abort)
	}
	l := s.open()
	if f := l.Refuses(subject(50)); f == nil || f.Kind != task.KindQuarantined {
		t.Errorf("another task of the module: %v", f)
	}
	for _, other := range []Subject{stranger, guest} {
		if f := l.Refuses(other); f != nil {
			t.Errorf("refused as well: %v", f)
		}
	}
	for _, r := range l.All() {
		if !r.Refused {
			t.Errorf("not refused: %v", r)
		}
	}
	if n, err := l.Release(t.Context(), subject(0).Module); n != MostOfModule || err != nil || l.Refuses(subject(50)) != nil {
		t.Errorf("released %d: %v", n, err)
	}
}

// TestPrincipals are apart: nobody hears of what another has run.
func TestPrincipals(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	mine, yours := subject(1), subject(1)
	yours.For = did.DID("did:key:" + strings.Repeat("z", 100))
	s.die([]Subject{yours}, abort)
	s.die([]Subject{yours}, abort)
	l := s.open()
	if l.Refuses(yours) == nil || l.Refuses(mine) != nil {
		t.Errorf("%v, %v", l.Refuses(yours), l.Refuses(mine))
	}
	if n, err := l.Release(t.Context(), mine.Task.Link); n != 1 || err != nil || l.Refuses(yours) != nil {
		t.Errorf("released %d: %v", n, err)
	}
	if n, err := l.Release(t.Context(), mine.Task.Link); n != 0 || err != nil {
		t.Errorf("released %d again: %v", n, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if all := s.open().All(); len(all) != 0 {
		t.Errorf("still there: %v", all)
	}
}

// TestPanic has the process end by a panic of this language, which no signal tells
// of.
func TestPanic(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	l := s.open()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is gone")
			}
		}()
		l.Watch(subject(1), func(*uint32) bool { panic("by a bug") })
	}()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if all := s.open().All(); len(all) != 1 || all[0].How != "panic" {
		t.Errorf("held against somebody: %v", all)
	}
}

// TestDamage has files that no process has left so.
func TestDamage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.die([]Subject{subject(1)}, abort)
	whole, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(whole, []byte(subject(1).Task.Key()))
	if at < 0 {
		t.Fatal("where is it?")
	}
	changed := func(i int, b byte) []byte {
		data := bytes.Clone(whole)
		data[i] = b
		return data
	}
	for name, data := range map[string][]byte{
		"nothing": {}, "a head": whole[:headSize], "cut": whole[:len(whole)-1], "magic": changed(0, 'x'), "version": changed(8, 9),
		"count": changed(12, 9), "length": changed(at-textAt+11, 0xff), "link": changed(at, 0x77), "noise": bytes.Repeat([]byte{0xff}, 5000),
	} {
		s.leave(data)
		l := s.open()
		if all := l.All(); len(all) != 0 {
			t.Errorf("%s: held against somebody: %v", name, all)
		}
		l.Watch(subject(1), func(died *uint32) bool { return died != nil })
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLongNames has what is longer than its room.
func TestLongNames(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	long := subject(1)
	long.Func = strings.Repeat("é", 500)
	s.die([]Subject{long}, abort)
	all := s.open().All()
	if len(all) != 1 || all[0].Task != long.Task || all[0].Func != strings.Repeat("é", maxFunc/2) {
		t.Errorf("%v", all)
	}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	r := Record{Subject: subject(1), Strikes: 2, How: "SIGABRT", First: time.Unix(1, 0).UTC(), Last: time.Unix(2, 0).UTC(), Refused: true, session: session{1, 2}}
	r.For = "did:key:z"
	got, err := ParseRecord(r.Value())
	if got != r || err != nil {
		t.Errorf("got %+v\nwant %+v: %v", got, r, err)
	}
	for _, v := range []ipld.Value{
		ipld.Null, ipld.Map(), ipld.List(),
		ipld.Map(append(r.Value().Entries(), ipld.Entry{Key: "more", Value: ipld.Int(1)})...),
		ipld.Map(ipld.Entry{Key: "task", Value: ipld.String("no link")}),
	} {
		if _, err := ParseRecord(v); err == nil {
			t.Errorf("%v is a record", v)
		}
	}
}

// TestNone has a list that is nil, and one without a file.
func TestNone(t *testing.T) {
	t.Parallel()
	var none *List
	s := newSite(t)
	s.path = ""
	for _, l := range []*List{none, s.open()} {
		called := false
		l.Watch(subject(1), func(died *uint32) bool {
			called = died == nil
			return true
		})
		if !called || l.Refuses(subject(1)) != nil || len(l.All()) != 0 {
			t.Error("a list of nothing does something")
		}
	}
}

// TestDiskInTheWay can not make the file anew, and still opens.
func TestDiskInTheWay(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.path = filepath.Join(s.path, "no", "such", "folder")
	l := s.open()
	l.Watch(subject(1), func(died *uint32) bool { return died == nil })
	if !strings.Contains(s.log.String(), "nobody will know which") {
		t.Error(s.log.String())
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// BenchmarkWatch is what noting a call costs.
func BenchmarkWatch(b *testing.B) {
	s, err := store.OpenMemory(store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	l, err := Open(b.Context(), Config{Store: s, Path: filepath.Join(b.TempDir(), "calls"), Calls: 16})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	sub := subject(1)
	b.ReportAllocs()
	for b.Loop() {
		if l.Refuses(sub) == nil {
			l.Watch(sub, func(*uint32) bool { return true })
		}
	}
}
