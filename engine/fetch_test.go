package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// elsewhere is a Fetcher that has some blocks, and notes what it is asked for.
type elsewhere struct {
	mu      sync.Mutex
	has     map[ipld.Link][]byte
	asked   map[ipld.Link]int
	now     int // in progress
	changed *sync.Cond
	most    int
	wait    chan struct{} // answers come when it is closed; nil is at once
	hold    int           // a raw one comes when so many are in progress, or were
}

func newElsewhere() *elsewhere {
	e := &elsewhere{has: make(map[ipld.Link][]byte), asked: make(map[ipld.Link]int)}
	e.changed = sync.NewCond(&e.mu)
	return e
}

func (e *elsewhere) add(tb testing.TB, data []byte) ipld.Link {
	tb.Helper()
	link, err := ipld.ImportFile(data, func(b ipld.Block) error {
		e.has[b.Link] = bytes.Clone(b.Data)
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return link
}

func (e *elsewhere) addBlock(codec uint64, data []byte) ipld.Link {
	link := ipld.LinkOf(codec, data)
	e.has[link] = data
	return link
}

var errNobody = errors.New("nobody there has it")

func (e *elsewhere) Fetch(ctx context.Context, link ipld.Link) ([]byte, error) {
	e.mu.Lock()
	e.asked[link]++
	e.now++
	e.most = max(e.most, e.now)
	data, ok := e.has[link]
	e.changed.Broadcast()
	for link.Codec() == ipld.CodecRaw && e.most < e.hold {
		e.changed.Wait()
	}
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.now--
		e.changed.Broadcast()
	}()
	if e.wait != nil {
		select {
		case <-e.wait:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if err := link.Verify(nil); errors.Is(err, ipld.ErrHash) {
		return nil, err
	}
	if !ok {
		return nil, errNobody
	}
	return data, nil
}

// guestModule is the module in testdata, which is not imported anywhere.
func guestModule(tb testing.TB) []byte {
	tb.Helper()
	return wasmtest.Compile(tb, readFile(tb, "testdata/guest.wat"))
}

// calls is a document of jobs, each a call of the module with one link.
func calls(module ipld.Link, jobs map[string]string) string {
	var b strings.Builder
	for _, label := range slices.Sorted(maps.Keys(jobs)) {
		fmt.Fprintf(&b, "%s: {with: {\"/\": %s}, %s}\n", label, module, jobs[label])
	}
	return b.String()
}

func linkText(l ipld.Link) string { return fmt.Sprintf("{\"/\": %s}", l) }

// large is a file of n blocks below one or more, no two of them equal.
func large(n int) []byte {
	data := make([]byte, n*ipld.ChunkSize)
	for i := range n {
		copy(data[i*ipld.ChunkSize:], fmt.Sprint(i))
	}
	return data
}

// What was fetched comes to the same receipts as what was here, each block is
// asked for once and kept, and what is remembered is asked for no more.
func TestFetched(t *testing.T) {
	t.Parallel()
	there := newElsewhere()
	module := there.add(t, guestModule(t))
	file := there.add(t, large(7))
	list, err := ipld.AppendCBOR(nil, ipld.List(ipld.Int(1), ipld.Int(2)))
	if err != nil {
		t.Fatal(err)
	}
	numbers := there.addBlock(ipld.CodecDagCBOR, list)
	text := calls(module, map[string]string{
		"length": "func: length, args: [" + linkText(file) + "]",
		"count":  "func: count, args: [" + linkText(numbers) + "]",
		"next":   "func: next, args: [1]",
	})
	far := ipvmtest.New(t, ipvmtest.Options{Fetcher: there})
	report := far.MustRun(t, far.Document(t, text), engine.Options{})
	for _, j := range report.Jobs {
		if !j.Outcome.OK() {
			t.Fatalf("%s: %v", j.Label, j.Outcome)
		}
	}
	for link, data := range there.has {
		// Of jobs in progress at once each may find the module missing: that equal
		// requests are one is the fetcher's affair.
		if n := there.asked[link]; n != 1 && (link != module || n > len(report.Jobs)) {
			t.Errorf("%s was asked for %d times", link, n)
		}
		if got, err := far.Store.Block(link); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s was not kept: %v", link, err)
		}
	}

	near := ipvmtest.New(t, ipvmtest.Options{})
	for link, data := range there.has {
		if err := near.Store.Put(store.Batch{Blocks: []ipld.Block{{Link: link, Data: data}}}); err != nil {
			t.Fatal(err)
		}
	}
	local := near.MustRun(t, near.Document(t, text), engine.Options{})
	if diff := cmp.Diff(near.Receipts(t, local), far.Receipts(t, report)); diff != "" {
		t.Errorf("receipts (-local +fetched):\n%s", diff)
	}

	clear(there.asked)
	for _, j := range far.MustRun(t, far.Document(t, text), engine.Options{}).Jobs {
		if j.How != engine.Remembered {
			t.Errorf("%s: %s", j.Label, j.How)
		}
	}
	if len(there.asked) > 0 {
		t.Errorf("asked again for %v", there.asked)
	}
}

// A file of which only some is here is completed.
func TestFetchTheRest(t *testing.T) {
	t.Parallel()
	there := newElsewhere()
	r := newRig(t, ipvmtest.Options{Fetcher: there})
	data := large(7)
	file := there.add(t, data)
	here := 0
	if _, err := ipld.ImportFile(data, func(b ipld.Block) error {
		here++
		if b.Link.Codec() == ipld.CodecRaw && here%2 == 0 {
			return nil
		}
		delete(there.has, b.Link)
		return r.Store.Put(store.Batch{Blocks: []ipld.Block{b}})
	}); err != nil {
		t.Fatal(err)
	}
	if j := r.one(t, "length("+linkText(file)+")"); !j.Outcome.OK() {
		t.Fatal(j.Outcome)
	}
	if len(there.asked) != 3 || len(there.has) != 3 {
		t.Errorf("asked for %d of %d", len(there.asked), len(there.has))
	}
}

// Only what the document names is asked for, and what that leads to: not what
// came of other jobs, nor anything for a secret.
func TestFetchOnlyWhatIsNamed(t *testing.T) {
	t.Parallel()
	there := newElsewhere()
	made := there.add(t, bytes.Repeat([]byte{7}, 5000)) // what bytes(5000) comes to
	r := newRig(t, ipvmtest.Options{Fetcher: there, Wrap: func(s engine.Store) engine.Store { return without{s, made} }})
	named := there.add(t, []byte("named"))
	two, err := ipld.AppendCBOR(nil, ipld.Int(2))
	if err != nil {
		t.Fatal(err)
	}
	list, err := ipld.AppendCBOR(nil, ipld.List(ipld.Int(1), ipld.LinkValue(there.addBlock(ipld.CodecDagCBOR, two))))
	if err != nil {
		t.Fatal(err)
	}
	leads := there.addBlock(ipld.CodecDagCBOR, list)
	for _, test := range []struct {
		text, want string
		asked      int
	}{
		{"a: bytes(5000)\njob: length({from: a})\n", "not-found", 0},
		{"job: length(" + linkText(named) + "), secret: true\n", "not-found", 0},
		{"job: count(" + linkText(leads) + "), secret: true\n", "not-found", 0},
		{"job: {with: " + linkText(named) + ", func: f, secret: true}\n", "not-found", 0},
		{"job: fail(1), secret: true, catch: {with: " + linkText(named) + ", func: handle}\n", "handler", 0},
		{"job: count(" + linkText(leads) + ")\n", "ok", 2},
		{"job: length(" + linkText(named) + ")\n", "ok", 1},
	} {
		clear(there.asked)
		report := r.MustRun(t, r.document(t, test.text), engine.Options{})
		if got := kindOf(report.Jobs[len(report.Jobs)-1].Outcome); got != test.want {
			t.Errorf("%s is %s, want %s", test.text, got, test.want)
		}
		if len(there.asked) != test.asked {
			t.Errorf("%s: asked for %v, want %d", test.text, there.asked, test.asked)
		}
	}
}

// without is a store that has lost a block.
type without struct {
	engine.Store
	lost ipld.Link
}

func (w without) Block(l ipld.Link) ([]byte, error) {
	if l == w.lost {
		return nil, fmt.Errorf("block %s: %w", l, store.ErrNotFound)
	}
	return w.Store.Block(l)
}

// What a guest's workflow names is fetched into the guest's own room.
func TestFetchForGuests(t *testing.T) {
	t.Parallel()
	there := newElsewhere()
	module, file := there.add(t, guestModule(t)), there.add(t, large(3))
	r := ipvmtest.New(t, ipvmtest.Options{Fetcher: there})
	text := calls(module, map[string]string{"job": "func: length, args: [" + linkText(file) + "]"})
	for _, who := range []guest{"did:key:alice", "did:key:bob"} {
		for range 2 {
			if j := r.MustRun(t, r.Document(t, text), engine.Options{Permit: who}).Jobs[0]; !j.Outcome.OK() {
				t.Fatal(j.Outcome)
			}
		}
	}
	for link := range there.has {
		if there.asked[link] != 2 {
			t.Errorf("%s was asked for %d times, want once for each guest", link, there.asked[link])
		}
		if here, err := r.Store.Has(link); here || err != nil {
			t.Errorf("%s is in the open (%v)", link, err)
		}
	}
	hidden := calls(module, map[string]string{"job": "func: length, args: [" + linkText(there.add(t, []byte("more"))) + "], secret: true"})
	clear(there.asked)
	if j := r.MustRun(t, r.Document(t, hidden), engine.Options{Permit: guest("did:key:alice")}).Jobs[0]; kindOf(j.Outcome) != "not-found" || len(there.asked) > 0 {
		t.Errorf("a guest's secret: %s, asked for %v", kindOf(j.Outcome), there.asked)
	}
}

// Why content can not be had is told apart: what the document says can not be
// content, nobody has it, it is more than is taken, or it was lost here.
func TestFetchFailures(t *testing.T) {
	t.Parallel()
	there := newElsewhere()
	lost := there.add(t, []byte("lost"))
	r := newRig(t, ipvmtest.Options{Fetcher: there, Wrap: func(s engine.Store) engine.Store { return damaged{s, lost} }})
	sha1, err := ipld.LinkWithHash(ipld.CodecRaw, 0x11, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	nowhere := ipld.LinkOf(ipld.CodecRaw, []byte("nowhere"))
	holes := there.add(t, large(20))
	missing := ipld.LinkOf(ipld.CodecRaw, large(20)[19*ipld.ChunkSize:])
	delete(there.has, missing)
	odd := ipld.LinkOf(0x78, nil)
	folder := there.addBlock(ipld.CodecDagPB, []byte{0x0a, 2, 8, 1})
	one := append([]byte{0x0a, 36}, nowhere.Bytes()...)
	huge := there.addBlock(ipld.CodecDagPB, append(append([]byte{0x12, 38}, one...), 0x0a, 8, 8, 2, 0x20, 0x80, 0x80, 0x80, 0x80, 0x10))
	in := func(kind string, l ipld.Link) string {
		return fmt.Sprintf("%s: parameter x: in %s: file %s: block %s: ", kind, l, l, l)
	}
	for name, test := range map[string]struct {
		link ipld.Link
		want string
	}{
		"nowhere":       {nowhere, "not-found: block " + nowhere.String() + ": not in the store; nobody there has it"},
		"one block":     {holes, "not-found: block " + missing.String() + ": not in the store; nobody there has it"},
		"a weak hash":   {sha1, in("malformed", sha1) + sha1.String() + ": a hash that is not to be trusted: sha1 of 160 bits"},
		"another codec": {odd, in("malformed", odd) + "not a file: codec 0x78"},
		"a directory":   {folder, in("malformed", folder) + "not a file: a directory"},
		"too large":     {huge, in("unsupported", huge) + "file is larger than the limit: 4294967296 bytes where 268435456 may be read"},
		"lost":          {lost, "lost: block " + lost.String() + " was stored and can not be read any more: it fell off the disk"},
	} {
		f := r.one(t, "length("+linkText(test.link)+")").Outcome.Failure
		if f == nil || f.String() != test.want {
			t.Errorf("%s: %v\nwant %s", name, f, test.want)
		}
	}
	for _, l := range []ipld.Link{lost, odd} {
		if there.asked[l] > 0 {
			t.Errorf("asked for %s", l)
		}
	}
	module := r.MustRun(t, r.document(t, "job: {with: "+linkText(nowhere)+", func: f}\n"), engine.Options{}).Jobs[0].Outcome.Failure
	if want := "not-found: the module can not be had: block " + nowhere.String() + ": not in the store; nobody there has it"; module.String() != want {
		t.Errorf("a module: %v", module)
	}
}

// damaged is a store that can not read a block which it has.
type damaged struct {
	engine.Store
	lost ipld.Link
}

func (d damaged) Block(l ipld.Link) ([]byte, error) {
	if l == d.lost {
		return nil, &store.CorruptError{Link: l, Path: "a/file", Err: errors.New("it fell off the disk")}
	}
	return d.Store.Block(l)
}

// A large file is fetched several blocks at a time, each once.
func TestFetchAhead(t *testing.T) {
	t.Parallel()
	there := newElsewhere()
	there.hold = 16 // so that they overlap
	data := large(400)
	file := there.add(t, data)
	s := newShelf()
	f := engine.Finder{Context: t.Context(), Fetcher: there, Block: s.block, Has: s.hasBlock, Keep: s.keep}
	got, err := f.File(file)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	for link := range there.has {
		if there.asked[link] != 1 || s.blocks[link] == nil {
			t.Errorf("%s was asked for %d times", link, there.asked[link])
		}
	}
	if there.most != 16 {
		t.Errorf("%d blocks at once", there.most)
	}
	if s.kept > 60 {
		t.Errorf("the store was written to %d times", s.kept)
	}
	same := there.add(t, make([]byte, 20*ipld.ChunkSize))
	if _, err := f.File(same); err != nil {
		t.Fatal(err)
	}
	if zeros := ipld.LinkOf(ipld.CodecRaw, make([]byte, ipld.ChunkSize)); there.asked[zeros] != 1 {
		t.Errorf("a block that stands there 20 times was asked for %d times", there.asked[zeros])
	}
}

// Whoever gives up hears so, and not that the block is nowhere.
func TestFetchGivenUp(t *testing.T) {
	t.Parallel()
	there := newElsewhere()
	errEnough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	there.wait = make(chan struct{})
	s := newShelf()
	f := engine.Finder{Context: ctx, Fetcher: there, Block: s.block, Has: s.hasBlock, Keep: s.keep}
	cancel(errEnough)
	if _, err := f.One(there.add(t, []byte("x"))); !errors.Is(err, errEnough) || errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// An example whose module and inputs are elsewhere comes to the same receipts as
// where they are here.
func TestFetchedExamples(t *testing.T) {
	t.Parallel()
	here := ipvmtest.New(t, ipvmtest.Options{})
	for _, name := range []string{"thumbnail/workflow.yaml", "names/spec-3.2.3.json"} {
		g := here.Example(t, name)
		there := newElsewhere()
		for link := range ipld.Links(decoded(t, g.Normal())) {
			for _, b := range fileBlocks(t, here.Store, link) {
				there.has[b.Link] = b.Data
			}
		}
		far := ipvmtest.New(t, ipvmtest.Options{Fetcher: there})
		got := far.MustRun(t, far.Block(t, g.Normal()), engine.Options{})
		if got.Status != engine.StatusOK || len(there.asked) < len(there.has) {
			t.Fatalf("%s: %s, asked for %d of %d", name, got.Status, len(there.asked), len(there.has))
		}
		if diff := cmp.Diff(here.Receipts(t, here.MustRun(t, g, engine.Options{})), far.Receipts(t, got)); diff != "" {
			t.Errorf("%s (-here +fetched):\n%s", name, diff)
		}
	}
}

func decoded(t *testing.T, b ipld.Block) ipld.Value {
	t.Helper()
	v, err := ipld.DecodeCBOR(b.Data)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// fileBlocks are the blocks of the file behind link, where it is one.
func fileBlocks(t *testing.T, s *store.Store, link ipld.Link) (all []ipld.Block) {
	t.Helper()
	_, err := ipld.ReadFile(link, 1<<30, func(l ipld.Link) ([]byte, error) {
		data, err := s.Block(l)
		if err == nil {
			all = append(all, ipld.Block{Link: l, Data: data})
		}
		return data, err
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, ipld.ErrNotFile) {
		t.Fatal(err)
	}
	return all
}

// shelf is where a finder keeps blocks.
type shelf struct {
	blocks map[ipld.Link][]byte
	kept   int
}

func newShelf() *shelf { return &shelf{blocks: make(map[ipld.Link][]byte)} }

func (s *shelf) block(l ipld.Link) ([]byte, error) {
	if data, ok := s.blocks[l]; ok {
		return data, nil
	}
	return nil, store.ErrNotFound
}

func (s *shelf) hasBlock(l ipld.Link) (bool, error) { return s.blocks[l] != nil, nil }

func (s *shelf) keep(blocks []ipld.Block) error {
	s.kept++
	for _, b := range blocks {
		s.blocks[b.Link] = b.Data
	}
	return nil
}

// One finder fetches so many blocks and bytes, and no more.
func TestFetchBounds(t *testing.T) {
	t.Parallel()
	there := newElsewhere()
	kept := 0
	f := engine.Finder{
		Context: t.Context(), Fetcher: there,
		Block: func(ipld.Link) ([]byte, error) { return nil, store.ErrNotFound },
		Has:   func(ipld.Link) (bool, error) { return false, nil },
		Keep:  func(blocks []ipld.Block) error { kept += len(blocks); return nil },
	}
	block := func(i int) ipld.Link { return ipld.LinkOf(ipld.CodecRaw, fmt.Append(nil, i)) }
	const most = 1 << 14
	for i := range most + 1 {
		there.has[block(i)] = fmt.Append(nil, i)
		_, err := f.One(block(i))
		if i < most && err != nil || i == most && (err == nil || err.Error() != "too much to fetch: more than 16384 blocks") {
			t.Fatalf("block %d: %v", i, err)
		}
	}
	if kept != most {
		t.Errorf("%d blocks were kept", kept)
	}
	big := there.addBlock(ipld.CodecRaw, make([]byte, 100<<20))
	f2 := engine.Finder{Context: f.Context, Fetcher: there, Block: f.Block, Has: f.Has, Keep: f.Keep}
	for i := range 3 {
		_, err := f2.One(big)
		if i < 2 && err != nil || i == 2 && (err == nil || err.Error() != "too much to fetch: more than 285212672 bytes") {
			t.Fatalf("%d × 100 MiB: %v", i+1, err)
		}
	}
}

// A run that is cancelled, and an engine that is closed, wait for no block.
func TestFetchCancelled(t *testing.T) {
	t.Parallel()
	there := newElsewhere()
	there.wait = make(chan struct{})
	r := newRig(t, ipvmtest.Options{Fetcher: there})
	ctx, cancel := context.WithCancel(t.Context())
	file := there.add(t, large(3))
	g := r.document(t, "a: length("+linkText(file)+")\nb: next({from: a})\n")
	go func() {
		there.until(func(now int) bool { return now > 0 })
		cancel()
	}()
	report, err := r.Run(ctx, g, engine.Options{})
	checkCancelled(t, report, err)
	there.until(func(now int) bool { return now == 0 }) // what was asked for ends by itself
}

// until waits until so many are in progress as ok wants.
func (e *elsewhere) until(ok func(now int) bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for !ok(e.now) {
		e.changed.Wait()
	}
}

func (e *elsewhere) inProgress() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now
}

// A store that has no room for what was fetched is this node's trouble, and no
// failure of the job.
func TestFetchedHasNoRoom(t *testing.T) {
	t.Parallel()
	there := newElsewhere()
	file := there.add(t, []byte("a file"))
	r := newRig(t, ipvmtest.Options{Fetcher: there, Wrap: func(s engine.Store) engine.Store { return full{s, file} }})
	_, err := r.Run(t.Context(), r.document(t, "job: length("+linkText(file)+")\n"), engine.Options{})
	if !errors.Is(err, store.ErrDiskFull) {
		t.Errorf("got %v", err)
	}
}

// full is a store that has no room for a block.
type full struct {
	engine.Store
	no ipld.Link
}

func (f full) Put(b store.Batch) error {
	for _, block := range b.Blocks {
		if block.Link == f.no {
			return store.ErrDiskFull
		}
	}
	return f.Store.Put(b)
}

// Who waits for others has no worker, nor do more than a few steps of one run wait so:
// others work meanwhile, with one worker, and the run goes on when the answers are
// there.
func TestFetchNeedsNoWorker(t *testing.T) {
	t.Parallel()
	there := newElsewhere()
	there.wait = make(chan struct{})
	r := newRig(t, ipvmtest.Options{Fetcher: there, Workers: 1})
	var jobs strings.Builder
	const n = 40
	for i := range n {
		link := there.add(t, fmt.Appendf(nil, "file %d", i))
		fmt.Fprintf(&jobs, "j%d: length({\"/\": %s})\n", i, link)
	}
	slow := start(t.Context(), r.Engine.Engine, r.document(t, jobs.String()), engine.Options{})
	there.until(func(now int) bool { return now >= 16 })
	for i := range 3 {
		end(t, r.MustRun(t, r.document(t, fmt.Sprintf("a: next(%d)\n", 1000+i)), engine.Options{}), "a", int64(1001+i))
	}
	if got := there.inProgress(); got > 17 { // one had its worker already
		t.Errorf("%d are asked for at once", got)
	}
	close(there.wait)
	report, err := slow()
	if err != nil || report.Status != engine.StatusOK {
		t.Fatalf("%+v, %v", report, err)
	}
	for i := range n {
		end(t, report, fmt.Sprintf("j%d", i), int64(len(fmt.Sprintf("file %d", i))))
	}
}

// A run that is given up while it waits for others ends, and its worker is free.
func TestFetchGivenUpFreesTheWorker(t *testing.T) {
	t.Parallel()
	there := newElsewhere()
	there.wait = make(chan struct{})
	r := newRig(t, ipvmtest.Options{Fetcher: there, Workers: 1})
	link := there.add(t, []byte("never"))
	ctx, cancel := context.WithCancel(t.Context())
	slow := start(ctx, r.Engine.Engine, r.document(t, fmt.Sprintf("a: length({\"/\": %s})\n", link)), engine.Options{})
	there.until(func(now int) bool { return now > 0 })
	cancel()
	if report, err := slow(); err != nil || report.Status != engine.StatusCancelled {
		t.Errorf("%+v, %v", report, err)
	}
	end(t, r.MustRun(t, r.document(t, "a: next(1)\n"), engine.Options{}), "a", 2)
}
