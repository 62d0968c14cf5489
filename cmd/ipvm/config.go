package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/api"
	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/client"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/gateway"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/supervise"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
	"github.com/ipvm-wg/go-ipvm/wasm"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// A setting is one key of the configuration: its value, and where it came
// from. A flag counts before the environment, that before the file, and that
// before the default.
type setting struct {
	key   string // as in the file and, with dashes, as a flag
	env   string
	kind  string // of value, as usage texts have it
	usage string
	value string
	from  string // "default", "file …", "environment …", "flag …"
	check func(string) error

	serving bool // a flag of `ipvm node` and `ipvm config` only
	many    bool // a flag that may be there more than once

	standard string // the value where nothing sets it
}

// config is every setting of the command.
type config struct {
	all    []*setting
	warned bool // of variables that set nothing
}

// Keys of settings.
const (
	keyDir       = "dir"
	keyWorkers   = "workers"
	keyGas       = "gas"
	keyMemory    = "memory"
	keyTime      = "time"
	keyDisk      = "disk"
	keyMaxGas    = "max-gas"
	keyMaxMemory = "max-memory"
	keyMaxTime   = "max-time"
	keyMaxDisk   = "max-disk"

	keyNodeMemory = "node-memory"

	keyLabels = "labels"

	keyGateways = "gateways"
	keyKubo     = "kubo"

	keyMaxWorkflowGas  = "max-workflow-gas"
	keyMaxWorkflowTime = "max-workflow-time"

	keyCompileTime   = "compile-time"
	keyCompileMemory = "compile-memory"

	keyNode      = "node"
	keyNodeKey   = "node-key"
	keyNodeProof = "node-proof"
	keyNodeFor   = "node-for"

	keyClockSkew  = "clock-skew"
	keyTrustDepth = "trust-depth"
	keyStoreQuota = "store-quota"
	keyGuestQuota = "guest-quota"
	keyCodeQuota  = "code-quota"

	keyListen = "listen"
	keyHost   = "host"
	keyOrigin = "origin"
	keyOffer  = "offer-pure"

	kindNumber = "NUMBER" // the kind of value that is written without quotes

	keyConfig = "config" // only a flag: the file that the others may stand in
)

// register declares the settings and their flags.
func (c *config) register(flags *pflag.FlagSet) {
	d, m := engine.DefaultLimits, engine.MaxLimits
	c.all = []*setting{
		{key: keyDir, env: "IPVM_HOME", kind: "DIR", usage: "state directory: key, store and compiled code", value: stateDir(), check: anything},
		{key: keyWorkers, env: "IPVM_WORKERS", kind: kindNumber, usage: "jobs in progress at once", value: strconv.Itoa(runtime.GOMAXPROCS(0)), check: asError(parseWorkers)},
		{key: keyGas, env: "IPVM_GAS", kind: kindNumber, usage: "gas of a job that names none", value: strconv.FormatUint(d.Gas, 10), check: asError(parseGas)},
		{key: keyMemory, env: "IPVM_MEMORY", kind: "SIZE", usage: "memory of a job that names none", value: size(d.Memory), check: asError(workflow.ParseSize)},
		{key: keyTime, env: "IPVM_TIME", kind: "TIME", usage: "time of a job that names none", value: d.Time.String(), check: asError(parseTime)},
		{key: keyDisk, env: "IPVM_DISK", kind: "SIZE", usage: "size of the result of a job that names none", value: size(d.Disk), check: asError(workflow.ParseSize)},
		{key: keyMaxGas, env: "IPVM_MAX_GAS", kind: kindNumber, usage: "most gas that a job may ask for", value: strconv.FormatUint(m.Gas, 10), check: asError(parseGas)},
		{key: keyMaxMemory, env: "IPVM_MAX_MEMORY", kind: "SIZE", usage: "most memory that a job may ask for", value: size(m.Memory), check: asError(workflow.ParseSize)},
		{key: keyMaxTime, env: "IPVM_MAX_TIME", kind: "TIME", usage: "most time that a job may ask for", value: m.Time.String(), check: asError(parseTime)},
		{key: keyMaxDisk, env: "IPVM_MAX_DISK", kind: "SIZE", usage: "most size of a result that a job may ask for", value: size(m.Disk), check: asError(workflow.ParseSize)},
		{key: keyNodeMemory, env: "IPVM_NODE_MEMORY", kind: "SIZE", usage: "most memory of all jobs in progress together, each counted with its limit", value: size(engine.DefaultMemory()), check: asError(parseNodeMemory)},
		{key: keyMaxWorkflowGas, env: "IPVM_MAX_WORKFLOW_GAS", kind: kindNumber, usage: "most gas that all jobs of a workflow may ask for together; 0 is no bound", value: "0", check: asError(parseGasBound)},
		{key: keyMaxWorkflowTime, env: "IPVM_MAX_WORKFLOW_TIME", kind: "TIME", usage: "most time that all jobs of a workflow may ask for together; 0s is no bound", value: "0s", check: asError(parseTimeBound)},
		{key: keyLabels, env: "IPVM_LABELS", kind: "LIST", usage: "what this node has, for jobs that need it: words with commas between", value: "", check: asError(parseLabels)},
		{key: keyGateways, env: "IPVM_GATEWAYS", kind: "LIST", usage: "whom to ask for modules and inputs that are not here: URLs of trustless gateways with commas between", value: "", check: asError(parseGateways)},
		{key: keyKubo, env: "IPVM_KUBO", kind: "URL", usage: "the RPC service of a kubo node to ask likewise, such as http://127.0.0.1:5001", value: "", check: asError(parseKubo)},
		{key: keyCompileTime, env: "IPVM_COMPILE_TIME", kind: "TIME", usage: "most time to compile a module", value: wasm.DefaultCompileTime.String(), check: asError(parseTime)},
		{key: keyCompileMemory, env: "IPVM_COMPILE_MEMORY", kind: "SIZE", usage: "most memory to compile a module", value: size(wasm.DefaultCompileMemory), check: asError(workflow.ParseSize)},
		{key: keyNode, env: "IPVM_NODE", kind: "URL", usage: "where a node elsewhere is, which run, ps, show, logs, cancel, suspend, resume, receipt show, block get and block put use over HTTP, such as http://127.0.0.1:1337; empty is nowhere", value: "", check: client.CheckURL},
		{key: keyNodeKey, env: "IPVM_NODE_KEY", kind: "NAME", usage: "the key that signs requests to the node elsewhere, its name or file; empty signs none", value: "", check: anything},
		{key: keyNodeProof, env: "IPVM_NODE_PROOF", kind: "LIST", usage: "delegations that are shown with these requests: files with commas between", value: "", check: asError(parseFiles)},
		{key: keyNodeFor, env: "IPVM_NODE_FOR", kind: "DID", usage: "on whose behalf these requests are, as the delegations let the key; empty is the key's own", value: "", check: asError(parseDID)},
		{key: keyClockSkew, env: "IPVM_CLOCK_SKEW", kind: "TIME", usage: "how far the clocks of those may be off who sign what comes here, at most " + authority.MaxSkew.String(), value: authority.DefaultSkew.String(), check: asError(parseSkew)},
		{key: keyStoreQuota, env: "IPVM_STORE_QUOTA", kind: "SIZE", usage: "how much a node that serves may keep for its owner: above, what was used least recently goes; empty is no bound", value: "", check: asError(parseQuota)},
		{key: keyGuestQuota, env: "IPVM_GUEST_QUOTA", kind: "SIZE", usage: "how much it may keep for all others together, likewise; empty is a quarter of store-quota, or " + size(ipvm.DefaultGuestQuota) + " where there is none", value: "", check: asError(parseQuota)},
		{key: keyCodeQuota, env: "IPVM_CODE_QUOTA", kind: "SIZE", usage: "how much compiled code is kept: above, what was used least recently goes", value: size(wasm.DefaultCacheBytes), check: asError(workflow.ParseSize)},
		{key: keyTrustDepth, env: "IPVM_TRUST_DEPTH", kind: kindNumber, usage: "how many delegations may lead from this node to one whose receipts count by them", value: "1", check: asError(parseDepth)},
		{key: keyListen, env: "IPVM_LISTEN", kind: "ADDRESS", serving: true, usage: "answer HTTP at this loopback address; port 0 is any that is free, and an empty one none", value: "127.0.0.1:1337", check: checkListen},
		{key: keyHost, env: "IPVM_HOST", kind: "LIST", serving: true, many: true, usage: "also answer requests that name these hosts: HOST:PORT with commas between, such as localhost:1337", value: "", check: asError(parseHosts)},
		{key: keyOrigin, env: "IPVM_ORIGIN", kind: "LIST", serving: true, many: true, usage: "also answer pages of these origins, with commas between, such as http://localhost:8080", value: "", check: asError(parseOrigins)},
		{key: keyOffer, env: "IPVM_OFFER_PURE", kind: "GAS", serving: true, usage: "let anyone who signs the requests, with any key, have pure workflows run, of at most so much gas each; more bounds may follow: ,day=GAS,memory=SIZE,time=TIME,disk=SIZE,strangers=NUMBER; empty lets none", value: "", check: asError(parseOffer)},
	}
	for _, s := range c.all {
		s.from, s.standard = "default", s.value
		if !s.serving {
			s.flag(flags)
		}
	}
	flags.Var(&given{kind: "FILE"}, keyConfig, "configuration file (default "+configFile()+", if it is there)")
}

// servingFlags declares the flags of the settings that only a node has which serves.
func (c *config) servingFlags(flags *pflag.FlagSet) {
	for _, s := range c.all {
		if s.serving {
			s.flag(flags)
		}
	}
}

func (s *setting) flag(flags *pflag.FlagSet) {
	usage := s.usage
	if s.value != "" {
		usage += " (default " + s.value + ")"
	}
	flags.Var(&given{kind: s.kind, many: s.many}, s.key, usage)
}

// given is what a flag says, to be looked at when all settings are.
type given struct {
	text, kind string
	many       bool // is added to when the flag is there again
}

func (g *given) String() string { return g.text }

// Set takes the flag's value.
func (g *given) Set(s string) error {
	if g.many && g.text != "" {
		s = g.text + "," + s
	}
	g.text = s
	return nil
}

// Type is the flag's value as usage texts call it.
func (g *given) Type() string { return g.kind }

func anything(string) error { return nil }

func asError[T any](parse func(string) (T, error)) func(string) error {
	return func(s string) error {
		_, err := parse(s)
		return err
	}
}

func parseWorkers(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1024 {
		return 0, fmt.Errorf("%q is not a number from 1 to 1024", s)
	}
	return n, nil
}

func parseGas(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a positive number", s)
	}
	return n, nil
}

func parseGasBound(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number of gas, nor 0 for no bound", s)
	}
	return n, nil
}

func parseNodeMemory(s string) (uint64, error) {
	n, err := workflow.ParseSize(s)
	if least := receipt.RoundMemory(0); err == nil && n < least {
		err = fmt.Errorf("%q is less than %s, which is what one job takes at least", s, size(least))
	}
	return n, err
}

func parseLabels(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	all := strings.Split(s, ",")
	for i, l := range all {
		all[i] = strings.TrimSpace(l)
		if err := workflow.CheckNodeLabel(all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func parseGateways(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	all := strings.Split(s, ",")
	if len(all) >= gateway.MaxSources {
		return nil, fmt.Errorf("%d gateways are too many, at most %d are asked", len(all), gateway.MaxSources-1)
	}
	for i, base := range all {
		all[i] = strings.TrimSpace(base)
		if _, err := gateway.ParseURL(all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func parseFiles(s string) ([]string, error) {
	all, err := parseWords(s)
	if err != nil {
		return nil, fmt.Errorf("%q has a file without a name", s)
	}
	return all, nil
}

// parseWords reads a list with commas between, none of whose words is empty.
func parseWords(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	all := strings.Split(s, ",")
	for i, word := range all {
		if all[i] = strings.TrimSpace(word); all[i] == "" {
			return nil, fmt.Errorf("%q has nothing between two commas, or at an end", s)
		}
	}
	return all, nil
}

func parseDID(s string) (did.DID, error) {
	if s == "" {
		return "", nil
	}
	return did.Parse(s)
}

func parseKubo(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	_, err := gateway.ParseURL(s)
	return s, err
}

func parseTimeBound(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a duration such as 10s or 5m, nor 0s for no bound", s)
	}
	return d, nil
}

func parseSkew(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > authority.MaxSkew {
		return 0, fmt.Errorf("%q is not a duration such as 10s, from 0s to %v", s, authority.MaxSkew)
	}
	if d == 0 {
		return -1, nil // exact
	}
	return d, nil
}

// parseQuota reads a size; empty is 0.
func parseQuota(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	return workflow.ParseSize(s)
}

func parseDepth(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > ucan.MaxProofs {
		return 0, fmt.Errorf("%q is not a number from 1 to %d", s, ucan.MaxProofs)
	}
	return n, nil
}

// checkListen refuses what can not be listened at, as far as the text tells.
func checkListen(s string) error {
	if s == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is not an address with a port, such as 127.0.0.1:1337", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("%q has the port %q, which is not a number from 0 to 65535", s, port)
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && !ip.IsLoopback() {
		return fmt.Errorf("%q is not a loopback address, such as 127.0.0.1:1337; only these are served", s)
	}
	return nil
}

func parseHosts(s string) ([]string, error) {
	all, err := parseWords(s)
	if err == nil {
		_, err = api.NewDoor(all, nil)
	}
	return all, err
}

func parseOrigins(s string) ([]string, error) {
	all, err := parseWords(s)
	if err == nil {
		_, err = api.NewDoor(nil, all)
	}
	return all, err
}

// parseOffer reads what strangers may have run; empty is nil, nothing.
func parseOffer(s string) (*authority.Offer, error) {
	if s == "" {
		return nil, nil
	}
	o, err := authority.ParseOffer(s)
	if err != nil {
		return nil, fmt.Errorf("%w; it is written as 1000000000, the gas of a workflow, or as 1000000000,day=100000000000,disk=64MiB", err)
	}
	return &o, nil
}

func parseTime(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is not a positive duration such as 10s or 5m", s)
	}
	return d, nil
}

func stateDir() string {
	dir, err := ipvm.DefaultDir()
	if err != nil {
		return ""
	}
	return dir
}

// configFile is the configuration file of the user.
func configFile() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "ipvm", "config.toml")
}

// load fills in the settings from the file, the environment and the flags.
// It warns of variables that look like the environment's and are not.
func (c *config) load(cmd *cobra.Command) error {
	flags := cmd.Root().PersistentFlags() // a command may have some of these names for its own flags
	if err := c.loadFile(flags); err != nil {
		return err
	}
	c.warn(cmd.ErrOrStderr())
	for _, s := range c.all {
		if v, ok := os.LookupEnv(s.env); ok && v != "" {
			if err := s.set(v, "environment "+s.env); err != nil {
				return err
			}
		}
		f := flags.Lookup(s.key)
		if s.serving {
			f = cmd.Flags().Lookup(s.key)
		}
		if f != nil && f.Changed {
			if err := s.set(f.Value.String(), "flag --"+s.key); err != nil {
				return err
			}
		}
	}
	return nil
}

// warn tells once of variables that set nothing. A node that is supervised leaves it
// to its supervisor, which has the same.
func (c *config) warn(out io.Writer) {
	told := c.warned || os.Getenv(supervise.Variable) != ""
	c.warned = true
	if told {
		return
	}
	for _, line := range c.strays(os.Environ()) {
		fmt.Fprintln(out, printableLines(line))
	}
}

// ownVariables are those of the program and its tests that are no settings.
var ownVariables = []string{passphraseVariable, supervise.Variable, "IPVM_FAULT", "IPVM_LONG", "IPVM_SOAK", "IPVM_CRASHES"}

// strays has a warning for each variable of the environment that looks like one of
// a setting and is none.
func (c *config) strays(environ []string) (lines []string) {
	names := make([]string, len(c.all))
	for i, s := range c.all {
		names[i] = s.env
	}
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		if value == "" || !strings.HasPrefix(name, "IPVM_") || strings.HasPrefix(name, "IPVM_TEST_") || slices.Contains(names, name) || slices.Contains(ownVariables, name) {
			continue
		}
		hint := suggest(near(name, names), "")
		if s := c.find(strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "IPVM_")), "_", "-")); s != nil {
			hint = suggest([]string{s.env}, "")
		}
		if hint == "" {
			hint = "`ipvm config --json` lists those of the settings"
		}
		lines = append(lines, fmt.Sprintf("ipvm: environment: %s sets nothing\n  hint: %s", name, hint))
	}
	return lines
}

// file is the configuration file, and whether it is there.
func (c *config) file(flags *pflag.FlagSet) (name string, there bool) {
	if name = flags.Lookup(keyConfig).Value.String(); !flags.Changed(keyConfig) {
		name = configFile()
	}
	_, err := os.Stat(name)
	return name, err == nil
}

func (c *config) loadFile(flags *pflag.FlagSet) error {
	name, _ := c.file(flags)
	data, err := os.ReadFile(name)
	if os.IsNotExist(err) && !flags.Changed(keyConfig) {
		return nil
	}
	if err != nil {
		return misusef("", "configuration: %v", err)
	}
	var file map[string]any
	meta, err := toml.Decode(string(data), &file)
	if err != nil {
		return misusef("`ipvm config` lists the keys", "configuration %s: %v", name, err)
	}
	for _, key := range meta.Keys() {
		s := c.find(key.String())
		if s == nil {
			return misusef(c.keyHint(key.String()), "configuration %s: unknown key %q", name, key.String())
		}
		if err := s.set(fileText(file[s.key]), "file "+name); err != nil {
			return err
		}
	}
	return nil
}

// keyHint helps who wrote a key that there is not.
func (c *config) keyHint(key string) string {
	names := make([]string, len(c.all))
	for i, s := range c.all {
		names[i] = s.key
	}
	if hint := suggest(near(key, names), ""); hint != "" {
		return hint
	}
	return "`ipvm config` lists the keys"
}

// fileText is a value of the file as flags have it: a list with commas between.
func fileText(v any) string {
	list, ok := v.([]any)
	if !ok {
		return fmt.Sprint(v)
	}
	words := make([]string, len(list))
	for i, word := range list {
		words[i] = fmt.Sprint(word)
	}
	return strings.Join(words, ",")
}

func (s *setting) set(value, from string) error {
	if err := s.check(value); err != nil {
		return misusef(s.key+" sets: "+s.usage, "%s: %v", from, err)
	}
	s.value, s.from = value, from
	return nil
}

func (c *config) find(key string) *setting {
	for _, s := range c.all {
		if s.key == key {
			return s
		}
	}
	return nil
}

// dir is the state directory.
func (c *config) dir() string { return c.find(keyDir).value }

// options are the node's, from settings that were checked when they were set.
func (c *config) options() ipvm.Options {
	workers, _ := parseWorkers(c.find(keyWorkers).value)
	compileTime, _ := parseTime(c.find(keyCompileTime).value)
	gas, _ := parseGasBound(c.find(keyMaxWorkflowGas).value)
	span, _ := parseTimeBound(c.find(keyMaxWorkflowTime).value)
	labels, _ := parseLabels(c.find(keyLabels).value)
	skew, _ := parseSkew(c.find(keyClockSkew).value)
	gateways, _ := parseGateways(c.find(keyGateways).value)
	quota, _ := parseQuota(c.find(keyStoreQuota).value)
	guests, _ := parseQuota(c.find(keyGuestQuota).value)
	code, _ := workflow.ParseSize(c.find(keyCodeQuota).value)
	depth, _ := parseDepth(c.find(keyTrustDepth).value)
	compileMemory, _ := workflow.ParseSize(c.find(keyCompileMemory).value)
	nodeMemory, _ := parseNodeMemory(c.find(keyNodeMemory).value)
	return ipvm.Options{
		Workers: workers,
		Policy: ipvm.Policy{
			Defaults: c.limits(keyGas, keyMemory, keyTime, keyDisk), Max: c.limits(keyMaxGas, keyMaxMemory, keyMaxTime, keyMaxDisk),
			Memory: nodeMemory, MaxGas: gas, MaxTime: span, Labels: labels,
		},
		Gateways: gateways, Kubo: c.find(keyKubo).value,
		Compiler: compiler(), CompileTime: compileTime, CompileMemory: compileMemory,
		ClockSkew: skew, TrustDepth: depth, StoreQuota: quota, GuestQuota: guests, CodeQuota: code,
	}
}

// serving is how the node serves, from settings that were checked when they were set.
func (c *config) serving() ipvm.ServeOptions {
	hosts, _ := parseHosts(c.find(keyHost).value)
	origins, _ := parseOrigins(c.find(keyOrigin).value)
	offer, _ := parseOffer(c.find(keyOffer).value)
	return ipvm.ServeOptions{Listen: c.find(keyListen).value, Hosts: hosts, Origins: origins, Offer: offer, Version: version()}
}

func (c *config) limits(gas, memory, duration, disk string) (l task.Limits) {
	l.Gas, _ = parseGas(c.find(gas).value)
	l.Memory, _ = workflow.ParseSize(c.find(memory).value)
	l.Time, _ = parseTime(c.find(duration).value)
	l.Disk, _ = workflow.ParseSize(c.find(disk).value)
	return l
}

func newConfig(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show every setting, its value and where it comes from",
		Long: `Show every setting, its value and where it comes from: a flag counts before the
variable in the environment, that before the configuration file, and that before
the default. What is printed is a configuration file, with comments.`,
		Example: "  ipvm config\n  ipvm config --json --gas 1000000",
		Args:    wants(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.config.load(cmd); err != nil {
				return err
			}
			flags := cmd.Root().PersistentFlags()
			if asJSON {
				return printJSON(cmd.OutOrStdout(), a.config.json(flags))
			}
			a.config.print(cmd.OutOrStdout(), flags)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, described in docs/reference.md")
	a.config.servingFlags(cmd.Flags())
	return cmd
}

// print shows all settings as a configuration file.
func (c *config) print(out io.Writer, flags *pflag.FlagSet) {
	name, there := c.file(flags)
	if !there {
		name += ", which is not there"
	}
	fmt.Fprintf(out, "# configuration file: %s\n", printable(name))
	width := 0
	for _, s := range c.all {
		width = max(width, len(s.key))
	}
	for _, s := range c.all {
		from := s.from
		if s.standard != s.value {
			from += " (default " + s.literal(s.standard) + ")"
		}
		fmt.Fprintf(out, "%-*s = %-24s # %s; %s\n", width, s.key, s.literal(s.value), from, s.usage)
	}
}

// literal is a value of s as TOML has it.
func (s *setting) literal(value string) string {
	if s.kind == kindNumber {
		return value
	}
	return strconv.Quote(value)
}

// configJSON is what `ipvm config --json` prints; docs/reference.md describes it.
type configJSON struct {
	Schema   int           `json:"schema"`
	File     string        `json:"file"`
	Read     bool          `json:"read"`
	Settings []settingJSON `json:"settings"`
}

type settingJSON struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	From    string `json:"from"`
	Where   string `json:"where,omitempty"`
	Default string `json:"default"`
	Env     string `json:"env"`
	Kind    string `json:"kind"`
	Usage   string `json:"usage"`
}

func (c *config) json(flags *pflag.FlagSet) configJSON {
	out := configJSON{Schema: jsonSchema}
	out.File, out.Read = c.file(flags)
	for _, s := range c.all {
		from, where, _ := strings.Cut(s.from, " ")
		out.Settings = append(out.Settings, settingJSON{
			Key: s.key, Value: s.value, From: from, Where: where, Default: s.standard, Env: s.env, Kind: s.kind, Usage: s.usage,
		})
	}
	return out
}
