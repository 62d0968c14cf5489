// Package workflow is responsible for reading workflow documents: it turns
// JSON, YAML or DAG-CBOR in any dialect into one [Workflow], or into the list
// of everything that is wrong with the document, each with its place.
//
// Each dialect has its own reader over one positioned syntax tree; nothing
// behind this package knows dialects. Whether the jobs form a cycle is not asked here: package graph does.
//
// The package is the module's only door to the YAML library.
package workflow
