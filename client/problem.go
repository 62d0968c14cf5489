package client

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/ipvm-wg/go-ipvm/workflow"
)

// Kind is the class of a [Problem]. It is an error, for errors.Is.
type Kind string

func (k Kind) Error() string { return string(k) }

// The classes of problems, which docs/http.md describes. A newer node may have
// others.
const (
	BadRequest    Kind = "bad-request"
	Faults        Kind = "faults"
	Denied        Kind = "denied"
	Foreign       Kind = "foreign"
	NotFound      Kind = "not-found"
	NotAllowed    Kind = "not-allowed"
	Upgrade       Kind = "upgrade"
	NotAcceptable Kind = "not-acceptable"
	Timeout       Kind = "timeout"
	Conflict      Kind = "conflict"
	TooLarge      Kind = "too-large"
	Unsupported   Kind = "unsupported-type"
	Incomplete    Kind = "incomplete"
	Busy          Kind = "busy"
	Full          Kind = "full"
	Internal      Kind = "internal"
	Stopping      Kind = "stopping"
	DiskFull      Kind = "disk-full"
	Quota         Kind = "quota"
)

// Problem says why a request has no other answer (RFC 9457). It wraps its Kind
// and, where it is about a document, the [workflow.FaultList].
type Problem struct {
	Status int
	// Kind is empty where not a node answered, but something before it.
	Kind                Kind
	Title, Detail, Hint string
	// Faults are those of the document, with their places in it.
	Faults workflow.FaultList
	// Denial is the node's signed word for a refusal, a container that
	// authority.ParseDenial reads; empty where there is none.
	Denial string
	// Retry is when the node says that it is worth asking again; 0 is nothing.
	Retry time.Duration
}

func (p *Problem) Error() string {
	if len(p.Faults) > 0 {
		return p.Faults.Error()
	}
	text := fmt.Sprintf("%d %s", p.Status, p.Title)
	if p.Detail != "" {
		text += ": " + p.Detail
	}
	if p.Hint != "" {
		text += "\n  hint: " + p.Hint
	}
	return text
}

// Unwrap is the kind, and the faults.
func (p *Problem) Unwrap() []error {
	if len(p.Faults) > 0 {
		return []error{p.Kind, p.Faults}
	}
	return []error{p.Kind}
}

type problemJSON struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Hint   string `json:"hint"`
	Denial string `json:"denial"`
	Faults []struct {
		Line    int    `json:"line"`
		Col     int    `json:"col"`
		Path    string `json:"path"`
		Kind    string `json:"kind"`
		Message string `json:"message"`
		Hint    string `json:"hint"`
	} `json:"faults"`
}

// readProblem is what an answer says that is none.
func readProblem(resp *http.Response) *Problem {
	p := &Problem{Status: resp.StatusCode, Title: http.StatusText(resp.StatusCode), Retry: retryAfter(resp.Header)}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	data, err := readAll(resp.Body, maxProblem)
	var said problemJSON
	if kind != typeProblem || err != nil || json.Unmarshal(data, &said) != nil {
		return p
	}
	if _, name, ok := strings.Cut(said.Type, "#"); ok {
		p.Kind = Kind(name)
	}
	p.Title, p.Detail, p.Hint, p.Denial = said.Title, said.Detail, said.Hint, said.Denial
	for _, f := range said.Faults {
		p.Faults = append(p.Faults, workflow.Fault{
			Pos: workflow.Pos{Line: f.Line, Col: f.Col, Path: f.Path}, Kind: workflow.Kind(f.Kind), Msg: f.Message, Hint: f.Hint,
		})
	}
	return p
}

// named is err with the faults of a document as those of a file.
func named(err error, file string) error {
	if p, ok := err.(*Problem); ok {
		for i := range p.Faults {
			p.Faults[i].File = file
		}
	}
	return err
}
