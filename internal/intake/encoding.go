package intake

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Encoding is how a file writes its letters.
type Encoding string

// The encodings that are read. Both write ASCII as ASCII, so that rows are cut before they are decoded.
const (
	UTF8        Encoding = "utf-8"
	Windows1252 Encoding = "windows-1252"
)

// tally decides the encoding of a stream from all of it. The rule:
//
//  1. A UTF-8 byte order mark, or a stream that is valid UTF-8 to its last byte, is UTF-8.
//  2. Otherwise well-formed UTF-8 sequences of two bytes or more are counted against bytes that belong
//     to none. More sequences: a UTF-8 file with damaged places. It is read as UTF-8 and the rows with
//     such bytes are rejected (EncodingInvalid). As many or fewer: Windows-1252, where such sequences
//     are rare accidents (É followed by »). The rows that would be valid UTF-8 with letters beyond ASCII
//     are rejected (EncodingMixed), for they may come from another file that was pasted in.
//
// So no row is ever read in a way that its own bytes contradict; Options.Encoding overrules the rule.
type tally struct {
	sequences, invalid int64
	rest               []byte // the beginning of a sequence that the last chunk cut
}

// add counts a chunk of the stream.
func (t *tally) add(p []byte) {
	if len(t.rest) > 0 {
		p = append(t.rest, p...)
		t.rest = nil
	}
	for len(p) > 0 {
		if p[0] < utf8.RuneSelf {
			p = p[asciiPrefix(p):]
			continue
		}
		if !utf8.FullRune(p) {
			t.rest = bytes.Clone(p)
			return
		}
		r, n := utf8.DecodeRune(p)
		if r == utf8.RuneError && n == 1 {
			t.invalid++
		} else {
			t.sequences++
		}
		p = p[n:]
	}
}

// verdict closes the count. A sequence that the end of the stream cuts is invalid.
func (t *tally) verdict(bom bool) Encoding {
	t.invalid += int64(len(t.rest))
	t.rest = nil
	if bom || t.invalid == 0 || t.sequences > t.invalid {
		return UTF8
	}
	return Windows1252
}

// asciiPrefix is the number of ASCII bytes at the beginning of p.
func asciiPrefix(p []byte) int {
	i := 0
	for ; i+8 <= len(p); i += 8 {
		if (p[i]|p[i+1]|p[i+2]|p[i+3]|p[i+4]|p[i+5]|p[i+6]|p[i+7])&0x80 != 0 {
			break
		}
	}
	for i < len(p) && p[i] < utf8.RuneSelf {
		i++
	}
	return i
}

// judge says whether the bytes of one row contradict the encoding of the file. forced says that the
// encoding was given, not decided.
func (e Encoding) judge(row []byte, forced bool) Code {
	if asciiPrefix(row) == len(row) {
		return ""
	}
	valid := utf8.Valid(row)
	if e == UTF8 && !valid {
		return EncodingInvalid
	}
	if e == Windows1252 && valid && !forced {
		return EncodingMixed
	}
	return ""
}

// text decodes bytes that judge let pass. The five bytes that Windows-1252 leaves open become U+FFFD,
// which no field may hold.
func (e Encoding) text(p []byte) string {
	if e == UTF8 || asciiPrefix(p) == len(p) {
		return string(p)
	}
	b := make([]byte, 0, len(p)+len(p)/4+4)
	for _, c := range p {
		b = utf8.AppendRune(b, charmap.Windows1252.DecodeByte(c))
	}
	return string(b)
}
