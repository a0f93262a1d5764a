package intake

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ecluse"
	"ecluse/internal/register"
)

var testSchema = `
code = "test"
version = 1
external_id = "file"
territory = "territory"
row = ["surname"]
[label]
fr = "Test"
en = "Test"
[[controllers]]
code = "c"
name = "C"
dpo = "dpo@c.example"
roles = ["operates", "notifies", "answers"]
rule = "all"
` + testFields + `
[[purposes]]
id = "p"
fields = ["surname"]
[purposes.label]
fr = "P"
en = "P"
[[keys]]
id = 1
fields = ["nir"]
[[motives]]
id = "m"
[motives.label]
fr = "M"
en = "M"
`

var testFields = func() string {
	var b strings.Builder
	for i, f := range [][3]string{
		{"surname", "name", "identity"}, {"birth_date", "date", "identity"}, {"nir", "nir", "identifier"},
		{"phone", "phone", "contact"}, {"notes", "text", "free_text"}, {"ine", "ine", "identifier"},
	} {
		fmt.Fprintf(&b, "[[fields]]\nname = %q\nbit = %d\nkind = %q\nclass = %q\nabout = \"person\"\nrequired = %v\n[fields.label]\nfr = %q\nen = %q\n",
			f[0], i, f[1], f[2], i < 2, f[0], f[0])
	}
	return b.String()
}()

func schema(t testing.TB) *register.Schema {
	t.Helper()
	s, err := register.ParseSchema("test.toml", []byte(testSchema))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// vault is a small register in memory: what was published, by external identifier.
type vault struct {
	visible   map[string]string
	versions  int
	abandoned int
	fail      error // of Put
}

type vaultWriter struct {
	v       *vault
	pending map[string]string
	over    bool
}

func (v *vault) open(context.Context, []byte) (Writer, error) {
	v.versions++
	return &vaultWriter{v: v, pending: map[string]string{}}, nil
}

func (w *vaultWriter) Version() ecluse.VersionID { return ecluse.VersionID(w.v.versions) }
func (w *vaultWriter) Progress(int64, int64)     {}

func (w *vaultWriter) Put(_ context.Context, rows []register.Row) (out []register.Outcome, err error) {
	if w.v.fail != nil {
		return nil, w.v.fail
	}
	for _, r := range rows {
		text := r.Territory + "|" + strings.Join(r.Values, "|")
		old, known := w.v.visible[r.External]
		switch {
		case !known:
			out = append(out, register.Created)
		case old == text:
			out = append(out, register.Unchanged)
		default:
			out = append(out, register.Changed)
		}
		w.pending[r.External] = text
	}
	return out, nil
}

func (w *vaultWriter) Publish(context.Context) (register.Published, error) {
	for k, v := range w.pending {
		w.v.visible[k] = v
	}
	w.over = true
	return register.Published{}, nil
}

func (w *vaultWriter) Abandon(context.Context) error {
	if !w.over {
		w.v.abandoned++
	}
	return nil
}

type bench struct {
	*vault
	options Options
	dir     string
}

func newBench(t testing.TB) *bench {
	b := &bench{vault: &vault{visible: map[string]string{}}, dir: t.TempDir()}
	b.options = Options{Register: "test", Schema: schema(t), Open: b.open, Now: func() time.Time { return time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC) }}
	return b
}

// run imports a text as a file of that name.
func (b *bench) run(t testing.TB, name, text string) (Summary, error) {
	t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Import(t.Context(), path, b.options)
}

func (b *bench) want(t *testing.T, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, b.visible); diff != "" {
		t.Error(diff)
	}
}

const header = "file;territory;surname;birth_date;nir;phone;notes;ine\n"

var oneRow = map[string]string{"A1": "93-008|Lefèvre|2004-05-17||+33639980123||"}

func TestTheSameRowIsReadFromEveryFormat(t *testing.T) {
	semicolon := header + "A1;93-008;Lefèvre;17/05/2004;;06 39 98 01 23;;\n"
	comma := strings.ReplaceAll(semicolon, ";", ",")
	for name, text := range map[string]string{
		"semicolon.csv":  semicolon,
		"comma.csv":      comma,
		"tab.tsv":        strings.ReplaceAll(semicolon, ";", "\t"),
		"crlf.csv":       strings.ReplaceAll(semicolon, "\n", "\r\n"),
		"bom.csv":        "\xef\xbb\xbf" + semicolon,
		"1252.csv":       strings.ReplaceAll(semicolon, "è", "\xe8"),
		"sep.csv":        "sep=,\r\n" + comma,
		"quoted.csv":     `"file","territory","surname","birth_date","phone"` + "\n" + `"A1","93-008","Lefèvre","17/05/2004","06 39 98 01 23"`,
		"blank ends.csv": strings.ReplaceAll(semicolon, "\n", ";;\n") + ";;;;;;;;;\n",
		"case.csv":       "FILE;Territory; Surname ;BIRTH_DATE;phone\nA1;93-008;Lefèvre;2004-05-17;0639980123",
		"decomposed.csv": strings.ReplaceAll(semicolon, "è", "e\u0300"),
		"one.jsonl":      `{"file":"A1","territory":"93-008","surname":"Lef\u00e8vre","birth_date":"2004-05-17","phone":"+33 6 39 98 01 23","nir":null}`,
		"1252.jsonl":     "{\"file\":\"A1\",\"territory\":\"93-008\",\"surname\":\"Lef\xe8vre\",\"birth_date\":\"2004-05-17\",\"phone\":\"0639980123\"}\r\n\r\n",
		"packed.csv.gz":  packed(semicolon),
		"packed":         packed(semicolon),
	} {
		b := newBench(t)
		sum, err := b.run(t, name, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(oneRow, b.visible); diff != "" || sum.New != 1 || sum.Rows != 1 || !sum.Published {
			t.Errorf("%s: %+v %s", name, sum, diff)
		}
	}
}

func packed(text string) string {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return buf.String()
}

func TestAFileThatCannotBeReadSaysWhyAndWhere(t *testing.T) {
	row := "A1;93-008;DOE;2004-05-17;;;;\n"
	half := packed(header + strings.Repeat(row, 1000))
	for name, c := range map[string]struct{ text, want string }{
		"unknown.csv":    {"file;territory;surnme;birth_date\n", `unknown.csv, line 1, column "surnme": the register has no such field (is "surname" meant?)`},
		"far.csv":        {"file;territory;surname;birth_date;shoe size\n", `far.csv, line 1, column "shoe size": the register has no such field (a column is left out by mapping it to "")`},
		"twice.csv":      {"file;territory;surname;birth_date;Surname\n", `twice.csv, line 1, column "Surname": the name is there twice`},
		"missing.csv":    {"file;territory;surname\n", `missing.csv, line 1: no column gives "birth_date", which the register requires (--map gives other names)`},
		"noid.csv":       {"territory;surname;birth_date\n", `noid.csv, line 1: no column gives "file", which the register requires (--map gives other names)`},
		"nameless.csv":   {"file;;territory;surname;birth_date\n", `nameless.csv, line 1: column 2 has no name`},
		"headless.csv":   {row, `headless.csv, line 1: no column has a name that the register knows (the names of the columns are expected on the first line; --map gives other names)`},
		"empty.csv":      {"", `empty.csv: is empty`},
		"blank.csv":      {"\n\n", `blank.csv: holds no line`},
		"utf16.csv":      {"\xff\xfef\x00", `utf16.csv: is UTF-16 (save it as UTF-8)`},
		"nul.csv":        {"f\x00i\x00", `nul.csv: is not a text file: its beginning holds a NUL byte (UTF-16 is not read: save it as UTF-8)`},
		"book.xlsx":      {"PK\x03\x04....", `book.xlsx: is a workbook or an archive, not a text file (save the sheet as CSV UTF-8)`},
		"array.json":     {"[{}]", `array.json, line 1: is a JSON array (write one object per line (JSON lines))`},
		"broken.jsonl":   {"{\"file\":", `broken.jsonl, line 1: the first line is not one JSON object`},
		"cr.csv":         {"file;territory;surname;birth_date\rA1;93;DOE;2004-05-17\r", `cr.csv, line 1: lines end in CR alone (save it with LF or CR LF)`},
		"notgzip.csv.gz": {header, `notgzip.csv.gz: ends in .gz and is not a gzip file`},
		"cut.csv.gz":     {half[:len(half)/2], `cut.csv.gz: ends before the end of its gzip stream (copy it again)`},
		"flipped.csv.gz": {half[:len(half)-8] + "\x00\x00\x00\x00" + half[len(half)-4:], `flipped.csv.gz: is a damaged gzip file (copy it again)`},
		"twice.gz":       {packed(half), `twice.gz: is compressed twice (decompress it once)`},
		"bomb.csv.gz":    {packed(header + strings.Repeat("\x20", 40<<20)), `bomb.csv.gz: grows to more than 200 times its size when decompressed (decompress it first if it is really meant)`},
		"long.csv":       {strings.Repeat("surname;", 20000), `long.csv, line 1: the first line can't be read (is it text, and shorter than 64 KiB?)`},
		"quote.csv":      {"\"file;territory;surname\n", `quote.csv, line 1: quotation marks of the first line don't match`},
	} {
		b := newBench(t)
		_, err := b.run(t, name, c.text)
		var fe *FileError
		if !errors.As(err, &fe) || err.Error() != c.want {
			t.Errorf("%s: %v\nwant %s", name, err, c.want)
		}
		if b.versions != 0 {
			t.Errorf("%s: an import was begun", name)
		}
		b.want(t, map[string]string{})
	}
}

func TestAHeadlessFileDoesNotPutAPersonIntoTheError(t *testing.T) {
	for name, text := range map[string]string{"a.csv": "MARKER1;93;MARKER2\n", "a.jsonl": `{"MARKER1":"MARKER2"}`} {
		_, err := newBench(t).run(t, name, text)
		if err == nil || strings.Contains(err.Error(), "MARKER") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARowWithAnErrorGoesToTheRejectFileWithoutItsValue(t *testing.T) {
	b := newBench(t)
	b.options.AcceptRejects = true
	text := header +
		"A1;93-008;MARKER;17/05/2004;;;;\n" +
		"A2;93-008;MARKER;31/02/2004;MARKER;;;12\n" +
		";93 008;;2004-05-17;;;;\n" +
		"A4;93-008;MARKER\n" +
		"A5;93-008;\"MARKER\nMARKER\";17/05/2004;;;;\n" +
		"A8;93-008;\"MARKER\"MARKER;17/05/2004;;;;\n" +
		"A6;93-008;MARKER\x00;17/05/2004;;;;\n" +
		"A1;93-008;MARKER;17/05/2004;;;;\n" +
		"A7;93-008;MARKER;17/05/2004;;;\"a\nb\";12\n"
	sum, err := b.run(t, "rows.csv", text)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(sum.Rejects)
	if err != nil || bytes.Contains(data, []byte("MARKER")) || bytes.Contains(data, []byte("A1")) {
		t.Fatalf("%v\n%s", err, data)
	}
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rows[1:] {
		got = append(got, strings.Join(r[:4], " "))
	}
	want := []string{
		"3 birth_date date.calendar rejected", "3 nir nir.format rejected", "3 ine ine.format remark",
		"4 file value.missing rejected", "4 territory territory.format rejected", "4 surname value.missing rejected",
		"5  row.cells rejected", "6 surname value.control rejected", "8  row.quote_text rejected",
		"9 surname value.control rejected", "10 file row.duplicate rejected", "11 ine ine.format remark",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if last := rows[len(rows)-2]; last[4] != "the external identifier was already used in this file, on line 2" {
		t.Errorf("%q", last)
	}
	if sum.Rejected != sum.Rows-sum.Taken || sum.New != 2 {
		t.Errorf("%+v", sum)
	}
	var stored Summary
	if data, err = os.ReadFile(filepath.Join(b.dir, "rows.csv.import.json")); err != nil || json.Unmarshal(data, &stored) != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sum, stored); diff != "" {
		t.Error(diff)
	}
}

func TestAMapRenamesAndLeavesOutColumnsOnPurpose(t *testing.T) {
	b := newBench(t)
	path := filepath.Join(b.dir, "map.toml")
	text := "\"N° de dossier\" = \"file\"\n\"Département\" = \"territory\"\n\"Nom\" = \"surname\"\n\"Né le\" = \"birth_date\"\n\"Remarque\" = \"\"\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.options.Map, err = ReadMap(path); err != nil {
		t.Fatal(err)
	}
	b.options.MapName = "map.toml"
	file := "N° de dossier;Département;NOM;Né le;Remarque;phone\nA1;93-008;Lefèvre;17/05/2004;x;0639980123\n"
	if _, err := b.run(t, "mapped.csv", file); err != nil {
		t.Fatal(err)
	}
	b.want(t, oneRow)
	line := `{"N° de dossier":"A1","Département":"93-008","Nom":"Lefèvre","Né le":"2004-05-17","phone":"0639980123"}` + "\n" +
		`{"N° de dossier":"A2","Département":"93-008","Nom":"Lefèvre","Né le":"2004-05-17","Remarque":"x","notes":"y"}` + "\n"
	if sum, err := b.run(t, "mapped.jsonl", line); err != nil || sum.New != 1 || sum.Unchanged != 1 {
		t.Errorf("%+v %v", sum, err)
	}
	for want, m := range map[string]Map{
		`map.toml, column "Nom": the register has no field "surnam" (is "surname" meant?)`: {"Nom": "surnam"},
		`mapped.csv, line 1: the map names a column "Prénom" that the file does not have`: {
			"N° de dossier": "file", "Département": "territory", "Nom": "surname", "Né le": "birth_date", "Remarque": "", "Prénom": "notes"},
		`mapped.csv, line 1, column "Remarque": "NOM" feeds the field surname already`: {
			"N° de dossier": "file", "Département": "territory", "Nom": "surname", "Né le": "birth_date", "Remarque": "surname"},
	} {
		b.options.Map = m
		if _, err := b.run(t, "mapped.csv", file); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := os.WriteFile(path, []byte("a = \"b\"\nc = 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadMap(path); err == nil || !strings.HasPrefix(err.Error(), "map.toml, line 2: ") {
		t.Error(err)
	}
}

func TestAJSONRowKeepsItsShapeOrIsRejected(t *testing.T) {
	b := newBench(t)
	b.options.AcceptRejects = true
	good := `"territory":"93","surname":"DOE","birth_date":"2004-05-17"`
	sum, err := b.run(t, "a.jsonl", strings.Join([]string{
		`{"file":1,` + good + `}`,
		`{"file":2,` + good + `,"notes":["x"]}`,
		`{"file":3,` + good + `,"shoe":"x"}`,
		`{"file":4,` + good + `,"file":"5"}`,
		`{"file":6,` + good,
		`{"file":7,` + good + `} {}`,
		`[]`,
		`{}`,
		`{"file":8,` + good + `,"notes":"\ud800"}`,
		`{"file":9,` + good + `,"notes":{"a":[1,{}]},"phone":"0639980123"}`,
		"{\"file\":10," + good + ",\"notes\":\"\xff\"}",
	}, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[Code]int64{ValueShape: 2, ColumnUnknown: 1, ColumnTwice: 1, RowJSON: 3, ValueDamaged: 1}
	if diff := cmp.Diff(want, sum.Codes); diff != "" {
		t.Error(diff)
	}
	b.want(t, map[string]string{"1": "93|DOE|2004-05-17||||", "10": "93|DOE|2004-05-17|||ÿ|"})
}
