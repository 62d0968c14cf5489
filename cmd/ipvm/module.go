package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/wasm"
)

func newInspectModule(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect MODULE",
		Short: "Show what a module (a file or a CID) is, its functions and what it can have",
		Args:  wants(1, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.inspectModule(cmd, args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, described in docs/reference.md")
	return cmd
}

// moduleJSON is what `ipvm wasm inspect --json` prints.
type moduleJSON struct {
	Schema   int        `json:"schema"`
	Module   string     `json:"module"`
	Size     int        `json:"size"`
	Form     wasm.Form  `json:"form,omitempty"`
	Path     wasm.Path  `json:"path,omitempty"`
	Why      string     `json:"why,omitempty"`
	Compiled bool       `json:"compiled"`
	Memory   memoryJSON `json:"memory"`
	Imports  []string   `json:"imports"`
	Exports  []string   `json:"exports"`
	Left     []string   `json:"leftOut,omitempty"`
	Random   bool       `json:"random"`
	Error    *errorJSON `json:"error,omitempty"`
}

// memoryJSON is the memory that a module declares, in bytes.
type memoryJSON struct {
	Min uint64  `json:"min"`
	Max *uint64 `json:"max,omitempty"`
}

// randomWarning is what is said of a module that asks for random numbers.
const randomWarning = "it imports random numbers: they are derived from the task, so never make keys of them"

func (a *app) inspectModule(cmd *cobra.Command, name string, asJSON bool) (err error) {
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	link, err := module(cmd, node, name)
	if err != nil {
		return err
	}
	about, failure, err := node.Inspect(cmd.Context(), link)
	if err != nil {
		return err
	}
	if asJSON {
		out := aboutJSON(about)
		out.Module = link.String()
		if failure != nil {
			out.Error = &errorJSON{Kind: string(failure.Kind), Message: failure.Message}
		}
		if err := printJSON(cmd.OutOrStdout(), out); err != nil {
			return err
		}
	} else if about.Form != "" {
		fmt.Fprintf(cmd.OutOrStdout(), "module %s\n", link)
		printAbout(cmd.OutOrStdout(), about)
	}
	if failure != nil {
		return misusef("", "%s: %s", printable(name), printable(failure.Message))
	}
	if about.Random {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s: %s\n", printable(name), randomWarning)
	}
	return nil
}

func aboutJSON(about ipvm.Inspection) moduleJSON {
	out := moduleJSON{
		Schema: jsonSchema, Size: about.Size, Form: about.Form, Path: about.Path, Why: about.Why, Compiled: about.Compiled,
		Memory: memoryJSON{Min: about.MinMemory}, Imports: append([]string{}, about.Imports...), Exports: []string{}, Random: about.Random,
	}
	if about.HasMax {
		out.Memory.Max = &about.MaxMemory
	}
	for _, f := range about.Interface.Funcs {
		out.Exports = append(out.Exports, f.String())
	}
	out.Left = about.Left
	return out
}

// forms are the forms of modules in words.
var forms = map[wasm.Form]string{
	wasm.FormComponent: "a component",
	wasm.FormTyped:     "a core module with the type of a component",
	wasm.FormCore:      "a core module",
	wasm.FormCommand:   "a WASI program",
}

func printAbout(out io.Writer, about ipvm.Inspection) {
	state := "not compiled yet"
	if about.Compiled {
		state = "compiled"
	}
	fmt.Fprintf(out, "form: %s of %s, %s\n", forms[about.Form], bytesText(uint64(about.Size)), state)
	switch about.Path {
	case wasm.PathDirect:
		fmt.Fprintln(out, "calls: direct")
	case wasm.PathModel:
		fmt.Fprintf(out, "calls: by the engine's component model, where bytes are slow: %s\n", printable(about.Why))
	default: // it was not read
		return
	}
	switch {
	case about.HasMax && about.MaxMemory == 0:
		fmt.Fprintln(out, "memory: none")
	case about.HasMax:
		fmt.Fprintf(out, "memory: from %s, at most %s\n", size(about.MinMemory), size(about.MaxMemory))
	default:
		fmt.Fprintf(out, "memory: from %s, as much as the job's limit allows\n", size(about.MinMemory))
	}
	for _, name := range about.Imports {
		fmt.Fprintf(out, "import %s\n", printable(name))
	}
	for _, f := range about.Interface.Funcs {
		fmt.Fprintf(out, "export %s\n", printable(f.String()))
	}
	for _, name := range about.Left {
		fmt.Fprintf(out, "left out %s: only functions of up to 16 numbers can be called\n", printable(name))
	}
	if len(about.Interface.Funcs) == 0 {
		fmt.Fprintln(out, "exports no function that can be called")
	}
}
