// Package crew is responsible for goroutines that are kept for the next func. The way of
// a request or a task goes deep, and to grow a new stack to that depth for each takes up to a
// sixth of the time of a small one.
package crew
