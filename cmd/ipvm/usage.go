package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// maxTypos is how many letters off a name may be to be suggested.
const maxTypos = 2

// group makes cmd a command that only has commands below it: alone it shows
// its help, and a name that is not there is told with those that are near.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.SuggestionsMinimumDistance = maxTypos
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		hint := suggest(cmd.SuggestionsFor(args[0]), "")
		if hint == "" {
			hint = fmt.Sprintf("`%s --help` lists the commands", cmd.CommandPath())
		}
		return misusef(hint, "unknown command %q for %s", args[0], cmd.CommandPath())
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// near are those of names that somebody who wrote name may have meant.
func near(name string, names []string) []string {
	words := &cobra.Command{SuggestionsMinimumDistance: maxTypos}
	for _, n := range names {
		words.AddCommand(&cobra.Command{Use: n, Run: func(*cobra.Command, []string) {}})
	}
	return words.SuggestionsFor(name)
}

// suggest is a hint that offers names, or empty.
func suggest(names []string, prefix string) string {
	if len(names) == 0 {
		return ""
	}
	return "did you mean " + prefix + strings.Join(names, " or "+prefix) + "?"
}

// wants checks the number of arguments that the usage line of a command
// promises; most below 0 is no bound.
func wants(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && (most < 0 || len(args) <= most) {
			return nil
		}
		_, operands, _ := strings.Cut(strings.TrimSuffix(cmd.UseLine(), " [flags]"), cmd.CommandPath())
		hint := fmt.Sprintf("the usage is `%s`; --help tells more", cmd.UseLine())
		switch operands = strings.TrimSpace(operands); {
		case operands == "":
			return misusef(hint, "unexpected argument %q", args[0])
		case len(args) == 0:
			return misusef(hint, "expected %s", operands)
		}
		return misusef(hint, "expected %s, got %q", operands, args)
	}
}

// flagFault explains a flag that can not be followed.
func flagFault(cmd *cobra.Command, err error) error {
	hint := ""
	var none *pflag.NotExistError
	if errors.As(err, &none) {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		hint = suggest(near(none.GetSpecifiedName(), names), "--")
	}
	if hint == "" {
		hint = fmt.Sprintf("`%s --help` lists the flags", cmd.CommandPath())
	}
	var bad *pflag.InvalidValueError
	var number *strconv.NumError
	if errors.As(err, &bad) && errors.As(err, &number) {
		what := "a whole number"
		if errors.Is(number.Err, strconv.ErrRange) {
			what = "a number that can be used here"
		} else if bad.GetFlag().Value.Type() == "bool" {
			what = "true or false"
		}
		return misusef(hint, "flag --%s: %q is not %s", bad.GetFlag().Name, bad.GetValue(), what)
	}
	return misusef(hint, "%v", err)
}

// newHelp is the help command, which does not take a name that is not there
// for a question about everything.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND…]",
		Short: "Tell about a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return misusef("`ipvm help` lists the commands", "there is no command %q", strings.Join(args, " "))
			}
			return about.Help()
		},
	}
}

// newCompletion prints a script with which a shell completes commands, flags
// and files.
func newCompletion() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print what makes bash, zsh, fish or powershell complete ipvm's words",
		Example: "  source <(ipvm completion bash)\n  ipvm completion zsh > \"${fpath[1]}/_ipvm\"\n" +
			"  ipvm completion fish > ~/.config/fish/completions/ipvm.fish",
		Args:      wants(1, 1),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			return misusef("there is "+strings.Join(shells, ", "), "unknown shell %q", args[0])
		},
	}
}
