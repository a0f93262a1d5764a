package post

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"ecluse/internal/notice"
)

func wordsIn(t *testing.T, language string) *Words {
	t.Helper()
	w, err := NewWords(language, "Essai", "https://ecluse.example/", "+33 1 99 00 99 00", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

var placeholder = regexp.MustCompile(`\{[^}]*\}`)

func placeholders(text string) []string {
	found := placeholder.FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

func TestEveryKindHasItsWordsInBothLanguages(t *testing.T) {
	fr, en := wordsIn(t, "fr"), wordsIn(t, "en")
	for _, k := range notice.Kinds() {
		f, okF := fr.texts.Kinds[string(k)]
		e, okE := en.texts.Kinds[string(k)]
		if !okF || !okE {
			t.Errorf("%s has no words", k)
			continue
		}
		pairs := map[string][2]string{"subject": {f.Subject, e.Subject}, "text": {f.Text, e.Text}, "line": {f.Line, e.Line}, "action": {f.Action, e.Action}}
		if k.Manner().Together {
			pairs["many.subject"], pairs["many.text"] = [2]string{f.Many.Subject, e.Many.Subject}, [2]string{f.Many.Text, e.Many.Text}
		}
		for name, p := range pairs {
			if p[0] == "" || p[1] == "" {
				t.Errorf("%s has no %s in one language", k, name)
			}
			if a, b := placeholders(p[0]), placeholders(p[1]); !slices.Equal(a, b) {
				t.Errorf("%s, %s: %v in French, %v in English", k, name, a, b)
			}
		}
		if Path(k) == "" && k != notice.AccountInvitation {
			t.Errorf("%s leads nowhere", k)
		}
	}
	for name, w := range map[string]*Words{"fr": fr, "en": en} {
		if len(w.texts.Kinds) != len(notice.Kinds()) {
			t.Errorf("%s has words for %d kinds of %d", name, len(w.texts.Kinds), len(notice.Kinds()))
		}
		left := w.fill(everything(w), facts{count: 2, at: noon, ends: noon, organisation: "A", contact: "B"})
		if rest := placeholder.FindString(left); rest != "" {
			t.Errorf("%s: nothing stands for %s", name, rest)
		}
	}
}

func everything(w *Words) string {
	all := w.texts.Hello + w.texts.Foot + w.texts.Digest.Subject + w.texts.Digest.Text
	for _, k := range w.texts.Kinds {
		all += k.Subject + k.Text + k.Many.Subject + k.Many.Text
	}
	return all
}

func TestANameIsOneLineOfPlainText(t *testing.T) {
	for _, name := range []string{
		"Mission locale\r\nBcc: thief@example.org", "A\nB", "A\rB", "A\u2028B\u2029C", "A\x00B\x1b[31mC", "A\u0085B", "A\u202eB\u200bC", "A\u00a0B",
		"<a href=\"https://thief.example\">ici</a>", "https://thief.example/", strings.Repeat("é", 5000), "\xff\xfeA", "\t A  B \v",
	} {
		got := clean(name)
		if strings.ContainsFunc(got, func(r rune) bool {
			return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\u202e' || r == '<'
		}) {
			t.Errorf("%q stays %q", name, got)
		}
		if strings.Contains(got, "://") || len([]rune(got)) > mostRunes || got == "" {
			t.Errorf("%q becomes %q", name, got)
		}
		if again := clean(got); again != got {
			t.Errorf("%q is cleaned again to %q", got, again)
		}
	}
	if got := clean("A\r\nB\u2028C\u0085D"); got != "A B C D" {
		t.Errorf("lines are joined to %q", got)
	}
	if got := clean("Mission locale de l'Est · Aÿ-Champagne"); got != "Mission locale de l'Est · Aÿ-Champagne" {
		t.Errorf("a name is changed to %q", got)
	}
}

func TestAnAddressIsOneMailboxOrNone(t *testing.T) {
	for _, good := range []string{"a@example.org", "anne.martin+lock@sub.example.org", "o'neill@example.org"} {
		if usable(good) != good {
			t.Errorf("%q is refused", good)
		}
	}
	for _, bad := range []string{
		"", "a", "a@", "@b.example", "a@b.example, c@d.example", "a@b.example\r\nBcc: c@d.example", "a@b.example\nRCPT TO:<c@d.example>", "<a@b.example>",
		"A <a@b.example>", "a b@c.example", "\"a b\"@c.example", "a@b.example> SIZE=1", "a@[127.0.0.1]", "a@b.example\x00", "é@b.example", "group: a@b.example;",
		strings.Repeat("a", 250) + "@b.example", " a@b.example", "a@b.example ", "a@b@c.example",
	} {
		if got := usable(bad); got != "" {
			t.Errorf("%q is taken as %q", bad, got)
		}
	}
}
