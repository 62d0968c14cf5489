package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
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

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit code.
func run(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once.
	defer context.AfterFunc(ctx, stop)()
	ctx, unpipe := untilPipeBreaks(ctx)
	defer unpipe()
	cmd := newRoot()
	cmd.SetArgs(args)
	cmd.SetIn(in)
	cmd.SetOut(out)
	cmd.SetErr(errOut)
	return report(cmd.ExecuteContext(ctx), errOut)
}

// untilPipeBreaks is ctx until nobody reads what is written any more: then
// work is stopped as by an interrupt, and what was finished is kept.
func untilPipeBreaks(ctx context.Context) (context.Context, func()) {
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-broken:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// report prints err, unless it was printed, and returns the exit code for it.
func report(err error, errOut io.Writer) int {
	var faults workflow.FaultList
	var misuse *misuseError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFailed):
		return exitFailed
	case errors.Is(err, errFaults):
		return exitMisuse
	case errors.As(err, &faults):
		fmt.Fprintln(errOut, err)
		return exitMisuse
	case errors.Is(err, syscall.EPIPE):
		return exitNode // and nobody to tell
	case errors.As(err, &misuse):
		fmt.Fprintf(errOut, "ipvm: %v\n", err)
		return exitMisuse
	}
	fmt.Fprintf(errOut, "ipvm: %v\n", err)
	return exitNode
}

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
	config config
	flags  *cobra.Command
}

// open opens the node that the configuration names.
func (a *app) open(cmd *cobra.Command) (*ipvm.Node, error) {
	if err := a.config.load(cmd.Root().PersistentFlags()); err != nil {
		return nil, err
	}
	return ipvm.Open(a.config.dir(), a.config.options())
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
	root.AddCommand(newRun(a), newCheck(a), newGraph(a))
	root.AddCommand(moreCommands(a)...)
	return root
}
