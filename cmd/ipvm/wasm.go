package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

func newWasm(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "wasm",
		Short: "Look into WebAssembly modules, compile them, and call their functions",
	})
	cmd.AddCommand(newInspectModule(a), newCompile(a), newCall(a))
	return cmd
}

func newCall(a *app) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "call MODULE FUNCTION [ARGUMENT…]",
		Short: "Call one function: a workflow of one job",
		Long: `Call FUNCTION of MODULE (a file or a CID). An ARGUMENT is DAG-JSON, such as
42, '"text"' or '[1, 2]'; what is not JSON is taken as text; @FILE imports a
file and passes its content. The result is remembered like that of any job.`,
		Example: "  ipvm wasm call full-name.wasm full-name Boris Mann",
		Args:    wants(2, -1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.call(cmd, args[0], args[1], args[2:], o) },
	}
	cmd.Flags().StringVarP(&o.dir, "output-dir", "o", "", "write the result to a file in `DIR`")
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON object, as `ipvm run --json` does")
	return cmd
}

// module is the link of a module given as a file or a CID.
func module(cmd *cobra.Command, node *ipvm.Node, name string) (ipld.Link, error) {
	link, err := ipld.ParseLink(strings.TrimPrefix(name, "ipfs://"))
	if err == nil {
		return link, nil
	}
	link, err = node.Import(cmd.Context(), name)
	return link, asMisuse(err)
}

func (a *app) call(cmd *cobra.Command, name, fun string, args []string, o runOptions) (err error) {
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	link, err := module(cmd, node, name)
	if err != nil {
		return err
	}
	params, err := arguments(cmd, node, args)
	if err != nil {
		return err
	}
	w, err := node.Single(cmd.Context(), link, fun, params)
	var faults workflow.FaultList
	if errors.As(err, &faults) && outOfReach(faults) {
		return fmt.Errorf("%s: %s%s%s", printable(name), printable(faults[0].Msg), hintMark, faults[0].Hint)
	}
	if errors.As(err, &faults) { // there is no document that they could be in
		return misusef(faults[0].Hint, "%s: %s", printable(name), printable(faults[0].Msg))
	}
	if err != nil {
		return err
	}
	if err := prepareDir(o.dir); err != nil {
		return err
	}
	report, err := node.Run(cmd.Context(), w, ipvm.RunOptions{})
	if err != nil {
		return err
	}
	files, err := writeResults(cmd.Context(), node, w, report, o)
	if err != nil {
		return err
	}
	return printCall(cmd, w, report, files, o)
}

func printCall(cmd *cobra.Command, w *ipvm.Workflow, report *ipvm.Report, files map[string]string, o runOptions) error {
	job := &report.Jobs[0]
	switch {
	case o.json:
		if err := printJSON(cmd.OutOrStdout(), reportJSON(w, report, files)); err != nil {
			return err
		}
	case job.Outcome.OK():
		fmt.Fprintln(cmd.OutOrStdout(), valueText(job.Outcome.Value))
		fmt.Fprintf(cmd.ErrOrStderr(), "%s, %s gas\n", job.How, count(job.Gas))
	default:
		printFirstError(cmd.ErrOrStderr(), w, report)
	}
	if report.Status != engine.StatusOK {
		return failureOf(report)
	}
	return nil
}

// arguments are the arguments of a command line as values.
func arguments(cmd *cobra.Command, node *ipvm.Node, args []string) ([]ipld.Value, error) {
	values := make([]ipld.Value, len(args))
	for i, arg := range args {
		file, isFile := strings.CutPrefix(arg, "@")
		if isFile {
			link, err := node.Import(cmd.Context(), file)
			if err != nil {
				return nil, asMisuse(err)
			}
			values[i] = ipld.LinkValue(link)
			continue
		}
		v, err := ipld.DecodeJSON([]byte(arg))
		var syntax *ipld.SyntaxError
		var many ipld.SyntaxErrors
		switch {
		case err == nil:
			values[i] = v
		case strings.ContainsAny(arg[:min(1, len(arg))], `{["`) && (errors.As(err, &syntax) || errors.As(err, &many)):
			return nil, misusef("quote the argument for the shell", "argument %d is not JSON: %v", i+1, err)
		default:
			values[i] = ipld.String(arg)
		}
	}
	return values, nil
}
