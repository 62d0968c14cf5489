package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/quarantine"
)

func newQuarantine(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "quarantine",
		Short: "List and release tasks that have ended the node",
		Long: fmt.Sprintf(`A call of a function can end the whole process, by a mistake in the engine and
never by right. A task that did so is tried again; when it has done so %d times it is
put into quarantine, and a whole module when its functions have done so %d times. Jobs
that would run what is there fail with kind quarantined, and nothing of that is
remembered. A task that comes to its end after all is forgotten here.`, quarantine.Most, quarantine.MostOfModule),
	})
	var asJSON bool
	list := &cobra.Command{
		Use:     "ls",
		Short:   "List tasks that have ended the node",
		Example: "  ipvm quarantine ls --json",
		Args:    wants(0, 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.listQuarantine(cmd, asJSON) },
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per line")
	remove := &cobra.Command{
		Use:     "rm TASK|MODULE",
		Short:   "Let a task, or all those of a module, be tried again",
		Example: "  ipvm quarantine rm bafyrei…",
		Args:    wants(1, 1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.release(cmd, args[0]) },
	}
	cmd.AddCommand(list, remove)
	return cmd
}

// deathJSON is a task that has ended the node in JSON; docs/reference.md describes
// it.
type deathJSON struct {
	Schema  int    `json:"schema"`
	Task    string `json:"task"`
	Module  string `json:"module,omitempty"`
	Func    string `json:"func"`
	For     string `json:"for,omitempty"`
	Times   int    `json:"times"`
	How     string `json:"how"`
	First   string `json:"first"`
	Last    string `json:"last"`
	Refused bool   `json:"refused"`
}

func deathOf(r quarantine.Record) deathJSON {
	out := deathJSON{
		Schema: jsonSchema, Task: r.Task.String(), Func: r.Func, For: string(r.For), Times: r.Strikes, How: r.How,
		First: r.First.Format(time.RFC3339Nano), Last: r.Last.Format(time.RFC3339Nano), Refused: r.Refused,
	}
	if r.Module.Defined() {
		out.Module = r.Module.String()
	}
	return out
}

func (a *app) listQuarantine(cmd *cobra.Command, asJSON bool) (err error) {
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	all, err := node.Backend().Quarantined(cmd.Context())
	if err != nil {
		return err
	}
	for _, r := range all {
		if asJSON {
			err = json.NewEncoder(cmd.OutOrStdout()).Encode(deathOf(r))
		} else {
			_, err = fmt.Fprintln(cmd.OutOrStdout(), deathText(r))
		}
		if err != nil {
			return err
		}
	}
	if !asJSON {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s, %d refused\n", countOf(len(all), "task"), refused(all))
	}
	return nil
}

// deathText is a task that has ended the node, in one line.
func deathText(r quarantine.Record) string {
	state := "suspect"
	if r.Refused {
		state = "refused"
	}
	text := fmt.Sprintf("%s  %s  %d× %s, last %s  %s of %s", r.Task, state, r.Strikes, printable(r.How), r.Last.Local().Format(time.DateTime), printable(r.Func), r.Module)
	if r.For != "" {
		text += " for " + printable(string(r.For))
	}
	return text
}

// refused is how many of all are.
func refused(all []quarantine.Record) (n int) {
	for _, r := range all {
		if r.Refused {
			n++
		}
	}
	return n
}

func (a *app) release(cmd *cobra.Command, text string) (err error) {
	link, err := ipld.ParseLink(text)
	if err != nil {
		return misusef("`ipvm quarantine ls` lists them", "%q is not the CID of a task or a module: %v", text, err)
	}
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	n, err := node.Backend().Release(cmd.Context(), link)
	if err != nil {
		return err
	}
	if n == 0 {
		return misusef("`ipvm quarantine ls` lists them", "nothing is held against %s", link)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s released\n", countOf(n, "task"))
	return nil
}
