package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
)

func newCompile(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "compile MODULE…",
		Short: "Compile modules (files or CIDs) now, so that the first call need not wait",
		Long: `Compile each MODULE, a file or a CID, unless its machine code is in the cache.
A module that can not be compiled does not keep the others from it.

Exit status 2 means that a module is at fault.`,
		Example: "  ipvm wasm compile examples/*/*.wasm",
		Args:    wants(1, -1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.compile(cmd, args, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, described in docs/reference.md")
	return cmd
}

// compileJSON is what `ipvm wasm compile --json` prints.
type compileJSON struct {
	Schema  int            `json:"schema"`
	Modules []compiledJSON `json:"modules"`
}

type compiledJSON struct {
	Name    string     `json:"name"`
	Module  string     `json:"module"`
	Size    int        `json:"size"`
	Machine int64      `json:"machine"`
	How     string     `json:"how,omitempty"`
	MS      float64    `json:"ms"`
	Error   *errorJSON `json:"error,omitempty"`
}

// How a module came to be compiled.
const (
	howCompiled = "compiled"
	howCached   = "cached"
)

func (a *app) compile(cmd *cobra.Command, names []string, asJSON bool) (err error) {
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	out := compileJSON{Schema: jsonSchema, Modules: []compiledJSON{}}
	var bad []error
	for _, name := range names {
		one, err := compileOne(cmd, node, name)
		if err != nil {
			return err
		}
		out.Modules = append(out.Modules, one)
		switch {
		case one.Error != nil:
			bad = append(bad, fmt.Errorf("%s: %s", printable(name), printable(one.Error.Message)))
		case !asJSON:
			fmt.Fprintf(cmd.OutOrStdout(), "%-8s %s: %s, %s of machine code, %.1f ms\n",
				one.How, printable(name), bytesText(uint64(one.Size)), bytesText(uint64(one.Machine)), one.MS)
		}
	}
	if asJSON {
		if err := printJSON(cmd.OutOrStdout(), out); err != nil {
			return err
		}
	}
	if len(bad) > 0 {
		return misusef("", "%v", errors.Join(bad...))
	}
	return nil
}

func compileOne(cmd *cobra.Command, node *ipvm.Node, name string) (compiledJSON, error) {
	link, err := module(cmd, node, name)
	if err != nil {
		return compiledJSON{}, err
	}
	c, failure, err := node.Compile(cmd.Context(), link)
	if err != nil {
		return compiledJSON{}, err
	}
	one := compiledJSON{Name: name, Module: link.String(), Size: c.Size, Machine: c.Machine, How: howCompiled, MS: milliseconds(c.Time)}
	switch {
	case failure != nil:
		one.How, one.Error = "", &errorJSON{Kind: string(failure.Kind), Message: failure.Message}
	case c.Cached:
		one.How = howCached
	}
	return one, nil
}
