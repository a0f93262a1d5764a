// Package keys holds what is never in the database: the key-encryption key, the directory key, the
// index and handle keys, the ledger's signing key and its monthly period keys. They live in one
// file (mode 0600) that the operator keeps apart from the database and its backups.
package keys
