package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"

	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// pageSize is how many runs, or jobs of one, are asked for at once.
const pageSize = 1000

// Document is a workflow to be submitted.
type Document struct {
	// Data is in any dialect, as YAML, JSON or DAG-CBOR. A signed one runs by its
	// signature.
	Data []byte
	// Type is its media type, such as application/yaml; empty lets the node find
	// out.
	Type string
	// Name is what faults call it.
	Name string
	// Files are the CIDs of the files that the document names by path, as it names
	// them. They have to be at the node: see [Client.Upload].
	Files map[string]ipld.Link
}

// Submission says how a workflow is to be run.
type Submission struct {
	// KeepGoing lets the jobs go on that do not depend on one that failed.
	KeepGoing bool
	// Priority is low, normal or high, among those that wait for workers of the
	// node; empty is normal. High is for the node's owner.
	Priority string
}

// Submit has the node accept a workflow: when it returns, the workflow will be run
// to its end, whatever becomes of this program or that one. A workflow is known
// by its CID: submitting it again joins what is in progress, and takes up anew
// what has ended, where what has a receipt is not run again.
func (c *Client) Submit(ctx context.Context, d Document, s Submission) (Run, error) {
	w := wish{method: http.MethodPost, path: "/v1/workflows", kind: d.Type, body: d.Data, again: true}
	params := url.Values{}
	if s.KeepGoing {
		params.Set("keep-going", "true")
	}
	if s.Priority != "" {
		params.Set("priority", s.Priority)
	}
	if len(params) > 0 {
		w.path += "?" + params.Encode()
	}
	if len(d.Files) > 0 {
		var err error
		if w.kind, w.body, err = d.form(); err != nil {
			return Run{}, err
		}
	}
	var said runJSON
	if err := c.tell(ctx, w, &said); err != nil {
		return Run{}, named(err, d.Name)
	}
	return said.read()
}

// SubmitGraph submits a workflow that was read already. The node gets its normal
// form, and the modules that the document holds itself.
func (c *Client) SubmitGraph(ctx context.Context, g *graph.Graph, s Submission) (Run, error) {
	for _, b := range g.Blocks() {
		if err := c.PutBlock(ctx, b); err != nil {
			return Run{}, err
		}
	}
	normal := g.Normal()
	run, err := c.Submit(ctx, Document{Data: normal.Data, Type: typeCBOR}, s)
	if err == nil {
		err = is(run, normal.Link)
	}
	return run, err
}

// form is d with its files, as a form.
func (d Document) form() (kind string, body []byte, err error) {
	files := make(map[string]string, len(d.Files))
	for path, link := range d.Files {
		files[path] = link.String()
	}
	list, err := json.Marshal(files)
	if err != nil {
		return "", nil, err
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, part := range []struct {
		name, kind string
		data       []byte
	}{{"files", typeJSON, list}, {"document", d.Type, d.Data}} {
		header := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + part.name + `"`}}
		if part.kind != "" {
			header.Set("Content-Type", part.kind)
		}
		out, _ := w.CreatePart(header) // a buffer does not fail
		_, _ = out.Write(part.data)
	}
	err = w.Close()
	return w.FormDataContentType(), b.Bytes(), err
}

// is makes sure that an answer is about the workflow that was meant.
func is(run Run, workflow ipld.Link) error {
	if run.Workflow != workflow {
		return fmt.Errorf("%w: it is about workflow %s, not %s", ErrAnswer, run.Workflow, workflow)
	}
	return nil
}

// shownJSON is a run with a page of its jobs.
type shownJSON struct {
	runJSON
	Jobs []jobJSON `json:"jobs"`
	Next string    `json:"next"`
}

func workflowPath(workflow ipld.Link, more string) string {
	return "/v1/workflows/" + workflow.String() + more
}

// Run returns how the latest run of a workflow stands.
func (c *Client) Run(ctx context.Context, workflow ipld.Link) (Run, error) {
	run, _, _, err := c.page(ctx, workflow, 0, 1)
	return run, err
}

// Jobs returns what the jobs of the latest run came to that have settled, in that
// order.
func (c *Client) Jobs(ctx context.Context, workflow ipld.Link) ([]Job, error) {
	var all []Job
	for {
		_, jobs, next, err := c.page(ctx, workflow, len(all), pageSize)
		if err != nil {
			return nil, err
		}
		if all = append(all, jobs...); next == "" {
			return all, nil
		}
		if len(jobs) == 0 || next != strconv.Itoa(len(all)) {
			return nil, fmt.Errorf("%w: after %d jobs come those after %.20q", ErrAnswer, len(all), next)
		}
	}
}

// page is a run with its jobs after a number of others.
func (c *Client) page(ctx context.Context, workflow ipld.Link, after, limit int) (run Run, jobs []Job, next string, err error) {
	path := workflowPath(workflow, fmt.Sprintf("?limit=%d", limit))
	if after > 0 {
		path += fmt.Sprintf("&after=%d", after)
	}
	var said shownJSON
	if err := c.get(ctx, path, &said); err != nil {
		return run, nil, "", err
	}
	if run, err = said.runJSON.read(); err == nil {
		err = is(run, workflow)
	}
	for i := 0; err == nil && i < len(said.Jobs); i++ {
		var j Job
		j, err = said.Jobs[i].read()
		jobs = append(jobs, j)
	}
	return run, jobs, said.Next, err
}

// Runs are the latest runs of the workflows that the node lets this client see, or
// only those that have not ended, the latest accepted first. They are asked for page
// by page.
func (c *Client) Runs(ctx context.Context, unfinished bool) iter.Seq2[Run, error] {
	return func(yield func(Run, error) bool) {
		query := url.Values{"limit": {strconv.Itoa(pageSize)}}
		if unfinished {
			query.Set("state", "unfinished")
		}
		for after := ""; ; {
			if after != "" {
				query.Set("after", after)
			}
			var said struct {
				Workflows []runJSON `json:"workflows"`
				Next      string    `json:"next"`
			}
			err := c.get(ctx, "/v1/workflows?"+query.Encode(), &said)
			for i := 0; err == nil && i < len(said.Workflows); i++ {
				var run Run
				if run, err = said.Workflows[i].read(); err == nil && !yield(run, nil) {
					return
				}
			}
			if err == nil && said.Next != "" && (len(said.Workflows) == 0 || said.Next == after) {
				err = fmt.Errorf("%w: a page of workflows is followed by itself", ErrAnswer)
			}
			if err != nil {
				yield(Run{}, err)
				return
			}
			after = said.Next
			if said.Next == "" {
				return
			}
		}
	}
}

// Cancel ends the run of a workflow: what was finished is kept. The error wraps
// [Conflict] if it has ended.
func (c *Client) Cancel(ctx context.Context, workflow ipld.Link) (Run, error) {
	return c.direct(ctx, workflow, http.MethodDelete, "")
}

// Suspend puts the run of a workflow aside until [Client.Resume].
func (c *Client) Suspend(ctx context.Context, workflow ipld.Link) (Run, error) {
	return c.direct(ctx, workflow, http.MethodPost, "/suspend")
}

// Resume takes up a run that was suspended, cancelled or interrupted, or that
// failed; what has a receipt is not run again.
func (c *Client) Resume(ctx context.Context, workflow ipld.Link) (Run, error) {
	return c.direct(ctx, workflow, http.MethodPost, "/resume")
}

func (c *Client) direct(ctx context.Context, workflow ipld.Link, method, what string) (Run, error) {
	var said runJSON
	if err := c.tell(ctx, wish{method: method, path: workflowPath(workflow, what)}, &said); err != nil {
		return Run{}, err
	}
	run, err := said.read()
	if err == nil {
		err = is(run, workflow)
	}
	return run, err
}
