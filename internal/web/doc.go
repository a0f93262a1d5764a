// Package web is the desk in the browser: server-rendered HTML, one file per page (show + submit).
//
// It knows HTTP, languages and words, and nothing else: it decides nothing about access, opens no
// record and never touches the store. What it shows of a record it got from the gate, together with
// the receipt of the ledger entry that was durable before.
//
// Invariants, each with a test:
//   - no page holds an internal error text: what errors.go does not know is logged once under a
//     reference of eight characters, and the page shows the reference;
//   - no value of a record and nothing that was typed in a search is ever part of a URL, a log line
//     or an error;
//   - every page works without JavaScript, and no page loads anything from another origin;
//   - French and English catalogues have the same keys, and templates hold no words of their own;
//   - routes.go lists every route with who may call it.
//
// Files: templates/ (html/template, parsed and type-checked at start), static/ (served under a
// fingerprint), locale/{fr,en}/*.toml (one file per page).
package web
