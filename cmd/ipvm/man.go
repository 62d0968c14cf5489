package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write a manual page for each command",
		Long: `Write a manual page for each command into DIR, which is made where it is not
there, named as ` + "`man`" + ` looks for them: DIR/man1/ipvm-run.1. What is there under such
a name is overwritten.`,
		Example: "  ipvm man ~/.local/share/man\n  man ipvm-run",
		Args:    wants(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := filepath.Join(args[0], "man1")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return misusef("", "%v", err)
			}
			n := 0
			for _, page := range pages(cmd.Root()) {
				if err := writeAtomically(filepath.Join(dir, pageName(page)+".1"), manPage(page), 0o644); err != nil {
					return err
				}
				n++
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s in %s\n", countOf(n, "page"), dir)
			return nil
		},
	}
}

// pages are the commands that have a page, cmd first.
func pages(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			all = append(all, pages(c)...)
		}
	}
	return all
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// roff is a manual page being written.
type roff struct{ bytes.Buffer }

// manPage is the page of a command in roff, for section 1. It is the same on every
// machine, whatever is configured there.
func manPage(cmd *cobra.Command) []byte {
	var p roff
	name := pageName(cmd)
	fmt.Fprintf(&p, ".TH %q 1 \"\" \"ipvm\" \"ipvm\"\n", strings.ToUpper(name))
	p.section("NAME")
	p.line(name + " \\- " + roffText(cmd.Short))
	p.section("SYNOPSIS")
	p.line(roffText(strings.TrimSuffix(cmd.UseLine(), " [flags]")) + map[bool]string{true: " [FLAG\\&.\\&.\\&.]"}[cmd.LocalFlags().HasFlags()])
	p.section("DESCRIPTION")
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	p.paragraphs(text)
	if cmd.HasAvailableSubCommands() {
		p.section("COMMANDS")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				p.item(pageName(c)+"(1)", c.Short)
			}
		}
	}
	p.flags("OPTIONS", cmd.LocalNonPersistentFlags())
	if !cmd.HasParent() {
		p.settings()
	}
	if cmd.Example != "" {
		p.section("EXAMPLES")
		p.line(".nf")
		for line := range strings.Lines(cmd.Example) {
			p.line(roffText(strings.TrimPrefix(strings.TrimRight(line, "\n"), "  ")))
		}
		p.line(".fi")
	}
	p.section("EXIT STATUS")
	for _, s := range [...]struct{ code, means string }{
		{"0", "all well"},
		{"1", "the workflow failed or was cancelled, or what was looked at does not hold"},
		{"2", "the command line or the document is at fault"},
		{"3", "the node could not do its job"},
	} {
		p.item(s.code, s.means)
	}
	p.also(cmd)
	return p.Bytes()
}

// settings are the flags of all commands, with the variables that set them too.
func (p *roff) settings() {
	p.section("SETTINGS")
	p.paragraphs("Every command takes these. A flag counts before the variable in the environment, that before the configuration file, and that before the default.")
	var c config
	c.register(pflag.NewFlagSet("", pflag.ContinueOnError))
	for _, s := range c.all {
		if s.serving {
			continue // a flag of few commands, in the pages of these
		}
		usage := s.usage + " ($" + s.env
		if s.key != keyDir && s.key != keyWorkers && s.value != "" { // these two are this machine's
			usage += "; default " + s.value
		}
		p.item("--"+s.key+" "+s.kind, usage+")")
	}
	p.item("--"+keyConfig+" FILE", "the configuration file, in TOML; without it ipvm/config.toml in the user's folder for configuration")
}

func (p *roff) flags(title string, flags *pflag.FlagSet) {
	first := true
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		if first {
			p.section(title)
			first = false
		}
		kind, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		p.item(strings.TrimSpace(name+" "+kind), usage)
	})
}

// also names the pages that stand around that of cmd.
func (p *roff) also(cmd *cobra.Command) {
	var names []string
	if cmd.HasParent() {
		names = append(names, pageName(cmd.Parent())+"(1)")
		for _, c := range cmd.Parent().Commands() {
			if c != cmd && c.IsAvailableCommand() && cmd.Parent().HasParent() {
				names = append(names, pageName(c)+"(1)")
			}
		}
	}
	if len(names) > 0 {
		p.section("SEE ALSO")
		p.line(roffText(strings.Join(names, ", ")))
	}
}

func (p *roff) section(title string) { p.line(".SH " + title) }

// item is a term with what there is to say of it.
func (p *roff) item(term, text string) {
	p.line(".TP")
	p.line("\\fB" + roffText(term) + "\\fR")
	p.line(roffText(text))
}

// paragraphs are texts with an empty line between them. Lines that are set in stay
// as they are.
func (p *roff) paragraphs(text string) {
	for i, part := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			p.line(".PP")
		}
		for line := range strings.Lines(part) {
			line = strings.TrimRight(line, "\n")
			if strings.HasPrefix(line, " ") {
				p.line(".br")
			}
			p.line(roffText(line))
		}
	}
}

func (p *roff) line(s string) {
	p.WriteString(s)
	p.WriteByte('\n')
}

// roffText is s as roff shows it, in ASCII: nothing in it is a request, dashes are
// those that are typed, and what is between backticks is bold.
func roffText(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	parts := strings.Split(s, "`")
	if len(parts)%2 == 1 {
		for i := 1; i < len(parts); i += 2 {
			parts[i] = `\fB` + parts[i] + `\fR`
		}
		s = strings.Join(parts, "")
	}
	var b strings.Builder
	for _, r := range s {
		if r > '~' {
			fmt.Fprintf(&b, `\[u%04X]`, r)
		} else {
			b.WriteRune(r)
		}
	}
	s = b.String()
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") || strings.HasPrefix(s, " ") {
		s = `\&` + s
	}
	return s
}
