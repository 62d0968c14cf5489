package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

// maxWalk bounds how many blocks one CAR file has.
const maxWalk = 1 << 20

// batchBytes is how much of an import is stored at once.
const batchBytes = 4 << 20

// block answers with a block, or with all blocks below one as a CAR file, as the
// Trustless Gateway specification has it.
func (h *Handler) block(w http.ResponseWriter, r *http.Request) error {
	params, err := query(r, "format", "dag-scope", "entity-bytes", "car-version", "car-order", "car-dups")
	if err != nil {
		return err
	}
	root, err := link(r, "cid")
	if err != nil {
		return err
	}
	form, err := blockForm(r, params)
	if err != nil {
		return err
	}
	w.Header().Set("Vary", "Accept")
	if form == typeCAR {
		return h.car(w, r, root, params)
	}
	data, inline := root.Inline() // by which clients find out whether this is a gateway
	if !inline {
		if data, err = h.Node.Block(r.Context(), who(r), root); err != nil {
			return err
		}
	}
	if immutable(w, r, root, "raw", "bin") {
		return nil
	}
	return h.write(w, http.StatusOK, typeRaw, data)
}

// blockForm is typeRaw or typeCAR, as r asks for it. Neither is given to who does
// not ask for it: what a browser would show is not made here.
func blockForm(r *http.Request, params map[string]string) (string, error) {
	switch format, ok := params["format"]; {
	case format == "raw":
		return typeRaw, nil
	case format == "car":
		return typeCAR, carParams(params)
	case ok:
		return "", problemf(NotAcceptable, "format is %q", shorten(format)).hint("it is raw or car")
	}
	kind, by := preferred(r, typeRaw, typeCAR)
	if by.kind != kind || kind == "" {
		return "", problemf(NotAcceptable, "the Accept header does not name a form that there is").
			hint("ask with ?format=raw or ?format=car, or Accept: " + typeRaw + " or " + typeCAR)
	}
	if kind == typeCAR {
		for name, value := range by.params {
			params["car-"+name] = value
		}
		return kind, carParams(params)
	}
	return kind, nil
}

// carParams refuses what is asked of a CAR file and is not done.
func carParams(params map[string]string) error {
	can := map[string][]string{
		"car-version": {"1"}, "car-order": {"dfs", "unk"}, "car-dups": {"n"},
		"dag-scope": {"block", "entity", "all"}, "entity-bytes": {"0:*"},
	}
	for name, value := range params {
		if values := can[name]; values != nil && !slices.Contains(values, value) {
			kind := BadRequest
			if strings.HasPrefix(name, "car-") {
				kind = NotAcceptable
			}
			return problemf(kind, "%s is %q", name, shorten(value)).hint("it is " + strings.Join(values, " or "))
		}
	}
	return nil
}

// immutable sets the headers of what never changes. It tells whether the client
// has it already and was answered so.
func immutable(w http.ResponseWriter, r *http.Request, root ipld.Link, tag, extension string) bool {
	header := w.Header()
	etag := fmt.Sprintf(`"%s.%s"`, root, tag)
	header.Set("ETag", etag)
	header.Set("Cache-Control", "public, max-age=29030400, immutable")
	header.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s.%s"`, root, extension))
	header.Set("X-Ipfs-Path", "/ipfs/"+root.String())
	header.Set("X-Ipfs-Roots", root.String())
	for have := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if have = strings.TrimSpace(have); have == "*" || strings.TrimPrefix(have, "W/") == etag {
			header.Del("Content-Disposition")
			w.WriteHeader(http.StatusNotModified)
			return true
		}
	}
	return false
}

// car answers with the blocks below root, depth first and each once.
func (h *Handler) car(w http.ResponseWriter, r *http.Request, root ipld.Link, params map[string]string) error {
	get := func(l ipld.Link) ([]byte, error) { return h.Node.Block(r.Context(), who(r), l) }
	first, err := get(root)
	if err != nil {
		return err
	}
	scope := params["dag-scope"]
	if scope == "" {
		scope = "all"
	}
	if scope == "entity" && root.Codec() != ipld.CodecDagPB {
		scope = "block"
	}
	if immutable(w, r, root, "car."+scope, "car") {
		return nil
	}
	w.Header().Set("Content-Type", typeCAR+"; version=1; order=dfs; dups=n")
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	out := h.newCAR(w, root)
	out.block(ipld.Block{Link: root, Data: first})
	if scope == "all" || scope == "entity" {
		out.walk(get, root, first)
	}
	return out.done()
}

// maxBlock bounds a block that comes from outside, in bytes.
const maxBlock = 2 << 20

// carWriter writes a CAR file as an answer.
type carWriter struct {
	h    *Handler
	w    http.ResponseWriter
	seen map[ipld.Link]bool
	err  error
}

// newCAR begins an answer that is a CAR file.
func (h *Handler) newCAR(w http.ResponseWriter, roots ...ipld.Link) *carWriter {
	out := &carWriter{h: h, w: w, seen: make(map[ipld.Link]bool)}
	out.write(ipld.CARHeader(roots...))
	return out
}

func (o *carWriter) write(data []byte) {
	if o.err == nil {
		o.h.patience(o.w)
		_, o.err = o.w.Write(data)
	}
}

func (o *carWriter) block(b ipld.Block) {
	o.seen[b.Link] = true
	o.write(ipld.CARSection(b.Link, len(b.Data)))
	o.write(b.Data)
}

// walk writes what is below a block that was written.
func (o *carWriter) walk(get func(ipld.Link) ([]byte, error), at ipld.Link, data []byte) {
	todo, err := ipld.Children(ipld.Block{Link: at, Data: data})
	slices.Reverse(todo)
	for len(todo) > 0 && o.err == nil && err == nil {
		l := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if o.seen[l] {
			continue
		}
		if len(o.seen)+len(todo) > maxWalk {
			err = fmt.Errorf("more than %d blocks", maxWalk)
			break
		}
		var below []ipld.Link
		if data, err = get(l); err == nil {
			o.block(ipld.Block{Link: l, Data: data})
			below, err = ipld.Children(ipld.Block{Link: l, Data: data})
		}
		slices.Reverse(below)
		todo = append(todo, below...)
	}
	o.err = errors.Join(o.err, err)
}

// done ends the answer. One that is not whole is cut off, for the client to see.
func (o *carWriter) done() error {
	if o.err != nil {
		o.h.Log.Info("api: a CAR file was cut off", "err", o.err)
		return http.ErrAbortHandler
	}
	return nil
}

// putBlock stores a block, or the blocks of a CAR file with the root that the path
// names.
func (h *Handler) putBlock(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	if err := keeps(r); err != nil {
		return err
	}
	root, err := link(r, "cid")
	if err != nil {
		return err
	}
	kind, err := mediaType(r)
	if err != nil {
		return err
	}
	switch kind {
	case "", "application/octet-stream", typeRaw:
		err = h.putRaw(w, r, root)
	case typeCAR:
		err = h.putCAR(w, r, root)
	default:
		err = problemf(Unsupported, "blocks are not sent as %s", shorten(kind)).hint("one block is " + typeRaw + ", many are " + typeCAR)
	}
	if err != nil {
		return err
	}
	return h.stored(w, root)
}

func (h *Handler) stored(w http.ResponseWriter, root ipld.Link) error {
	w.Header().Set("Location", "/ipfs/"+root.String())
	return h.writeJSON(w, http.StatusCreated, struct {
		Schema int    `json:"schema"`
		CID    string `json:"cid"`
	}{schema, root.String()})
}

func (h *Handler) putRaw(w http.ResponseWriter, r *http.Request, root ipld.Link) error {
	data, done, err := h.read(w, r, maxBlock)
	if err != nil {
		return err
	}
	defer done()
	if err := root.Verify(data); err != nil {
		return err
	}
	return h.put(r, []ipld.Block{{Link: root, Data: data}})
}

// putCAR stores the blocks of a CAR file. All that is below its root must be in it
// or here already.
func (h *Handler) putCAR(w http.ResponseWriter, r *http.Request, root ipld.Link) error {
	in := h.body(w, r, h.Import)
	defer in.release()
	c, err := ipld.NewCARReader(in, maxBlock)
	if err != nil {
		return carProblem(err)
	}
	if len(c.Roots()) != 1 || c.Roots()[0] != root {
		return problemf(BadRequest, "the CAR file's roots are not the one CID in the path")
	}
	needed := map[ipld.Link]bool{root: false} // whether it was there
	var batch []ipld.Block
	size := 0
	flush := func() error {
		err := h.put(r, batch)
		batch, size = nil, 0
		in.release()
		return err
	}
	for {
		b, err := c.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		var below []ipld.Link
		if err == nil {
			below, err = ipld.Children(b)
		}
		if err != nil {
			return carProblem(err)
		}
		needed[b.Link] = true
		for _, l := range below {
			if !needed[l] {
				needed[l] = false
			}
		}
		if len(needed) > maxWalk {
			return problemf(TooLarge, "more than %d blocks", maxWalk)
		}
		batch, size = append(batch, b), size+len(b.Data)
		if size >= batchBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	h.arrived(w)
	if err := flush(); err != nil {
		return err
	}
	return h.whole(r, needed)
}

// whole looks for those blocks that are needed and were not sent.
func (h *Handler) whole(r *http.Request, needed map[ipld.Link]bool) error {
	for l, sent := range needed {
		if sent {
			continue
		}
		_, err := h.Node.Block(r.Context(), who(r), l)
		if errors.Is(err, store.ErrNotFound) {
			return problemf(Incomplete, "block %s is neither in the CAR file nor here", l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// carProblem is why a CAR file could not be read.
func carProblem(err error) error {
	if errors.Is(err, ipld.ErrCAR) || errors.Is(err, ipld.ErrBadFile) {
		return problemf(BadRequest, "%v", err)
	}
	var syntax *ipld.SyntaxError
	if errors.As(err, &syntax) {
		return problemf(BadRequest, "%v: a block: %v", ipld.ErrCAR, err)
	}
	return bodyProblem(err)
}

// addFile stores the body as a file of blocks, as `ipvm block put` does.
func (h *Handler) addFile(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	if err := keeps(r); err != nil {
		return err
	}
	data, done, err := h.read(w, r, h.Upload)
	if err != nil {
		return err
	}
	defer done()
	var blocks []ipld.Block
	root, err := ipld.ImportFile(data, func(b ipld.Block) error {
		blocks = append(blocks, b)
		return nil
	})
	if err != nil {
		return err
	}
	if err := h.put(r, blocks); err != nil {
		return err
	}
	return h.stored(w, root)
}
