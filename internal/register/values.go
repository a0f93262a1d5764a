package register

import (
	"fmt"
	"io"
	"log/slog"

	"ecluse"
)

// Values are the values that one receipt opened, on their way to a page or an answer. They can't be
// printed: every way of turning them into text says "[values]" but Each and Get. The zero value is
// empty.
type Values struct {
	schema *Schema
	set    ecluse.FieldSet
	text   func(bit int) string // a closure: not even reflection prints what it holds
}

// Each calls yield for every field of the receipt in schema order; absent values are "".
func (v Values) Each(yield func(f Field, value string)) {
	if v.schema == nil {
		return
	}
	for _, f := range v.schema.Fields {
		if v.set.Has(f.Bit) {
			yield(f, v.text(f.Bit))
		}
	}
}

// Get is the value of a field by name; ok is false if the receipt does not cover it.
func (v Values) Get(name string) (value string, ok bool) {
	if v.schema == nil {
		return "", false
	}
	f, known := v.schema.Field(name)
	if !known || !v.set.Has(f.Bit) {
		return "", false
	}
	return v.text(f.Bit), true
}

// Fields is the set of fields that the receipt covers.
func (v Values) Fields() ecluse.FieldSet { return v.set }

const redacted = "[values]"

// String gives nothing away.
func (Values) String() string { return redacted }

// GoString gives nothing away.
func (Values) GoString() string { return redacted }

// Format gives nothing away, whatever the verb.
func (Values) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue gives nothing away (log/slog).
func (Values) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON gives nothing away: doors write their own wire types with Each.
func (Values) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText gives nothing away.
func (Values) MarshalText() ([]byte, error) { return []byte(redacted), nil }
