package engine

// Waiting is how many names of tasks of other workflows steps of e wait for.
func (e *Engine) Waiting() int { return int(e.own.waits.of.Load()) }

// Asking is how many principals have runs that wait for workers of e.
func (e *Engine) Asking() int {
	e.workers.mu.Lock()
	defer e.workers.mu.Unlock()
	return len(e.workers.waiting)
}

// Free is how many workers of e nobody has.
func (e *Engine) Free() int {
	e.workers.mu.Lock()
	defer e.workers.mu.Unlock()
	return e.workers.free
}
