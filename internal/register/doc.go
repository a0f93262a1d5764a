// Package register holds registers: their schemas, the persons in them, the sealed records (vault.go),
// the keyed blind indexes that find them (normalise.go, search.go) and the import that fills them
// (writer.go, import.go).
//
// Invariant: no receipt, no plaintext. Values leave this package in one way, Registers.Reveal, which
// takes ledger.Receipts; a Values can't print itself. Compare and Find give out weights and ids, Put
// takes values in. Errors name registers, persons and versions by id, fields by bit: never a value.
//
// What it never does: decide who may see what (package gate), charge a budget or write the ledger
// (package ledger), speak SQL (package store implements Store and ImportStore). Its tables are
// registers, register_controllers, imports, persons, records and lookups.
//
// A record's version is the import that wrote it, visible once that import is published: a reader
// always sees the newest published version of a person, so a killed import was never there.
package register
