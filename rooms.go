package ipvm

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/fault"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// maxRooms bounds how many rooms of guests there are. Who looks for a receipt
// opens them all.
const maxRooms = 64

// clear removes what a process left that was killed while it removed a room. Whoever
// calls it has the state directory.
func (r *rooms) clear() error { return os.RemoveAll(filepath.Join(r.dir, goneDir)) }

// rooms are the vaults of a node, each opened when it is first needed: one for
// the owner's secrets, and two for each guest, on whose behalf workflows ran.
type rooms struct {
	dir     string        // the state directory
	options store.Options // of each vault

	mu      sync.Mutex
	vaults  map[string]*store.Vault // by folder
	damaged map[string]damage       // likewise: what was found so far
	closed  bool
}

func newRooms(dir string, options store.Options) *rooms {
	options.CacheBytes = 1 << 20
	return &rooms{dir: dir, options: options, vaults: make(map[string]*store.Vault), damaged: make(map[string]damage)}
}

// goneDir is the name of the folder in the state directory where a room is removed.
const goneDir = "guests.gone"

// secretRoom is the end of the name of a folder of a guest's secrets.
const secretRoom = ".secret"

// open is the vault of a room.
func (r *rooms) open(room engine.Room) (engine.Vault, error) {
	v, err := r.folder(roomFolder(room))
	if err != nil { // not a nil pointer in an interface
		return nil, err
	}
	return v, nil
}

// roomFolder is the folder of a room in the state directory.
func roomFolder(room engine.Room) string {
	switch {
	case room.Guest == "":
		return VaultDir
	case room.Secret:
		return guestFolder(room.Guest) + secretRoom
	}
	return guestFolder(room.Guest)
}

func guestFolder(guest did.DID) string {
	hash := sha256.Sum256([]byte(guest))
	return filepath.Join(GuestsDir, hex.EncodeToString(hash[:16]))
}

// of is the vault of what ran for a guest, secrets aside. The error wraps
// [store.ErrNotFound] if nothing has.
func (r *rooms) of(guest did.DID) (*store.Vault, error) {
	name := guestFolder(guest)
	if _, err := os.Lstat(filepath.Join(r.dir, name)); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("nothing ran for %s: %w", guest, store.ErrNotFound)
	}
	return r.folder(name)
}

func (r *rooms) folder(name string) (*store.Vault, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v := r.vaults[name]; v != nil {
		return v, nil
	}
	if d, known := r.damaged[name]; known && r.now().Sub(d.tried).Abs() < roomAgain {
		return nil, d.err
	}
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if name != VaultDir {
		if err := roomFor(path); err != nil {
			return nil, err
		}
	}
	o := r.options
	if name == guestFolder(engine.Anyone) { // which is of many
		o.CacheBytes = 0
	}
	v, err := store.OpenVault(path, o)
	if err != nil {
		err = fmt.Errorf("open the vault %s: %w", name, err)
		r.note(name, err)
		return nil, err
	}
	delete(r.damaged, name)
	r.vaults[name] = v
	return v, nil
}

// roomFor reports a room of a guest that is not there, and for which there is no
// room.
func roomFor(path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	folder := filepath.Dir(path)
	entries, err := os.ReadDir(folder)
	if err == nil && len(entries) >= maxRooms {
		err = fmt.Errorf("this node keeps what others have run in %d folders, and takes no more of them: end it and remove from %s those that are not needed", len(entries), folder)
	}
	return err
}

// guests calls visit with each vault of what a guest has run, secrets aside,
// until it returns false. One that can not be read is left out.
func (r *rooms) guests(visit func(*store.Vault) (more bool, err error)) error {
	entries, err := os.ReadDir(filepath.Join(r.dir, GuestsDir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), secretRoom) {
			continue
		}
		name := filepath.Join(GuestsDir, e.Name())
		v, err := r.folder(name)
		more := true
		if err == nil {
			more, err = visit(v)
		}
		switch {
		case errors.Is(err, store.ErrClosed) && r.gone(v): // nothing was in it
		case err != nil && r.left(name, err):
		case err != nil || !more:
			return err
		}
	}
	return nil
}

// gone tells whether a room was removed.
func (r *rooms) gone(v *store.Vault) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, open := range r.vaults {
		if open == v {
			return false
		}
	}
	return !r.closed
}

// names are the folders of the vaults that there are.
func (r *rooms) names() (names []string, err error) {
	if _, err := os.Lstat(filepath.Join(r.dir, VaultDir)); err == nil {
		names = append(names, VaultDir)
	}
	entries, err := os.ReadDir(filepath.Join(r.dir, GuestsDir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		names = append(names, filepath.Join(GuestsDir, e.Name()))
	}
	return names, nil
}

// each calls visit with each vault that there is; with nil for one that can not be
// opened, and why.
func (r *rooms) each(visit func(name string, v *store.Vault, err error) error) error {
	names, err := r.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		v, err := r.folder(name)
		if err = visit(name, v, err); errors.Is(err, store.ErrClosed) && r.gone(v) {
			continue // nothing was in it
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// remove removes a room that nothing is in, whose owner is not known to need it: the
// next time it is made anew. It tells whether the room is left, also where that failed
// halfway.
func (r *rooms) remove(name string) (bool, error) {
	v, err := r.folder(name)
	if err != nil {
		return false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if bare, err := v.Bare(); err != nil || !bare {
		return false, err
	}
	delete(r.vaults, name)
	if err := v.Close(); err != nil {
		return true, err
	}
	gone := filepath.Join(r.dir, goneDir)
	if err := errors.Join(os.RemoveAll(gone), os.Rename(filepath.Join(r.dir, name), gone)); err != nil {
		return true, err
	}
	fault.Point("rooms.gone")
	return true, os.RemoveAll(gone)
}

// block is a block of what a guest has run: an intact one, if any.
func (r *rooms) block(link ipld.Link) (data []byte, found bool, err error) {
	var damaged error
	err = r.guests(func(v *store.Vault) (bool, error) {
		var err error
		data, err = v.Block(link)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return true, nil
		case store.BlockDamaged(err):
			damaged = err
			return true, nil
		}
		found = err == nil
		return false, err
	})
	if err == nil && !found {
		err = damaged
	}
	return data, found, err
}

// reckon adds how much the rooms of guests hold that are open and were measured, by the
// folder of whose they are.
func (r *rooms) reckon(all map[string]uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, v := range r.vaults {
		if name != VaultDir {
			all[strings.TrimSuffix(name, secretRoom)] += v.Reckoned()
		}
	}
}

// receipts are those about a task that guests had run.
func (r *rooms) receipts(id task.ID) (all []*receipt.Signed, err error) {
	err = r.guests(func(v *store.Vault) (bool, error) {
		some, err := v.Receipts(id)
		all = append(all, some...)
		return true, err
	})
	return all, err
}

// close closes what is open.
func (r *rooms) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	var errs []error
	for name, v := range r.vaults {
		errs = append(errs, v.Close())
		delete(r.vaults, name)
	}
	return errors.Join(errs...)
}
