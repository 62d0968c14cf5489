// Package bench is responsible for measuring whole workloads: the program as a
// user starts it, and one engine on a disk. README.md holds the figures.
package bench
