package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/client"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/ucan"
	"github.com/ipvm-wg/go-ipvm/wasm"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // the workflow failed
	exitMisuse = 2 // a wrong flag, argument or document
	exitNode   = 3 // the node could not do its job
)

// errFailed ends a command whose workflow failed; what failed was printed.
var errFailed = errors.New("the workflow failed")

// errOutOfReach ends one that lacks what the document names: neither the document nor
// a function is at fault. It was printed.
var errOutOfReach = errors.New("what the workflow needs can not be had")

func main() {
	if len(os.Args) == 2 && os.Args[1] == compilerWord {
		os.Exit(wasm.Compiler(os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit code.
func run(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once.
	defer context.AfterFunc(ctx, stop)()
	// Without this a broken pipe would end the process. Sockets break too, when
	// another process that uses this node ends, and that must change nothing here.
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, errOut = watched(out, cancel), watched(errOut, cancel)
	cmd := newRoot()
	cmd.SetArgs(args)
	cmd.SetIn(in)
	cmd.SetOut(out)
	cmd.SetErr(errOut)
	return report(cmd.ExecuteContext(ctx), errOut)
}

// watched is w, and calls broken when nobody reads it any more: then work is
// stopped as by an interrupt, and what was finished is kept.
func watched(w io.Writer, broken func()) io.Writer {
	if f, ok := w.(*os.File); ok && isTerminal(f) {
		return w
	}
	return pipe{w, broken}
}

type pipe struct {
	io.Writer
	broken func()
}

func (p pipe) Write(data []byte) (int, error) {
	n, err := p.Writer.Write(data)
	if errors.Is(err, syscall.EPIPE) {
		p.broken()
	}
	return n, err
}

// report prints err, unless it was printed, and returns the exit code for it.
func report(err error, errOut io.Writer) int {
	var faults workflow.FaultList
	var misuse *misuseError
	var child childError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFailed):
		return exitFailed
	case errors.As(err, &child):
		return int(child)
	case errors.Is(err, errFaults):
		return exitMisuse
	case errors.Is(err, errOutOfReach):
		return exitNode
	case errors.As(err, &faults):
		fmt.Fprintln(errOut, printableLines(err.Error()))
		if outOfReach(faults) {
			return exitNode
		}
		return exitMisuse
	case errors.Is(err, syscall.EPIPE):
		return exitNode // and nobody to tell
	case errors.As(err, &misuse), errors.Is(err, client.Denied), errors.Is(err, client.BadRequest), errors.As(err, new(*ucan.Denied)):
		fmt.Fprintln(errOut, printableLines("ipvm: "+err.Error()))
		return exitMisuse
	}
	text := "ipvm: " + err.Error()
	switch {
	case strings.Contains(text, hintMark):
	case errors.Is(err, store.ErrDiskFull):
		text += hintMark + "make room on this disk: `ipvm gc` does if a few MiB are free; what is in the folder compiled of the state directory may be deleted at any time"
	case errors.Is(err, store.ErrReadOnly):
		text += hintMark + "make the disk of the state directory writable, or use another one (--dir)"
	}
	fmt.Fprintln(errOut, printableLines(text))
	return exitNode
}

// hintMark comes before what to do about an error.
const hintMark = "\n  hint: "

// misuseError is a command line that can not be followed.
type misuseError struct{ msg, hint string }

func (e *misuseError) Error() string {
	if e.hint == "" {
		return e.msg
	}
	return e.msg + "\n  hint: " + e.hint
}

func misusef(hint, format string, args ...any) error {
	return &misuseError{msg: fmt.Sprintf(format, args...), hint: hint}
}

// app is what the commands share: the configuration and the node, opened on
// first use.
type app struct {
	config       config
	allowLiteral bool // documents may hold what looks like a credential
	isSupervised bool // this process is a child of the one that holds the state directory
	as           string
	key          did.PrivateKey // the one that as names, once it was read
	log          *slog.Logger   // nil is nowhere
}

// documentFlags are those of the commands that read a document.
func (a *app) documentFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.allowLiteral, "allow-literal-secret", false, "let the document hold what looks like a credential")
}

// open opens the node that the configuration names.
func (a *app) open(cmd *cobra.Command) (*ipvm.Node, error) {
	if err := a.config.load(cmd); err != nil {
		return nil, err
	}
	if err := a.atHome(cmd); err != nil {
		return nil, err
	}
	o := a.config.options()
	o.AllowCredentials, o.Supervised, o.Log = a.allowLiteral, a.isSupervised, a.log
	if a.as != "" {
		key, err := a.readKey(cmd, a.as)
		if err != nil {
			return nil, err
		}
		a.key, o.Requestor = key, key.DID()
	}
	return ipvm.Open(a.config.dir(), o)
}

func newRoot() *cobra.Command {
	a := &app{}
	root := group(&cobra.Command{
		Use:           "ipvm",
		Short:         "Run content-addressed workflows of WebAssembly functions",
		Long:          "ipvm runs workflows of WebAssembly functions, remembers each result by the\naddress of what it was computed from, and signs a receipt for what it did.",
		SilenceUsage:  true,
		SilenceErrors: true,
	})
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(newHelp())
	a.config.register(root.PersistentFlags())
	root.SetFlagErrorFunc(flagFault)
	root.AddCommand(newRun(a), newCheck(a), newGraph(a), newSign(a), newRevoke(a))
	root.AddCommand(moreCommands(a)...)
	addExamples(root)
	a.complete(root)
	return root
}
