package workflow

import (
	"strconv"
	"strings"
)

// Part is something that a job says, whatever the field is called in the
// dialect and wherever it stands.
type Part string

// The parts of a job.
const (
	PartModule Part = "module"
	PartFunc   Part = "func"
	PartArgs   Part = "args"
	PartGas    Part = "gas"
	PartMemory Part = "memory"
	PartTime   Part = "time"
	PartDisk   Part = "disk"
	PartNeeds  Part = "needs"
	PartEffect Part = "do"
	PartSecret Part = "secret"
	PartCheck  Part = "check"
)

// partPaths are the places of each part, below the job or, where the path
// begins with "..", below the map that the jobs are in.
var partPaths = map[Part][]string{
	PartModule: {"with", "wasm", "run/rsc", "run/args/mod", "args/mod"},
	PartFunc:   {"func", "run/input/func", "run/args/fun", "args/fun", "inputs/func"},
	PartArgs:   {"args/params", "args", "input", "run/input/args", "run/args/params", "inputs/args", "inputs"},
	PartGas:    limitPaths("fuel", "gas", "maxGas"),
	PartMemory: limitPaths("memory", "memory"),
	PartTime:   limitPaths("time", "time", "timeout"),
	PartDisk:   limitPaths("disk", "disk"),
	PartEffect: {"do", "cmd", "type"},
	PartSecret: limitPaths("secret", "secret"),
	PartCheck:  limitPaths("check", "check", "verification"),
	PartNeeds:  {"needs/labels", "config/needs/labels", "../defaults/needs/labels", "../config/needs/labels"},
}

// limitPaths are the places of a limit: legacy is its name in meta, names are
// those elsewhere.
func limitPaths(legacy string, names ...string) []string {
	var paths []string
	for _, prefix := range []string{"", "config/", "meta/" + pointerStep(draftConfig) + "/", pointerStep(draftConfig) + "/"} {
		for _, name := range names {
			paths = append(paths, prefix+name)
		}
	}
	paths = append(paths, "meta/"+legacy)
	for _, prefix := range []string{"../defaults/", "../../defaults/", "../../defauts/"} {
		for _, name := range names {
			paths = append(paths, prefix+name)
		}
	}
	return paths
}

// Places finds where in a document something stands, for faults that show only
// after it was read. It reads the document once more, when first asked.
type Places struct {
	w    *Workflow
	root *node
	read bool
	// keys finds the entries of maps that were looked into, by their keys as
	// pointers have them.
	keys map[*node]map[string]int
}

// Places returns a finder of places in the document that w was read from.
func (w *Workflow) Places() *Places { return &Places{w: w, keys: map[*node]map[string]int{}} }

// load reads the document, once.
func (p *Places) load() {
	if p.read {
		return
	}
	p.read = true
	if p.w.source != nil {
		r := &reader{src: *p.w.source}
		if p.root = r.tree(); p.root != nil {
			r.settle(p.root)
		}
	}
}

// Whole is the place of the document itself.
func (p *Places) Whole() Pos {
	if p.w.source == nil {
		return Pos{Path: "/"}
	}
	p.load()
	if p.root == nil {
		return Pos{File: p.w.source.Name, Path: "/"}
	}
	return p.follow(p.root, nil, nil)
}

// Of is the place of a part of job j, or of what is deepest on the way there:
// path leads on from the part, each step an index or a key, keys by their
// words. It is the job's own place where the document is not at hand.
func (p *Places) Of(j *Job, part Part, path ...string) Pos {
	pos := j.Pos
	p.each(j, part, func(n *node, steps []string) bool {
		pos = p.follow(n, steps, path)
		return true
	})
	return pos
}

// Word is the place of a word in a list that is a part of job j, wherever that
// part is said; it is [Places.Of] where the word is not there.
func (p *Places) Word(j *Job, part Part, word string) Pos {
	pos := p.Of(j, part)
	p.each(j, part, func(n *node, steps []string) bool {
		for i := range n.items {
			if n.kind == listNode && n.items[i].text() == word {
				pos = p.follow(n, steps, []string{strconv.Itoa(i)})
				return true
			}
		}
		return false
	})
	return pos
}

// each calls f for the places of a part of job j, the nearest first, until f
// returns true.
func (p *Places) each(j *Job, part Part, f func(n *node, steps []string) (done bool)) {
	p.load()
	if p.root == nil {
		return
	}
	jobSteps := split(j.Pos.Path)
	for _, candidate := range partPaths[part] {
		steps := jobSteps
		if rest, up := strings.CutPrefix(candidate, "../"); up {
			if len(steps) < 2 { // no header
				continue
			}
			steps, candidate = steps[:len(steps)-2], rest
			for strings.HasPrefix(candidate, "../") && len(steps) > 0 {
				steps, candidate = steps[:len(steps)-1], candidate[len("../"):]
			}
		}
		steps = append(steps[:len(steps):len(steps)], strings.Split(candidate, "/")...)
		if n := p.at(steps); n != nil && f(n, steps) {
			return
		}
	}
}

// at is the node at steps from the root, or nil.
func (p *Places) at(steps []string) *node {
	n := p.root
	for _, s := range steps {
		i, ok := p.child(n, s, false)
		if !ok {
			return nil
		}
		n = &n.items[i]
	}
	return n
}

// follow goes from n, which is at steps, along path as far as there is
// something.
func (p *Places) follow(n *node, steps, path []string) Pos {
	pos := Pos{File: p.w.source.Name}
	for _, s := range path {
		if n.kind == listNode && !isIndex(s) { // named arguments as a list of maps
			for i := range n.items {
				if _, ok := p.child(&n.items[i], s, true); ok {
					steps, n = append(steps, strconv.Itoa(i)), &n.items[i]
					break
				}
			}
		}
		i, ok := p.child(n, s, true)
		if !ok {
			break
		}
		if n.kind == mapNode {
			s = pointerStep(n.keys[i].text)
		}
		steps, n = append(steps, s), &n.items[i]
	}
	pos.Line, pos.Col = int(n.line), int(n.col)
	if len(steps) > 0 {
		pos.Path = "/" + strings.Join(steps, "/")
	}
	return pos
}

// child is the position in n of the item that s names: by index, by key, or,
// where similar is set, by a key of the same words.
func (p *Places) child(n *node, s string, similar bool) (int, bool) {
	switch n.kind {
	case listNode:
		i, err := strconv.Atoi(s)
		return i, err == nil && i >= 0 && i < len(n.items)
	case mapNode:
	default:
		return 0, false
	}
	keys := p.keys[n]
	if keys == nil {
		keys = make(map[string]int, len(n.keys))
		for i, k := range n.keys {
			keys[pointerStep(k.text)] = i
		}
		p.keys[n] = keys
	}
	if i, ok := keys[s]; ok || !similar {
		return i, ok
	}
	for i, k := range n.keys {
		if fold(k.text) == fold(s) {
			return i, true
		}
	}
	return 0, false
}

func isIndex(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}

// split is a JSON Pointer's steps, still escaped.
func split(pointer string) []string {
	if pointer == "" {
		return nil
	}
	return strings.Split(pointer[1:], "/")
}
