package main

import (
	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm/workflow"
)

func newSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of workflow documents, for editors",
		Long: `Print the JSON Schema (draft 2020-12) of workflows in the native dialect, with
which an editor completes fields, explains them and marks what is wrong. What goes
beyond a document's shape only ` + "`ipvm check`" + ` finds.`,
		Example: "  ipvm schema > workflow.schema.json\n  # and as the first line of workflow.yaml:\n" +
			"  # yaml-language-server: $schema=./workflow.schema.json",
		Args: wants(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(workflow.Schema)
			return err
		},
	}
}
