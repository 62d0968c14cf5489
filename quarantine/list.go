package quarantine

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// noteKind is that of records in the store, by task and principal.
const noteKind = "quarantine"

// maxRecords bounds those that are kept. Each stands for a death of the process.
const maxRecords = 4096

// Config assembles a [List]. Store is needed.
type Config struct {
	Store *store.Store
	// Path is the file of calls; empty is none, and then nothing is noted.
	Path string
	// Calls is how many are noted at once; more wait.
	Calls int
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log is told what ended the process before this one; nil is nowhere.
	Log *slog.Logger
}

// List is the tasks whose calls ended the process, and the calls that are under
// way. A nil List has none and notes none. Its methods may be called by many
// goroutines at once.
type List struct {
	Config
	calls *calls // nil where none are noted

	some    atomic.Int64 // how many records there are
	mu      sync.Mutex
	records map[key]*Record
}

// key is what a record is known by.
type key struct {
	task task.ID
	who  did.DID
}

func (s *Subject) key() key { return key{s.Task, s.For} }

func (k key) note() string { return k.task.Key() + "\x00" + string(k.who) }

// Open reads what the process before has left behind, keeps that durably if it can,
// and begins to note the calls of this one. The store is this process's, so no other
// uses the file. Close the list when no call is under way any more.
func Open(ctx context.Context, c Config) (*List, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	l := &List{Config: c, records: make(map[key]*Record)}
	if err := l.load(); err != nil {
		return nil, err
	}
	if c.Path == "" {
		return l, nil
	}
	left, s, err := readCalls(c.Path)
	if err != nil {
		c.Log.Warn("quarantine: what the process before was doing is not known", "err", err)
	}
	if err := l.strike(ctx, left, s); err != nil {
		// The file stays, so that the next one to open it knows.
		c.Log.Error("quarantine: it is not noted which calls end the process", "err", err)
		return l, nil
	}
	if l.calls, err = newCalls(c.Path, max(c.Calls, 1)); err != nil {
		c.Log.Warn("quarantine: should a call end the process, nobody will know which", "err", err)
	}
	return l, nil
}

// Close lets go of the file.
func (l *List) Close() error {
	if l.calls == nil {
		return nil
	}
	return l.calls.close()
}

func (l *List) load() error {
	err := l.Store.Notes(noteKind, func(n store.Note) bool {
		v, err := ipld.DecodeCBOR(n.Value)
		var r Record
		if err == nil {
			r, err = ParseRecord(v)
		}
		if err != nil {
			l.Log.Error("quarantine: a record is damaged", "err", err)
			return true
		}
		l.records[r.key()] = &r
		return true
	})
	l.some.Store(int64(len(l.records)))
	return err
}

// strike counts against the calls that ended the process of session s.
func (l *List) strike(ctx context.Context, left []death, s session) error {
	now := l.Now().UTC()
	var notes []store.Note
	for i := range left {
		d := &left[i]
		if d.mark == 0 {
			l.Log.Info("quarantine: the process before was ended from outside during a call", "task", d.Task.String())
			continue
		}
		r := l.records[d.key()]
		switch {
		case r == nil:
			r = &Record{First: now}
			l.records[d.key()] = r
		case r.session == s: // it was counted, and then this process was ended, too
			continue
		}
		r.Subject, r.session, r.Last, r.How = d.Subject, s, now, howOf(d.mark)
		r.Strikes++
		l.Log.Error("quarantine: a call ended the process before", "task", d.Task.String(), "module", d.Module.String(), "func", d.Func, "how", r.How, "times", r.Strikes)
		n, err := r.note()
		if err != nil {
			return err
		}
		notes = append(notes, n)
	}
	notes = append(notes, l.forget()...)
	l.some.Store(int64(len(l.records)))
	if len(notes) == 0 {
		return nil
	}
	if err := l.Store.Put(store.Batch{Notes: notes}); err != nil {
		return fmt.Errorf("keep what ended the process: %w", err)
	}
	return l.Store.Sync(ctx)
}

// forget drops the oldest records where there are too many.
func (l *List) forget() (notes []store.Note) {
	if len(l.records) <= maxRecords {
		return nil
	}
	all := l.all()
	for _, r := range all[:len(all)-maxRecords] {
		delete(l.records, r.key())
		notes = append(notes, store.Note{Kind: noteKind, Key: r.key().note()})
	}
	return notes
}

func (r *Record) note() (store.Note, error) {
	data, err := ipld.AppendCBOR(nil, r.Value())
	return store.Note{Kind: noteKind, Key: r.key().note(), Value: data}, err
}

// ofModule is how often calls of a module's functions ended the process.
func (l *List) ofModule(who did.DID, module ipld.Link) int {
	return l.ofModules()[callee{who, module}]
}

// callee is a module, and on whose behalf it is called.
type callee struct {
	who    did.DID
	module ipld.Link
}

// ofModules is how often calls of each module's functions ended the process.
func (l *List) ofModules() map[callee]int {
	all := make(map[callee]int)
	for _, r := range l.records {
		if r.Module.Defined() {
			all[callee{r.For, r.Module}] += r.Strikes
		}
	}
	return all
}

// Refuses is why a function is not to be called; nil where it may be.
func (l *List) Refuses(s Subject) *task.Failure {
	if l == nil || l.some.Load() == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.records[s.key()]; r != nil && r.Strikes >= Most {
		return task.Failf(task.KindQuarantined, "%s of module %s ended this node by %s, %d times, the last at %s, and is not called with these arguments any more: `ipvm quarantine rm %s` lets it be tried again",
			r.Func, r.Module, r.How, r.Strikes, r.Last.Format(time.RFC3339), s.Task)
	}
	if n := l.ofModule(s.For, s.Module); n >= MostOfModule {
		return task.Failf(task.KindQuarantined, "functions of module %s ended this node %d times, and none is called any more: `ipvm quarantine rm %s` lets them be tried again", s.Module, n, s.Module)
	}
	return nil
}

// Watch calls a function of a module, and has it noted should the process end from
// within. The call gets the word that takes the mark (see [wasm.Call]), and tells
// whether it came to its end.
func (l *List) Watch(s Subject, call func(died *uint32) (ended bool)) {
	switch {
	case l == nil:
		call(nil)
	case l.noted(&s, call):
		l.acquit(&s)
	}
}

// noted calls with the subject in a place of the file, where there is one.
func (l *List) noted(s *Subject, call func(died *uint32) bool) bool {
	if l.calls == nil {
		return call(nil)
	}
	i := <-l.calls.free
	p := l.calls.place(i)
	p.begin(s)
	returned := false
	defer func() {
		if !returned { // a panic, which nobody stops
			atomic.StoreUint32(p.mark(), panicked)
			return
		}
		p.end()
		l.calls.free <- i
	}()
	ended := call(p.mark())
	returned = true
	return ended
}

// acquit forgets what is held against a task that did not end the process.
func (l *List) acquit(s *Subject) {
	if l.some.Load() == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.records[s.key()] == nil {
		return
	}
	if err := l.Store.PutNote(noteKind, s.key().note(), nil); err != nil {
		l.Log.Warn("quarantine: that a task ended well could not be kept", "task", s.Task.String(), "err", err)
		return
	}
	delete(l.records, s.key())
	l.some.Store(int64(len(l.records)))
}

// All are the records, the oldest first.
func (l *List) All() []Record {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all()
}

// Refused is how many of them are not run any more.
func (l *List) Refused() (n int) {
	if l == nil || l.some.Load() == 0 {
		return 0
	}
	for _, r := range l.All() {
		if r.Refused {
			n++
		}
	}
	return n
}

func (l *List) all() []Record {
	all := make([]Record, 0, len(l.records))
	modules := l.ofModules()
	for _, r := range l.records {
		one := *r
		one.Refused = r.Strikes >= Most || modules[callee{r.For, r.Module}] >= MostOfModule
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Record) int {
		return cmp.Or(a.Last.Compare(b.Last), cmp.Compare(a.key().note(), b.key().note()))
	})
	return all
}

// Release durably forgets what is held against a task, or against all tasks of a
// module, whoever asked for them, and returns how many records that were.
func (l *List) Release(ctx context.Context, link ipld.Link) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var notes []store.Note
	for _, r := range l.all() {
		if r.Task.Link == link || r.Module == link {
			notes = append(notes, store.Note{Kind: noteKind, Key: r.key().note()})
		}
	}
	if err := l.Store.Put(store.Batch{Notes: notes}); err != nil {
		return 0, err
	}
	if err := l.Store.Sync(ctx); err != nil {
		return 0, err
	}
	for k, r := range l.records {
		if r.Task.Link == link || r.Module == link {
			delete(l.records, k)
		}
	}
	l.some.Store(int64(len(l.records)))
	return len(notes), nil
}
