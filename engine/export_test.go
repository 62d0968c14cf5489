package engine

// Waiting is how many names of tasks of other workflows steps of e wait for.
func (e *Engine) Waiting() int { return int(e.own.waits.of.Load()) }
