package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// settings are what tests turn down.
type settings struct {
	uid      int           // whose processes are served
	write    time.Duration // for a client to take what was written
	body     time.Duration // for a client to send a whole body
	last     time.Duration // for what was answered to leave, when closing
	requests int           // in progress at once
}

func defaults() settings {
	return settings{uid: os.Getuid(), write: 30 * time.Second, body: time.Minute, last: time.Second, requests: 1024}
}

// Bounds on a connection. A client gives up an idle one before the server does.
const (
	headerWait = 10 * time.Second
	idleServer = 5 * time.Minute
	idleClient = time.Minute
)

// Server lets the other processes of this user use a node.
type Server struct {
	settings
	backend Backend
	path    string
	http    *http.Server
	done    chan struct{} // closed when nothing is accepted any more
	err     error         // why, unless Close was called

	mu      sync.Mutex
	closing bool
	active  int
	idle    sync.Cond // active is 0
	once    sync.Once
	result  error // of Close
}

// Listen serves b on a socket in the state directory dir, whose lock the
// caller holds. It refuses a directory that another server serves and replaces
// what a killed one left behind. Close it.
//
// Only processes of the user who runs this one are let in.
func Listen(dir string, b Backend) (*Server, error) { return listen(dir, b, defaults()) }

func listen(dir string, b Backend, set settings) (*Server, error) {
	path, err := filepath.Abs(filepath.Join(dir, socketName))
	if err != nil {
		return nil, err
	}
	l, err := bind(path)
	if err != nil {
		return nil, err
	}
	s := &Server{settings: set, backend: b, path: path, done: make(chan struct{})}
	s.idle.L = &s.mu
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: headerWait,
		IdleTimeout:       idleServer,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(guard{l, set.uid}); !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
			s.err = fmt.Errorf("serve %s: %w", path, err)
		}
	}()
	return s, nil
}

// Close waits until no request is in progress, then refuses further ones and
// returns when all is stopped. Until then others are served as ever: as long as
// one guest's work holds the state directory, it must not be closed to the next.
// A workflow ends at the latest when the process that asked for it goes away.
// Close may be called more than once.
func (s *Server) Close() error {
	s.once.Do(func() { s.result = s.close() })
	return s.result
}

func (s *Server) close() error {
	s.mu.Lock()
	for s.active > 0 {
		s.idle.Wait()
	}
	s.closing = true // from now on requests are told that the node is closed
	s.mu.Unlock()
	errs := []error{ignore(os.Remove(s.path), os.ErrNotExist)}
	ctx, cancel := context.WithTimeout(context.Background(), s.last)
	defer cancel()
	errs = append(errs, ignore(s.http.Shutdown(ctx), context.DeadlineExceeded))
	errs = append(errs, s.http.Close())
	<-s.done
	return errors.Join(append(errs, s.err)...)
}

func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// enter counts a request in; leave counts it out.
func (s *Server) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing:
		return fmt.Errorf("%w: it is closing", ErrGone)
	case s.active >= s.requests:
		return fmt.Errorf("%w: %d", ErrBusy, s.active)
	}
	s.active++
	return nil
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active--; s.active == 0 {
		s.idle.Broadcast()
	}
}
