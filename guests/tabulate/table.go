package main

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A table has a name for each column, and as many fields in every row.
type table struct {
	Columns []string
	Rows    [][]string
}

// A column's summary: numbers are told of only where every field is one.
type summary struct {
	Column   string   `json:"column"`
	Rows     int      `json:"rows"`
	Distinct int      `json:"distinct"`
	Sum      *float64 `json:"sum,omitempty"`
	Least    *float64 `json:"least,omitempty"`
	Most     *float64 `json:"most,omitempty"`
}

func readTable(name string, in io.Reader) (*table, error) {
	records, err := csv.NewReader(in).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("%s: no line that names the columns", name)
	}
	return &table{Columns: records[0], Rows: records[1:]}, nil
}

// sort orders the rows by one column: as numbers if all are, else as text.
func (t *table) sort(column string) error {
	at := slices.Index(t.Columns, column)
	if at < 0 {
		return fmt.Errorf("there is no column %q among %q", column, t.Columns)
	}
	if _, numeric := t.numbers(at); numeric {
		slices.SortStableFunc(t.Rows, func(a, b []string) int { return cmp.Compare(parse(a[at]), parse(b[at])) })
		return nil
	}
	slices.SortStableFunc(t.Rows, func(a, b []string) int { return cmp.Compare(a[at], b[at]) })
	return nil
}

// numbers are the fields of a column, if there are any and all are numbers.
func (t *table) numbers(column int) ([]float64, bool) {
	all := make([]float64, 0, len(t.Rows))
	for _, row := range t.Rows {
		n, err := strconv.ParseFloat(row[column], 64)
		if err != nil || n-n != 0 { // neither infinite nor NaN, which JSON can not say
			return nil, false
		}
		all = append(all, n)
	}
	return all, len(all) > 0
}

func parse(field string) float64 {
	n, _ := strconv.ParseFloat(field, 64)
	return n
}

// Summary tells of each column, in order.
func (t *table) Summary() []summary {
	all := make([]summary, 0, len(t.Columns))
	for at, name := range t.Columns {
		distinct := map[string]bool{}
		for _, row := range t.Rows {
			distinct[row[at]] = true
		}
		s := summary{Column: name, Rows: len(t.Rows), Distinct: len(distinct)}
		if numbers, ok := t.numbers(at); ok {
			sum, least, most := 0.0, slices.Min(numbers), slices.Max(numbers)
			for _, n := range numbers {
				sum += n
			}
			s.Sum, s.Least, s.Most = &sum, &least, &most
		}
		all = append(all, s)
	}
	return all
}

func (t *table) writeSummary(name string) error {
	text, err := json.MarshalIndent(t.Summary(), "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(text, '\n'), 0o644)
}

// markdown writes the table with its columns aligned, numbers to the right.
func (t *table) markdown(to io.Writer) error {
	widths, right := make([]int, len(t.Columns)), make([]bool, len(t.Columns))
	for at := range t.Columns {
		_, right[at] = t.numbers(at)
		widths[at] = 3
		for _, row := range append([][]string{t.Columns}, t.Rows...) {
			widths[at] = max(widths[at], utf8.RuneCountInString(escape(row[at])))
		}
	}
	out := bufio.NewWriter(to)
	line := func(row []string) {
		for at, field := range row {
			field = escape(field)
			space := strings.Repeat(" ", widths[at]-utf8.RuneCountInString(field))
			if right[at] {
				field = space + field
			} else {
				field += space
			}
			fmt.Fprintf(out, "| %s ", field)
		}
		fmt.Fprintln(out, "|")
	}
	line(t.Columns)
	for at := range t.Columns {
		if right[at] {
			fmt.Fprintf(out, "| %s: ", strings.Repeat("-", widths[at]-1))
		} else {
			fmt.Fprintf(out, "| %s ", strings.Repeat("-", widths[at]))
		}
	}
	fmt.Fprintln(out, "|")
	for _, row := range t.Rows {
		line(row)
	}
	return out.Flush()
}

// escape keeps a field in one cell.
func escape(field string) string {
	return strings.NewReplacer("|", `\|`, "\r\n", " ", "\n", " ").Replace(field)
}
