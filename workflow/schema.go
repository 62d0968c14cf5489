package workflow

import _ "embed"

// Schema is the JSON Schema (draft 2020-12) of documents in the native dialect,
// for editors that complete and check while one types. It accepts all that
// [Parse] does, in JSON and YAML, and little more: what a document says beyond
// its shape, such as that a label exists, only Parse knows.
//
//go:embed workflow.schema.json
var Schema []byte
