package client

import (
	"bytes"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// SetSilence bounds how long a stream of events may say nothing.
func (c *Client) SetSilence(d time.Duration) { c.silence = d }

// ReadEvents reads a stream of events.
func ReadEvents(stream []byte, workflow ipld.Link, yield func(Event) bool) error {
	w := watch{workflow: workflow, yield: yield}
	return w.read(bytes.NewReader(stream), func() {})
}
