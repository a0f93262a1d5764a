package register

import (
	"errors"
	"strings"
	"testing"

	"ecluse/presets"
)

func TestTextsThatPagesCouldNotShowAreRefusedWithTheirPlace(t *testing.T) {
	for what, text := range map[string]string{
		"texts.toml:1:1: the text is not complete":         "about = {fr = \"Un registre.\"}",
		"texts.toml:2:2: unknown key \"abuot\"":            "\n[abuot]\nfr = \"x\"",
		"texts.toml:1:20: the text is not one line":        "about = {en = \"x\", fr = \"a\\nb\"}",
		"texts.toml:2:1: the text has 201 characters":      "[about]\nfr = \"" + strings.Repeat("é", 201) + "\"\nen = \"x\"",
		"texts.toml:1:2: nobody can be called":             "[help]\nphone = \"01 99 00 12 34\"",
		"texts.toml:2:1: \"tel:1\" is no telephone number": "[help]\nphone = \"tel:1\"\nname = {fr = \"x\", en = \"x\"}",
		"texts.toml:2:1: \"a@b <x>\" is no e-mail address": "[help]\nemail = \"a@b <x>\"\nname = {fr = \"x\", en = \"x\"}",
	} {
		_, err := parseTexts("texts.toml", []byte(text))
		var e *SchemaError
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), what) || e.Remedy == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if texts, err := parseTexts("texts.toml", nil); err != nil || texts != (Texts{}) {
		t.Errorf("nothing said: %+v, %v", texts, err)
	}
}

func TestEachPresetSaysInItsOwnWordsWhatItIs(t *testing.T) {
	for _, name := range presets.Names() {
		texts := definitionOf(t, name).Texts
		for what, l := range map[string]Label{"about": texts.About, "reminder": texts.Reminder, "rights": texts.Rights, "help": texts.Help.Name} {
			if l.FR == "" || l.EN == "" {
				t.Errorf("%s has no %s", name, what)
			}
		}
		if !strings.HasSuffix(texts.Help.Email, ".example.test") || !strings.HasPrefix(texts.Help.Phone, "01 99 00") {
			t.Errorf("%s: %+v may be somebody's", name, texts.Help)
		}
	}
}

func FuzzParseTexts(f *testing.F) {
	f.Add([]byte("about = {fr = \"a\", en = \"b\"}\n[help]\nname = {fr = \"x\", en = \"x\"}\nphone = \"1\""))
	f.Fuzz(func(t *testing.T, data []byte) {
		texts, err := parseTexts("texts.toml", data)
		if err == nil && strings.ContainsAny(texts.About.FR+texts.Reminder.EN+texts.Rights.FR+texts.Help.Email, "\n\r\x00") {
			t.Fatalf("%+v", texts)
		}
	})
}
