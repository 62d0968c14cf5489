package ucan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Bounds of policies.
const (
	// MaxPolicyNodes is how many statements a policy may have, nested ones
	// included.
	MaxPolicyNodes = 1024
	// MaxPolicyWork bounds the work of judging arguments by all the policies of
	// a chain: about one unit for each statement that is judged, each step of a
	// selector, each value that is compared and each 32 bytes of text. What
	// takes more is refused.
	MaxPolicyWork = 1 << 20
)

// errWork reports arguments and policies that together take too much work.
var errWork = fmt.Errorf("judging takes more than %d steps", MaxPolicyWork)

// Policy is what a delegation demands of the arguments of an invocation (UCAN
// Delegation 1.0, "Policy"): statements that must all hold. It is checked when
// it is parsed and does not change. The zero Policy demands nothing.
type Policy struct{ statements []statement }

// operator is the first element of a statement.
type operator uint8

const (
	opEqual operator = iota
	opNotEqual
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opLike
	opAnd
	opOr
	opNot
	opAll
	opAny
)

var operators = [...]string{"==", "!=", "<", "<=", ">", ">=", "like", "and", "or", "not", "all", "any"}

type statement struct {
	op     operator
	sel    selector
	value  ipld.Value  // what is compared with
	glob   glob        // of like
	inner  []statement // of connectives and quantifiers
	source ipld.Value
}

// ParsePolicy reads a policy: a list of statements. Its errors wrap
// [ErrMalformed] and say where in the list.
func ParsePolicy(v ipld.Value) (Policy, error) {
	p, err := parsePolicy(v)
	if err != nil {
		return Policy{}, fmt.Errorf("policy: %w: %w", ErrMalformed, err)
	}
	return p, nil
}

func parsePolicy(v ipld.Value) (Policy, error) {
	nodes := 0
	statements, err := parseStatements(v, &nodes)
	return Policy{statements}, err
}

func parseStatements(v ipld.Value, nodes *int) ([]statement, error) {
	if v.Kind() != ipld.KindList {
		return nil, fmt.Errorf("want a list of statements, got %s", v.Kind())
	}
	var out []statement
	for i, e := range v.Elems() {
		s, err := parseStatement(e, nodes)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		out = append(out, s)
	}
	return out, nil
}

func parseStatement(v ipld.Value, nodes *int) (s statement, err error) {
	if *nodes++; *nodes > MaxPolicyNodes {
		return s, fmt.Errorf("more than %d statements", MaxPolicyNodes)
	}
	e := v.Elems()
	if len(e) == 0 {
		return s, fmt.Errorf("want a statement such as [\"==\", \".a\", 1], got %s", short(v))
	}
	name, _ := e[0].AsString()
	op := slices.Index(operators[:], name)
	if op < 0 {
		return s, fmt.Errorf("want one of %s, got %s", strings.Join(operators[:], " "), short(e[0]))
	}
	s.op, s.source = operator(op), v
	operands := e[1:]
	switch want := s.op.operands(); {
	case len(operands) != want:
		return s, fmt.Errorf("%s takes %d operands, got %d", name, want, len(operands))
	case want == 2:
		text, ok := operands[0].AsString()
		if !ok {
			return s, fmt.Errorf("%s: want a selector, got %s", name, operands[0].Kind())
		}
		if s.sel, err = parseSelector(text); err != nil {
			return s, fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := s.parseOperand(operands[len(operands)-1], nodes); err != nil {
		return s, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// operands is how many elements follow the operator.
func (op operator) operands() int {
	switch op {
	case opAnd, opOr, opNot:
		return 1
	}
	return 2
}

// parseOperand reads the last element of a statement.
func (s *statement) parseOperand(v ipld.Value, nodes *int) (err error) {
	switch s.op {
	case opEqual, opNotEqual:
		s.value = v
	case opLess, opLessEqual, opGreater, opGreaterEqual:
		if !numeric(v) {
			return fmt.Errorf("want a number, got %s", v.Kind())
		}
		s.value = v
	case opLike:
		pattern, ok := v.AsString()
		if !ok {
			return fmt.Errorf("want a pattern, got %s", v.Kind())
		}
		s.glob = parseGlob(pattern)
	case opAnd, opOr:
		s.inner, err = parseStatements(v, nodes)
	default:
		s.inner = make([]statement, 1)
		s.inner[0], err = parseStatement(v, nodes)
	}
	return err
}

// Value is the policy as it was parsed.
func (p Policy) Value() ipld.Value {
	out := make([]ipld.Value, len(p.statements))
	for i := range p.statements {
		out[i] = p.statements[i].source
	}
	return ipld.List(out...)
}

// Match judges args. It returns an error that says which statement does not
// hold, or that judging took more than [MaxPolicyWork].
func (p Policy) Match(args ipld.Value) error { return p.match(args, &work{left: MaxPolicyWork}) }

func (p Policy) match(args ipld.Value, w *work) error {
	for i := range p.statements {
		holds := p.statements[i].holds(args, w)
		if w.left < 0 {
			return errWork
		}
		if !holds {
			return fmt.Errorf("statement %d does not hold: %s%s", i, short(p.statements[i].source), p.statements[i].found(args))
		}
	}
	return nil
}

// found says what the statement's selector finds in args, for people; nothing where
// it has none.
func (s *statement) found(args ipld.Value) string {
	switch s.op {
	case opAnd, opOr, opNot:
		return ""
	}
	name, _ := s.source.Elems()[1].AsString()
	v, ok := s.sel.resolve(args, &work{left: MaxPolicyWork})
	if !ok {
		return ", and there is no " + name
	}
	return fmt.Sprintf(", and %s is %s", name, short(v))
}

// work is what may still be spent on judging. When it is used up every judgement
// is void: match looks at it last.
type work struct{ left int }

// spend takes n and tells whether that much was left.
func (w *work) spend(n int) bool {
	w.left -= n
	return w.left >= 0
}

// holds judges v, the arguments or a part of them. A selector that finds
// nothing makes its statement false, != too.
func (s *statement) holds(v ipld.Value, w *work) bool {
	if !w.spend(1) {
		return false
	}
	switch s.op {
	case opAnd:
		return allOf(s.inner, v, w)
	case opOr:
		return len(s.inner) == 0 || anyOf(s.inner, v, w)
	case opNot:
		return !s.inner[0].holds(v, w)
	}
	v, ok := s.sel.resolve(v, w)
	if !ok {
		return false
	}
	switch s.op {
	case opEqual:
		return equal(v, s.value, w)
	case opNotEqual:
		return !equal(v, s.value, w)
	case opLike:
		text, ok := v.AsString()
		return ok && s.glob.match(text, w)
	case opAll, opAny:
		return s.quantify(v, w)
	}
	order, ok := compareNumbers(v, s.value)
	if !ok {
		return false
	}
	switch s.op {
	case opLess:
		return order < 0
	case opLessEqual:
		return order <= 0
	case opGreater:
		return order > 0
	}
	return order >= 0
}

func allOf(statements []statement, v ipld.Value, w *work) bool {
	for i := range statements {
		if !statements[i].holds(v, w) {
			return false
		}
	}
	return true
}

func anyOf(statements []statement, v ipld.Value, w *work) bool {
	for i := range statements {
		if statements[i].holds(v, w) {
			return true
		}
	}
	return false
}

// quantify judges the elements of a list or the values of a map. Over nothing
// all is true and any is false.
func (s *statement) quantify(v ipld.Value, w *work) bool {
	if k := v.Kind(); k != ipld.KindList && k != ipld.KindMap {
		return false
	}
	stopAt := s.op == opAny
	for _, e := range v.Elems() {
		if s.inner[0].holds(e, w) == stopAt {
			return stopAt
		}
	}
	for _, e := range v.Entries() {
		if s.inner[0].holds(e.Value, w) == stopAt {
			return stopAt
		}
	}
	return !stopAt
}

// short is v as text for a message.
func short(v ipld.Value) string {
	const most = 200 // characters
	text := []rune(v.String())
	if len(text) <= most {
		return string(text)
	}
	return string(text[:most]) + "…"
}
