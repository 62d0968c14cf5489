package rpc

import (
	"errors"
	"fmt"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// wireVersion is the version of what follows, and of the paths. Nodes of one
// state directory talk only when theirs are equal, so it changes whenever
// anything here does.
const wireVersion = 19

// encoder gives the form that an engine's words have on the wire.
type encoder struct {
	// boxed has the values of tasks as the bytes of their own encoding, for
	// those that have none inside of something else: DAG-JSON reserves some
	// maps, and nesting is bounded.
	boxed bool
}

// encode appends what build gives to dst, values of tasks boxed if need be.
func encode(dst []byte, appendTo func([]byte, ipld.Value) ([]byte, error), build func(encoder) ipld.Value) ([]byte, error) {
	out, err := appendTo(dst, build(encoder{}))
	if errors.Is(err, ipld.ErrReserved) || errors.Is(err, ipld.ErrTooDeep) {
		return appendTo(dst, build(encoder{boxed: true}))
	}
	return out, err
}

// taskValue adds a value out of a task, which has an encoding of its own.
func (e encoder) taskValue(o *object, key string, v ipld.Value) {
	if !e.boxed {
		o.value(key, v)
		return
	}
	data, err := ipld.AppendCBOR(nil, v)
	if err != nil { // let the encoding of the whole report it
		o.value(key, v)
		return
	}
	o.value(key+"Block", ipld.BytesString(string(data)))
}

// taskValue takes what [encoder.taskValue] added, and tells whether it
// is there.
func (f *fields) taskValue(key string) (ipld.Value, bool) {
	v, ok := f.value(key)
	if _, boxed := f.v.Lookup(key + "Block"); !boxed {
		return v, ok
	}
	if ok {
		f.fail(key, errors.New("given twice"))
	}
	v, err := ipld.DecodeCBOR(f.bytes(key + "Block"))
	f.fail(key+"Block", err)
	return v, true
}

func (e encoder) outcome(out task.Outcome) ipld.Value {
	var o object
	if out.OK() {
		e.taskValue(&o, "ok", out.Value)
	} else {
		o.value("error", e.failure(out.Failure))
	}
	return o.done()
}

func decodeOutcome(v ipld.Value) (out task.Outcome, err error) {
	f := fieldsOf(v)
	out.Value, _ = f.taskValue("ok")
	if failure, ok := f.value("error"); ok {
		out.Failure, err = decodeFailure(failure)
		f.fail("error", err)
	}
	if f.taken != 1 {
		f.fail("outcome", errors.New("not one of ok and error"))
	}
	return out, f.end()
}

func (e encoder) failure(failure *task.Failure) ipld.Value {
	var o object
	o.text("kind", string(failure.Kind))
	o.text("trap", failure.Trap)
	if !failure.Value.IsNull() {
		e.taskValue(&o, "value", failure.Value)
	}
	o.text("message", failure.Message)
	return o.done()
}

func decodeFailure(v ipld.Value) (*task.Failure, error) {
	f := fieldsOf(v)
	failure := &task.Failure{Kind: task.Kind(f.text("kind")), Trap: f.text("trap"), Message: f.text("message")}
	failure.Value, _ = f.taskValue("value")
	return failure, f.end()
}

func encodeLimits(l task.Limits) ipld.Value {
	var o object
	o.uint("gas", l.Gas)
	o.uint("memory", l.Memory)
	o.int("time", int64(l.Time))
	o.uint("disk", l.Disk)
	return o.done()
}

func decodeLimits(v ipld.Value) (task.Limits, error) {
	f := fieldsOf(v)
	l := task.Limits{Gas: f.uint("gas"), Memory: f.uint("memory"), Time: time.Duration(f.int("time")), Disk: f.uint("disk")}
	return l, f.end()
}

func (f *fields) limits(key string) (l task.Limits) {
	if v, ok := f.value(key); ok {
		var err error
		l, err = decodeLimits(v)
		f.fail(key, err)
	}
	return l
}

func (e encoder) job(j *engine.JobReport) ipld.Value {
	var o object
	o.text("label", j.Label)
	o.text("status", string(j.Status))
	o.text("how", string(j.How))
	o.link("task", j.Task.Link)
	o.link("written", j.Written.Link)
	o.value("out", e.outcome(j.Outcome))
	o.text("upstream", j.Upstream)
	o.bool("handled", j.Handled)
	o.bool("forgotten", j.Forgotten)
	o.bool("secret", j.Secret) // what is hidden stays here
	if j.Caught != nil {
		o.value("caught", e.caught(j.Caught))
	}
	o.link("receipt", j.Receipt)
	o.uint("gas", j.Gas)
	o.uint("memory", j.Memory)
	o.bool("hasMemory", j.HasMemory)
	o.value("limits", encodeLimits(j.Limits))
	o.time("started", j.Started)
	o.time("ended", j.Ended)
	if len(j.Log) > 0 {
		lines := make([]ipld.Value, len(j.Log))
		for i, line := range j.Log {
			lines[i] = encodeLogLine(line)
		}
		o.value("log", ipld.List(lines...))
	}
	return o.done()
}

func decodeJob(v ipld.Value) (*engine.JobReport, error) {
	f := fieldsOf(v)
	j := &engine.JobReport{
		Label:     f.text("label"),
		Status:    engine.JobStatus(f.text("status")),
		How:       engine.How(f.text("how")),
		Task:      task.ID{Link: f.link("task")},
		Written:   task.ID{Link: f.link("written")},
		Upstream:  f.text("upstream"),
		Handled:   f.bool("handled"),
		Forgotten: f.bool("forgotten"),
		Secret:    f.bool("secret"),
		Receipt:   f.link("receipt"),
		Gas:       f.uint("gas"),
		Memory:    f.uint("memory"),
		HasMemory: f.bool("hasMemory"),
		Limits:    f.limits("limits"),
		Started:   f.time("started"),
		Ended:     f.time("ended"),
	}
	out, _ := f.value("out")
	var err error
	j.Outcome, err = decodeOutcome(out)
	f.fail("out", err)
	if caught, ok := f.value("caught"); ok {
		j.Caught, err = decodeCaught(caught)
		f.fail("caught", err)
	}
	for _, v := range f.list("log") {
		line, err := decodeLogLine(v)
		f.fail("log", err)
		j.Log = append(j.Log, line)
	}
	return j, f.end()
}

func (e encoder) caught(c *engine.Caught) ipld.Value {
	var o object
	o.value("failure", e.failure(c.Failure))
	o.link("handler", c.Handler.Link)
	o.text("answer", string(c.Answer))
	o.text("to", c.To)
	return o.done()
}

func decodeCaught(v ipld.Value) (*engine.Caught, error) {
	f := fieldsOf(v)
	c := &engine.Caught{Handler: task.ID{Link: f.link("handler")}, Answer: engine.Answer(f.text("answer")), To: f.text("to")}
	failure, _ := f.value("failure")
	var err error
	c.Failure, err = decodeFailure(failure)
	f.fail("failure", err)
	return c, f.end()
}

func encodeLogLine(line engine.LogLine) ipld.Value {
	var o object
	o.text("level", line.Level)
	o.text("context", line.Context)
	o.text("message", line.Message)
	return o.done()
}

func decodeLogLine(v ipld.Value) (engine.LogLine, error) {
	f := fieldsOf(v)
	line := engine.LogLine{Level: f.text("level"), Context: f.text("context"), Message: f.text("message")}
	return line, f.end()
}

func (e encoder) event(ev engine.Event) ipld.Value {
	var o object
	o.text("kind", string(ev.Kind))
	o.link("workflow", ev.Workflow)
	o.uint("seq", ev.Seq)
	o.time("time", ev.Time)
	o.int("jobs", int64(ev.Jobs))
	o.text("label", ev.Label)
	if ev.Job != nil {
		o.value("job", e.job(ev.Job))
	}
	o.text("status", string(ev.Status))
	return o.done()
}

func decodeEvent(v ipld.Value) (engine.Event, error) {
	f := fieldsOf(v)
	ev := engine.Event{
		Kind:     engine.EventKind(f.text("kind")),
		Workflow: f.link("workflow"),
		Seq:      f.uint("seq"),
		Time:     f.time("time"),
		Jobs:     int(f.int("jobs")),
		Label:    f.text("label"),
		Status:   engine.Status(f.text("status")),
	}
	if job, ok := f.value("job"); ok {
		var err error
		ev.Job, err = decodeJob(job)
		f.fail("job", err)
	}
	return ev, f.end()
}

// encodeReport leaves out the jobs: each was told in an event.
func encodeReport(r *engine.Report) ipld.Value {
	var o object
	o.link("workflow", r.Workflow)
	o.text("status", string(r.Status))
	o.text("reason", r.Reason)
	o.bool("performed", r.Performed)
	o.text("first", r.First)
	o.uint("gas", r.Gas)
	o.int("time", int64(r.Time))
	return o.done()
}

func decodeReport(v ipld.Value) (*engine.Report, error) {
	f := fieldsOf(v)
	r := &engine.Report{Workflow: f.link("workflow"), Status: engine.Status(f.text("status")), Reason: f.text("reason"), Performed: f.bool("performed"), First: f.text("first"), Gas: f.uint("gas"), Time: time.Duration(f.int("time"))}
	return r, f.end()
}

func (e encoder) forecast(c engine.Forecast) ipld.Value {
	var o object
	o.text("label", c.Label)
	o.bool("known", c.Known)
	o.link("awaits", c.Awaits.Link)
	o.bool("skipped", c.Skipped)
	o.link("task", c.Task.Link)
	if c.Call != nil {
		o.value("call", e.call(c.Call))
	}
	if c.Remembered != nil {
		o.value("remembered", e.job(c.Remembered))
	}
	if c.Failure != nil {
		o.value("failure", e.failure(c.Failure))
	}
	o.value("limits", encodeLimits(c.Limits))
	return o.done()
}

func decodeForecast(v ipld.Value) (engine.Forecast, error) {
	f := fieldsOf(v)
	c := engine.Forecast{Label: f.text("label"), Known: f.bool("known"), Awaits: task.ID{Link: f.link("awaits")}, Skipped: f.bool("skipped"), Task: task.ID{Link: f.link("task")}, Limits: f.limits("limits")}
	var err error
	if call, ok := f.value("call"); ok {
		c.Call, err = decodeCall(call)
		f.fail("call", err)
	}
	if job, ok := f.value("remembered"); ok {
		c.Remembered, err = decodeJob(job)
		f.fail("remembered", err)
	}
	if failure, ok := f.value("failure"); ok {
		c.Failure, err = decodeFailure(failure)
		f.fail("failure", err)
	}
	return c, f.end()
}

func (e encoder) call(c *task.Call) ipld.Value {
	var o object
	e.taskValue(&o, "mod", c.Module)
	o.text("fun", c.Func)
	e.taskValue(&o, "params", c.Params)
	return o.done()
}

func decodeCall(v ipld.Value) (*task.Call, error) {
	f := fieldsOf(v)
	c := &task.Call{Func: f.text("fun")}
	c.Module, _ = f.taskValue("mod")
	c.Params, _ = f.taskValue("params")
	return c, f.end()
}

// encodeModule is what a node answers about a module: what is known of it, or
// why it can not be used.
func encodeModule(about engine.ModuleInfo, failure *task.Failure) ipld.Value {
	if failure != nil {
		return ipld.Map(ipld.Entry{Key: "failure", Value: encoder{}.failure(failure)})
	}
	return ipld.Map(ipld.Entry{Key: "module", Value: about.Value()})
}

func decodeModule(v ipld.Value) (engine.ModuleInfo, *task.Failure, error) {
	e, ok := v.Sole()
	switch {
	case ok && e.Key == "module":
		about, err := engine.ParseModuleInfo(e.Value)
		return about, nil, err
	case ok && e.Key == "failure":
		failure, err := decodeFailure(e.Value)
		return engine.ModuleInfo{}, failure, err
	}
	return engine.ModuleInfo{}, nil, errors.New("not one of module and failure")
}

// submission is a workflow that is handed over.
type submission struct {
	workflow  []byte // the normalised workflow, a dag-cbor block
	blocks    []ipld.Block
	keepGoing bool
	priority  engine.Priority
	authority []byte      // see engine.Options
	brings    []ipld.Link // likewise
	unsigned  bool        // see runs.Options
	suspended bool        // likewise
	// instructions are the identifiers that the document's dialect has for its
	// jobs, by label, which the normal form does not hold.
	instructions map[string]ipld.Link
}

func (s submission) encode() ([]byte, error) {
	var o object
	o.value("workflow", ipld.BytesString(string(s.workflow)))
	if len(s.blocks) > 0 {
		o.value("blocks", blockList(s.blocks))
	}
	o.bool("keepGoing", s.keepGoing)
	o.bool("unsigned", s.unsigned)
	o.bool("suspended", s.suspended)
	if s.priority != "" {
		o.value("priority", ipld.String(string(s.priority)))
	}
	if len(s.authority) > 0 {
		o.value("authority", ipld.BytesString(string(s.authority)))
	}
	if len(s.brings) > 0 {
		o.value("brings", linkList(s.brings))
	}
	if len(s.instructions) > 0 {
		var instructions object
		for label, link := range s.instructions {
			instructions.link(label, link)
		}
		o.value("instructions", instructions.done())
	}
	return ipld.AppendCBOR(nil, o.done())
}

func decodeSubmission(data []byte) (s submission, err error) {
	v, err := ipld.DecodeCBORLimits(data, ipld.Limits{Bytes: maxBody})
	if err != nil {
		return s, err
	}
	f := fieldsOf(v)
	s.workflow, s.keepGoing = f.bytes("workflow"), f.bool("keepGoing")
	s.unsigned, s.suspended = f.bool("unsigned"), f.bool("suspended")
	if v, ok := f.value("priority"); ok {
		text, ok := v.AsString()
		if !ok {
			f.fail("priority", errors.New("not text"))
		}
		s.priority = engine.Priority(text)
	}
	s.authority = f.bytes("authority")
	s.blocks, err = decodeBlocks(f.list("blocks"))
	f.fail("blocks", err)
	s.brings, err = decodeLinks(f.list("brings"))
	f.fail("brings", err)
	if v, ok := f.value("instructions"); ok {
		s.instructions, err = decodeInstructions(v)
		f.fail("instructions", err)
	}
	return s, f.end()
}

func linkList(links []ipld.Link) ipld.Value {
	list := make([]ipld.Value, len(links))
	for i, l := range links {
		list[i] = ipld.LinkValue(l)
	}
	return ipld.List(list...)
}

func decodeLinks(list []ipld.Value) (links []ipld.Link, err error) {
	for i, v := range list {
		link, ok := v.AsLink()
		if !ok {
			return nil, fmt.Errorf("entry %d: %s, not a link", i, v.Kind())
		}
		links = append(links, link)
	}
	return links, nil
}

func decodeInstructions(v ipld.Value) (map[string]ipld.Link, error) {
	if v.Kind() != ipld.KindMap || v.Len() == 0 {
		return nil, errors.New("not a map of label to link")
	}
	all := make(map[string]ipld.Link, v.Len())
	for _, e := range v.Entries() {
		link, ok := e.Value.AsLink()
		if !ok {
			return nil, fmt.Errorf("of %q: %s, not a link", e.Key, e.Value.Kind())
		}
		all[e.Key] = link
	}
	return all, nil
}

// encodeTasks is a list of Task IDs, and encodeStandings one of what is known of
// each.
func encodeTasks(ids []task.ID) ipld.Value {
	list := make([]ipld.Value, len(ids))
	for i, id := range ids {
		list[i] = ipld.LinkValue(id.Link)
	}
	return ipld.List(list...)
}

func decodeTasks(v ipld.Value) ([]task.ID, error) {
	if v.Kind() != ipld.KindList {
		return nil, fmt.Errorf("a %s, not a list", v.Kind())
	}
	links, err := decodeLinks(v.Elems())
	ids := make([]task.ID, len(links))
	for i, link := range links {
		ids[i] = task.ID{Link: link}
	}
	return ids, err
}

func encodeStandings(all []engine.Standing) ipld.Value {
	list := make([]ipld.Value, len(all))
	for i, s := range all {
		list[i] = ipld.Int(int64(s))
	}
	return ipld.List(list...)
}

func decodeStandings(v ipld.Value, n int) ([]engine.Standing, error) {
	if v.Kind() != ipld.KindList || v.Len() != n {
		return nil, fmt.Errorf("not a list of %d", n)
	}
	all := make([]engine.Standing, n)
	for i, e := range v.Elems() {
		s, ok := e.AsInt64()
		if !ok || s < 0 || s > int64(engine.Settled) {
			return nil, fmt.Errorf("entry %d is no standing", i)
		}
		all[i] = engine.Standing(s)
	}
	return all, nil
}

// maxRevoked bounds what is told of the revocations of a container's
// delegations, in bytes.
const maxRevoked = 10 << 20

// encodeRevocations is revocations as the list of [link, [did…]].
func encodeRevocations(all []ucan.Revocation) ipld.Value {
	list := make([]ipld.Value, len(all))
	for i, r := range all {
		by := make([]ipld.Value, len(r.By))
		for j, d := range r.By {
			by[j] = ipld.String(string(d))
		}
		list[i] = ipld.List(ipld.LinkValue(r.Delegation), ipld.List(by...))
	}
	return ipld.List(list...)
}

// decodeRevocations reads what encodeRevocations gave.
func decodeRevocations(v ipld.Value) ([]ucan.Revocation, error) {
	if v.Kind() != ipld.KindList || v.Len() > ucan.MaxTokens {
		return nil, fmt.Errorf("not a list of at most %d", ucan.MaxTokens)
	}
	var all []ucan.Revocation
	for i, e := range v.Elems() {
		pair := e.Elems()
		if len(pair) != 2 || pair[1].Len() == 0 {
			return nil, fmt.Errorf("entry %d is not a link and who revoked it", i)
		}
		link, ok := pair[0].AsLink()
		r := ucan.Revocation{Delegation: link}
		for _, by := range pair[1].Elems() {
			text, isText := by.AsString()
			r.By, ok = append(r.By, did.DID(text)), ok && isText
		}
		if !ok || len(r.By) == 0 {
			return nil, fmt.Errorf("entry %d is not a link and who revoked it", i)
		}
		all = append(all, r)
	}
	return all, nil
}

// blockList is blocks as the list of [link, bytes].
func blockList(blocks []ipld.Block) ipld.Value {
	list := make([]ipld.Value, len(blocks))
	for i, b := range blocks {
		list[i] = ipld.List(ipld.LinkValue(b.Link), ipld.Bytes(b.Data))
	}
	return ipld.List(list...)
}

// decodeBlocks reads what blockList gave and verifies each block.
func decodeBlocks(list []ipld.Value) ([]ipld.Block, error) {
	var blocks []ipld.Block
	for i, v := range list {
		pair := v.Elems()
		if len(pair) != 2 {
			return nil, fmt.Errorf("entry %d is not a pair of link and bytes", i)
		}
		link, isLink := pair[0].AsLink()
		data, isBytes := pair[1].AsBytes()
		if !isLink || !isBytes {
			return nil, fmt.Errorf("entry %d is not a pair of link and bytes", i)
		}
		b := ipld.Block{Link: link, Data: []byte(data)}
		if err := link.Verify(b.Data); err != nil {
			return nil, err
		}
		blocks = append(blocks, b)
	}
	return blocks, nil
}

// maxSigner bounds a signer with its proofs, in bytes.
const maxSigner = 2 << 20

func encodeSigners(all []Signer) ipld.Value {
	list := make([]ipld.Value, len(all))
	for i, s := range all {
		list[i] = encodeSigner(s)
	}
	return ipld.List(list...)
}

func encodeSigner(s Signer) ipld.Value {
	var o object
	o.text("did", string(s.DID))
	o.text("name", s.Name)
	o.text("refused", s.Refused)
	if len(s.Proofs) > 0 {
		proofs := make([]ipld.Value, len(s.Proofs))
		for i, d := range s.Proofs {
			proofs[i] = ipld.Bytes(d.Bytes())
		}
		o.value("proofs", ipld.List(proofs...))
	}
	return o.done()
}

func decodeSigners(v ipld.Value) ([]Signer, error) {
	if v.Kind() != ipld.KindList {
		return nil, fmt.Errorf("a %s, not a list", v.Kind())
	}
	var all []Signer
	for _, e := range v.Elems() {
		s, err := decodeSigner(e)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func decodeSigner(v ipld.Value) (Signer, error) {
	f := fieldsOf(v)
	s := Signer{DID: did.DID(f.text("did")), Name: f.text("name"), Refused: f.text("refused")}
	proofs := f.list("proofs")
	if len(proofs) > ucan.MaxTokens {
		f.fail("proofs", fmt.Errorf("%d, at most %d are taken", len(proofs), ucan.MaxTokens))
		proofs = nil
	}
	for _, p := range proofs {
		data, _ := p.AsBytes()
		d, err := ucan.ParseDelegation([]byte(data))
		f.fail("proofs", err)
		s.Proofs = append(s.Proofs, d)
	}
	if err := f.end(); err != nil {
		return Signer{}, err
	}
	return s, s.Check()
}

func encodeWord(w Word) ipld.Value {
	var o object
	o.bool("counts", w.Counts)
	o.bool("partly", w.Partly)
	o.text("why", w.Why)
	if w.Signer.DID != "" {
		o.value("signer", encodeSigner(w.Signer))
	}
	return o.done()
}

func decodeWord(v ipld.Value) (Word, error) {
	f := fieldsOf(v)
	w := Word{Counts: f.bool("counts"), Partly: f.bool("partly"), Why: f.text("why")}
	if v, ok := f.value("signer"); ok {
		s, err := decodeSigner(v)
		f.fail("signer", err)
		w.Signer = s
	}
	return w, f.end()
}
