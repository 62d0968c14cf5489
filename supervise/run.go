package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// Variable tells a child which process is its parent.
const Variable = "IPVM_SUPERVISED"

// The descriptors of a child: the one that ends with its parent, the one for its
// word, and from there on those of [Config.Files].
const (
	lifeFD = 3 + iota
	wordFD
	filesFD
)

// DefaultMost is how many deaths within [Window] are too many.
const DefaultMost = 10

// Window is the time in which deaths are counted.
const Window = time.Minute

// ErrUnsupported reports a system on which processes can not be supervised.
var ErrUnsupported = errors.New("processes can not be supervised on this system")

// Config says which process is to stay.
type Config struct {
	// Path is the program, and Args its command line with the name first.
	Path string
	Args []string
	// Files are handed to each child; see [Child.Files].
	Files []*os.File
	// Died is told of each death after which the child is started again.
	Died func(Death)
	// Most is how many deaths within [Window] are the end; 0 is [DefaultMost].
	Most int
}

// Death is the end of a child that did not say that it was done.
type Death struct {
	// How is the signal or the exit status.
	How string
	// After is how long the child was there.
	After time.Duration
	// Count is how many deaths there were within [Window], this one included.
	Count int
	// Pause is how long it takes until the child is started again.
	Pause time.Duration
}

// TooManyError is the end of [Run] after too many deaths.
type TooManyError struct {
	Last Death
}

func (e *TooManyError) Error() string {
	return fmt.Sprintf("it died %d times within %v, at last %s after %v", e.Last.Count, Window, e.Last.How, e.Last.After.Round(time.Millisecond))
}

// Run keeps a child running until one says that it is done, and returns its exit
// status. When ctx ends the child is told to end by SIGTERM, and Run waits for
// that; the status is -1 if it was killed then. The child shares the standard files
// of this process.
func Run(ctx context.Context, c Config) (status int, err error) {
	if !supported {
		return 0, ErrUnsupported
	}
	if c.Most == 0 {
		c.Most = DefaultMost
	}
	// A child ends with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var deaths []time.Time
	for {
		began := time.Now()
		state, done, err := c.life(ctx)
		if err != nil {
			return 0, err
		}
		if done || ctx.Err() != nil {
			return state.ExitCode(), nil
		}
		now := time.Now()
		deaths = slices.DeleteFunc(deaths, func(t time.Time) bool { return now.Sub(t) > Window })
		deaths = append(deaths, now)
		death := Death{How: state.String(), After: now.Sub(began), Count: len(deaths), Pause: pause(len(deaths))}
		if death.Count >= c.Most {
			return 0, &TooManyError{death}
		}
		c.Died(death)
		select {
		case <-time.After(death.Pause):
		case <-ctx.Done():
			return 0, nil
		}
	}
}

// pause is how long to wait after so many deaths within [Window]: the first come
// from what can happen once.
func pause(deaths int) time.Duration {
	const first, most = 250 * time.Millisecond, 8 * time.Second
	if deaths <= 4 {
		return 0
	}
	return min(first<<min(deaths-5, 10), most)
}

// life starts a child and waits for its end. It tells whether the child said that
// it was done.
func (c *Config) life(ctx context.Context) (state *os.ProcessState, done bool, err error) {
	life, alive, err := os.Pipe()
	if err != nil {
		return nil, false, err
	}
	defer life.Close()
	defer alive.Close()
	word, told, err := os.Pipe()
	if err != nil {
		return nil, false, err
	}
	defer word.Close()
	cmd := &exec.Cmd{
		Path: c.Path, Args: c.Args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Env:        append(os.Environ(), Variable+"="+strconv.Itoa(os.Getpid())),
		ExtraFiles: append([]*os.File{life, told}, c.Files...),
	}
	bind(cmd)
	err = cmd.Start()
	told.Close()
	if err != nil {
		return nil, false, err
	}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })()
	n, _ := word.Read(make([]byte, 1)) // until it is done or dead
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return nil, false, err
	}
	return cmd.ProcessState, n > 0 && cmd.ProcessState.Exited(), nil
}
