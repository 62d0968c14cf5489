// Command tabulate writes tables of comma-separated values as Markdown, or in
// a form of your own:
//
//	tabulate [-sort COLUMN] [-template FILE] [-summary FILE] [FILE…]
//
// It reads its standard input, or the files named, whose first lines must be
// the same, and writes to its standard output. It is an ordinary Go program,
// and would do the same anywhere.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"text/template"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "tabulate:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("tabulate", flag.ExitOnError)
	by := flags.String("sort", "", "sort the rows by this `COLUMN`")
	form := flags.String("template", "", "write the table through the text/template in this `FILE`")
	summary := flags.String("summary", "", "write what is in each column to this `FILE`, as JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}

	t, err := readAll(flags.Args(), in)
	if err != nil {
		return err
	}
	if *by != "" {
		if err := t.sort(*by); err != nil {
			return err
		}
	}
	if *summary != "" {
		if err := t.writeSummary(*summary); err != nil {
			return err
		}
	}
	if *form != "" {
		return t.render(*form, out)
	}
	return t.markdown(out)
}

// readAll reads the named files into one table, or in where none is named.
func readAll(names []string, in io.Reader) (*table, error) {
	if len(names) == 0 {
		return readTable("standard input", in)
	}
	var all *table
	for _, name := range names {
		t, err := readFile(name)
		switch {
		case err != nil:
			return nil, err
		case all == nil:
			all = t
		case !slices.Equal(all.Columns, t.Columns):
			return nil, fmt.Errorf("%s: its columns are %q, and those of %s are %q", name, t.Columns, names[0], all.Columns)
		default:
			all.Rows = append(all.Rows, t.Rows...)
		}
	}
	return all, nil
}

func readFile(name string) (*table, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	t, err := readTable(name, file)
	return t, errors.Join(err, file.Close())
}

// render writes the table through a template, which sees .Columns, .Rows and
// .Summary.
func (t *table) render(name string, out io.Writer) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	form, err := template.New(name).Parse(string(text))
	if err != nil {
		return err
	}
	return form.Execute(out, t)
}
