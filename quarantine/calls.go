package quarantine

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// The file of calls: a head, and places of one size. Numbers are of the machine's
// own order, for nobody else reads it.
//
//	head:  "ipvmcall", version, count of places, 16 random bytes
//	place: mark, whether it is taken, lengths of what follows: task, module,
//	       principal, function
const (
	magic   = "ipvmcall"
	version = 1

	headSize  = 64
	placeSize = 1024
	textAt    = 24 // where the texts of a place begin

	maxLink = 128
	maxDID  = 512
	maxFunc = 160
)

// marks are the first word of a place. What is below panicked is the number of a
// signal.
const panicked = 1 << 16

// calls are the places for calls that are under way, in a mapped file.
type calls struct {
	data  []byte
	free  chan int
	close func() error
}

// session is the random part of a file's head, which no other file has.
type session [16]byte

// newCalls makes the file at path anew, for so many calls at once. Until then the
// one that was there stays.
func newCalls(path string, places int) (*calls, error) {
	data := make([]byte, headSize+places*placeSize)
	copy(data, magic)
	binary.NativeEndian.PutUint32(data[8:], version)
	binary.NativeEndian.PutUint32(data[12:], uint32(places))
	_, _ = rand.Read(data[16 : 16+len(session{})]) // never fails
	// Written in full, not only made long: a page for which the disk has no room
	// would end the process when it is touched.
	next := path + ".new"
	if err := os.WriteFile(next, data, 0o600); err != nil {
		return nil, err
	}
	mapped, unmap, err := mapFile(next, len(data))
	if err != nil {
		return nil, errors.Join(err, os.Remove(next))
	}
	if err := os.Rename(next, path); err != nil {
		return nil, errors.Join(err, unmap(), os.Remove(next))
	}
	c := &calls{data: mapped, free: make(chan int, places), close: unmap}
	for i := range places {
		c.free <- i
	}
	return c, nil
}

// place is one of those of a file.
type place []byte

func (c *calls) place(i int) place {
	return place(c.data[headSize+i*placeSize:][:placeSize])
}

func (p place) mark() *uint32  { return (*uint32)(unsafe.Pointer(&p[0])) }
func (p place) taken() *uint32 { return (*uint32)(unsafe.Pointer(&p[4])) }

// begin puts down what is about to be called.
func (p place) begin(s *Subject) {
	at := textAt
	for i, text := range [...]string{s.Task.Key(), s.Module.Key(), string(s.For), s.Func} {
		if most := [...]int{maxLink, maxLink, maxDID, maxFunc}[i]; len(text) > most {
			text = text[:most] // of a function's name; a link that is cut is none
		}
		binary.NativeEndian.PutUint32(p[8+4*i:], uint32(len(text)))
		at += copy(p[at:], text)
	}
	atomic.StoreUint32(p.mark(), 0)
	atomic.StoreUint32(p.taken(), 1)
}

func (p place) end() { atomic.StoreUint32(p.taken(), 0) }

// read is what is put down in p, which may be damaged in any way.
func (p place) read() (found bool, d death) {
	if binary.NativeEndian.Uint32(p[4:]) != 1 {
		return false, d
	}
	d.mark = binary.NativeEndian.Uint32(p)
	var texts [4]string
	at := textAt
	for i := range texts {
		n := int(binary.NativeEndian.Uint32(p[8+4*i:]))
		if n > len(p)-at {
			return false, d
		}
		texts[i] = string(p[at : at+n])
		at += n
	}
	id, err := ipld.LinkFromBytes([]byte(texts[0]))
	if err != nil {
		return false, d
	}
	d.Task = task.ID{Link: id}
	d.Module, _ = ipld.LinkFromBytes([]byte(texts[1])) // it may have been too long
	d.For, d.Func = did.DID(texts[2]), strings.ToValidUTF8(texts[3], "")
	return true, d
}

// death is a call that was under way when its process ended.
type death struct {
	Subject
	mark uint32 // 0 where it was not of its doing
}

// readCalls reads what a process has left behind in its file. There may be none.
func readCalls(path string) (all []death, s session, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s, nil
	}
	if err != nil {
		return nil, s, err
	}
	if len(data) < headSize || !bytes.HasPrefix(data, []byte(magic)) || binary.NativeEndian.Uint32(data[8:]) != version ||
		(len(data)-headSize)/placeSize != int(binary.NativeEndian.Uint32(data[12:])) {
		return nil, s, fmt.Errorf("%s is not a file of calls that this program can read", path)
	}
	copy(s[:], data[16:])
	c := calls{data: data}
	for i := range (len(data) - headSize) / placeSize {
		if found, d := c.place(i).read(); found {
			all = append(all, d)
		}
	}
	return all, s, nil
}
