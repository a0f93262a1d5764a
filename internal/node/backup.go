package node

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"ecluse/internal/keys"
	"ecluse/internal/store"
)

// ErrBackup: the file is no backup, is cut short, or was altered.
var ErrBackup = errors.New("not a whole backup")

// A backup is gzip over lines of JSON: a heading; for each table a line that names it and its columns,
// then one array a row, in primary key order; and a trailer that counts the rows and authenticates
// every byte before it (HMAC-SHA256 under the key file, over SHA-256). Bytes are base64, instants
// microseconds. It holds neither the key file nor this node's checkpoint: both must be kept apart.
const backupVersion = 1

// maxBackupLine bounds a line: the longest are requests with many links.
const maxBackupLine = 1 << 30

type backupHead struct {
	Backup   int    `json:"ecluse_backup"`
	Instance string `json:"instance"`
	Demo     bool   `json:"demo"`
	At       int64  `json:"at"`        // ledger time, microseconds
	Entries  int64  `json:"entries"`   // of the ledger
	KeyCheck string `json:"key_check"` // hex; which key file belongs to it
}

type tableHead struct {
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
}

type backupEnd struct {
	End  bool   `json:"end"`
	Rows int64  `json:"rows"`
	MAC  []byte `json:"mac"`
}

// BackupReport says what a backup holds.
type BackupReport struct {
	Entries int64     `json:"entries"`
	At      time.Time `json:"at"` // ledger time
	Rows    int64     `json:"rows"`
}

func backupMAC(k *keys.Keys, h hash.Hash) []byte { return k.MAC("node/backup/v1", h.Sum(nil)) }

// Backup copies the whole database, as of one instant, to w. It works beside a running node, in flat
// memory. progress is told of every thousandth row; it may be nil.
func (a *Attached) Backup(ctx context.Context, w io.Writer, progress func(table string, rows int64)) (BackupReport, error) {
	zipped, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return BackupReport{}, err
	}
	hashed := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(zipped, hashed), 1<<16)
	b := &backupWriter{out: out, progress: progress}
	err = a.Store.Snapshot(ctx, func(s *store.Snapshot) error { return b.write(ctx, a, s) })
	if err != nil {
		return b.report, fmt.Errorf("back up: %w", err)
	}
	if err := out.Flush(); err != nil {
		return b.report, fmt.Errorf("write the backup: %w", err)
	}
	end := json.NewEncoder(zipped).Encode(backupEnd{End: true, Rows: b.report.Rows, MAC: backupMAC(a.Keys, hashed)})
	if err := errors.Join(end, zipped.Close()); err != nil {
		return b.report, fmt.Errorf("write the backup: %w", err)
	}
	return b.report, nil
}

type backupWriter struct {
	out      *bufio.Writer
	line     []byte
	report   BackupReport
	progress func(string, int64)
}

func (b *backupWriter) write(ctx context.Context, a *Attached, s *store.Snapshot) error {
	head, err := s.Head(ctx)
	if err != nil {
		return err
	}
	b.report.Entries, b.report.At = int64(head.N), head.At
	heading := backupHead{
		Backup: backupVersion, Instance: a.Instance.Name, Demo: a.Instance.Demo, At: head.At.UnixMicro(), Entries: int64(head.N),
		KeyCheck: hex.EncodeToString(a.Keys.Check()),
	}
	enc := json.NewEncoder(b.out)
	if err := enc.Encode(heading); err != nil {
		return err
	}
	for _, t := range store.Tables {
		names := make([]string, len(t.Columns))
		for i, c := range t.Columns {
			names[i] = c.Name
		}
		if err := enc.Encode(tableHead{t.Name, names}); err != nil {
			return err
		}
		err := s.Each(ctx, t, func(row []any) error { return b.row(t.Name, row) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *backupWriter) row(table string, row []any) error {
	line := append(b.line[:0], '[')
	for i, v := range row {
		if i > 0 {
			line = append(line, ',')
		}
		switch v := v.(type) {
		case nil:
			line = append(line, "null"...)
		case int64:
			line = strconv.AppendInt(line, v, 10)
		case bool:
			line = strconv.AppendBool(line, v)
		case []byte:
			line = append(base64.StdEncoding.AppendEncode(append(line, '"'), v), '"')
		case string:
			text, err := json.Marshal(v)
			if err != nil || !utf8.ValidString(v) {
				return fmt.Errorf("%s: a text is not UTF-8", table)
			}
			line = append(line, text...)
		}
	}
	b.line = append(line, ']', '\n')
	b.report.Rows++
	if b.progress != nil && b.report.Rows%1000 == 0 {
		b.progress(table, b.report.Rows)
	}
	_, err := b.out.Write(b.line)
	return err
}

// backupReader reads a backup line by line and hashes what it reads.
type backupReader struct {
	in   *bufio.Reader
	hash hash.Hash
	line int64
	buf  []byte
}

func newBackupReader(r io.Reader) (*backupReader, error) {
	unzipped, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("%w: it is not compressed by gzip", ErrBackup)
	}
	return &backupReader{in: bufio.NewReaderSize(unzipped, 1<<16), hash: sha256.New()}, nil
}

// next is the next line without its end, valid until the next call; io.EOF after the last.
func (b *backupReader) next() ([]byte, error) {
	b.buf = b.buf[:0]
	b.line++
	for {
		part, err := b.in.ReadSlice('\n')
		b.buf = append(b.buf, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(b.buf) < maxBackupLine:
			continue
		case errors.Is(err, io.EOF) && len(b.buf) == 0:
			return nil, io.EOF
		case err != nil:
			return nil, fmt.Errorf("%w: line %d is cut short or too long", ErrBackup, b.line)
		}
		return b.buf, nil
	}
}

// CheckBackup reads a whole backup and says what it holds: ErrBackup if a byte is missing or was
// altered, store.ErrWrongKeys if it was made under another key file. Nothing is written.
func CheckBackup(ctx context.Context, r io.Reader, k *keys.Keys) (BackupReport, error) {
	var report BackupReport
	b, err := newBackupReader(r)
	if err != nil {
		return report, err
	}
	head, err := b.heading(k)
	if err != nil {
		return report, err
	}
	report.Entries, report.At = head.Entries, time.UnixMicro(head.At).UTC()
	for {
		line, err := b.next()
		if errors.Is(err, io.EOF) {
			return report, fmt.Errorf("%w: its end is missing", ErrBackup)
		}
		if err := errors.Join(err, ctx.Err()); err != nil {
			return report, err
		}
		if bytes.HasPrefix(line, []byte(`{"end":`)) {
			return report, b.end(line, k, report.Rows)
		}
		if line[0] == '[' {
			report.Rows++
		}
		b.hash.Write(line)
	}
}

func (b *backupReader) heading(k *keys.Keys) (backupHead, error) {
	var head backupHead
	line, err := b.next()
	if err != nil {
		return head, fmt.Errorf("%w: it has no heading", ErrBackup)
	}
	if err := json.Unmarshal(line, &head); err != nil || head.Backup != backupVersion {
		return head, fmt.Errorf("%w: its first line is not a heading of version %d", ErrBackup, backupVersion)
	}
	if head.KeyCheck != hex.EncodeToString(k.Check()) {
		return head, fmt.Errorf("the backup was made under another key file: %w", store.ErrWrongKeys)
	}
	b.hash.Write(line)
	return head, nil
}

func (b *backupReader) end(line []byte, k *keys.Keys, rows int64) error {
	var end backupEnd
	if err := json.Unmarshal(line, &end); err != nil || end.Rows != rows || !hmac.Equal(end.MAC, backupMAC(k, b.hash)) {
		return fmt.Errorf("%w: it was altered", ErrBackup)
	}
	if _, err := b.next(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows its end", ErrBackup)
	}
	return nil
}

// rowOf decodes a row for a table.
func rowOf(t *store.Table, line []byte) ([]any, error) {
	var cells []json.RawMessage
	if err := json.Unmarshal(line, &cells); err != nil || len(cells) != len(t.Columns) {
		return nil, store.ErrRow
	}
	row := make([]any, len(cells))
	for i, c := range t.Columns {
		var err error
		if row[i], err = cellOf(c.Kind, cells[i]); err != nil {
			return nil, err
		}
	}
	return row, nil
}

func cellOf(kind store.ColumnKind, cell json.RawMessage) (any, error) {
	if string(cell) == "null" {
		return nil, nil
	}
	switch kind {
	case store.Number:
		return strconv.ParseInt(string(cell), 10, 64)
	case store.Boolean:
		return strconv.ParseBool(string(cell))
	case store.Bytes:
		b := []byte{} // never NULL
		err := json.Unmarshal(cell, &b)
		return b, err
	default:
		var s string
		err := json.Unmarshal(cell, &s)
		return s, err
	}
}
