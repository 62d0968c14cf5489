package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/secret"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// view shows a run while it goes on: a line on standard output for each job
// that has ended, and on a terminal a line below that says what is running.
type view struct {
	out, progress io.Writer // progress is nil where nobody looks on
	width         int       // of the labels
	jobs          int

	mu         sync.Mutex
	ended      int
	remembered int
	running    []running // oldest first
	shown      bool      // a progress line stands on the terminal
	done       chan struct{}
	ticking    sync.WaitGroup
}

// running is a job whose function runs.
type running struct {
	label string
	since time.Time
}

// maxLabelWidth bounds the column of labels, in characters.
const maxLabelWidth = 32

func newView(cmd *cobra.Command, _ *ipvm.Node, w *ipvm.Workflow, o runOptions) *view {
	v := &view{out: cmd.OutOrStdout(), jobs: w.Len(), done: make(chan struct{})}
	if o.json {
		v.out = io.Discard
	}
	for i := range w.Len() {
		v.width = min(max(v.width, utf8.RuneCountInString(printable(w.Label(i)))), maxLabelWidth)
	}
	v.live(cmd)
	return v
}

// live begins to say on a terminal what is running.
func (v *view) live(cmd *cobra.Command) {
	if f, ok := cmd.ErrOrStderr().(*os.File); ok && isTerminal(f) && os.Getenv("TERM") != "dumb" {
		v.progress = f
		v.ticking.Go(v.tick)
	}
}

// tick redraws the progress line until the view stops.
func (v *view) tick() {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-v.done:
			return
		case <-ticker.C:
		}
		v.mu.Lock()
		v.clear()
		if len(v.running) > 0 {
			fmt.Fprint(v.progress, shorten(v.now(), terminalWidth(v.progress)-1))
			v.shown = true
		}
		v.mu.Unlock()
	}
}

// now says how far the run is, most important first. The caller holds mu.
func (v *view) now() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d jobs ended", v.ended, v.jobs)
	if v.remembered > 0 {
		fmt.Fprintf(&b, " (%d remembered)", v.remembered)
	}
	b.WriteString(", running:")
	for i, r := range v.running {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " %s %.1f s", shorten(r.label, maxLabelWidth), time.Since(r.since).Seconds())
		if b.Len() > 1000 { // no terminal is so wide
			break
		}
	}
	return b.String()
}

// clear removes the progress line. The caller holds mu.
func (v *view) clear() {
	if v.shown {
		fmt.Fprint(v.progress, "\r\x1b[K")
		v.shown = false
	}
}

// stop ends the progress line.
func (v *view) stop() {
	close(v.done)
	v.ticking.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.clear()
}

// event shows ev.
func (v *view) event(ev engine.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch ev.Kind {
	case engine.JobStarted:
		v.running = append(v.running, running{printable(ev.Label), time.Now()})
	case engine.JobSettled:
		v.ended++
		if recalled(ev.Job.How) {
			v.remembered++
		}
		if i := slices.IndexFunc(v.running, func(r running) bool { return r.label == printable(ev.Label) }); i >= 0 {
			v.running = slices.Delete(v.running, i, i+1)
		}
		v.clear()
		v.line(ev.Job)
		for _, l := range ev.Job.Log {
			fmt.Fprintf(v.out, "  %s: %s: %s\n", printable(l.Level), printable(l.Context), printable(l.Message))
		}
	}
}

// recalled tells whether nothing had to run for an outcome.
func recalled(how engine.How) bool { return how == engine.Remembered || how == engine.Trusted }

// line prints what happened to one job.
func (v *view) line(j *engine.JobReport) {
	how := string(j.How)
	if j.Status != engine.JobOK {
		how = string(j.Status)
	}
	if j.Status == engine.JobError && recalled(j.How) {
		how = "error (" + string(j.How) + ")"
	}
	cost := ""
	if j.How != "" && !j.Secret {
		cost = count(j.Gas) + " gas"
		if !j.Ended.IsZero() {
			cost += ", " + millis(j.Ended.Sub(j.Started))
		}
	}
	fmt.Fprintln(v.out, strings.TrimRight(fmt.Sprintf("%-*s  %-10s  %-26s  %s", v.width, shorten(printable(j.Label), maxLabelWidth), how, cost, outcome(j)), " "))
}

// outcome is what a job came to, in one line, and how if a handler had a say.
func outcome(j *engine.JobReport) string {
	text := outcomeText(j)
	c := j.Caught
	if c == nil || c.Answer == "" {
		return text
	}
	how := "by its handler"
	if c.Answer == engine.AnswerRewire {
		how = "that of " + printable(c.To) + ", " + how
	}
	return fmt.Sprintf("%s (%s; was %s)", text, how, shorten(printable(c.Failure.String()), 80))
}

func outcomeText(j *engine.JobReport) string {
	if j.Status == engine.JobSkipped {
		return "was not called for"
	}
	if f := j.Outcome.Failure; j.Forgotten && (f == nil || f.Kind == task.KindGuest) {
		return forgottenText(f)
	}
	if !j.Outcome.OK() {
		return printable(j.Outcome.Failure.String())
	}
	if j.Secret {
		return secret.Shown
	}
	if v := j.Outcome.Value; v.Kind() == ipld.KindBytes {
		return fmt.Sprintf("%d bytes", v.Len())
	}
	if o, ok := task.ParseOutput(j.Outcome.Value); ok {
		return outputText(o)
	}
	return shorten(valueText(j.Outcome.Value), 120)
}

// forgottenText stands for what a job came to whose receipt is not kept any more.
func forgottenText(f *task.Failure) string {
	if f == nil {
		return "(its value is not kept any more)"
	}
	return string(f.Kind) + ": (its value is not kept any more)"
}

// outputText is what a program left behind, in one line.
func outputText(o task.Output) string {
	var parts []string
	if said, ok := o.Stdout.AsBytes(); ok && utf8.ValidString(said) && said != "" {
		parts = append(parts, shorten(valueText(ipld.String(said)), 80))
	} else if ok && said != "" {
		parts = append(parts, fmt.Sprintf("%d bytes", len(said)))
	} else if !ok {
		parts = append(parts, "output "+valueText(o.Stdout))
	}
	var names []string
	for _, pair := range o.Files {
		if e := pair.Elems(); len(e) == 2 {
			name, _ := e[0].AsString()
			names = append(names, printable(name))
		}
	}
	if len(names) > 0 {
		parts = append(parts, shorten("files "+strings.Join(names, ", "), 80))
	}
	if len(parts) == 0 {
		return "no output"
	}
	return strings.Join(parts, "; ")
}

// valueText is v as a person or another program reads it: a link as its CID,
// everything else as DAG-JSON in printable characters.
func valueText(v ipld.Value) string {
	if l, ok := v.AsLink(); ok {
		return l.String()
	}
	return escaped(v.String())
}

// summary prints how the run ended.
func (v *view) summary(r *ipvm.Report, files map[string]string) {
	for i := range r.Jobs {
		if file, ok := files[r.Jobs[i].Label]; ok {
			fmt.Fprintf(v.out, "wrote %s\n", file)
		}
	}
	counts := map[string]int{}
	for i := range r.Jobs {
		j := &r.Jobs[i]
		switch {
		case j.Status == engine.JobOK:
			counts[string(j.How)]++
		case j.Status == engine.JobError && j.Handled:
			counts["failed and handled"]++
		case j.Status == engine.JobError:
			counts["failed"]++
		case j.Status == engine.JobSkipped:
			counts["skipped"]++
		default:
			counts["not run"]++
		}
	}
	var parts []string
	for _, what := range []string{"ran", "remembered", "trusted", "failed", "failed and handled", "skipped", "not run"} {
		if counts[what] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[what], what))
		}
	}
	note := ""
	if counts["remembered"]+counts["trusted"] == len(r.Jobs) {
		note = "; nothing had to run"
	}
	fmt.Fprintf(v.out, "%s: %s%s, in %s\n", r.Status, strings.Join(parts, ", "), note, millis(r.Time))
}

// printFirstError says which job failed first, why, and what to do about it;
// or why the run as a whole did.
func printFirstError(w io.Writer, flow *ipvm.Workflow, r *ipvm.Report) {
	if r.Reason != "" {
		fmt.Fprintf(w, "ipvm: the workflow failed: %s\n  hint: raise the limit under config, or leave it out\n", r.Reason)
	}
	first := r.FirstError()
	if first == nil {
		return
	}
	what := "failed"
	switch first.How {
	case engine.Remembered:
		what = "is remembered to have failed"
	case engine.Trusted:
		what = "failed, as a trusted node says"
	}
	fmt.Fprintf(w, "%s: job %s %s: %s\n", printable(placeOf(flow, first)), printable(first.Label), what, printable(first.Outcome.Failure.String()))
	if hint := failureHint(first); hint != "" {
		fmt.Fprintf(w, "  hint: %s\n", hint)
	}
}

// failureParts are what of a job a failure is about, where that is not all of it.
var failureParts = map[task.Kind]workflow.Part{
	task.KindOutOfGas: workflow.PartGas, task.KindOutOfMemory: workflow.PartMemory, task.KindTimeout: workflow.PartTime,
	task.KindType: workflow.PartArgs, task.KindGuest: workflow.PartArgs, task.KindBranchMismatch: workflow.PartArgs,
}

// placeOf is where in the document the job stands that j is about, or "ipvm"
// where there is no document.
func placeOf(w *ipvm.Workflow, j *engine.JobReport) string {
	i, ok := w.Find(j.Label)
	if !ok || w.Step(i).Job.Pos.Line == 0 {
		return "ipvm"
	}
	job := w.Step(i).Job
	part, ok := failureParts[j.Outcome.Failure.Kind]
	switch _, promised, _ := task.AsPromise(job.Call.Module); {
	case promised && strings.HasPrefix(j.Outcome.Failure.Message, "with: "):
		part = workflow.PartModule
	case !ok:
		return job.Pos.String()
	}
	return w.Workflow().Places().Of(job, part).String()
}

// failureHint says what to do about a failed job.
func failureHint(j *engine.JobReport) string {
	switch j.Outcome.Failure.Kind {
	case task.KindOutOfGas:
		return fmt.Sprintf("it may use %s gas; give the job more gas", count(j.Limits.Gas))
	case task.KindOutOfMemory:
		return fmt.Sprintf("it may use %s; give the job more memory", size(j.Limits.Memory))
	case task.KindTimeout:
		return fmt.Sprintf("it may take %s; give the job more time", j.Limits.Time)
	case task.KindTrap:
		switch j.Outcome.Failure.Trap {
		case task.TrapStackOverflow:
			return "it calls itself too deep, or keeps too much on its stack; how much there is depends on the machine, so this is not remembered"
		case task.TrapOther:
			return "a trap is a mistake in the function, or a refusal of these arguments; this one is not remembered"
		case task.TrapABI:
			return "what passes between a function and its host broke the rules: its result, an answer of its allocator, or a call of the host from there or after it returned; the same call always ends so"
		}
		return "a trap is a mistake in the function, or a refusal of these arguments; the same call always ends so"
	case task.KindUpstream:
		if _, err := ipld.ParseLink(j.Upstream); err != nil {
			return "" // a job, which has its own hint
		}
		return "run the workflow that the task belongs to here, before or meanwhile; `time` of the job is how long it waits"
	case task.KindBranchMismatch:
		return "{\"await/*\": label} takes whatever comes; a job that only a failure is to set off is named in on: {error: [label]}"
	case task.KindGuest:
		return "the function refuses what it was given; on: {error: [label]} or a catch says what is to come of that"
	case task.KindMalformed:
		return "`ipvm wasm inspect MODULE` tells what a module is"
	case task.KindHandler:
		return "a handler returns ok, rewire or msg; `ipvm check` shows the type that it has to have"
	case task.KindType:
		if engine.IsOverDisk(j.Outcome.Failure) {
			return fmt.Sprintf("it may leave %s; give the job more disk", size(j.Limits.Disk))
		}
		return "`ipvm wasm inspect MODULE` shows what its functions take and return"
	case task.KindLost:
		return "import it again with `ipvm block put FILE`, or run again what made it; `ipvm doctor` tells where it was and what else is damaged"
	case task.KindNotFound:
		return "`ipvm block put FILE` imports what is missing; --gateways and --kubo say whom to ask for it"
	}
	return ""
}

// count is n with its thousands set apart.
func count(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size is a number of bytes in the largest unit that divides it.
func size(n uint64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB"}
	i := 0
	for ; i < len(units)-1 && n >= 1024 && n%1024 == 0; i++ {
		n /= 1024
	}
	return fmt.Sprintf("%d %s", n, units[i])
}

func millis(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// printable is s with what would move the cursor or colour the terminal written
// as escapes, such as \x1b: labels, errors and logs come from strangers.
func printable(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.IndexFunc(s, unprintable) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !unprintable(r):
			b.WriteRune(r)
		case r == '\n' || r == '\t':
			b.WriteByte(' ')
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// printableLines is printable for text of several lines.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = printable(l)
	}
	return strings.Join(lines, "\n")
}

// escaped is the JSON text s with what printable would escape written as JSON
// has it, so that it stays the same value.
func escaped(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// shorten cuts s to at most n characters.
func shorten(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// warn prints the warnings of a document.
func warn(w io.Writer, g *ipvm.Workflow) {
	for _, f := range g.Workflow().Warnings {
		fmt.Fprintln(w, printableLines("warning: "+f.Error()))
	}
}

// terminalWidth is the number of columns of the terminal that w is.
func terminalWidth(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 20 {
			return width
		}
	}
	return 80
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
