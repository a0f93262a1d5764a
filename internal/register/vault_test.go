package register

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
	"pgregory.net/rapid"
)

func newAEAD(t testing.TB) tink.AEAD {
	t.Helper()
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	a, err := aead.New(handle)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var home = place{register: "mission-locale", person: 17, version: 5}

// record is a small record with planted values.
func record() unsealed {
	return unsealed{territory: "93-008", bits: []int{0, 1, 4, 9}, values: []string{"PLANTED-SURNAME", "", "269054958815780", strings.Repeat("long ", 40)}}
}

func seal(t testing.TB, v *vault, p place, rec unsealed) []byte {
	t.Helper()
	blob, err := v.seal(p, rec)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

func TestARecordComesBackAsItWasSealed(t *testing.T) {
	v := &vault{aead: newAEAD(t)}
	rapid.Check(t, func(t *rapid.T) {
		rec := unsealed{territory: rapid.StringN(0, -1, maxTerritory).Draw(t, "territory")}
		bit := -1
		for _, step := range rapid.SliceOfN(rapid.IntRange(1, 9), 0, 7).Draw(t, "steps") {
			bit += step
			rec.bits = append(rec.bits, bit)
			rec.values = append(rec.values, rapid.StringN(0, -1, 200).Draw(t, "value"))
		}
		blob, err := v.seal(home, rec)
		if err != nil {
			t.Fatal(err)
		}
		o, err := v.open(home, blob)
		if err != nil {
			t.Fatal(err)
		}
		if o.territory != rec.territory || o.fields.Len() != len(rec.bits) {
			t.Fatalf("territory %q, %d fields", o.territory, o.fields.Len())
		}
		if head, err := v.openHead(home, blob); err != nil || head != rec.territory {
			t.Fatalf("head %q, %v", head, err)
		}
		for i, bit := range rec.bits {
			if got, err := v.value(o, bit); err != nil || got != rec.values[i] {
				t.Fatalf("bit %d: %q, %v; want %q", bit, got, err, rec.values[i])
			}
		}
	})
}

func TestAnEmptyOrShortValueDoesNotShowItsLength(t *testing.T) {
	v := &vault{aead: newAEAD(t)}
	rec := record()
	full := len(seal(t, v, home, rec))
	rec.values[0], rec.territory = "", ""
	if got := len(seal(t, v, home, rec)); got != full {
		t.Errorf("a record without a surname and territory has %d bytes, one with them %d", got, full)
	}
}

func TestABlobMovedToAnyOtherPlaceIsRefused(t *testing.T) {
	v := &vault{aead: newAEAD(t)}
	blob := seal(t, v, home, record())
	for name, p := range map[string]place{
		"another register": {"licences-sport", home.person, home.version},
		"another person":   {home.register, home.person + 1, home.version},
		"another version":  {home.register, home.person, home.version + 1},
	} {
		if _, err := v.open(p, blob); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := v.openHead(p, blob); !errors.Is(err, ErrSealed) {
			t.Errorf("%s, head: %v", name, err)
		}
	}
	other := &vault{aead: newAEAD(t)}
	if _, err := other.open(home, blob); !errors.Is(err, ErrSealed) {
		t.Errorf("another key: %v", err)
	}
}

func TestFieldsSwappedInsideABlobAreRefused(t *testing.T) {
	v := &vault{aead: newAEAD(t)}
	blob := seal(t, v, home, record())
	parts := func(b []byte) [][]byte { // surname, first name and nir have one block each
		from := 2 + 4*directoryItem + headBytes
		size := padBlock + sealOverhead
		return [][]byte{b[from : from+size], b[from+size : from+2*size], b[from+2*size : from+3*size]}
	}
	swapped := bytes.Clone(blob)
	copy(parts(swapped)[0], parts(blob)[2])
	copy(parts(swapped)[2], parts(blob)[0])
	refuses(t, v, swapped, 0)
	refuses(t, v, swapped, 4)

	other := seal(t, v, place{home.register, 18, home.version}, record())
	foreign := bytes.Clone(blob)
	copy(parts(foreign)[2], parts(other)[2])
	refuses(t, v, foreign, 4)

	relabelled := bytes.Clone(blob)
	relabelled[2+2*directoryItem] = 5 // nir's ciphertext under the bit of another field
	refuses(t, v, relabelled, 5)
}

// refuses checks that a blob or one of its fields is refused with an error that names ids only.
func refuses(t *testing.T, v *vault, blob []byte, bit int) {
	t.Helper()
	o, err := v.open(home, blob)
	if err == nil {
		_, err = v.value(o, bit)
	}
	if !errors.Is(err, ErrSealed) {
		t.Fatalf("accepted: %v", err)
	}
	if strings.Contains(err.Error(), "PLANTED") || !strings.Contains(err.Error(), "person 17, version 5") {
		t.Errorf("the error says %q", err)
	}
}

func TestABlobWithAFieldLeftOutIsRefused(t *testing.T) {
	v := &vault{aead: newAEAD(t)}
	blob := seal(t, v, home, record())
	from, size := 2+4*directoryItem+headBytes, padBlock+sealOverhead
	without := []byte{blobFormat, 3}
	without = append(without, blob[2+directoryItem:2+4*directoryItem]...) // all but surname
	without = append(without, blob[2+4*directoryItem:from]...)            // head
	without = append(without, blob[from+size:]...)
	if _, err := v.open(home, without); !errors.Is(err, ErrSealed) {
		t.Errorf("accepted: %v", err)
	}
}

func TestEveryTruncationAndEveryFlippedBitIsRefused(t *testing.T) {
	v := &vault{aead: newAEAD(t)}
	blob := seal(t, v, home, record())
	readAll := func(b []byte) error {
		o, err := v.open(home, b)
		for _, bit := range record().bits {
			if err == nil {
				_, err = v.value(o, bit)
			}
		}
		return err
	}
	if err := readAll(blob); err != nil {
		t.Fatal(err)
	}
	for n := range blob {
		if err := readAll(blob[:n]); !errors.Is(err, ErrSealed) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
		flipped := bytes.Clone(blob)
		flipped[n] ^= 1 << (n % 8)
		if err := readAll(flipped); !errors.Is(err, ErrSealed) {
			t.Fatalf("byte %d flipped: %v", n, err)
		}
	}
	if err := readAll(append(bytes.Clone(blob), 0)); !errors.Is(err, ErrSealed) {
		t.Errorf("a byte behind the end: %v", err)
	}
}

func TestABlobHoldsNoPlantedValue(t *testing.T) {
	v := &vault{aead: newAEAD(t)}
	blob := seal(t, v, home, record())
	for _, marker := range []string{"PLANTED-SURNAME", "269054958815780", "long long", "93-008"} {
		if bytes.Contains(blob, []byte(marker)) {
			t.Errorf("the blob holds %q", marker)
		}
	}
	if bytes.Equal(blob, seal(t, v, home, record())) {
		t.Error("sealing twice gives the same bytes")
	}
}

func TestAValueBeyondTheFormatIsRefused(t *testing.T) {
	v := &vault{aead: newAEAD(t)}
	rec := record()
	rec.territory = strings.Repeat("9", maxTerritory+1)
	if _, err := v.seal(home, rec); !errors.Is(err, ErrTooLong) {
		t.Errorf("territory: %v", err)
	}
	rec = record()
	rec.values[0] = strings.Repeat("x", maxBlocks*padBlock)
	if _, err := v.seal(home, rec); !errors.Is(err, ErrTooLong) || strings.Contains(err.Error(), "xxx") {
		t.Errorf("value: %v", err)
	}
}

func testIndexer(key string) *indexer {
	return &indexer{mac: hmac.New(sha256.New, []byte(key))}
}

func TestTheDigestChangesWithAnyValueAndWithThePerson(t *testing.T) {
	x := testIndexer("k")
	base := x.digest(x.external("1"), record())
	if again := x.digest(x.external(" 1"), record()); again != base {
		t.Error("the same record has another digest")
	}
	territory, value, moved := record(), record(), record()
	territory.territory = "93"
	value.values[1] = "x"
	moved.values[0], moved.values[1] = "", moved.values[0]
	for name, d := range map[string]Keyed{
		"another territory": x.digest(x.external("1"), territory), "another value": x.digest(x.external("1"), value),
		"a value moved": x.digest(x.external("1"), moved), "another person": x.digest(x.external("2"), record()),
		"another key": testIndexer("l").digest(x.external("1"), record()),
	} {
		if d == base {
			t.Errorf("%s has the same digest", name)
		}
	}
}

func TestABlindIndexDependsOnKeyFieldsAndPosition(t *testing.T) {
	s := preset(t, "mission-locale")
	values := map[string]string{"surname": "Le Goff", "first_name": "Anaïs", "birth_date": "17/05/2004"}
	value := func(f Field) string { return values[f.Name] }
	x := testIndexer("k")
	base, ok := x.lookup(s.Keys[1], value)
	if !ok {
		t.Fatal("no key")
	}
	values = map[string]string{"surname": "LEGOFF", "first_name": "anais", "birth_date": "2004-05-17"}
	if _, ok := x.lookup(s.Keys[0], value); ok {
		t.Error("a key over an absent value")
	}
	values["surname"] = "le-goff"
	if again, _ := x.lookup(s.Keys[1], value); again != base {
		t.Error("the same identity has another key")
	}
	if other, _ := testIndexer("l").lookup(s.Keys[1], value); other == base {
		t.Error("two registers' keys give the same index")
	}
	values["surname"], values["first_name"] = values["first_name"], values["surname"]
	if swapped, _ := x.lookup(s.Keys[1], value); swapped == base {
		t.Error("surname and first name count as the same")
	}
}

func FuzzOpen(f *testing.F) {
	v := &vault{aead: newAEAD(f)}
	blob := seal(f, v, home, record())
	f.Add(blob)
	f.Add(blob[:50])
	f.Add([]byte{1, 64})
	f.Add(binary.BigEndian.AppendUint64(nil, 1<<60))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := v.open(home, data)
		if err != nil {
			if !errors.Is(err, ErrSealed) {
				t.Fatalf("an error of another kind: %v", err)
			}
		} else if diff := cmp.Diff(blob, data); diff != "" && o.territory != "93-008" {
			t.Fatal("a forged blob was opened")
		}
		if _, err := v.openHead(home, data); err != nil && !errors.Is(err, ErrSealed) {
			t.Fatalf("an error of another kind: %v", err)
		}
	})
}

func benchRecord(b *testing.B) (*vault, unsealed) {
	s := preset(b, "mission-locale")
	rec := unsealed{territory: "93-008"}
	for _, f := range s.Fields {
		rec.bits, rec.values = append(rec.bits, f.Bit), append(rec.values, "a value of some length")
	}
	return &vault{aead: newAEAD(b)}, rec
}

// One record of the mission-locale preset, 19 fields.
func BenchmarkSealRecord(b *testing.B) {
	v, rec := benchRecord(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.seal(home, rec); err != nil {
			b.Fatal(err)
		}
	}
}

// What a disclosure of ten fields opens.
func BenchmarkOpenTenFields(b *testing.B) {
	v, rec := benchRecord(b)
	blob := seal(b, v, home, rec)
	b.ReportAllocs()
	b.ReportMetric(float64(len(blob)), "bytes/record")
	for b.Loop() {
		o, err := v.open(home, blob)
		if err != nil {
			b.Fatal(err)
		}
		for bit := range 10 {
			if _, err := v.value(o, bit); err != nil {
				b.Fatal(err)
			}
		}
	}
}
