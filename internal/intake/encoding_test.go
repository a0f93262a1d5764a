package intake

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestTheEncodingIsDecidedFromAllOfTheFile(t *testing.T) {
	row := func(id, name string) string { return id + ";93;" + name + ";2004-05-17;;;;\n" }
	plain := strings.Repeat(row("A0", "DOE"), 40000) // more than any buffer
	for name, c := range map[string]struct {
		text   string
		forced Encoding
		want   map[string]string // name by id
		codes  map[Code]int64
	}{
		"UTF-8 whose only accent comes late":        {text: plain + row("A1", "Lefèvre"), want: map[string]string{"A1": "Lefèvre"}},
		"Windows-1252 whose only accent comes late": {text: plain + row("A1", "Lef\xe8vre \x9cuf"), want: map[string]string{"A1": "Lefèvre œuf"}},
		"UTF-8 with one damaged row": {
			text: row("A1", "Lefèvre") + row("A2", "Élodie") + row("A3", "Lef\xe8vre"),
			want: map[string]string{"A1": "Lefèvre", "A2": "Élodie"}, codes: map[Code]int64{EncodingInvalid: 1}},
		"Windows-1252 with a row of UTF-8": {
			text: row("A1", "Lef\xe8vre") + row("A2", "\xc9lodie") + row("A3", "Lefèvre"),
			want: map[string]string{"A1": "Lefèvre", "A2": "Élodie"}, codes: map[Code]int64{EncodingMixed: 1}},
		"the same, the encoding given": {
			text: row("A1", "Lef\xe8vre") + row("A2", "\xc9lodie") + row("A3", "\xabCIT\xc9\xbb"), forced: Windows1252,
			want: map[string]string{"A1": "Lefèvre", "A2": "Élodie", "A3": "«CITÉ»"}},
		"UTF-8 given, and it is not": {
			text: row("A1", "DOE") + row("A2", "Lef\xe8vre"), forced: UTF8,
			want: map[string]string{"A1": "DOE"}, codes: map[Code]int64{EncodingInvalid: 1}},
		"a byte that Windows-1252 does not have": {
			text: row("A1", "Lef\xe8vre") + row("A2", "\xe9\x81"),
			want: map[string]string{"A1": "Lefèvre"}, codes: map[Code]int64{ValueDamaged: 1}},
		"a file that ends inside a letter": {
			text: row("A1", "É") + row("A2", "É") + "A3;93;\xc3", want: map[string]string{"A1": "É", "A2": "É"},
			codes: map[Code]int64{EncodingInvalid: 1}},
		"a byte order mark decides": {
			text: "\xef\xbb\xbf" + header + row("A1", "DOE") + row("A2", "Lef\xe8vre"),
			want: map[string]string{"A1": "DOE"}, codes: map[Code]int64{EncodingInvalid: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.options.AcceptRejects, b.options.Encoding = true, c.forced
			if !strings.HasPrefix(c.text, "\xef") {
				c.text = header + c.text
			}
			sum, err := b.run(t, "a.csv", c.text)
			if err != nil {
				t.Fatal(err)
			}
			delete(sum.Codes, RowDuplicate)
			delete(b.visible, "A0")
			got := map[string]string{}
			for id, text := range b.visible {
				got[id] = strings.Split(text, "|")[1]
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if c.codes == nil {
				c.codes = map[Code]int64{}
			}
			if diff := cmp.Diff(c.codes, sum.Codes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// FuzzTally compares with the standard library, whatever the pieces are.
func FuzzTally(f *testing.F) {
	f.Add([]byte("Lef\xc3\xa8vre 12345678 \xe2\x82\xac"), 3)
	f.Add([]byte("\xe2\x82"), 1)
	f.Add([]byte("\xf0\x9f\x98\x80\xff12345678"), 2)
	f.Fuzz(func(t *testing.T, text []byte, piece int) {
		if piece < 1 {
			return
		}
		var got tally
		for rest := text; len(rest) > 0; {
			n := min(piece, len(rest))
			got.add(rest[:n])
			rest = rest[n:]
		}
		got.verdict(false)
		var want tally
		for rest := text; len(rest) > 0; {
			r, n := utf8.DecodeRune(rest)
			if r == utf8.RuneError && n == 1 {
				want.invalid++
			} else if r >= utf8.RuneSelf {
				want.sequences++
			}
			rest = rest[n:]
		}
		if got.sequences != want.sequences || got.invalid != want.invalid {
			t.Fatalf("%q by %d: %+v, want %+v", text, piece, got, want)
		}
	})
}
