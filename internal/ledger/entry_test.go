package ledger

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"testing"
	"time"

	"ecluse"

	"github.com/google/go-cmp/cmp"
)

// vector is one line of testdata/vectors.json, which never changes.
type vector struct {
	Name      string
	Entry     Entry
	Period    string // hex
	Canonical string // hex
	Leaf      string // hex
}

func vectorEntries() map[string]Entry {
	at := time.UnixMicro(1_772_442_000_123_456).UTC()
	return map[string]Entry{
		"nothing": {Format: 1, PSeq: -1, PPrev: -1, APrev: -1, At: time.UnixMicro(0).UTC()},
		"disclosure": {
			Format: 1, N: 7, At: at, Kind: KindDisclose, Act: 6, Register: 3, Account: 41, ASeq: 2, APrev: 5, Organisation: 30, Session: 99,
			Person: 1234, PSeq: 1, PPrev: 4, Version: 12, Fields: 0x8000_0000_0000_0003, Purpose: "emploi", Tier: 3, Decision: Allow,
			Detail: []byte(`{"ch":"page","c":6,"a":1,"m":"walk_in"}`),
		},
		"refusal": {
			Format: 1, N: 1 << 40, At: at, Kind: KindRefuse, Act: 1 << 40, Register: 3, Account: 41, ASeq: 3, APrev: 7, PSeq: -1, PPrev: -1,
			Purpose: "santé", Decision: Deny, Reasons: "budget.account.new budget.organisation.new", Detail: []byte(`{}`),
		},
	}
}

var vectorPeriod = []byte("0123456789abcdef0123456789abcdef")

func TestCanonicalEntriesAndLeavesNeverChange(t *testing.T) {
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	entries := vectorEntries()
	if len(vectors) != len(entries) {
		t.Fatalf("%d vectors, want %d", len(vectors), len(entries))
	}
	for _, v := range vectors {
		e := entries[v.Name]
		if diff := cmp.Diff(v.Entry, e); diff != "" {
			t.Errorf("%s: %s", v.Name, diff)
		}
		leaf := leafOf(&v.Entry, vectorPeriod)
		if got := hex.EncodeToString(v.Entry.canonical()); got != v.Canonical {
			t.Errorf("%s: canonical form %s, want %s", v.Name, got, v.Canonical)
		}
		if got := hex.EncodeToString(leaf[:]); got != v.Leaf {
			t.Errorf("%s: leaf %s, want %s", v.Name, got, v.Leaf)
		}
	}
}

// A leaf that did not depend on a column would let that column be changed unseen.
func TestEveryFieldOfAnEntryChangesItsCanonicalForm(t *testing.T) {
	base := vectorEntries()["disclosure"]
	before := string(base.canonical())
	v := reflect.TypeFor[Entry]()
	for i := range v.NumField() {
		name := v.Field(i).Name
		if name == "Leaf" || name == "Purged" {
			continue
		}
		changed := base
		f := reflect.ValueOf(&changed).Elem().Field(i)
		switch {
		case f.Type() == reflect.TypeFor[time.Time]():
			f.Set(reflect.ValueOf(changed.At.Add(time.Microsecond)))
		case f.Kind() == reflect.String:
			f.SetString(f.String() + "x")
		case f.CanInt():
			f.SetInt(f.Int() + 1)
		case f.CanUint():
			f.SetUint(f.Uint() ^ 1)
		case f.Kind() == reflect.Slice:
			f.SetBytes(append([]byte{}, append(changed.Detail, ' ')...))
		default:
			t.Fatalf("%s has a kind that this test does not know", name)
		}
		if string(changed.canonical()) == before {
			t.Errorf("%s is not in the canonical form", name)
		}
	}
}

func TestNoTwoListsOfTextsShareACanonicalForm(t *testing.T) {
	a := Entry{Purpose: "ab", Reasons: "c"}
	b := Entry{Purpose: "a", Reasons: "bc"}
	if string(a.canonical()) == string(b.canonical()) {
		t.Error("texts run into each other")
	}
}

func TestAReceiptIdBindsNumberAndLeafAndToleratesHowPeopleType(t *testing.T) {
	key := []byte("0123456789abcdef0123456789abcdef")
	leaf := leafOf(&Entry{N: 5}, vectorPeriod)
	id := sealReceipt(key, 5, leaf)
	if len(id) != 26 {
		t.Fatalf("the id %q has %d characters", id, len(id))
	}
	for _, typed := range []string{id, " " + id[:5] + "-" + id[5:] + " ", string(mapCase(id))} {
		n, prefix, err := openReceipt(key, typed)
		if err != nil || n != 5 || [8]byte(leaf[:8]) != prefix {
			t.Errorf("%q opens to %d %x %v", typed, n, prefix, err)
		}
	}
	for _, bad := range []string{"", "abc", id + "0", id[:25] + "!"} {
		if _, _, err := openReceipt(key, bad); err == nil {
			t.Errorf("%q is taken for a receipt", bad)
		}
	}
	other, prefix, err := openReceipt([]byte("another key of thirty-two bytes!"), id)
	if err == nil && other == 5 && prefix == [8]byte(leaf[:8]) {
		t.Error("a receipt opens under another key")
	}
}

func mapCase(s string) []byte {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 32
		}
	}
	return b
}

func TestReceiptsOpenOnceWithinFiveSecondsCopiesIncluded(t *testing.T) {
	issued := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	want := Passage{Register: 1, Person: ecluse.PersonID(2), Version: 3, Fields: 4}
	check := func(name string, r Receipt, at time.Time, wantErr error) {
		t.Helper()
		p, err := r.Open(at)
		if err != wantErr {
			t.Errorf("%s: %v, want %v", name, err, wantErr)
		}
		if (err == nil) != (p == want) {
			t.Errorf("%s: passage %+v with error %v", name, p, err)
		}
	}
	check("zero", Receipt{}, issued, ErrNoReceipt)
	check("forged", Receipt{id: "X", passage: want, issued: issued}, issued, ErrNoReceipt)
	r := newReceipt(want, "ID", issued)
	copied := r
	check("first", r, issued.Add(ReceiptLife), nil)
	check("twice", r, issued, ErrReceiptSpent)
	check("copied", copied, issued, ErrReceiptSpent)
	late := newReceipt(want, "ID", issued)
	check("late", late, issued.Add(ReceiptLife+time.Nanosecond), ErrReceiptExpired)
	check("late again, in time", late, issued, ErrReceiptSpent)
}
