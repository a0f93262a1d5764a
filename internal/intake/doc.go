// Package intake reads files of records and brings them into a register: it is the engine of
// "ecluse import". It holds the readers (CSV, TSV, JSON lines; gzip; UTF-8 and Windows-1252), the
// checks of every kind of field, the reject file and the import itself.
//
// It never keeps a file's rows: memory does not grow with the file, but for 64 bits and a line
// number for each external identifier (duplicates are named by the line they were first seen on).
//
// A file is read twice. The first reading (Look) digests it, proves that it can be read to its end
// and decides its encoding from all of it; the second (Import) checks, seals and stores the rows. The
// digest is compared again before anything is published, so a file that changes meanwhile is refused.
//
// Invariants: nothing is visible before Options.Publish (or the writer's own Publish) has returned;
// no error, log line, reject file or summary holds a value of a record — a reject names the line, the
// column, a stable code and a sentence that is the same for every value.
package intake
