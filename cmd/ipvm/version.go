package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm/wasm"
)

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the version of ipvm and of its WebAssembly engine",
		Args:  wants(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			if asJSON {
				return printJSON(out, newVersionJSON())
			}
			fmt.Fprintf(out, "ipvm %s, %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			e, err := wasm.New(wasm.Config{})
			if err != nil {
				fmt.Fprintf(out, "functions can not run: %v\n", err)
				return nil
			}
			fmt.Fprintf(out, "gas schedule %s\n", wasm.Schedule)
			return e.Close()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// versionJSON is what `ipvm version --json` prints.
type versionJSON struct {
	Schema   int    `json:"schema"`
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Gas      string `json:"gas,omitempty"` // the schedule
	Why      string `json:"why,omitempty"` // functions can not run
}

func newVersionJSON() versionJSON {
	v := versionJSON{Schema: jsonSchema, Version: version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	e, err := wasm.New(wasm.Config{})
	if err == nil {
		err = e.Close()
	}
	if err != nil {
		v.Why = err.Error()
		return v
	}
	v.Gas = wasm.Schedule
	return v
}

// version is the module's version, or the commit that it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown version)"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "devel " + s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}
