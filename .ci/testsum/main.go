// Command testsum is responsible for the summary of one or several test runs.
//
//	go test -json ./... | testsum -run NAME -out FILE   shows a run as it goes and keeps its results
//	testsum [-skips FILE] FILE…                         sums up kept runs, each test once
//
// A run fails when a test or package failed, when a package could not be
// built, and when no test ran. Given -skips, the sum fails when a test was
// skipped in every run and the file does not list it together with a reason.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

func main() {
	run := flag.String("run", "", "name of the run to read from standard input")
	out := flag.String("out", "", "file that keeps the results of the run")
	skips := flag.String("skips", "", "file of the tests that may be skipped")
	flag.Parse()
	if err := summarise(*run, *out, *skips, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
}

func summarise(run, out, skipsFile string, kept []string) error {
	if run != "" {
		results, err := read(os.Stdin, os.Stdout)
		if err != nil {
			return err
		}
		if err := results.write(out); err != nil {
			return err
		}
		return results.report(os.Stdout, run)
	}
	var all Results
	for _, name := range kept {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var r Results
		if err := json.Unmarshal(data, &r); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		all.add(r)
	}
	var faults error
	if skipsFile != "" {
		allowed, err := readSkips(skipsFile)
		if err != nil {
			return err
		}
		faults = all.checkSkips(os.Stdout, allowed)
	}
	fmt.Println(all.line())
	return faults
}

// Results holds the outcome of every test by "package test", and of every
// package that failed outside its tests by "package".
type Results struct {
	Tests    map[string]string
	Packages map[string]string
}

// add merges another run: a test that failed in one of them has failed, and
// one that passed in one of them was not skipped.
func (r *Results) add(other Results) {
	rank := []string{"skip", "pass", "fail"}
	merge := func(into *map[string]string, from map[string]string) {
		if *into == nil {
			*into = map[string]string{}
		}
		for key, outcome := range from {
			if slices.Index(rank, outcome) > slices.Index(rank, (*into)[key]) {
				(*into)[key] = outcome
			}
		}
	}
	merge(&r.Tests, other.Tests)
	merge(&r.Packages, other.Packages)
}

func (r *Results) count(outcome string) int {
	n := 0
	for _, is := range r.Tests {
		if is == outcome {
			n++
		}
	}
	return n
}

// line is the summary in the form that continuous integration reads.
func (r *Results) line() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", r.count("pass"), r.count("fail"), r.count("skip"))
}

type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
	Elapsed    float64
}

// read follows a run: one line for each package that ends, and the whole
// output of what failed.
func read(from io.Reader, to io.Writer) (Results, error) {
	r := Results{Tests: map[string]string{}, Packages: map[string]string{}}
	output := map[string][]string{}
	scanner := bufio.NewScanner(from)
	scanner.Buffer(nil, 64<<20)
	for scanner.Scan() {
		var e event
		if err := json.Unmarshal(scanner.Bytes(), &e); err != nil {
			// go test prints some faults of its own as plain text.
			fmt.Fprintln(to, scanner.Text())
			continue
		}
		key := strings.TrimSpace(e.Package + " " + e.Test)
		switch e.Action {
		case "build-output":
			fmt.Fprint(to, e.Output)
		case "output":
			output[key] = append(output[key], e.Output)
		case "run":
			// Counted as failed unless its end is seen.
			r.Tests[key] = "fail"
		case "pass", "fail", "skip":
			if e.Test != "" {
				r.Tests[key] = e.Action
				if e.Action == "pass" {
					delete(output, key)
				}
				continue
			}
			r.endPackage(to, e, output)
		}
	}
	return r, scanner.Err()
}

func (r *Results) endPackage(to io.Writer, e event, output map[string][]string) {
	r.Packages[e.Package] = e.Action
	counts := map[string]int{}
	failed := []string{}
	for key, outcome := range r.Tests {
		if of, _, _ := strings.Cut(key, " "); of != e.Package {
			continue
		}
		counts[outcome]++
		if outcome == "fail" {
			failed = append(failed, key)
		}
	}
	if e.Action == "fail" {
		slices.Sort(failed)
		for _, key := range append(failed, e.Package) {
			fmt.Fprint(to, strings.Join(output[key], ""))
		}
		if len(failed) == 0 {
			r.Tests[e.Package+" (package)"] = "fail"
		}
	}
	word := map[string]string{"pass": "ok  ", "fail": "FAIL", "skip": "-   "}[e.Action]
	fmt.Fprintf(to, "%s %-50s %7.1f s %5d tests\n", word, e.Package, e.Elapsed, counts["pass"]+counts["fail"]+counts["skip"])
	for key := range output {
		if of, _, _ := strings.Cut(key, " "); of == e.Package && r.Tests[key] != "skip" {
			delete(output, key)
		}
	}
}

func (r *Results) write(name string) error {
	if name == "" {
		return nil
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o600)
}

// report ends a run: what failed, what was skipped, how many of each.
func (r *Results) report(to io.Writer, run string) error {
	passed, failed := 0, 0
	for _, outcome := range r.Packages {
		switch outcome {
		case "pass":
			passed++
		case "fail":
			failed++
		}
	}
	for _, key := range sorted(r.Tests) {
		if word := map[string]string{"fail": "failed: ", "skip": "skipped:"}[r.Tests[key]]; word != "" {
			fmt.Fprintln(to, word, key)
		}
	}
	fmt.Fprintf(to, "packages: %d ok, %d failed\n%s: %s\n", passed, failed, run, r.line())
	if n := r.count("fail"); n > 0 {
		return fmt.Errorf("%d failed", n)
	}
	if len(r.Tests) == 0 {
		return errors.New("no test ran")
	}
	return nil
}

// checkSkips compares the tests that never ran with those that need not.
func (r *Results) checkSkips(to io.Writer, allowed []skip) error {
	var faults []error
	used := map[int]bool{}
	for _, key := range sorted(r.Tests) {
		if r.Tests[key] != "skip" {
			continue
		}
		i := slices.IndexFunc(allowed, func(s skip) bool { return s.covers(key) })
		if i < 0 {
			faults = append(faults, fmt.Errorf("%s was skipped in every run and is not listed with a reason", key))
			continue
		}
		used[i] = true
		fmt.Fprintln(to, "not run:", key, "–", allowed[i].reason)
	}
	for i, s := range allowed {
		if !used[i] {
			fmt.Fprintf(to, "listed, but not skipped here: %s %s\n", s.pkg, s.test)
		}
	}
	return errors.Join(faults...)
}

// A skip is one line of the list: package, pattern of test names, reason.
type skip struct{ pkg, test, reason string }

func (s skip) covers(key string) bool {
	pkg, test, _ := strings.Cut(key, " ")
	name, _, _ := strings.Cut(test, "/")
	whole, _ := path.Match(s.test, test)
	top, _ := path.Match(s.test, name)
	return (pkg == s.pkg || strings.HasSuffix(pkg, "/"+s.pkg)) && (whole || top)
}

func readSkips(name string) ([]skip, error) {
	if name == "" {
		return nil, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var list []skip
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Fields(line)
		if len(words) < 3 {
			return nil, fmt.Errorf("%s:%d: want package, test and reason", name, i+1)
		}
		list = append(list, skip{words[0], words[1], strings.Join(words[2:], " ")})
	}
	return list, nil
}

func sorted(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
