package intake

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Bounds of what one file may make the program do. A gzip file may grow to maxRatio times its size
// (deflate's own limit is 1,032; tables of people reach 20), and no stream may be longer than maxText.
const (
	maxRatio   = 200
	ratioGrace = 16 << 20   // bytes of text before the ratio counts
	maxText    = 1 << 40    // bytes of text
	chunk      = 256 * 1024 // bytes read at once
)

// FileError says why a file as a whole can't be read. It names the file, and the line and column where
// there is one; it may repeat names of columns, never a value.
type FileError struct {
	File   string // base name
	Line   int64  // 0 = the file as a whole
	Column string // the file's own name of the column, "" = none
	Text   string
	Hint   string // what to do, "" = nothing special
}

func (e *FileError) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ", line %d", e.Line)
	}
	if e.Column != "" {
		fmt.Fprintf(&b, ", column %q", e.Column)
	}
	b.WriteString(": " + e.Text)
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// ErrChanged means that a file changed between its first and second reading; nothing was published.
var ErrChanged = errors.New("the file changed while it was read")

// File is a file that has been read once from end to end. It can be opened again any number of times.
type File struct {
	Path     string
	Name     string   // base name, as errors and summaries show it
	Size     int64    // bytes on disk
	Digest   [32]byte // SHA-256 of the bytes on disk
	Text     int64    // bytes of text, after decompression
	Gzip     bool
	Encoding Encoding

	bom    bool
	forced bool
}

// Look reads a file once from end to end: it digests it, proves that it can be decompressed within
// bounds and decides its encoding; forced overrules that decision unless it is "". seen is told after
// every chunk how many bytes of the file have been read. Errors: *FileError, the context's, the
// operating system's.
func Look(ctx context.Context, path string, forced Encoding, seen func(read, size int64)) (*File, error) {
	f := &File{Path: path, Name: filepath.Base(path), forced: forced != ""}
	s, err := f.open(ctx, seen)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var t tally
	buf := make([]byte, chunk)
	for {
		n, err := s.Read(buf)
		t.add(buf[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	f.Digest, f.Text, f.Size = s.digest(), s.text, s.read
	f.Encoding = t.verdict(f.bom)
	if forced != "" {
		f.Encoding = forced
	}
	return f, nil
}

// stream is the text of a file being read: decompressed, without byte order mark, not yet decoded.
type stream struct {
	ctx  context.Context
	file *os.File
	name string
	hash hash.Hash
	size int64
	read int64 // bytes of the file
	text int64 // bytes of text
	seen func(read, size int64)
	raw  *bufio.Reader // after digest and count
	body io.Reader
	gzip bool
}

// open begins a reading. It also finds out what the first bytes tell.
func (f *File) open(ctx context.Context, seen func(read, size int64)) (*stream, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, err
	}
	s := &stream{ctx: ctx, file: file, name: f.Name, hash: sha256.New(), seen: seen}
	if err := s.begin(f); err != nil {
		file.Close()
		return nil, err
	}
	return s, nil
}

func (s *stream) begin(f *File) error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return s.fail("is not a regular file", "it is read twice, so a pipe or a folder can't be imported")
	}
	s.size = info.Size()
	s.raw = bufio.NewReaderSize(rawReader{s}, chunk)
	s.body = s.raw
	if f.Gzip, err = s.gunzip(); err != nil {
		return err
	}
	body := bufio.NewReaderSize(s.body, 4096)
	head, err := body.Peek(64)
	if err != nil && err != io.EOF {
		return s.explain(err)
	}
	if err := s.refuse(head); err != nil {
		return err
	}
	s.body = body
	if f.bom = bytes.HasPrefix(head, []byte("\xef\xbb\xbf")); f.bom {
		_, _ = body.Discard(3) // was peeked at
	}
	return nil
}

// gunzip looks for gzip's magic number; the name of the file alone decides nothing.
func (s *stream) gunzip() (bool, error) {
	head, err := s.raw.Peek(2)
	if err != nil && err != io.EOF {
		return false, err
	}
	if string(head) != "\x1f\x8b" {
		if strings.HasSuffix(strings.ToLower(s.name), ".gz") {
			return false, s.fail("ends in .gz and is not a gzip file", "")
		}
		return false, nil
	}
	s.gzip = true
	z, err := gzip.NewReader(s.raw)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return false, s.explain(err)
	}
	s.body = z
	return true, nil
}

// foreign are the first bytes of files that people take for tables of text.
var foreign = []struct{ magic, text, hint string }{
	{"PK\x03\x04", "is a workbook or an archive, not a text file", "save the sheet as CSV UTF-8"},
	{"\xd0\xcf\x11\xe0", "is an old workbook, not a text file", "save the sheet as CSV UTF-8"},
	{"PAR1", "is a Parquet file, which is not read yet", "export it as CSV or JSON lines"},
	{"\xff\xfe", "is UTF-16", "save it as UTF-8"},
	{"\xfe\xff", "is UTF-16", "save it as UTF-8"},
	{"\x1f\x8b", "is compressed twice", "decompress it once"},
	{"BZh", "is a bzip2 file", "decompress it, or use gzip"},
	{"\xfd7zXZ", "is an xz file", "decompress it, or use gzip"},
	{"\x28\xb5\x2f\xfd", "is a Zstandard file", "decompress it, or use gzip"},
	{"%PDF", "is a PDF file", ""},
}

// refuse turns away what is not a text file. A NUL in the first bytes is no text that is read here; a
// NUL further on costs its row alone.
func (s *stream) refuse(head []byte) error {
	for _, f := range foreign {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return s.fail(f.text, f.hint)
		}
	}
	if len(head) == 0 {
		return s.fail("is empty", "")
	}
	if bytes.IndexByte(head, 0) >= 0 {
		return s.fail("is not a text file: its beginning holds a NUL byte", "UTF-16 is not read: save it as UTF-8")
	}
	return nil
}

// Read reads text, within the bounds of decompression.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	s.text += int64(n)
	if s.text > maxText || s.gzip && s.text > ratioGrace && s.text/maxRatio > s.read {
		return 0, s.fail(fmt.Sprintf("grows to more than %d times its size when decompressed", maxRatio), "decompress it first if it is really meant")
	}
	return n, s.explain(err)
}

// explain turns the decompressor's errors into words.
func (s *stream) explain(err error) error {
	switch {
	case err == nil || err == io.EOF:
		return err
	case !s.gzip || s.ctx.Err() != nil:
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return s.fail("ends before the end of its gzip stream", "copy it again")
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader):
		return s.fail("is a damaged gzip file", "copy it again")
	}
	return s.fail("can't be decompressed", "copy it again")
}

func (s *stream) fail(text, hint string) error {
	return &FileError{File: s.name, Text: text, Hint: hint}
}

// digest is SHA-256 of the whole file, once Read has returned io.EOF. It reads what a decompressor
// left unread.
func (s *stream) digest() (d [32]byte) {
	_, _ = io.Copy(io.Discard, s.raw)
	s.hash.Sum(d[:0])
	return d
}

// Close ends the reading.
func (s *stream) Close() error { return s.file.Close() }

// rawReader reads the file itself: it digests, counts and stops when the context ends.
type rawReader struct{ s *stream }

func (r rawReader) Read(p []byte) (int, error) {
	if err := r.s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.s.file.Read(p)
	r.s.hash.Write(p[:n])
	r.s.read += int64(n)
	if n > 0 && r.s.seen != nil {
		r.s.seen(r.s.read, r.s.size)
	}
	return n, err
}
