package homestar

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// maxRequests bounds the requests of one connection that are worked on at once.
const maxRequests = 8

// connection is one WebSocket.
type connection struct {
	*Handler
	socket  *websocket.Conn
	life    context.Context
	writing chan struct{} // holds a token while a message is written
	work    sync.WaitGroup

	mu     sync.Mutex
	last   uint64 // identifiers of subscriptions up to this one were given away
	active map[string]context.CancelFunc
	counts map[string]int64 // what each of them is counted for
}

// serve answers requests until the connection ends, then stops what it started.
func (c *connection) serve() {
	var cancel context.CancelFunc
	c.life, cancel = context.WithCancel(c.Handler.life)
	defer c.work.Wait()
	defer cancel()
	c.socket.SetReadLimit(int64(c.MaxMessage))
	c.work.Go(c.keepAlive)
	c.work.Go(c.part)
	slots := make(chan struct{}, maxRequests)
	for {
		kind, message, err := c.socket.Reader(context.Background())
		if err != nil {
			return
		}
		if kind != websocket.MessageText {
			_ = c.socket.Close(websocket.StatusUnsupportedData, "requests are text")
			return
		}
		data, release, err := c.read(c.life, message)
		if err != nil {
			release()
			return
		}
		slots <- struct{}{}
		c.work.Add(1)
		c.crew.Go(func() {
			defer c.work.Done()
			follow := c.answer(data)
			data = nil // which may be large
			release()
			<-slots
			if follow != nil {
				follow()
			}
		})
	}
}

// answer works on one request, and returns what is to follow, if anything.
func (c *connection) answer(data []byte) (follow func()) {
	r, f := parseRequest(data)
	if f == nil && r.id == nil {
		return nil // a notification: no method is for these
	}
	var result any
	var sub *subscription
	if f == nil {
		switch r.method {
		case subscribeRun:
			if sub, f = c.subscribe(c.life, r); f == nil {
				result = sub.id
			}
		case subscribeNetwork:
			result, f = c.subscribeNetwork(r)
		case unsubscribeRun, unsubscribeNetwork:
			result, f = c.unsubscribe(r)
		default:
			result, f = c.call(r)
		}
	}
	err := c.send(c.life, response(r.id, result, f))
	if sub == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(c.life)
	if !c.begin(sub.id, cancel) || err != nil {
		c.end(sub.id)
		return nil
	}
	return func() {
		defer c.end(sub.id)
		if err := c.follow(ctx, sub); err != nil && ctx.Err() == nil {
			c.Log.Info("homestar: a client is not told of its workflow any more", "workflow", sub.workflow, "err", err)
			_ = c.socket.Close(websocket.StatusInternalError, "the notifications can not go on")
		}
	}
}

// subscribe has the workflow of r accepted.
func (c *connection) subscribe(ctx context.Context, r request) (*subscription, *fail) {
	id, f := c.reserve()
	if f != nil {
		return nil, f
	}
	if f := c.hold(id, r); f != nil {
		c.end(id)
		return nil, f
	}
	sub, f := c.submit(ctx, r)
	if f != nil {
		c.end(id)
		return nil, f
	}
	sub.id = id
	return sub, nil
}

// subscribeNetwork gives out an identifier. There is no network whose events
// could be told.
func (c *connection) subscribeNetwork(r request) (string, *fail) {
	if len(r.params) > 0 {
		return "", failf(codeParams, "%s takes no parameters", r.method)
	}
	return c.reserve()
}

// reserve gives out the identifier of a subscription, which is active.
func (c *connection) reserve() (string, *fail) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.active) >= c.MaxSubscriptions {
		return "", failf(codeBusy, "this connection has %d subscriptions, the most there may be; end some, or open another connection", len(c.active))
	}
	c.last++
	id := strconv.FormatUint(c.last, 10)
	c.active[id] = func() {}
	c.subscriptions.Add(1)
	return id, nil
}

// hold counts what the document in r takes until the subscription with that identifier ends.
func (c *connection) hold(id string, r request) *fail {
	if len(r.params) != 1 {
		return nil // which is found out
	}
	size := int64(Held(len(r.params[0])))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[id] = size
	if all := c.held.Add(size); all > int64(c.MaxHeld) {
		return failf(codeBusy, "all subscriptions together would hold %d bytes with this one, and %d is the most; come back when others have ended, or submit it to /v1/workflows", all, c.MaxHeld)
	}
	return nil
}

// begin tells how an active subscription is stopped, and whether it is still
// wanted.
func (c *connection) begin(id string, stop context.CancelFunc) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active[id] == nil {
		stop()
		return false
	}
	c.active[id] = stop
	return true
}

// end makes a subscription no longer active.
func (c *connection) end(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if stop := c.active[id]; stop != nil {
		stop()
		delete(c.active, id)
		c.held.Add(-c.counts[id])
		delete(c.counts, id)
		c.subscriptions.Add(-1)
	}
}

// unsubscribe ends a subscription. The run goes on. One that has ended by itself
// counts as ended.
func (c *connection) unsubscribe(r request) (bool, *fail) {
	if len(r.params) != 1 {
		return false, failf(codeParams, "%s takes one parameter, the identifier of a subscription", r.method)
	}
	id, n := idOf(r.params[0])
	c.mu.Lock()
	known := n > 0 && n <= c.last
	c.mu.Unlock()
	if !known {
		return false, failf(codeParams, "this connection has had no subscription %s", show(r.params[0]))
	}
	c.end(id)
	return true, nil
}

// idOf reads the identifier of a subscription: text of a number from 1.
func idOf(param []byte) (string, uint64) {
	if len(param) < 3 || param[0] != '"' || param[1] == '0' {
		return "", 0
	}
	id := string(param[1 : len(param)-1])
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return "", 0
	}
	return id, n
}

// send writes one message. Who has not taken it in after WriteTimeout is cut off.
// ctx is for waiting until others have written theirs.
func (c *connection) send(ctx context.Context, data []byte) error {
	select {
	case c.writing <- struct{}{}:
		defer func() { <-c.writing }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	limit, cancel := c.patience()
	defer cancel()
	err := c.socket.Write(limit, websocket.MessageText, data)
	c.tellLate(limit, err, "it takes in nothing")
	return err
}

// ping waits until the client has taken in all that was sent.
func (c *connection) ping() error {
	limit, cancel := c.patience()
	defer cancel()
	err := c.socket.Ping(limit)
	c.tellLate(limit, err, "it leaves a ping unanswered")
	return err
}

// farewell is how long after the end of a connection has come what is being written
// then may take: a message that is broken off ends the connection without a word.
const farewell = time.Second

// patience bounds how long one message takes.
func (c *connection) patience() (context.Context, context.CancelFunc) {
	limit, cancel := context.WithTimeout(context.WithoutCancel(c.life), c.WriteTimeout)
	stop := context.AfterFunc(c.life, func() { time.AfterFunc(farewell, cancel) })
	return limit, func() {
		stop()
		cancel()
	}
}

// tellLate logs that a client is cut off, if err is that it took too long.
func (c *connection) tellLate(limit context.Context, err error, why string) {
	if err != nil && errors.Is(limit.Err(), context.DeadlineExceeded) {
		c.Log.Info("homestar: a client is cut off", "why", why, "after", c.WriteTimeout)
	}
}

// keepAlive cuts off a client that no longer answers.
func (c *connection) keepAlive() {
	tick := time.NewTicker(c.PingInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if c.ping() != nil {
				c.cut()
				return
			}
		case <-c.life.Done():
			return
		}
	}
}

// part ends the connection when its time has come: the reader has ended, or the node is
// stopping.
func (c *connection) part() {
	<-c.life.Done()
	if errors.Is(context.Cause(c.life), ErrStopping) {
		_ = c.socket.Close(websocket.StatusGoingAway, ErrStopping.Error())
		return
	}
	c.cut()
}

// cut ends the connection without a word.
func (c *connection) cut() { _ = c.socket.CloseNow() }
