package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/fault"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// request is one request in progress and its answer.
type request struct {
	*http.Request
	w      http.ResponseWriter
	out    *http.ResponseController
	server *Server
	stream *sender // of an answer that is a stream
}

// routes is the service. Every answer that is no success is an error in
// DAG-JSON: {"error": {kind, message, …}}.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, handle := range map[string]func(*request) error{
		"GET /health":                 (*request).health,
		"GET /v1/node":                (*request).node,
		"POST /v1/workflows":          (*request).run,
		"POST /v1/preview":            (*request).preview,
		"POST /v1/blocks":             (*request).putBlocks,
		"GET /ipfs/{cid}":             (*request).block, // HEAD too
		"PUT /ipfs/{cid}":             (*request).putBlock,
		"PUT /v1/shared/{cid}":        (*request).share,
		"GET /v1/receipts":            (*request).scan,
		"GET /v1/receipts/{task}":     (*request).receipts,
		"POST /v1/receipts":           (*request).putReceipt,
		"POST /v1/rerun":              (*request).rerun,
		"GET /v1/trust":               (*request).trusted,
		"POST /v1/trust":              (*request).trust,
		"GET /v1/trust/{did}/{task}":  (*request).word,
		"DELETE /v1/trust/{did}":      (*request).distrust,
		"GET /v1/sizes":               (*request).sizes,
		"GET /v1/room":                (*request).room,
		"GET /v1/quarantine":          (*request).quarantined,
		"DELETE /v1/quarantine/{cid}": (*request).release,
		"GET /v1/modules/{cid}":       (*request).module,
		"GET /v1/notes/{task}":        (*request).note,
		"POST /v1/standing":           (*request).standing,
		"POST /v1/revocations":        (*request).revoke,
		"POST /v1/revoked":            (*request).revoked,
		"POST /v1/runs":               (*request).accept,
		"GET /v1/runs":                (*request).runs,
		"GET /v1/runs/{cid}":          (*request).runOf,
		"GET /v1/runs/{cid}/jobs":     (*request).jobsOf,
		"GET /v1/runs/{cid}/given":    (*request).submission,
		"GET /v1/runs/{cid}/events":   (*request).watch,
		"POST /v1/runs/{cid}/{what}":  (*request).direct,
		"GET /v1/pins":                (*request).pins,
		"PUT /v1/pins/{cid}":          (*request).pin,
		"DELETE /v1/pins/{cid}":       (*request).unpin,
		"POST /v1/backup":             (*request).backup,
		"POST /v1/collect":            (*request).collect,
		"/":                           (*request).unknown,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, handle) })
	}
	return mux
}

// serve answers one request with what handle does. An error of the node always
// reaches the client as one: it must not look like a broken connection, on
// which the client would ask again.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, handle func(*request) error) {
	req := &request{Request: r, w: w, out: http.NewResponseController(w), server: s}
	req.stream = &sender{w: w, out: req.out, wait: s.write}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	err := s.enter()
	if err == nil {
		defer s.leave()
		err = safely(handle, req)
	}
	if err != nil {
		req.fail(err)
	}
}

// safely turns a panic of handle into an error.
func safely(handle func(*request) error, r *request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	return handle(r)
}

// fail answers with err: as the end of the stream if that has begun.
func (r *request) fail(err error) {
	if r.stream.lost {
		return
	}
	if r.stream.begun {
		r.stream.err = nil // of an item that had no encoding
		_ = r.stream.send("error", true, func(encoder) ipld.Value { return encodeError(err) })
		return
	}
	kind, status := kindOf(err)
	if kind == "closed" || status == http.StatusRequestEntityTooLarge {
		r.w.Header().Set("Connection", "close")
	}
	data, err := ipld.AppendJSON(nil, ipld.Map(ipld.Entry{Key: "error", Value: encodeError(err)}))
	if err != nil {
		data, status = []byte(`{"error":{"kind":"internal","message":"an error without encoding"}}`), http.StatusInternalServerError
	}
	_ = r.answer(status, typeJSON, data)
}

// answer writes a whole answer.
func (r *request) answer(status int, contentType string, data []byte) error {
	r.w.Header().Set("Content-Type", contentType)
	r.w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	if err := r.out.SetWriteDeadline(time.Now().Add(r.server.write)); err != nil {
		return err
	}
	r.w.WriteHeader(status)
	if _, err := r.w.Write(data); err != nil && !errors.Is(err, http.ErrBodyNotAllowed) {
		return nil // the client has left, and nobody is there to be told
	}
	return nil
}

func (r *request) answerValue(contentType string, v ipld.Value) error {
	appendTo := ipld.AppendCBOR
	if contentType == typeJSON {
		appendTo = ipld.AppendJSON
	}
	data, err := appendTo(nil, v)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, contentType, data)
}

// read reads the body, of at most limit bytes.
func (r *request) read(limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, fmt.Errorf("%w: a body of %d bytes, at most %d are taken", ErrTooLarge, r.ContentLength, limit)
	}
	if err := r.out.SetReadDeadline(time.Now().Add(r.server.body)); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(http.MaxBytesReader(r.w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, fmt.Errorf("%w: a body of more than %d bytes", ErrTooLarge, limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("%w: the body did not come within %v", ErrRequest, r.server.body)
	case err != nil:
		return nil, badRequest("body", err)
	}
	// net/http lifts the deadline now, and watches for the client's leaving.
	return data, nil
}

// link reads the CID in the path.
func (r *request) link(name string) (ipld.Link, error) {
	link, err := ipld.ParseLink(r.PathValue(name))
	if err != nil {
		return link, badRequest(name, err)
	}
	return link, nil
}

func (r *request) unknown() error {
	return fmt.Errorf("%w: %s %s is not known here", ErrRequest, r.Method, r.URL.Path)
}

func (r *request) health() error {
	return r.answerValue(typeJSON, ipld.Map(
		ipld.Entry{Key: "healthy", Value: ipld.Bool(true)},
		ipld.Entry{Key: "wire", Value: ipld.Int(wireVersion)},
	))
}

func (r *request) node() error {
	id, err := r.server.backend.DID(r.Context())
	if err != nil {
		return err
	}
	return r.answerValue(typeJSON, ipld.Map(
		ipld.Entry{Key: "did", Value: ipld.String(string(id))},
		ipld.Entry{Key: "wire", Value: ipld.Int(wireVersion)},
	))
}

// submitted reads a submission and builds its graph.
func (r *request) submitted() (submission, *graph.Graph, error) {
	data, err := r.read(maxBody)
	if err != nil {
		return submission{}, nil, err
	}
	s, err := decodeSubmission(data)
	if err != nil {
		return s, nil, badRequest("submission", err)
	}
	g, err := parseWorkflow(s.workflow, s.instructions)
	return s, g, err
}

// parseWorkflow reads a workflow in normal form. The instructions are those of
// its jobs, by label.
func parseWorkflow(data []byte, instructions map[string]ipld.Link) (*graph.Graph, error) {
	g, err := graph.FromNormal(data, instructions)
	if errors.Is(err, graph.ErrNotNormal) {
		err = fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return g, err
}

// run drives a workflow to its end and tells of it as it goes. The run is
// cancelled when the client closes its side of the connection, and still
// reports to one that keeps the other side open.
func (r *request) run() error {
	if !r.URL.Query().Has("wait") {
		return fmt.Errorf("%w: a workflow runs only while its client waits: ask with ?wait", ErrRequest)
	}
	s, g, err := r.submitted()
	if err != nil {
		return err
	}
	if len(s.blocks) > 0 {
		// Even a run that is cancelled by now is in the report.
		if err := r.server.backend.PutBlocks(context.WithoutCancel(r.Context()), s.blocks); err != nil {
			return err
		}
	}
	fault.Point("rpc.submitted")
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	listen := func(ev engine.Event) {
		fault.Point("rpc.event")
		if r.stream.send("event", true, func(e encoder) ipld.Value { return e.event(ev) }) != nil {
			cancel() // nobody listens
		}
	}
	report, err := r.server.backend.Run(ctx, g, engine.Options{Listen: listen, KeepGoing: s.keepGoing, Priority: s.priority, Authority: s.authority, Brings: s.brings})
	if err != nil {
		return err
	}
	fault.Point("rpc.report")
	if handled := handledOf(report); len(handled) > 0 {
		if err := r.stream.send("handled", true, func(encoder) ipld.Value { return ipld.List(handled...) }); err != nil {
			return err
		}
	}
	return r.stream.send("report", true, func(encoder) ipld.Value { return encodeReport(report) })
}

// handledOf are the labels of the jobs that failed and were taken care of, which no
// event tells.
func handledOf(report *engine.Report) (labels []ipld.Value) {
	for i := range report.Jobs {
		if report.Jobs[i].Handled {
			labels = append(labels, ipld.String(report.Jobs[i].Label))
		}
	}
	return labels
}

// maxRevocation bounds a revocation with its proofs, in bytes.
const maxRevocation = 1 << 20

// revoke takes a delegation back, for a container of UCAN tokens.
func (r *request) revoke() error {
	data, err := r.read(maxRevocation)
	if err != nil {
		return err
	}
	link, err := r.server.backend.Revoke(r.Context(), data)
	if err != nil {
		return err
	}
	return r.answerValue(typeCBOR, ipld.LinkValue(link))
}

// revoked tells which delegations of a container of UCAN tokens were revoked.
func (r *request) revoked() error {
	data, err := r.read(ucan.MaxContainer)
	if err != nil {
		return err
	}
	all, err := r.server.backend.Revoked(r.Context(), data)
	if err != nil {
		return err
	}
	return r.answerValue(typeCBOR, encodeRevocations(all))
}

func (r *request) preview() error {
	s, g, err := r.submitted()
	if err != nil {
		return err
	}
	all, err := r.server.backend.Preview(r.Context(), g, engine.Options{Authority: s.authority, Brings: s.brings})
	if err != nil {
		return err
	}
	r.stream.frames = true
	for _, c := range all {
		if err := r.stream.send("forecast", false, func(e encoder) ipld.Value { return e.forecast(c) }); err != nil {
			return err
		}
	}
	return r.end(len(all))
}

// end closes a stream of n items.
func (r *request) end(n int) error {
	return r.stream.send("end", true, func(encoder) ipld.Value { return ipld.Int(int64(n)) })
}

func (r *request) putBlocks() error {
	data, err := r.read(maxBody)
	if err != nil {
		return err
	}
	v, err := ipld.DecodeCBORLimits(data, ipld.Limits{Bytes: maxBody})
	if err != nil {
		return badRequest("blocks", err)
	}
	if v.Kind() != ipld.KindList {
		return fmt.Errorf("%w: blocks: a %s, not a list", ErrRequest, v.Kind())
	}
	blocks, err := decodeBlocks(v.Elems())
	if err != nil {
		return badRequest("blocks", err)
	}
	return r.put(blocks)
}

func (r *request) putBlock() error {
	link, err := r.link("cid")
	if err != nil {
		return err
	}
	data, err := r.read(maxBlock)
	if err != nil {
		return err
	}
	if err := link.Verify(data); err != nil {
		return err
	}
	return r.put([]ipld.Block{{Link: link, Data: data}})
}

func (r *request) put(blocks []ipld.Block) error {
	if err := r.server.backend.PutBlocks(r.Context(), blocks); err != nil {
		return err
	}
	return r.answer(http.StatusCreated, typeCBOR, nil)
}

func (r *request) share() error {
	link, err := r.link("cid")
	if err != nil {
		return err
	}
	if err := r.server.backend.Share(r.Context(), link); err != nil {
		return err
	}
	return r.answer(http.StatusOK, typeCBOR, nil)
}

func (r *request) block() error {
	link, err := r.link("cid")
	if err != nil {
		return err
	}
	data, err := r.server.backend.Block(r.Context(), link)
	if err != nil {
		return err
	}
	if len(data) > maxBlock {
		return fmt.Errorf("%w: block %s has %d bytes, at most %d are sent", ErrTooLarge, link, len(data), maxBlock)
	}
	r.w.Header().Set("Etag", strconv.Quote(link.String()))
	r.w.Header().Set("Cache-Control", "public, max-age=29030400, immutable")
	return r.answer(http.StatusOK, typeRaw, data)
}

func (r *request) receipts() error {
	link, err := r.link("task")
	if err != nil {
		return err
	}
	all, err := r.server.backend.Receipts(r.Context(), task.ID{Link: link})
	if err != nil {
		return err
	}
	r.stream.frames = true
	for _, signed := range all {
		if err := r.receipt(signed); err != nil {
			return err
		}
	}
	return r.end(len(all))
}

func (r *request) receipt(signed *receipt.Signed) error {
	return r.stream.send("receipt", false, func(encoder) ipld.Value { return ipld.Bytes(signed.Bytes()) })
}

// maxReceipt bounds a receipt, which is a token, in bytes.
const maxReceipt = 256 << 10

// putReceipt keeps a receipt from elsewhere.
func (r *request) putReceipt() error {
	data, err := r.read(maxReceipt)
	if err != nil {
		return err
	}
	signed, err := receipt.Parse(data)
	if err != nil {
		return badRequest("receipt", err)
	}
	if err := r.server.backend.PutReceipt(r.Context(), signed); err != nil {
		return err
	}
	return r.answer(http.StatusCreated, typeCBOR, nil)
}

func (r *request) trusted() error {
	all, err := r.server.backend.Trusted(r.Context())
	if err != nil {
		return err
	}
	return r.answerValue(typeCBOR, encodeSigners(all))
}

// trust makes a signer count.
func (r *request) trust() error {
	data, err := r.read(maxSigner)
	if err != nil {
		return err
	}
	v, err := ipld.DecodeCBORLimits(data, ipld.Limits{Bytes: maxSigner})
	if err != nil {
		return badRequest("signer", err)
	}
	s, err := decodeSigner(v)
	if err != nil {
		return badRequest("signer", err)
	}
	if err := r.server.backend.Trust(r.Context(), s); err != nil {
		return err
	}
	return r.answer(http.StatusOK, typeCBOR, nil)
}

// word tells what the word of a signer about a task is worth.
func (r *request) word() error {
	link, err := r.link("task")
	if err != nil {
		return err
	}
	w, err := r.server.backend.Word(r.Context(), did.DID(r.PathValue("did")), task.ID{Link: link})
	if err != nil {
		return err
	}
	return r.answerValue(typeCBOR, encodeWord(w))
}

func (r *request) distrust() error {
	if err := r.server.backend.Distrust(r.Context(), did.DID(r.PathValue("did"))); err != nil {
		return err
	}
	return r.answer(http.StatusOK, typeCBOR, nil)
}

func (r *request) scan() error {
	r.stream.frames = true
	n := 0
	var sendErr error
	err := r.server.backend.Scan(r.Context(), func(signed *receipt.Signed) bool {
		n++
		sendErr = r.receipt(signed)
		return sendErr == nil && r.Context().Err() == nil
	})
	if err := errors.Join(err, sendErr, r.Context().Err()); err != nil {
		return err
	}
	return r.end(n)
}

func (r *request) module() error {
	link, err := r.link("cid")
	if err != nil {
		return err
	}
	about, failure, err := r.server.backend.Module(r.Context(), link)
	if err != nil {
		return err
	}
	return r.answerValue(typeCBOR, encodeModule(about, failure))
}

func (r *request) note() error {
	link, err := r.link("task")
	if err != nil {
		return err
	}
	note, err := r.server.backend.Note(r.Context(), task.ID{Link: link})
	if err != nil {
		return err
	}
	return r.answerValue(typeCBOR, note.Value())
}

// standing tells what is known of tasks.
func (r *request) standing() error {
	data, err := r.read(maxBody)
	if err != nil {
		return err
	}
	v, err := ipld.DecodeCBORLimits(data, ipld.Limits{Bytes: maxBody})
	if err != nil {
		return badRequest("tasks", err)
	}
	ids, err := decodeTasks(v)
	if err != nil {
		return badRequest("tasks", err)
	}
	all, err := r.server.backend.Standing(r.Context(), ids)
	if err != nil {
		return err
	}
	return r.answerValue(typeCBOR, encodeStandings(all))
}
