package register

import (
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/tink"

	"ecluse"
	"ecluse/internal/ledger"
)

// counting is an AEAD that counts what is decrypted.
type counting struct {
	tink.AEAD
	opened int
}

func (c *counting) Decrypt(ciphertext, ad []byte) ([]byte, error) {
	c.opened++
	return c.AEAD.Decrypt(ciphertext, ad)
}

func TestRevealDecryptsTheFieldsOfTheReceiptAndNoOther(t *testing.T) {
	schema := preset(t, "mission-locale")
	aead := &counting{AEAD: newAEAD(t)}
	reg := &Register{ID: 3, Code: schema.Code, Schema: schema, aead: aead}
	now := time.Now()
	s := &Registers{now: func() time.Time { return now }, loaded: now, list: &list{byID: map[ecluse.RegisterID]*Register{3: reg}}}
	rec := unsealed{territory: "93"}
	for _, f := range schema.Fields {
		rec.bits, rec.values = append(rec.bits, f.Bit), append(rec.values, "value of "+f.Name)
	}
	blob := seal(t, reg.vault(), reg.place(17, 5), rec)
	set, err := schema.Set("email", "phone")
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.reveal(t.Context(), ledger.Passage{Register: 3, Person: 17, Version: 5, Fields: set.With(63)}, blob)
	if err != nil {
		t.Fatal(err)
	}
	if email, ok := v.Get("email"); !ok || email != "value of email" {
		t.Error("no e-mail address")
	}
	if _, ok := v.Get("surname"); ok || v.Fields() != set {
		t.Error("a field that the receipt does not name, or that no schema knows")
	}
	if aead.opened != 3 { // the head and two fields
		t.Errorf("%d parts were decrypted, want 3", aead.opened)
	}
}
