package ledger

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrBundle: the file is no bundle, or it is damaged.
var ErrBundle = errors.New("not a ledger bundle")

const bundleVersion = 1

// bundleHead is the first line of a bundle; the others are Lines.
type bundleHead struct {
	Bundle      int      `json:"ecluse_bundle"`
	VerifierKey string   `json:"verifier_key"`
	Size        int64    `json:"size"`
	Root        string   `json:"root"`
	Checkpoints []string `json:"checkpoints"`
	Opened      bool     `json:"opened"`
}

// WriteBundle writes a ledger as JSON lines that anybody can verify offline without key or database.
// Opened bundles hold the entries' references and salts; the others only leaves, hence no personal
// data.
func WriteBundle(ctx context.Context, w io.Writer, src Source, verifierKey string, opened bool) error {
	heading, err := src.Heading(ctx)
	if err != nil {
		return err
	}
	head := bundleHead{
		Bundle: bundleVersion, VerifierKey: verifierKey, Size: heading.Size, Opened: opened,
		Root: base64.StdEncoding.EncodeToString(heading.Root[:]),
	}
	for _, c := range heading.Checkpoints {
		head.Checkpoints = append(head.Checkpoints, string(c.Note))
	}
	enc := json.NewEncoder(w)
	if err := enc.Encode(head); err != nil {
		return err
	}
	return src.Lines(ctx, func(l *Line) error {
		if !opened {
			l = &Line{Entry: Entry{N: l.N, At: l.At, Leaf: l.Leaf, Purged: true}, Receipt: l.Receipt} // not even the register
		}
		return enc.Encode(l)
	})
}

// bundle is the Source of a bundle.
type bundle struct {
	head bundleHead
	in   *bufio.Reader
	line int
}

// ReadBundle opens a bundle as a Source, to be verified once. trusted is the verifier key that the
// reader got from elsewhere; empty trusts the one in the bundle, which proves consistency only.
func ReadBundle(r io.Reader, trusted string) (Source, error) {
	b := &bundle{in: bufio.NewReaderSize(r, 1<<16)}
	if err := b.next(&b.head); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: it is empty", ErrBundle)
	} else if err != nil {
		return nil, err
	}
	if b.head.Bundle != bundleVersion {
		return nil, fmt.Errorf("%w: its first line is not a heading of version %d", ErrBundle, bundleVersion)
	}
	if trusted != "" {
		b.head.VerifierKey = trusted
	}
	return b, nil
}

func (b *bundle) Heading(context.Context) (Heading, error) {
	root, err := base64.StdEncoding.DecodeString(b.head.Root)
	if err != nil || len(root) != 32 {
		return Heading{}, fmt.Errorf("%w: the root is malformed", ErrBundle)
	}
	h := Heading{Size: b.head.Size, Root: tlog.Hash(root), TreeOnly: !b.head.Opened}
	for _, text := range b.head.Checkpoints {
		c, err := ParseCheckpoint([]byte(text), b.head.VerifierKey)
		if err != nil {
			return h, err
		}
		h.Checkpoints = append(h.Checkpoints, c)
	}
	return h, nil
}

func (b *bundle) Lines(ctx context.Context, each func(*Line) error) error {
	for {
		var l Line
		err := b.next(&l)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = errors.Join(ctx.Err(), each(&l))
		}
		if err != nil {
			return err
		}
	}
}

// maxBundleLine bounds what one line of a hostile bundle can make us hold.
const maxBundleLine = 1 << 16

func (b *bundle) next(into any) error {
	b.line++
	text, err := b.in.ReadSlice('\n')
	if errors.Is(err, io.EOF) && len(text) == 0 {
		return io.EOF
	}
	if errors.Is(err, bufio.ErrBufferFull) || len(text) > maxBundleLine {
		return fmt.Errorf("%w: line %d is longer than %d bytes", ErrBundle, b.line, maxBundleLine)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the bundle: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("%w: line %d is malformed", ErrBundle, b.line)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: line %d holds more than one document", ErrBundle, b.line)
	}
	return nil
}
