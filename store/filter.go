package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// filter tells which tasks surely have no receipts, and which workflows no runs, in
// nanoseconds. Asking the database costs microseconds even when its own filters say
// no, and one that is new is the usual case both for recall and for Put.
//
// It is a chain of blocked Bloom filters of about 2 bytes for each. Their
// CID is already a hash, so its last 16 bytes are the filter's hashes. One
// wrong "maybe" in about a thousand costs a look into the database.
type filter struct {
	ready  atomic.Bool // false: every answer is "maybe"
	mu     sync.Mutex  // for adding
	layers atomic.Pointer[[]*layer]
}

// layer is one Bloom filter of blocks of 512 bits; a link has 7 bits in one of
// them.
type layer struct {
	words    []uint64
	capacity int
	count    int
}

const (
	firstLayer    = 4096 // links; each further layer has room for four times as many
	maxLayers     = 12
	bitsPerLink   = 16
	blockWords    = 8
	filterMagic   = "ipvm filter 2\n"
	maxFilterFile = 1 << 32
)

func newLayer(capacity int) *layer {
	return &layer{words: make([]uint64, capacity*bitsPerLink/64), capacity: capacity}
}

// hashes are two independent hashes of a link; ok is false for an identifier
// that holds no hash, which no Task ID is.
func hashes(l ipld.Link) (block, bits uint64, ok bool) {
	key := l.Key()
	if len(key) < 20 {
		return 0, 0, false
	}
	tail := []byte(key[len(key)-16:])
	return binary.LittleEndian.Uint64(tail), binary.LittleEndian.Uint64(tail[8:]), true
}

func (y *layer) has(block, bits uint64) bool {
	words := y.words[block%uint64(len(y.words)/blockWords)*blockWords:][:blockWords]
	for range 7 {
		if atomic.LoadUint64(&words[bits>>6&7])>>(bits&63)&1 == 0 {
			return false
		}
		bits >>= 9
	}
	return true
}

func (y *layer) add(block, bits uint64) {
	words := y.words[block%uint64(len(y.words)/blockWords)*blockWords:][:blockWords]
	for range 7 {
		atomic.OrUint64(&words[bits>>6&7], 1<<(bits&63))
		bits >>= 9
	}
	y.count++
}

// mayHave tells whether the task may have receipts, or the workflow runs.
func (f *filter) mayHave(l ipld.Link) bool {
	block, bits, ok := hashes(l)
	return !ok || !f.ready.Load() || f.has(block, bits)
}

func (f *filter) has(block, bits uint64) bool {
	layers := f.layers.Load()
	if layers == nil {
		return false
	}
	for _, y := range *layers {
		if y.has(block, bits) {
			return true
		}
	}
	return false
}

// add makes mayHave true for l from now on.
func (f *filter) add(l ipld.Link) {
	block, bits, ok := hashes(l)
	if !ok {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.has(block, bits) {
		return
	}
	var layers []*layer
	if p := f.layers.Load(); p != nil {
		layers = *p
	}
	if n := len(layers); n == 0 || layers[n-1].count >= layers[n-1].capacity && n < maxLayers {
		layers = append(layers[:n:n], newLayer(firstLayer<<(2*n)))
		f.layers.Store(&layers)
	}
	layers[len(layers)-1].add(block, bits)
}

// startFilter loads the filter that the last Close left, if nothing was put
// since, and else builds it from the keys in the background.
func (s *Store) startFilter(trustFile bool) error {
	err := s.get([]byte{tableSession}, func(v []byte) error {
		var err error
		s.session, _, err = cutUsed(v)
		return err
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("session number: %w", err)
	}
	if trustFile {
		if layers, err := readFilter(s.fs, s.path("filter"), s.session); err == nil {
			s.filter.layers.Store(&layers)
			s.filter.ready.Store(true)
			s.filterSaved = true
			return nil
		}
	}
	// They see what is there now; what is put later adds itself.
	its, err := s.filtered()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stopFilter = stop
	s.filterBuilt.Go(func() {
		if err := s.filter.build(ctx, its); err == nil {
			s.filter.ready.Store(true)
		} else if ctx.Err() == nil {
			s.log.Error("store: no filter", "err", err) // it only saves time
		}
	})
	return nil
}

// filteredTables are those whose keys begin with a link that the filter knows.
var filteredTables = []byte{tableReceipt, tableRun}

// filtered are iterators over these tables. Building a filter closes them.
func (s *Store) filtered() (its []*pebble.Iterator, err error) {
	for _, table := range filteredTables {
		lower := []byte{table}
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: after(lower)})
		if err != nil {
			return nil, errors.Join(err, closeAll(its))
		}
		its = append(its, it)
	}
	return its, nil
}

func closeAll(its []*pebble.Iterator) (err error) {
	for _, it := range its {
		err = errors.Join(err, it.Close())
	}
	return err
}

func (f *filter) build(ctx context.Context, its []*pebble.Iterator) (err error) {
	defer func() { err = errors.Join(err, closeAll(its)) }()
	for _, it := range its {
		for n, ok := 0, it.First(); ok; n, ok = n+1, it.NextPrefix() {
			l, _, err := cutLink(it.Key()[1:])
			if err != nil {
				return err
			}
			f.add(l)
			if n%1024 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
		}
		if err := it.Error(); err != nil {
			return err
		}
	}
	return nil
}

// endFilter stops the building of the filter and leaves a finished one for the
// next Open. It needs no sync: a file that is not whole is not used.
func (s *Store) endFilter() {
	if s.stopFilter != nil {
		s.stopFilter()
	}
	s.filterBuilt.Wait()
	if !s.filter.ready.Load() || s.filterSaved || s.failed() != nil {
		return
	}
	temp := s.path("filter.tmp")
	err := writeFile(s.fs, temp, s.filter.encode(s.session), false)
	if err == nil {
		err = s.fs.Rename(temp, s.path("filter"))
	}
	if err != nil {
		s.log.Warn("store: the filter was not saved", "err", err)
	}
}

// encode writes the filter as of a session: magic, session, layers with
// capacity, count and words, and a CRC of it all; numbers in 8 bytes, little
// endian.
func (f *filter) encode(session uint64) []byte {
	var layers []*layer
	if p := f.layers.Load(); p != nil {
		layers = *p
	}
	out := []byte(filterMagic)
	out = binary.LittleEndian.AppendUint64(out, session)
	out = binary.LittleEndian.AppendUint64(out, uint64(len(layers)))
	for _, y := range layers {
		out = binary.LittleEndian.AppendUint64(out, uint64(y.capacity))
		out = binary.LittleEndian.AppendUint64(out, uint64(y.count))
		for _, w := range y.words {
			out = binary.LittleEndian.AppendUint64(out, w)
		}
	}
	return binary.LittleEndian.AppendUint32(out, crc32.Checksum(out, crc32.MakeTable(crc32.Castagnoli)))
}

var errFilter = errors.New("not a usable filter")

func readFilter(fs vfs.FS, name string, session uint64) ([]*layer, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFilterFile))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return decodeFilter(data, session)
}

func decodeFilter(data []byte, session uint64) ([]*layer, error) {
	head := len(filterMagic)
	if len(data) < head+20 || string(data[:len(filterMagic)]) != filterMagic {
		return nil, errFilter
	}
	body := data[:len(data)-4]
	if crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(data[len(body):]) {
		return nil, errFilter
	}
	body = body[head:]
	next := func() (n uint64) {
		if len(body) >= 8 {
			n, body = binary.LittleEndian.Uint64(body), body[8:]
		}
		return n
	}
	if next() != session {
		return nil, errFilter
	}
	n := next()
	if n > maxLayers {
		return nil, errFilter
	}
	layers := make([]*layer, n)
	for i := range layers {
		capacity, count := next(), next()
		if capacity != firstLayer<<(2*i) || uint64(len(body)) < capacity*bitsPerLink/8 {
			return nil, errFilter
		}
		layers[i] = newLayer(int(capacity))
		layers[i].count = int(count)
		for j := range layers[i].words {
			layers[i].words[j] = next()
		}
	}
	if len(body) != 0 {
		return nil, errFilter
	}
	return layers, nil
}
