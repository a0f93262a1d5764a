package intake

import "fmt"

// Code is the stable code of one ground for rejecting a row (or, see Warning, for remarking on it).
// The list is closed; docs/import.md says what is checked.
type Code string

// Grounds that concern a row as a whole.
const (
	RowTooLong      Code = "row.too_long"
	RowCells        Code = "row.cells"
	RowQuoteOpen    Code = "row.quote_open"
	RowQuoteText    Code = "row.quote_text"
	RowJSON         Code = "row.json"
	RowDuplicate    Code = "row.duplicate"
	ColumnUnknown   Code = "column.unknown"
	ColumnTwice     Code = "column.twice"
	EncodingInvalid Code = "encoding.invalid"
	EncodingMixed   Code = "encoding.mixed"
)

// Grounds that concern one value.
const (
	ValueMissing    Code = "value.missing"
	ValueTooLong    Code = "value.too_long"
	ValueControl    Code = "value.control"
	ValueDamaged    Code = "value.damaged"
	ValueShape      Code = "value.shape"
	NameLetters     Code = "name.letters"
	DateFormat      Code = "date.format"
	DateCalendar    Code = "date.calendar"
	DateFuture      Code = "date.future"
	DateOld         Code = "date.old"
	NIRFormat       Code = "nir.format"
	NIRMonth        Code = "nir.month"
	NIRKey          Code = "nir.key"
	SIRETFormat     Code = "siret.format"
	SIRETKey        Code = "siret.key"
	PhoneFormat     Code = "phone.format"
	PhoneInvalid    Code = "phone.invalid"
	EmailFormat     Code = "email.format"
	UAIFormat       Code = "uai.format"
	UAIKey          Code = "uai.key"
	TerritoryFormat Code = "territory.format"
	INEFormat       Code = "ine.format"
	AGDREFFormat    Code = "agdref.format"
)

var sentences = map[Code]string{
	RowTooLong:      fmt.Sprintf("the row is longer than %d KiB", maxRow/1024),
	RowCells:        "the row does not have as many cells as the first line",
	RowQuoteOpen:    "a quotation mark is opened and not closed",
	RowQuoteText:    "text follows a closing quotation mark",
	RowJSON:         "the line is not one JSON object",
	RowDuplicate:    "the external identifier was already used in this file",
	ColumnUnknown:   "the object has a name that the register does not know",
	ColumnTwice:     "the object has the same name twice",
	EncodingInvalid: "the row is not valid UTF-8, which the rest of the file is",
	EncodingMixed:   "the row looks like UTF-8 in a file that is Windows-1252 (convert the file, or give the encoding)",

	ValueMissing:    "a required value is missing",
	ValueTooLong:    "the value is too long for this kind of field",
	ValueControl:    "the value holds a control or invisible character",
	ValueDamaged:    "the value holds U+FFFD: the text was damaged before it came here",
	ValueShape:      "the value is an array or an object, not a text or a number",
	NameLetters:     "the name holds no letter",
	DateFormat:      "the date is neither yyyy-mm-dd nor dd/mm/yyyy",
	DateCalendar:    "the calendar has no such day",
	DateFuture:      "the date is in the future",
	DateOld:         "the date is before 1900",
	NIRFormat:       "the number is not 15 characters of the form of a NIR, key included",
	NIRMonth:        "the month of birth in the NIR cannot exist",
	NIRKey:          "the key of the NIR does not fit",
	SIRETFormat:     "the SIRET is not 14 digits",
	SIRETKey:        "the check digit of the SIRET does not fit",
	PhoneFormat:     "this cannot be read as a telephone number",
	PhoneInvalid:    "no numbering plan has such a telephone number",
	EmailFormat:     "this is not a plain e-mail address",
	UAIFormat:       "the school code is not 7 digits and a letter",
	UAIKey:          "the letter of the school code does not fit",
	TerritoryFormat: "the territory is not of the form 93 or 93-008",
	INEFormat:       "the INE does not have 11 letters and digits",
	AGDREFFormat:    "the AGDREF number does not have 9 or 10 digits",
}

// Sentence says in English what is wrong. It is the same for every value, so that it can be written
// anywhere. The empty code has none.
func (c Code) Sentence() string { return sentences[c] }

// Warning reports whether a row is taken in spite of c: national numbers whose form is not published
// are remarked on, never rejected.
func (c Code) Warning() bool { return c == INEFormat || c == AGDREFFormat }

// Fault is one Code at one place of a file. It holds no value.
type Fault struct {
	Line   int64  // physical line that the row begins on, from 1
	Column string // the file's own name of the column; "" when the row as a whole is meant
	Code   Code
	First  int64 // RowDuplicate: line of the first row with the same external identifier
}

// Sentence is Code.Sentence, completed by the first line of a duplicate.
func (f Fault) Sentence() string {
	if f.First > 0 {
		return fmt.Sprintf("%s, on line %d", f.Code.Sentence(), f.First)
	}
	return f.Code.Sentence()
}
