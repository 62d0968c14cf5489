//go:build unix

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

func main() {
	var s suite
	flag.StringVar(&s.ipvm, "ipvm", "", "the program ipvm")
	flag.StringVar(&s.homestar, "homestar", "", "the program homestar; empty measures ipvm alone")
	flag.StringVar(&s.examples, "examples", "examples", "the folder of examples")
	flag.IntVar(&s.rounds, "rounds", 5, "how often what is short is repeated")
	flag.DurationVar(&s.span, "span", 5*time.Second, "how long a rate is measured")
	flag.DurationVar(&s.patience, "patience", time.Minute, "how long one workflow may take")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := s.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

// suite is what is measured of each program.
type suite struct {
	ipvm, homestar, examples string
	rounds                   int
	span, patience           time.Duration

	tiny, large module
	rows        []string
	cells       map[string]map[string]string // by row and program
	first       int                          // of the next arguments, so that none comes twice
}

// module is a function to call.
type module struct {
	link ipld.Link
	code []byte
	fun  string
}

func (s *suite) run(ctx context.Context) error {
	if s.ipvm == "" || s.rounds < 1 {
		return errors.New("-ipvm names the program, and -rounds is above 0")
	}
	s.cells = make(map[string]map[string]string)
	var err error
	if s.tiny, err = readModule(filepath.Join(s.examples, "add-one", "add-one.wasm"), "add-one"); err != nil {
		return err
	}
	s.large.code = padded(s.tiny.code, 286_000)
	s.large.link, s.large.fun = ipld.LinkOf(ipld.CodecRaw, s.large.code), s.tiny.fun
	kubo, err := serveKubo(map[ipld.Link][]byte{s.tiny.link: s.tiny.code, s.large.link: s.large.code})
	if err != nil {
		return err
	}
	defer kubo.Close()
	programs := []program{ipvmProgram{s.ipvm, kubo.URL}}
	if s.homestar != "" {
		programs = append(programs, homestarProgram{s.homestar, kubo.URL})
	}
	for _, p := range programs {
		if err := s.measure(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", p.name(), err)
		}
	}
	s.print(programs)
	return nil
}

func readModule(path, fun string) (module, error) {
	code, err := os.ReadFile(path)
	return module{ipld.LinkOf(ipld.CodecRaw, code), code, fun}, err
}

// padded is a component with a custom section that makes it about size bytes: as
// much to send and to hash, and nothing more to compile.
func padded(code []byte, size int) []byte {
	filling := slices.Repeat([]byte("filling "), size/8)
	section := append([]byte{4, 'n', 'o', 't', 'e'}, filling...)
	out := append(slices.Clone(code), 0) // a custom section
	for n := len(section); ; n >>= 7 {
		if n < 1<<7 {
			out = append(out, byte(n))
			break
		}
		out = append(out, byte(n)|1<<7)
	}
	return append(out, section...)
}

// set enters what was measured.
func (s *suite) set(row string, p program, format string, args ...any) {
	if s.cells[row] == nil {
		s.cells[row] = make(map[string]string)
		s.rows = append(s.rows, row)
	}
	s.cells[row][p.name()] = fmt.Sprintf(format, args...)
	fmt.Fprintf(os.Stderr, "%s: %s: %s\n", p.name(), row, s.cells[row][p.name()])
}

func (s *suite) print(programs []program) {
	fmt.Printf("%s, %d processors, %s\n\n| |", time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), load())
	for _, p := range programs {
		fmt.Printf(" %s |", p.name())
	}
	fmt.Printf("\n|---|%s\n", strings.Repeat("---|", len(programs)))
	for _, row := range s.rows {
		fmt.Printf("| %s |", row)
		for _, p := range programs {
			fmt.Printf(" %s |", s.cells[row][p.name()])
		}
		fmt.Println()
	}
}

// load is how busy the machine is.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "load not known"
	}
	return "load " + strings.Join(strings.Fields(string(text))[:3], " ")
}

// measure takes all rows of one program.
func (s *suite) measure(ctx context.Context, p program) error {
	var starts, colds []time.Duration
	var idle memory
	for range s.rounds {
		n, err := start(ctx, p)
		if err != nil {
			return err
		}
		starts = append(starts, n.ready)
		time.Sleep(time.Second)
		if idle, err = n.memory(); err == nil {
			var took time.Duration
			if took, err = s.once(ctx, n, s.chain(s.tiny, 2)); err == nil {
				colds = append(colds, took)
			}
		}
		if err = errors.Join(err, n.stop()); err != nil {
			return err
		}
	}
	s.set("start → ready", p, "%s", span(median(starts)))
	s.set("idle memory: resident, of which anonymous", p, "%d, %d MiB", idle.resident>>20, idle.anonymous>>20)
	s.set("2 tasks, cold", p, "%s", span(median(colds)))

	n, err := start(ctx, p)
	if err != nil {
		return err
	}
	defer n.stop() //nolint:errcheck // its end was measured above
	for _, step := range []func(context.Context, *node) error{s.again, s.rates, s.shapes} {
		if err := step(ctx, n); err != nil {
			return err
		}
	}
	return s.disk(ctx, p)
}

// once runs one workflow over a connection of its own, and returns how long it took
// from asking to the last notification.
func (s *suite) once(ctx context.Context, n *node, d document) (time.Duration, error) {
	c, err := dial(ctx, n.addr)
	if err != nil {
		return 0, err
	}
	defer c.close()
	began := time.Now()
	told, err := c.run(ctx, d, s.patience)
	if err == nil && told < d.tasks {
		err = fmt.Errorf("%s: %d of %d tasks were told within %v", d.name, told, d.tasks, s.patience)
	}
	return time.Since(began), err
}

// again runs a remembered workflow many times.
func (s *suite) again(ctx context.Context, n *node) error {
	c, err := dial(ctx, n.addr)
	if err != nil {
		return err
	}
	defer func() { c.close() }()
	d := s.chain(s.tiny, 2)
	const repeats = 50
	var all []time.Duration
	lost := 0
	for i := range repeats + 1 {
		began := time.Now()
		told, err := c.run(ctx, d, 2*time.Second)
		took := time.Since(began)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil || told < d.tasks:
			lost++
			c.close()
			if c, err = dial(ctx, n.addr); err != nil {
				return err
			}
		case i > 0:
			all = append(all, took)
		}
	}
	s.set("the same 2 tasks again", n.program, "%s; %d of %d lost", span(median(all)), lost, repeats+1)
	return nil
}

// rates runs distinct workflows of one task each from several clients at once.
func (s *suite) rates(ctx context.Context, n *node) error {
	for _, r := range []struct {
		what    string
		m       module
		clients int
	}{{"tiny", s.tiny, 1}, {"tiny", s.tiny, 8}, {"tiny", s.tiny, 32}, {"286 kB", s.large, 4}} {
		if _, err := s.once(ctx, n, s.fan(r.m, 1)); err != nil { // compiled
			return err
		}
		before := n.processor()
		done, lost, took, err := s.rate(ctx, n, r.m, r.clients)
		if err != nil {
			return err
		}
		used := float64((n.processor() - before).Microseconds()) / 1000 / float64(max(done, 1))
		s.set(fmt.Sprintf("distinct 1-task workflows, %s, %d clients", r.what, r.clients), n.program, "%.0f per second; %d of %d lost; %.2f ms of its processor time each", float64(done)/took.Seconds(), lost, done+lost, used)
	}
	return nil
}

func (s *suite) rate(ctx context.Context, n *node, m module, clients int) (done, lost int, took time.Duration, err error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	began := time.Now()
	until := began.Add(s.span)
	for range clients {
		c, dialErr := dial(ctx, n.addr)
		if dialErr != nil {
			err = dialErr
			break
		}
		all.Go(func() {
			defer func() { c.close() }()
			for ctx.Err() == nil && time.Now().Before(until) {
				mu.Lock()
				d := s.fan(m, 1)
				mu.Unlock()
				told, runErr := c.run(ctx, d, 5*time.Second)
				mu.Lock()
				if runErr == nil && told == 1 {
					done++
				} else {
					lost++
				}
				mu.Unlock()
				if runErr != nil {
					c.close()
					if c, runErr = dial(ctx, n.addr); runErr != nil {
						return
					}
				}
			}
		})
	}
	all.Wait()
	return done, lost, time.Since(began), errors.Join(err, ctx.Err())
}

// shapes runs large workflows, as large as the program can.
func (s *suite) shapes(ctx context.Context, n *node) error {
	for _, shape := range []struct {
		what string
		make func(module, int) document
		size []int
	}{{"a chain", s.chain, []int{100, 1000}}, {"side by side", s.fan, []int{100, 1000, 100_000}}} {
		for _, size := range shape.size {
			row := fmt.Sprintf("%s of %d tasks", shape.what, size)
			rounds := s.rounds
			if size > 1000 {
				rounds = 1
			}
			var all []time.Duration
			var err error
			for range rounds {
				var took time.Duration
				if took, err = s.once(ctx, n, shape.make(s.tiny, size)); err != nil {
					break
				}
				all = append(all, took)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				s.set(row, n.program, "not done: %v", err)
				break
			}
			s.set(row, n.program, "%s", span(median(all)))
		}
	}
	return nil
}

// disk tells how much workflows of one task take on the disk, all that is there
// included.
func (s *suite) disk(ctx context.Context, p program) error {
	const most = 20_000
	n, err := start(ctx, p)
	if err != nil {
		return err
	}
	defer n.stop() //nolint:errcheck // its end was measured above
	c, err := dial(ctx, n.addr)
	if err != nil {
		return err
	}
	defer c.close()
	until, count := time.Now().Add(4*s.span), 0
	for count < most && time.Now().Before(until) {
		if _, err := c.run(ctx, s.fan(s.tiny, 1), s.patience); err != nil {
			return err
		}
		count++
	}
	if err := n.end(); err != nil {
		return err
	}
	after, err := n.size()
	if err != nil {
		return err
	}
	s.set("disk for each 1-task workflow, whole directory", n.program, "%d B (of %d)", after/int64(count), count)
	return nil
}

func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// span is a time in milliseconds.
func span(d time.Duration) string {
	ms := float64(d.Microseconds()) / 1000
	switch {
	case d == 0:
		return "–"
	case ms < 10:
		return fmt.Sprintf("%.2f ms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}
