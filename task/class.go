package task

// Class says what running a task does to the world, and so how often it may be
// run and when (docs/reference.md, "Effects").
type Class string

// The classes.
const (
	// ClassPure is a function: it is remembered for ever and repeated freely.
	ClassPure Class = "pure"
	// ClassQuery asks the world and changes nothing in it. It may be repeated.
	ClassQuery Class = "query"
	// ClassMutation changes the world. It is never repeated by accident, and
	// starts only when what can be known before has gone well.
	ClassMutation Class = "mutation"
)

// EffectKind is one kind of effect that a node can do.
type EffectKind struct {
	// Scheme is that of the URIs that it is for, such as "https".
	Scheme string
	// Ability is what is done to them, such as "crud/read".
	Ability string
	// Class is [ClassQuery] or [ClassMutation].
	Class Class
	// Secret tells that what it returns is a secret.
	Secret bool
}
