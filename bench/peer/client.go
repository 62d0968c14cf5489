//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/coder/websocket"
)

// client is a client of Homestar: one connection, on which it asks one thing after
// the other.
type client struct {
	conn *websocket.Conn
	next int
}

func dial(ctx context.Context, addr string) (*client, error) {
	conn, resp, err := websocket.Dial(ctx, "ws://"+addr, nil)
	if err != nil {
		return nil, err
	}
	if resp.Body != nil {
		resp.Body.Close()
	}
	conn.SetReadLimit(1 << 20)
	return &client{conn: conn}, nil
}

func (c *client) close() { _ = c.conn.CloseNow() }

// message is what a node sends: an answer, or a notification.
type message struct {
	ID     *int            `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
	Method string          `json:"method"`
	Params struct {
		Subscription json.RawMessage `json:"subscription"`
	} `json:"params"`
}

// run has a workflow run and returns how many of its tasks were told in time.
func (c *client) run(ctx context.Context, d document, patience time.Duration) (told int, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c.next++
	ask := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"subscribe_run_workflow","params":[%s]}`, c.next, d.text)
	if err := c.conn.Write(ctx, websocket.MessageText, []byte(ask)); err != nil {
		return 0, err
	}
	seen := make(map[string]int)
	mine := ""
	for {
		_, data, err := c.conn.Read(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return seen[mine], nil
		}
		if err != nil {
			return seen[mine], err
		}
		var m message
		if err := json.Unmarshal(data, &m); err != nil {
			return 0, fmt.Errorf("%.200s: %w", data, err)
		}
		switch {
		case m.Error != nil && string(m.Error) != "null":
			return 0, fmt.Errorf("refused: %.300s", m.Error)
		case m.Method != "":
			seen[string(m.Params.Subscription)]++
		case m.ID != nil && *m.ID == c.next:
			mine = string(m.Result)
		}
		if mine != "" && seen[mine] >= d.tasks {
			return seen[mine], nil
		}
	}
}
