package task

import "strings"

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

// EffectKind is one kind of effect.
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

// KnownEffects are the kinds of effects whose class is known, whether or not a
// node can do them. What is not among them may be anything, and is taken for a
// mutation.
var KnownEffects = knownEffects(map[string]Class{
	"http https dns ipns file s3: crud/read":                  ClassQuery,
	"ipfs: crud/read":                                         ClassQuery,
	"postgres postgresql sqlite: sql/query":                   ClassQuery,
	"drand: random/get":                                       ClassQuery,
	"http https file s3: crud/create crud/update crud/delete": ClassMutation,
	"dns ipns: crud/update":                                   ClassMutation,
	"ipfs: crud/create":                                       ClassMutation,
	"mailto: msg/send":                                        ClassMutation,
	"postgres postgresql sqlite: sql/execute":                 ClassMutation,
	"ipvm: workflow/run":                                      ClassMutation,
	"bacalhau: job/run":                                       ClassMutation,
}, "secret: secret/get", "did: crypto/decrypt")

// knownEffects are the kinds of a table of schemes and abilities, and the
// queries whose results are secrets.
func knownEffects(table map[string]Class, secrets ...string) (all []EffectKind) {
	each := func(row string, class Class, secret bool) {
		schemes, abilities, _ := strings.Cut(row, ":")
		for _, scheme := range strings.Fields(schemes) {
			for _, ability := range strings.Fields(abilities) {
				all = append(all, EffectKind{Scheme: scheme, Ability: ability, Class: class, Secret: secret})
			}
		}
	}
	for row, class := range table {
		each(row, class, false)
	}
	for _, row := range secrets {
		each(row, ClassQuery, true)
	}
	return all
}
