package register

import (
	"fmt"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"ecluse/internal/tomlfile"
)

// Texts are the body's own words on a register, as plain text in both languages. What a register does not say is an
// empty Label: pages then say what they say of any register.
type Texts struct {
	About    Label `toml:"about"`    // one sentence on what the register is
	Reminder Label `toml:"reminder"` // before a file is opened
	Rights   Label `toml:"rights"`   // of the persons in it (GDPR art. 13)
	Help     Help  `toml:"help"`
}

// Help is whom an agent calls who was refused: a desk of the body that keeps the register.
type Help struct {
	Name  Label  `toml:"name"`
	Phone string `toml:"phone"`
	Email string `toml:"email"`
}

// parseTexts reads texts.toml. The error joins one *SchemaError for each thing that is wrong.
func parseTexts(path string, data []byte) (Texts, error) {
	var t Texts
	check, err := tomlfile.Decode(path, data, &t)
	if err != nil {
		return t, err
	}
	text := func(key, value string, most int) {
		if n := utf8.RuneCountInString(value); n > most {
			check.Bad(key, fmt.Sprintf("the text has %d characters", n), fmt.Sprintf("use at most %d", most))
		}
		if strings.IndexFunc(value, unicode.IsControl) >= 0 || strings.TrimSpace(value) != value {
			check.Bad(key, "the text is not one line", "use plain text, without line breaks and without spaces around it")
		}
	}
	both := func(key string, l Label, most int) {
		if (l.FR == "") != (l.EN == "") {
			check.Bad(key, "the text is not complete", "give both fr and en, or neither")
		}
		text(key+".fr", l.FR, most)
		text(key+".en", l.EN, most)
	}
	both("about", t.About, 200)
	both("reminder", t.Reminder, 300)
	both("rights", t.Rights, 1000)
	both("help.name", t.Help.Name, 100)
	text("help.phone", t.Help.Phone, 30)
	text("help.email", t.Help.Email, 100)
	if t.Help != (Help{}) && (t.Help.Name.FR == "" || t.Help.Phone == "" && t.Help.Email == "") {
		check.Bad("help", "nobody can be called", "give the desk's name and its phone or e-mail, or leave help out")
	}
	if strings.Trim(t.Help.Phone, "+0123456789 .-()") != "" {
		check.Bad("help.phone", fmt.Sprintf("%q is no telephone number", t.Help.Phone), "use digits, spaces and +")
	}
	if a, err := mail.ParseAddress(t.Help.Email); t.Help.Email != "" && (err != nil || a.Address != t.Help.Email) {
		check.Bad("help.email", fmt.Sprintf("%q is no e-mail address", t.Help.Email), "write it as name@example.org")
	}
	return t, check.Err()
}
