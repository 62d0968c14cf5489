// Package languagetest is responsible for proof that modules of other languages,
// and programs of other people, come to what they should. It has tests only,
// which run the documents of examples/languages and guests/third-party.
//
// Modules that are not committed are made by `make guests-large` and
// `make guests-third-party`; what needs them is skipped where they are not.
package languagetest
