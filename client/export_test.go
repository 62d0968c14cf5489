package client

import "time"

// SetSilence bounds how long a stream of events may say nothing.
func (c *Client) SetSilence(d time.Duration) { c.silence = d }
