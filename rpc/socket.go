package rpc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// socketName is the socket inside the state directory.
const socketName = "node.sock"

// maxSocketPath is how long the path of a socket may be on every system, in
// bytes.
const maxSocketPath = 100

// errStranger reports that the other side of a socket is another user.
var errStranger = errors.New("the other side of the socket is another user")

// reach calls use with a path of path's socket that is short enough for the
// system: path itself, or one through a link that exists only for the call.
func reach(path string, use func(short string) error) error {
	if len(path) <= maxSocketPath {
		return use(path)
	}
	dir, err := os.MkdirTemp("", "ipvm-")
	if err != nil {
		return fmt.Errorf("a short name for %s: %w", path, err)
	}
	defer os.RemoveAll(dir)
	link := filepath.Join(dir, "d")
	short := filepath.Join(link, filepath.Base(path))
	if len(short) > maxSocketPath {
		return fmt.Errorf("neither the state directory nor the temporary directory has a path short enough for a socket: %s is longer than %d bytes", short, maxSocketPath)
	}
	if err := os.Symlink(filepath.Dir(path), link); err != nil {
		return fmt.Errorf("a short name for %s: %w", path, err)
	}
	return use(short)
}

// dialSocket connects to the socket at path, which must be served by user uid.
// The error wraps ErrGone if nobody answers.
func dialSocket(ctx context.Context, path string, uid int) (*net.UnixConn, error) {
	var conn net.Conn
	err := reach(path, func(short string) (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, "unix", short)
		return err
	})
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNRESET):
		return nil, fmt.Errorf("%w: nobody answers at %s", ErrGone, path)
	case err != nil:
		return nil, fmt.Errorf("connect to %s: %w", path, err)
	}
	c := conn.(*net.UnixConn)
	if err := checkPeer(c, uid); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to %s: %w", path, err), c.Close())
	}
	return c, nil
}

// checkPeer tells whether the process at the other end of c belongs to uid.
func checkPeer(c *net.UnixConn, uid int) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	peer := -1
	if ctlErr := raw.Control(func(fd uintptr) { peer, err = peerUID(int(fd)) }); ctlErr != nil {
		return ctlErr
	}
	if errors.Is(err, syscall.ENOTCONN) { // it left before we looked
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	if err != nil {
		return fmt.Errorf("who is at the other side of the socket: %w", err)
	}
	if peer != uid {
		return fmt.Errorf("%w: user %d, not %d", errStranger, peer, uid)
	}
	return nil
}

// bind makes the socket at path. One that nobody answers at is replaced. The
// caller holds the state directory's lock, so no two do this at once.
func bind(path string) (*net.UnixListener, error) {
	if err := clear(path); err != nil {
		return nil, err
	}
	var l *net.UnixListener
	err := reach(path, func(short string) (err error) {
		l, err = net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false) // the short name is gone by then
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("listen at %s: %w", path, err), l.Close(), os.Remove(path))
	}
	return l, nil
}

// clear removes a socket at path that was left behind by a process that was
// killed. It refuses one that is answered, and what is no socket.
func clear(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is in the way: it is not a socket", path)
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialWait)
	defer cancel()
	conn, err := dialSocket(ctx, path, os.Getuid())
	if err == nil {
		return errors.Join(fmt.Errorf("another node answers at %s", path), conn.Close())
	}
	if !errors.Is(err, ErrGone) {
		return err
	}
	return os.Remove(path)
}

// dialWait bounds how long a node has to answer that it is there.
const dialWait = 2 * time.Second

// guard is a listener that lets in only the processes of one user.
type guard struct {
	*net.UnixListener
	uid int
}

// Accept returns the next connection of the user.
func (g guard) Accept() (net.Conn, error) {
	for {
		c, err := g.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if checkPeer(c, g.uid) == nil {
			return c, nil
		}
		c.Close() // nothing was written to it
	}
}
