package api

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// ServerOptions bound what clients may take of a [Server]. A zero field is its
// default.
type ServerOptions struct {
	// Conns is how many connections are open at once; 0 is 1,024. Beyond that a
	// new one takes the place of the one that has been idle for longest.
	Conns int
	// Header and Body bound how long a client takes to send the head of a request
	// and its body, Idle how long it sends none, Write how long it takes an
	// answer, unless the handler says otherwise. 0 is 10 seconds, a minute, two
	// minutes and a minute.
	Header, Body, Idle, Write time.Duration
	// Grace is how long Close waits for the answers that are being given; 0 is 10
	// seconds.
	Grace time.Duration
	// Log is where the server tells of its troubles; nil is nowhere.
	Log *slog.Logger
}

func (o ServerOptions) filled() ServerOptions {
	orElse(&o.Conns, 1024)
	orElse(&o.Header, 10*time.Second)
	orElse(&o.Body, time.Minute)
	orElse(&o.Idle, 2*time.Minute)
	orElse(&o.Write, time.Minute)
	orElse(&o.Grace, 10*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// maxHead bounds the head of a request, in bytes.
const maxHead = 32 << 10

// Server answers the requests that come to one port.
type Server struct {
	http     http.Server
	grace    time.Duration
	stopping context.CancelFunc // tells streams to end
	abandon  context.CancelFunc // ends the contexts of all requests
	served   chan error
}

// Serve answers with h what comes to l and that d lets through, until the server is
// closed; it closes l. What listens elsewhere than on a loopback address is
// refused: there is no authority in a request that could tell who asks.
func Serve(l net.Listener, d *Door, h http.Handler, o ServerOptions) (*Server, error) {
	if addr, ok := l.Addr().(*net.TCPAddr); !ok || !addr.IP.IsLoopback() {
		return nil, fmt.Errorf("listen at %s: only loopback addresses are served, such as 127.0.0.1:1337", l.Addr())
	}
	o = o.filled()
	s := &Server{grace: o.Grace, served: make(chan error, 1)}
	var base, stopping context.Context
	base, s.abandon = context.WithCancel(context.Background())
	stopping, s.stopping = context.WithCancel(context.Background())
	base = withStopping(base, stopping)
	crowd := &crowd{most: o.Conns, idle: list.New(), places: make(map[net.Conn]*list.Element)}
	s.http = http.Server{
		Handler:           d.Guard(timely(h, o.Body)),
		ReadHeaderTimeout: o.Header, IdleTimeout: o.Idle, WriteTimeout: o.Write, MaxHeaderBytes: maxHead,
		BaseContext:                  func(net.Listener) context.Context { return base },
		ConnState:                    crowd.changed,
		ErrorLog:                     slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
		DisableGeneralOptionsHandler: true,
	}
	go func() {
		s.served <- s.http.Serve(&bounded{l, crowd})
		close(s.served)
	}()
	return s, nil
}

// Close takes no more requests, lets those that wait for something end, and those
// that are being answered for a while, and returns when the server has stopped.
func (s *Server) Close() error {
	s.stopping()
	patience, cancel := context.WithTimeout(context.Background(), s.grace)
	defer cancel()
	err := s.http.Shutdown(patience)
	s.abandon()
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// timely gives the body of each request its time.
func timely(next http.Handler, long time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(long))
		}
		next.ServeHTTP(w, r)
	})
}

// crowd are the open connections. Those without a request are in idle, the one
// that has been so for longest in front.
type crowd struct {
	most int

	mu     sync.Mutex
	open   int
	idle   *list.List
	places map[net.Conn]*list.Element
}

// bounded is a listener with a bound on its open connections.
type bounded struct {
	net.Listener
	crowd *crowd
}

// Accept returns the next connection for which there is a place.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if b.crowd.enter() {
			return &counted{Conn: c, crowd: b.crowd}, nil
		}
		_ = c.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = c.Write([]byte("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
		_ = c.Close()
	}
}

// enter takes a place, if need be that of an idle connection.
func (c *crowd) enter() bool {
	c.mu.Lock()
	var oldest net.Conn
	if c.open >= c.most {
		front := c.idle.Front()
		if front == nil {
			c.mu.Unlock()
			return false
		}
		oldest = c.idle.Remove(front).(net.Conn)
		delete(c.places, oldest)
	}
	c.open++
	c.mu.Unlock()
	if oldest != nil {
		_ = oldest.Close()
	}
	return true
}

// changed takes in what becomes of a connection.
func (c *crowd) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.places[conn]; e != nil {
		c.idle.Remove(e)
		delete(c.places, conn)
	}
	if state == http.StateNew || state == http.StateIdle {
		c.places[conn] = c.idle.PushBack(conn)
	}
}

// counted is a connection that has a place until it is closed.
type counted struct {
	net.Conn
	crowd *crowd
	once  sync.Once
}

// Close closes the connection.
func (c *counted) Close() error {
	c.once.Do(func() {
		c.crowd.mu.Lock()
		c.crowd.open--
		c.crowd.mu.Unlock()
	})
	return c.Conn.Close()
}
