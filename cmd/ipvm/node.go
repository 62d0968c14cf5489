package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/supervise"
)

func newNode(a *app) *cobra.Command {
	var alone bool
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Stay, and run the workflows that are submitted to this state directory",
		Long: `Stay until interrupted, and run the workflows that are submitted to this state
directory with 'ipvm run --detach'. What was accepted is run to its end, also
when this process is killed and started again: what has a receipt is not run
again. Other commands use this node as long as it is there.

The node runs as a child of this process, which starts it again when it dies. With
--no-supervisor it is this process itself, for systems that look after it: systemd
and the like.

It also answers HTTP at a loopback address, where other programs of this machine
submit workflows: docs/http.md. Clients of Homestar find their JSON-RPC there.
Whoever can connect, other users of the machine too, can have run what is pure. That
is kept apart: of what you have and had run they see what 'ipvm block share' names.

The node's log, of its own troubles, goes to standard error.`,
		Example: "  ipvm node &\n  ipvm run --detach workflow.yaml\n  ipvm ps",
		Args:    wants(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.config.load(cmd); err != nil {
				return err
			}
			o := a.config.serving()
			if alone {
				return a.stay(cmd, o, nil)
			}
			return a.supervised(cmd, o)
		},
	}
	f := cmd.Flags()
	a.config.servingFlags(f)
	f.BoolVar(&alone, "no-supervisor", false, "be the node, and do not start it again when it dies")
	return cmd
}

// supervised is the node if this process was started for that, else its
// supervisor.
func (a *app) supervised(cmd *cobra.Command, o ipvm.ServeOptions) error {
	files := 1 // the lock of the state directory, which lasts until the node is gone
	if o.Listen != "" {
		files++
	}
	child, err := supervise.Inherit(files)
	switch {
	case err != nil:
		return err
	case child == nil:
		return a.supervise(cmd, o)
	}
	a.isSupervised = true
	var inherited *os.File
	if o.Listen != "" {
		inherited = child.Files[1]
	}
	err = a.stay(cmd, o, inherited)
	return errors.Join(err, child.Done())
}

// supervise keeps a node running. It holds the address at which HTTP is answered:
// who connects while there is no node is answered by the next.
func (a *app) supervise(cmd *cobra.Command, o ipvm.ServeOptions) error {
	dir, err := makeStateDir(a.config.dir())
	if err != nil {
		return err
	}
	lock, err := supervise.Hold(cmd.Context(), dir)
	if errors.Is(err, supervise.ErrHeld) {
		return fmt.Errorf("%s: %w: another node runs there\n  hint: end it, or use another state directory", dir, ipvm.ErrGuest)
	}
	if errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("state directory: %w: %w", store.ErrReadOnly, err)
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("state directory: %w\n  hint: let this user write there, or use another one (--dir)", err)
	}
	if err != nil {
		return fmt.Errorf("%w\n  hint: --no-supervisor does without one", err)
	}
	defer lock.Close()
	files := []*os.File{lock}
	if o.Listen != "" {
		socket, err := listenFile(cmd.Context(), o.Listen)
		if err != nil {
			return listenFault(err)
		}
		defer socket.Close()
		files = append(files, socket)
	}
	self := program()
	if self == "" {
		return errors.New("this program does not know where it is, so it can not be started again\n  hint: --no-supervisor does not need that")
	}
	status, err := supervise.Run(cmd.Context(), supervise.Config{
		Path: self, Args: os.Args, Files: files,
		Died: func(d supervise.Death) { fmt.Fprintln(cmd.ErrOrStderr(), "ipvm: "+obituary(d)) },
	})
	if err != nil {
		return fmt.Errorf("the node: %w\n  hint: what it wrote above says why, and `ipvm doctor` whether the state directory is well", err)
	}
	switch status {
	case exitOK:
		return nil
	case -1:
		return errors.New("the node was killed while it ended; what it had acknowledged is kept")
	}
	return childError(status)
}

// makeStateDir is the state directory, which exists from now on.
func makeStateDir(dir string) (string, error) {
	if dir == "" {
		var err error
		if dir, err = ipvm.DefaultDir(); err != nil {
			return "", err
		}
	}
	if err := os.MkdirAll(dir, 0o700); errors.Is(err, syscall.EROFS) {
		return "", fmt.Errorf("state directory: %w: %w", store.ErrReadOnly, err)
	} else if err != nil {
		return "", fmt.Errorf("state directory: %w", err)
	}
	return dir, nil
}

// childError is the exit status of a child that has said why.
type childError int

func (e childError) Error() string { return fmt.Sprintf("the node ended with status %d", int(e)) }

// listenFile is a socket that listens at addr.
func listenFile(ctx context.Context, addr string) (*os.File, error) {
	l, err := ipvm.Listen(ctx, addr)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return l.(*net.TCPListener).File()
}

// listenFault is err, as a mistake of the command line where the address is one that
// this machine does not have.
func listenFault(err error) error {
	var name *net.DNSError
	if errors.As(err, &name) && name.IsNotFound || errors.Is(err, syscall.EADDRNOTAVAIL) {
		return misusef("--listen names an address of this machine, such as 127.0.0.1:1337", "%v", err)
	}
	return err
}

// obituary says that the node died, for people.
func obituary(d supervise.Death) string {
	text := fmt.Sprintf("the node died (%s) after %v; it is started again", d.How, d.After.Round(time.Millisecond))
	if d.Pause > 0 {
		text += fmt.Sprintf(" in %v, after %d deaths within %v", d.Pause, d.Count, supervise.Window)
	}
	return text
}

// errAgain ends a node that can be opened again.
var errAgain = errors.New("the node's disk is in order again")

// stay is the node until it is interrupted. One whose disk failed it is closed when
// that is in order, and opened again, at the same address. It listens at socket
// where that is not nil.
func (a *app) stay(cmd *cobra.Command, o ipvm.ServeOptions, socket *os.File) (err error) {
	a.log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	for again := false; ; again = true {
		if socket != nil {
			if o.Listener, err = net.FileListener(socket); err != nil {
				return err
			}
		}
		err = a.node(cmd, &o)
		if o.Listener != nil {
			_ = o.Listener.Close() // unless the service has done so
		}
		switch {
		case errors.Is(err, errAgain):
		case again && store.MayPass(err) && cmd.Context().Err() == nil:
			fmt.Fprintln(cmd.ErrOrStderr(), printableLines(fmt.Sprintf("ipvm: %v", err)))
			time.Sleep(time.Second)
		default:
			return err
		}
	}
}

func (a *app) node(cmd *cobra.Command, o *ipvm.ServeOptions) (err error) {
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	service, err := node.Serve(cmd.Context(), *o)
	if errors.Is(err, ipvm.ErrGuest) {
		return fmt.Errorf("%s: %w: another node or command runs there\n  hint: end it, or use another state directory", node.Dir(), err)
	}
	if err != nil {
		return listenFault(err)
	}
	defer func() { err = errors.Join(err, service.Close()) }()
	id, err := node.DID(cmd.Context())
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "ipvm: node %s serves %s; %s taken up\n", id, node.Dir(), countOf(service.Resumed, "workflow"))
	if addr := service.Addr(); addr != "" {
		o.Listen = addr
		fmt.Fprintf(cmd.ErrOrStderr(), "ipvm: http://%s\n", addr)
	}
	select {
	case <-cmd.Context().Done():
		return nil
	case err := <-service.Broken():
		return a.outlast(cmd, service, err)
	}
}

// outlast waits until the disk of a node that can not write to it any more is in
// order, or returns why that is not to be waited for. Meanwhile the node answers
// what it can without writing.
func (a *app) outlast(cmd *cobra.Command, service *ipvm.Service, err error) error {
	if !store.MayPass(err) {
		return err
	}
	fmt.Fprintln(cmd.ErrOrStderr(), printableLines(fmt.Sprintf("ipvm: %v\nipvm: the node accepts nothing until then, and goes on by itself; what it had acknowledged is kept", err)))
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for service.Writable() != nil {
		select {
		case <-cmd.Context().Done():
			return nil
		case <-tick.C:
		}
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "ipvm: %v\n", errAgain)
	return errAgain
}

// countOf is n and the word for so many.
func countOf(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
