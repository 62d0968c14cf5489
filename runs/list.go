package runs

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

// Runs are listed by when they were accepted, the latest first. The order is kept
// as notes, for each principal on its own: for whom ‖ 0 ‖ the complement of the
// time, 8 bytes ‖ the workflow.
const (
	placeNotes  = "run/place"
	placedNotes = "run/placed" // one note, with the empty key: the order is kept
)

// listPage is how many places of each principal are read at once.
const listPage = 64

// Place is a place in the list of runs. The zero Place is before the first.
type Place struct {
	Accepted time.Time
	ID
}

// Place is where r is listed.
func (r *Run) Place() Place { return Place{r.Accepted, r.ID} }

// String is p as text that [ParsePlace] reads: it says when, which workflow, and
// for whom.
func (p Place) String() string {
	if !p.Workflow.Defined() {
		return ""
	}
	s := fmt.Sprintf("%d.%s", p.Accepted.UnixNano(), p.Workflow)
	if p.For != "" {
		s += "." + string(p.For)
	}
	return s
}

// ParsePlace reads what [Place.String] gave.
func ParsePlace(s string) (p Place, err error) {
	if s == "" {
		return p, nil
	}
	at, rest, _ := strings.Cut(s, ".")
	link, who, named := strings.Cut(rest, ".")
	ns, err := strconv.ParseInt(at, 10, 64)
	if err == nil {
		p.Workflow, err = ipld.ParseLink(link)
	}
	if p.Accepted, p.For = time.Unix(0, ns).UTC(), did.DID(who); err != nil || named && who == "" || p.String() != s {
		return Place{}, fmt.Errorf("%.200q is no place in a list of workflows", s)
	}
	return p, nil
}

// Follows tells whether p is listed after q.
func (p Place) Follows(q Place) bool { return q.compare(p) < 0 }

// compare orders places as they are listed.
func (p Place) compare(q Place) int {
	return cmp.Or(q.Accepted.Compare(p.Accepted), strings.Compare(p.Workflow.Key(), q.Workflow.Key()), cmp.Compare(p.For, q.For))
}

func placeKey(p Place) string {
	k := append([]byte(p.For), 0)
	k = binary.BigEndian.AppendUint64(k, ^uint64(p.Accepted.UnixNano()))
	return string(k) + p.Workflow.Key()
}

func parsePlaceKey(key string) (p Place, err error) {
	who, rest, ok := strings.Cut(key, "\x00")
	if !ok || len(rest) < 8 {
		return p, errRecord
	}
	p.For = did.DID(who)
	p.Accepted = time.Unix(0, int64(^binary.BigEndian.Uint64([]byte(rest[:8])))).UTC()
	p.Workflow, err = ipld.LinkFromBytes([]byte(rest[8:]))
	return p, err
}

// place is the note of where r is listed; not there any more if it is not.
func (r *record) place(there bool) store.Note {
	n := store.Note{Kind: placeNotes, Key: placeKey(r.Place())}
	if there {
		n.Value = []byte{}
	}
	return n
}

// Query selects runs.
type Query struct {
	// For selects those on behalf of one principal; nil is all.
	For *did.DID
	// Unfinished selects those that have not ended.
	Unfinished bool
	// After selects those that are listed after a place.
	After Place
}

// List calls yield with the runs that q selects, the latest accepted first, until
// it returns false.
func (k *Keeper) List(q Query, yield func(Run) bool) error {
	if q.Unfinished {
		return k.listOpen(q, yield)
	}
	if err := k.placeAll(); err != nil {
		return err
	}
	var principals []did.DID
	if q.For != nil {
		principals = append(principals, *q.For)
	} else {
		var err error
		if principals, err = k.principals(); err != nil {
			return err
		}
	}
	for {
		var next []Place
		for _, who := range principals {
			some, err := k.places(who, q.After)
			if err != nil {
				return err
			}
			next = append(next, some...)
		}
		slices.SortFunc(next, Place.compare)
		next = next[:min(len(next), listPage)]
		for _, p := range next {
			run, err := k.Get(p.ID)
			switch {
			case errors.Is(err, ErrUnknown): // it was forgotten since
				continue
			case err != nil:
				return err
			}
			if run.Accepted.Equal(p.Accepted) && !yield(run) { // else it was submitted again since
				return nil
			}
		}
		if len(next) < listPage {
			return nil
		}
		q.After = next[len(next)-1]
	}
}

// places are the next of one principal.
func (k *Keeper) places(who did.DID, after Place) (all []Place, err error) {
	prefix, from := string(who)+"\x00", ""
	if after.Workflow.Defined() { // those of the same time are looked at
		from = placeKey(Place{after.Accepted, ID{For: who}})
	}
	var bad error
	err = k.Store.NotesAfter(placeNotes, prefix, from, func(n store.Note) bool {
		p, err := parsePlaceKey(n.Key)
		if err != nil {
			bad = fmt.Errorf("the list of workflows: %w", err)
			return false
		}
		if !after.Workflow.Defined() || after.compare(p) < 0 {
			all = append(all, p)
		}
		return len(all) < listPage
	})
	return all, errors.Join(err, bad)
}

// principals are those on whose behalf runs are listed.
func (k *Keeper) principals() (all []did.DID, err error) {
	for from := ""; ; {
		more := false
		err := k.Store.NotesAfter(placeNotes, "", from, func(n store.Note) bool {
			who, _, _ := strings.Cut(n.Key, "\x00")
			all, from, more = append(all, did.DID(who)), who+"\x01", true
			return false
		})
		if err != nil || !more {
			return all, err
		}
	}
}

// listOpen is List for those that have not ended.
func (k *Keeper) listOpen(q Query, yield func(Run) bool) error {
	ids, err := k.open()
	if err != nil {
		return err
	}
	k.mu.Lock()
	for id := range k.active { // one whose end is kept may not be told yet
		ids = append(ids, id)
	}
	k.mu.Unlock()
	seen := make(map[ID]bool, len(ids))
	var all []Run
	for _, id := range ids {
		if seen[id] || q.For != nil && id.For != *q.For {
			continue
		}
		seen[id] = true
		r, err := k.Get(id)
		if err != nil {
			return err
		}
		if after := q.After; !r.State.Over() && (!after.Workflow.Defined() || after.compare(r.Place()) < 0) {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b Run) int { return a.Place().compare(b.Place()) })
	for _, r := range all {
		if !yield(r) {
			break
		}
	}
	return nil
}

// open are the runs that are kept as not having ended.
func (k *Keeper) open() (ids []ID, err error) {
	err = k.Store.Notes(openNotes, func(note store.Note) bool {
		id, err := openID(note)
		if err != nil {
			k.Log.Error("runs: a note of an unfinished workflow is damaged", "key", note.Key, "err", err)
			return true
		}
		ids = append(ids, id)
		return true
	})
	return ids, err
}

// placeAll makes the order of runs that were accepted by an earlier version of
// this program, which kept none.
func (k *Keeper) placeAll() error {
	k.placing.Lock()
	defer k.placing.Unlock()
	if _, ok, err := k.Store.Note(placedNotes, ""); ok || err != nil {
		return err
	}
	const batch = 1024
	var notes []store.Note
	var fail error
	flush := func() bool {
		fail = k.Store.Put(store.Batch{Notes: notes, Spare: true})
		notes = nil
		return fail == nil
	}
	err := k.Store.Runs(ipld.Link{}, func(kept store.Run) bool {
		r, err := parseRecord(ID{kept.Workflow, did.DID(kept.For)}, kept.Record)
		if err != nil {
			k.Log.Error("runs: a record is damaged", "workflow", kept.Workflow, "err", err)
			return true
		}
		notes = append(notes, r.place(true))
		return len(notes) < batch || flush()
	})
	if err := errors.Join(err, fail); err != nil {
		return err
	}
	notes = append(notes, store.Note{Kind: placedNotes, Value: []byte{}})
	flush()
	return fail
}
