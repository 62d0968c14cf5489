package main

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// TestReference holds docs/reference.md to the program: every command, flag,
// setting, field of JSON, kind and code is in it, where it belongs.
func TestReference(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	need := func(where, part, what string) {
		if !strings.Contains(part, what) {
			t.Errorf("%s: nothing about %s", where, what)
		}
	}
	section := func(begin, end string) string {
		_, rest, ok := strings.Cut(text, begin)
		if !ok {
			t.Errorf("there is no %q", begin)
		}
		part, _, _ := strings.Cut(rest, end)
		return part
	}
	commands := section("## Commands\n", "\n## ")
	root := newRoot()
	walk(root, func(cmd *cobra.Command) {
		top := cmd
		for top.HasParent() && top.Parent() != root {
			top = top.Parent()
		}
		part := commands
		if cmd != root && cmd.Name() != "completion" && cmd.Name() != "help" && cmd.Name() != "version" {
			part = "`ipvm " + top.Name() + section("\n### `ipvm "+top.Name(), "\n### ")
		}
		if cmd.Runnable() && cmd != root {
			need("Commands", part, "`"+strings.TrimSuffix(cmd.UseLine(), " [flags]"))
		}
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			need(cmd.CommandPath(), part, "--"+f.Name)
			if f.Shorthand != "" {
				need(cmd.CommandPath(), part, "`-"+f.Shorthand+"`")
			}
		})
	})
	settings := section("## Configuration\n", "\n## ")
	var c config
	c.register(pflag.NewFlagSet("", pflag.ContinueOnError))
	for _, s := range c.all {
		need("Configuration", settings, "| `"+s.key+"`, `--"+s.key+" "+s.kind+"` | `"+s.env+"` | ")
		if s.key != keyDir && s.key != keyWorkers && s.key != keyNodeMemory { // as the machine is
			need("Configuration", settings, "`"+s.env+"` | "+s.value+" | ")
		}
	}
	for name, v := range map[string]any{
		"ipvm run --json": runJSON{}, "ipvm run --dry-run --json": dryRunJSON{}, "ipvm check --json": checkJSON{}, "ipvm receipt ls --json": receiptJSON{},
		"ipvm receipt show --json": knownOfTaskJSON{}, "ipvm receipt explain --json": reasonsJSON{},
		"ipvm wasm inspect --json": moduleJSON{}, "ipvm wasm compile --json": compileJSON{},
		"ipvm delegate --json": grantJSON{}, "ipvm inspect --json": inspectJSON{}, "ipvm verify --json": verifyJSON{}, "ipvm config --json": configJSON{},
		"ipvm export --json": exportJSON{}, "ipvm import --json": importJSON{},
	} {
		part := section("### `"+name+"`\n", "\n##")
		if name != "ipvm run --json" { // what is said there of sources and errors is not said again
			part += section("### `ipvm run --json`\n", "\n##")
		}
		if name == "ipvm receipt explain --json" { // nor what is of receipts
			part += section("### `ipvm receipt show --json`\n", "\n##")
		}
		if name == "ipvm inspect --json" { // nor what is of tokens and receipts
			part += section("### `ipvm delegate --json`\n", "\n##") + section("### `ipvm receipt ls --json`\n", "\n##")
		}
		for _, field := range fields(reflect.TypeOf(v)) {
			need(name, part, "`"+field+"`")
		}
	}
	for _, k := range task.KnownEffects {
		if k.Class == task.ClassQuery {
			effects := section("### Effects\n", "\n###")
			need("Effects", effects, "`"+k.Scheme+"`")
			need("Effects", effects, "`"+k.Ability+"`")
		}
	}
	for _, k := range task.Kinds {
		need("Kinds", section("## Kinds of failure\n", "\nTrap codes"), "| `"+string(k)+"` |")
	}
	for _, code := range task.Traps {
		need("Trap codes", section("\nTrap codes", "\n#"), "`"+code+"`")
	}
	for _, k := range []workflow.Kind{
		workflow.Syntax, workflow.Size, workflow.UnknownField, workflow.Duplicate, workflow.Type, workflow.Invalid, workflow.Missing, workflow.BadPromise,
		workflow.File, workflow.Unsupported, workflow.Ignored, workflow.Cycle,
	} {
		need("Kinds of fault", section("The kinds of fault are", "\n#"), "`"+string(k)+"`")
	}
}

func walk(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, c := range cmd.Commands() {
		walk(c, f)
	}
}

// fields are the names of all fields in JSON of a type, with those inside.
func fields(t reflect.Type) (names []string) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return fields(t.Elem())
	case reflect.Struct:
	default:
		return nil
	}
	for i := range t.NumField() {
		if f := t.Field(i); !f.Anonymous {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			names = append(names, name)
		}
		names = append(names, fields(t.Field(i).Type)...)
	}
	return names
}
