package homestar

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"time"

	"github.com/ipvm-wg/go-ipvm/workflow"
)

// The methods that need a WebSocket.
const (
	subscribeRun       = "subscribe_run_workflow"
	unsubscribeRun     = "unsubscribe_run_workflow"
	subscribeNetwork   = "subscribe_network_events"
	unsubscribeNetwork = "unsubscribe_network_events"
)

// openRPC describes the methods; its version is filled in.
//
//go:embed openrpc.json
var openRPC []byte

// call answers a method that tells something of the node.
func (h *Handler) call(r request) (any, *fail) {
	var tell func() (any, *fail)
	switch r.method {
	case "health":
		tell = h.health
	case "node":
		tell = func() (any, *fail) { return h.node(), nil }
	case "metrics":
		tell = func() (any, *fail) { return h.metrics(), nil }
	case "rpc_discover":
		tell = h.discover
	default:
		return nil, failf(codeMethod, "there is no method %.60q", r.method)
	}
	if len(r.params) > 0 {
		return nil, failf(codeParams, "%s takes no parameters", r.method)
	}
	h.requests.Add(1)
	return tell()
}

// nodeInfo is what a client is told of the node.
type nodeInfo struct {
	Static struct {
		PeerID string `json:"peer_id"`
	} `json:"static"`
	Dynamic struct {
		Listeners   []string          `json:"listeners"`
		Connections map[string]string `json:"connections"` // to other nodes
	} `json:"dynamic"`
}

// Guests is how much the node keeps for others than its owner, about, and how much it
// may, in bytes.
type Guests struct {
	Bytes uint64 `json:"bytes"`
	Quota uint64 `json:"quota"`
	// Refused is why nothing more is taken from them just now; empty where it is.
	Refused string `json:"refused,omitempty"`
	// Damaged is how many places of theirs can not be read.
	Damaged int `json:"damaged,omitempty"`
}

// health is the node's, for each version of the client in its place.
type health struct {
	Healthy     bool     `json:"healthy"`
	Reason      string   `json:"reason,omitempty"`
	Quarantined int      `json:"quarantined,omitempty"`
	Guests      *Guests  `json:"guests,omitempty"`
	Node        nodeInfo `json:"nodeInfo"`
}

func (h *Handler) health() (any, *fail) {
	state := health{Healthy: true, Node: h.node()}
	if h.Healthy != nil {
		if err := h.Healthy(); err != nil {
			state.Healthy, state.Reason = false, err.Error()
		}
	}
	if h.Quarantined != nil {
		state.Quarantined = h.Quarantined()
	}
	if h.Guests != nil {
		guests := h.Guests()
		state.Guests = &guests
	}
	return state, nil
}

func (h *Handler) node() nodeInfo {
	var n nodeInfo
	n.Static.PeerID = string(h.DID)
	n.Dynamic.Listeners = []string{}
	if h.Listeners != nil {
		n.Dynamic.Listeners = append(n.Dynamic.Listeners, h.Listeners()...)
	}
	n.Dynamic.Connections = map[string]string{}
	return n
}

// metric is one number as clients read it.
type metric struct {
	Type string  `json:"metric_type"`
	Name string  `json:"metric_name"`
	Help string  `json:"help"`
	Data []datum `json:"data"`
}

type datum struct {
	Type   string   `json:"type"`
	Labels []string `json:"labels"`
	Value  float64  `json:"value"`
}

func (h *Handler) metrics() any {
	h.mu.Lock()
	open := h.open
	h.mu.Unlock()
	gauges := []Gauge{
		{"ipvm_jsonrpc_connections", "WebSockets that are open", float64(open)},
		{"ipvm_jsonrpc_subscriptions", "Subscriptions that are active", float64(h.subscriptions.Load())},
		{"ipvm_jsonrpc_requests", "Requests since the start", float64(h.requests.Load())},
		{"ipvm_jsonrpc_notifications", "Notifications sent since the start", float64(h.notifications.Load())},
	}
	if h.Gauges != nil {
		gauges = append(gauges, h.Gauges()...)
	}
	all := make([]metric, len(gauges))
	for i, g := range gauges {
		all[i] = metric{"gauge", g.Name, g.Help, []datum{{Type: "gauge", Value: g.Value}}}
	}
	return map[string]any{"metrics": all}
}

// discover is the OpenRPC document of the methods.
func (h *Handler) discover() (any, *fail) {
	var document map[string]any
	if err := json.Unmarshal(openRPC, &document); err != nil {
		return nil, failf(codeInternal, "%v", err)
	}
	document["info"].(map[string]any)["version"] = h.Version
	return document, nil
}

// submit reads the document in r and has it accepted.
func (h *Handler) submit(ctx context.Context, r request) (*subscription, *fail) {
	h.requests.Add(1)
	asked := time.Now()
	if len(r.params) != 1 {
		return nil, failf(codeParams, "%s takes one parameter, a workflow {name, workflow} or its DAG-CBOR as a list of numbers from 0 to 255", r.method)
	}
	src, f := source(r.params[0])
	if f != nil {
		return nil, f
	}
	w, err := workflow.Parse(src)
	switch {
	case err != nil:
		return nil, failOf(err)
	case w.Dialect != workflow.Homestar:
		return nil, failf(codeParams, "expected {name, workflow: {tasks: […]}}, got a document of the dialect %s; submit that to /v1/workflows", w.Dialect)
	}
	g, attempt, err := h.Submit(ctx, w)
	if err != nil {
		if !errors.As(err, new(workflow.FaultList)) {
			h.Log.Warn("homestar: a workflow was not accepted", "err", err)
		}
		return nil, failOf(err)
	}
	s := newSubscription(g, asked)
	if g.Len() <= maxAttached {
		s.attempt = attempt
	}
	return s, nil
}
