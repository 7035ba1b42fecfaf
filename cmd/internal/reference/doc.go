// Package reference describes the language: as a page for people ([Page]) and as a JSON schema for editors
// ([JSONSchema]).
//
// In: the table of blocks and attributes, the functions and the codes of diagnostics; nothing else is written down here,
// so that neither can be out of date. Out: text. The same program gives the same text.
package reference
