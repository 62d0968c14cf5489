package homestar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// Codes of errors: those of JSON-RPC 2.0, and this server's own.
const (
	codeParse      = -32700 // not JSON
	codeRequest    = -32600 // not a request
	codeMethod     = -32601 // no such method
	codeParams     = -32602 // parameters, or a document, that are at fault
	codeInternal   = -32603 // the node could not do its part
	codeBusy       = -32000 // too much at once; later perhaps
	codeNeedSocket = -32001 // only over a WebSocket
)

// maxShownFaults bounds the faults of a document in one error.
const maxShownFaults = 100

// request is one call of a method.
type request struct {
	id     json.RawMessage // a number or text; nil in a notification, null where it could not be read
	method string
	params []json.RawMessage
}

// fail is why a request was not fulfilled: the error object of JSON-RPC 2.0.
type fail struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

func (f *fail) Error() string { return f.Message }

func failf(code int, format string, args ...any) *fail {
	return &fail{Code: code, Message: fmt.Sprintf(format, args...)}
}

// parseRequest reads one request, strictly. The id is returned as far as it was
// read. What is in params is JSON, and is not looked into.
func parseRequest(data []byte) (request, *fail) {
	r := request{id: json.RawMessage("null")}
	data = bytes.Trim(data, " \t\r\n")
	switch {
	case !utf8.Valid(data):
		return r, failf(codeParse, "the message is not UTF-8")
	case !json.Valid(data):
		return r, failf(codeParse, "the message is not JSON")
	case data[0] == '[':
		return r, failf(codeRequest, "batches are not supported: send one request after the other")
	case data[0] != '{':
		return r, failf(codeRequest, `expected a request {"jsonrpc": "2.0", "method": …, "id": …}, got %s`, show(data))
	}
	members, ok := split(data, 8)
	if !ok {
		return r, failf(codeRequest, "a request has at most four members: jsonrpc, method, params and id")
	}
	return r.fields(members)
}

// fields takes in the members of a request: names and values in turn.
func (r request) fields(members []json.RawMessage) (request, *fail) {
	seen := make(map[string]json.RawMessage, 4)
	for i := 0; i < len(members); i += 2 {
		var name string
		if err := json.Unmarshal(members[i], &name); err != nil {
			return r, failf(codeParse, "the message is not JSON: %v", err)
		}
		switch name {
		case "jsonrpc", "method", "params", "id":
		default:
			return r, failf(codeRequest, "a request has no member %.40q: there are jsonrpc, method, params and id", name)
		}
		if seen[name] != nil {
			return r, failf(codeRequest, "the member %s is there twice", name)
		}
		seen[name] = members[i+1]
	}
	id := seen["id"]
	if id != nil && id[0] != '"' && id[0] != '-' && (id[0] < '0' || id[0] > '9') || len(id) > 256 {
		return r, failf(codeRequest, "expected an id that is a number or text of at most 256 bytes, got %s", show(id))
	}
	r.id = id
	if version := seen["jsonrpc"]; string(version) != `"2.0"` {
		return r, failf(codeRequest, `expected jsonrpc: "2.0", got %s`, show(version))
	}
	method := seen["method"]
	if method == nil || method[0] != '"' || json.Unmarshal(method, &r.method) != nil {
		return r, failf(codeRequest, "expected method as text, got %s", show(method))
	}
	switch params := seen["params"]; {
	case params == nil:
	case params[0] == '[':
		var ok bool
		if r.params, ok = split(params, 1); !ok {
			return r, failf(codeParams, "expected at most one parameter, got more")
		}
	default:
		return r, failf(codeParams, "expected params as a list, got %s", show(params))
	}
	return r, nil
}

// split returns the values in a list, or the names and values in a map, which is
// valid JSON, and tells whether there are no more than most.
func split(data []byte, most int) ([]json.RawMessage, bool) {
	var all []json.RawMessage
	for i := 1; i < len(data)-1; {
		if isBetween(data[i]) {
			i++
			continue
		}
		if len(all) == most {
			return nil, false
		}
		end := valueEnd(data, i)
		all = append(all, data[i:end:end])
		i = end
	}
	return all, true
}

// valueEnd is where the value ends that begins at i.
func valueEnd(data []byte, i int) int {
	for depth := 0; ; i++ {
		switch c := data[i]; {
		case c == '"':
			for i++; data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case !isBetween(c): // a number, true, false or null
			for i+1 < len(data) && !isBetween(data[i+1]) && data[i+1] != ']' && data[i+1] != '}' {
				i++
			}
		}
		if depth == 0 {
			return i + 1
		}
	}
}

// isBetween tells whether c stands between the values of a list or map.
func isBetween(c byte) bool {
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',' || c == ':'
}

// byteList reads a list of numbers from 0 to 255, which is valid JSON.
func byteList(data []byte) ([]byte, bool) {
	all := make([]byte, 0, len(data)/4)
	for i := 1; i < len(data)-1; {
		if isBetween(data[i]) {
			i++
			continue
		}
		end := valueEnd(data, i)
		n, err := strconv.ParseUint(string(data[i:end]), 10, 8)
		if err != nil {
			return nil, false
		}
		all = append(all, byte(n))
		i = end
	}
	return all, true
}

// show is the beginning of a JSON value, for messages.
func show(data []byte) string {
	const most = 40
	if len(data) == 0 {
		return "nothing"
	}
	if len(data) <= most {
		return string(data)
	}
	end := most
	for !utf8.RuneStart(data[end]) {
		end--
	}
	return string(data[:end]) + "…"
}

// source is the document that the parameter of subscribe_run_workflow stands for:
// {name, workflow}, or its DAG-CBOR as a list of bytes.
func source(param []byte) (workflow.Source, *fail) {
	switch param[0] {
	case '{':
		return workflow.Source{Name: "params/0", Data: param, Format: workflow.JSON}, nil
	case '[':
		if data, ok := byteList(param); ok {
			return workflow.Source{Name: "params/0", Data: data, Format: workflow.CBOR}, nil
		}
	}
	return workflow.Source{}, failf(codeParams, "expected a workflow {name, workflow}, or its DAG-CBOR as a list of numbers from 0 to 255, got %s", show(param))
}

// shownFault is one fault of a document as an error has it in its data.
type shownFault struct {
	Path    string `json:"path"`
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// failOf is an error of submitting as the asker sees it.
func failOf(err error) *fail {
	var f *fail
	var faults workflow.FaultList
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &faults):
		return faulty(faults)
	case errors.Is(err, runs.ErrFull), errors.Is(err, runs.ErrShare):
		return failf(codeBusy, "%v", err)
	}
	for _, room := range []error{store.ErrDiskFull, store.ErrReadOnly, store.ErrQuota} {
		if errors.Is(err, room) {
			return failf(codeBusy, "%v: nothing new is taken until there is room, and what was accepted is kept", room)
		}
	}
	return failf(codeInternal, "%v", err)
}

// faulty is the error for a document that has faults.
func faulty(faults workflow.FaultList) *fail {
	shown := make([]shownFault, min(len(faults), maxShownFaults))
	for i := range shown {
		f := &faults[i]
		shown[i] = shownFault{Path: f.Path, Kind: string(f.Kind), Message: f.Msg, Hint: f.Hint}
	}
	message := "the workflow: " + shown[0].Message
	if shown[0].Path != "" {
		message = "the workflow at " + shown[0].Path + ": " + shown[0].Message
	}
	if more := len(faults) - 1; more > 0 {
		message += fmt.Sprintf(" (and %d more)", more)
	}
	return &fail{Code: codeParams, Message: message, Data: map[string]any{"faults": shown}}
}
