package intake

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"ecluse/internal/register"
)

const latest = "2026-11-21"

// a case of a check: what is typed, what is stored, or why not.
type checkCase struct {
	typed, stored string
	code          Code
}

func runChecks(t *testing.T, k register.Kind, cases []checkCase) {
	t.Helper()
	for _, c := range cases {
		got, code := Check(k, c.typed, latest)
		if got != c.stored || code != c.code {
			t.Errorf("Check(%s, %q) = %q, %q; want %q, %q", k, c.typed, got, code, c.stored, c.code)
		}
	}
}

func TestADateIsARealDayFrom1900ToTodayInEitherForm(t *testing.T) {
	runChecks(t, register.KindDate, []checkCase{
		{"2004-05-17", "2004-05-17", ""},
		{"17/05/2004", "2004-05-17", ""},
		{" 17/05/2004\u00a0", "2004-05-17", ""},
		{"29/02/2004", "2004-02-29", ""},
		{"01/01/1900", "1900-01-01", ""},
		{latest, latest, ""},
		{"", "", ""},
		{"29/02/2003", "", DateCalendar},
		{"29/02/1900", "", DateCalendar},
		{"31/04/2004", "", DateCalendar},
		{"00/00/2004", "", DateCalendar},
		{"12/31/2004", "", DateCalendar},
		{"31/12/1899", "", DateOld},
		{"2026-11-22", "", DateFuture},
		{"9999-12-31", "", DateFuture},
		{"17/05/04", "", DateFormat},
		{"2004-5-17", "", DateFormat},
		{"2004-05-17T00:00:00", "", DateFormat},
		{"17-05-2004", "", DateFormat},
		{"20040517", "", DateFormat},
		{"2O04-05-17", "", DateFormat},
		{"+004-05-17", "", DateFormat},
	})
}

func TestTheLatestDayIsTheDayOfTheEarliestTimeZone(t *testing.T) {
	if got := LatestDay(time.Date(2026, 11, 21, 10, 30, 0, 0, time.UTC)); got != "2026-11-22" {
		t.Error(got)
	}
	if got := LatestDay(time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)); got != "2026-11-21" {
		t.Error(got)
	}
}

func TestANIRHasItsFormItsMonthAndItsKey(t *testing.T) {
	runChecks(t, register.KindNIR, []checkCase{
		{"2 69 05 49 588 157 80", "269054958815780", ""},
		{"269054958815780", "269054958815780", ""},
		{"2.69.05-49 588 157\u202f80", "269054958815780", ""},
		{"1 85 01 2a 004 123 " + key("185012A004123"), "185012A004123" + key("185012A004123"), ""},
		{"1850120033123" + key("1850120033123"), "1850120033123" + key("1850120033123"), ""},
		{"185012B033123" + key("185012B033123"), "185012B033123" + key("185012B033123"), ""},
		{"1852049588157" + key("1852049588157"), "1852049588157" + key("1852049588157"), ""}, // unknown month
		{"269054958815781", "", NIRKey},
		{"269054958815708", "", NIRKey},
		{"1851349588157" + key("1851349588157"), "", NIRMonth},
		{"1851949588157" + key("1851949588157"), "", NIRMonth},
		{"1854349588157" + key("1854349588157"), "", NIRMonth},
		{"1854949588157" + key("1854949588157"), "", NIRMonth},
		{"2690549588157", "", NIRFormat},
		{"569054958815780", "", NIRFormat},
		{"26905495881578A", "", NIRFormat},
		{"185011A004123" + key("185011A004123"), "", NIRFormat},
		{"185012C004123" + "00", "", NIRFormat},
		{"1850 2A004123 00", "", NIRFormat},
	})
}

func key(number string) string {
	k := NIRKeyOf(number)
	return string([]byte{byte('0' + k/10), byte('0' + k%10)})
}

func TestTheKeyOfACorsicanNIRCountsTheDepartmentAs19And18(t *testing.T) {
	for number, plain := range map[string]string{"185012A004123": "1850119004123", "185012B004123": "1850118004123"} {
		if NIRKeyOf(number) != NIRKeyOf(plain) {
			t.Errorf("key of %s is %d, of %s %d", number, NIRKeyOf(number), plain, NIRKeyOf(plain))
		}
	}
}

func TestASIRETObeysLuhnUnlessItIsLaPostes(t *testing.T) {
	runChecks(t, register.KindSIRET, []checkCase{
		{"13002526500013", "13002526500013", ""},
		{"130 025 265 00013", "13002526500013", ""},
		{"35600000000048", "35600000000048", ""},
		{"35600000049837", "35600000049837", ""}, // sum of digits 45, not Luhn
		{"35600000049838", "", SIRETKey},
		{"13002526500014", "", SIRETKey},
		{"1300252650001", "", SIRETFormat},
		{"130025265000133", "", SIRETFormat},
		{"1300252650001A", "", SIRETFormat},
		{"00000000000000", "", SIRETFormat},
	})
}

func TestAPhoneIsStoredInE164WhateverTheWritingWas(t *testing.T) {
	runChecks(t, register.KindPhone, []checkCase{
		{"0639980123", "+33639980123", ""},
		{"06 39 98 01 23", "+33639980123", ""},
		{"+33 6 39 98 01 23", "+33639980123", ""},
		{"0033 639980123", "+33639980123", ""},
		{"01.99.00.12.34", "+33199001234", ""},
		{"+33 (0)1 42 34 56 78", "+33142345678", ""},
		{"0142345678", "+33142345678", ""},
		{"0692123456", "+262692123456", ""},
		{"0690 12 34 56", "+590690123456", ""},
		{"+32 470 12 34 56", "+32470123456", ""},
		{"0042345678", "", PhoneInvalid},
		{"123", "", PhoneInvalid},
		{"06399801234", "", PhoneInvalid},
		{"+999 12345678", "", PhoneInvalid},
		{"0142345678 poste 12", "", PhoneFormat},
		{"unknown", "", PhoneFormat},
		{"--", "", PhoneFormat},
	})
}

func TestAnEmailIsAPlainAddress(t *testing.T) {
	runChecks(t, register.KindEmail, []checkCase{
		{"lea.martin@example.test", "lea.martin@example.test", ""},
		{"Lea.Martin+x@Example.TEST", "Lea.Martin+x@example.test", ""},
		{"lea@écluse.example", "lea@écluse.example", ""},
		{"Léa Martin <lea@example.test>", "", EmailFormat},
		{"<lea@example.test>", "", EmailFormat},
		{"lea@example", "", EmailFormat},
		{"lea@-example.test", "", EmailFormat},
		{"lea@exa_mple.test", "", EmailFormat},
		{"lea@[192.0.2.1]", "", EmailFormat},
		{"lea@192.0.2.1", "", EmailFormat},
		{`"lea martin"@example.test`, "", EmailFormat},
		{"lea..martin@example.test", "", EmailFormat},
		{"lea@example.test, max@example.test", "", EmailFormat},
		{"lea@example.test.", "", EmailFormat},
		{"lea", "", EmailFormat},
		{strings.Repeat("a", 65) + "@example.test", "", EmailFormat},
		{strings.Repeat("a", 250) + "@example.test", "", ValueTooLong},
	})
}

func TestASchoolCodeHasTheLetterOfItsDigits(t *testing.T) {
	runChecks(t, register.KindUAI, []checkCase{
		{"0750001" + string(UAILetterOf("0750001")), "0750001" + string(UAILetterOf("0750001")), ""},
		{"0000001b", "0000001B", ""}, // 1 mod 23: the second letter
		{"0000022Z", "0000022Z", ""},
		{"0000008J", "0000008J", ""}, // no I
		{"0000001C", "", UAIKey},
		{"0000001I", "", UAIKey},
		{"000001B", "", UAIFormat},
		{"00000011", "", UAIKey},
		{"A000001B", "", UAIFormat},
	})
}

func TestNationalNumbersOfUnpublishedFormAreTakenWithARemark(t *testing.T) {
	runChecks(t, register.KindINE, []checkCase{{"1234567890a", "1234567890A", ""}, {"123", "123", INEFormat}})
	runChecks(t, register.KindAGDREF, []checkCase{{"9912345678", "9912345678", ""}, {"991234567", "991234567", ""}, {"99", "99", AGDREFFormat}})
	if !INEFormat.Warning() || !AGDREFFormat.Warning() || NIRKey.Warning() {
		t.Error("warnings are not what they should be")
	}
}

func TestNamesTextsAndCodesAreKeptWithoutWhatHides(t *testing.T) {
	runChecks(t, register.KindName, []checkCase{
		{"  D'ALMEIDA   DE\u00a0SOUZA ", "D'ALMEIDA DE SOUZA", ""},
		{"E\u0301lodie", "\u00c9lodie", ""},
		{"12", "", NameLetters},
		{"Le\x00a", "", ValueControl},
		{"Le\x1ba", "", ValueControl},
		{"L\u00e9a\u0085", "L\u00e9a", ""}, // NEL is a space at the end
		{"L\u0085a", "", ValueControl},
		{"Le\u202ea", "", ValueControl},
		{"Le\u200ba", "", ValueControl},
		{"\ufeffLea", "", ValueControl},
		{"L\ufffda", "", ValueDamaged},
		{"Lea\nMartin", "", ValueControl},
		{strings.Repeat("é", 120), strings.Repeat("é", 120), ""},
		{strings.Repeat("é", 121), "", ValueTooLong},
	})
	runChecks(t, register.KindAddress, []checkCase{{"1 rue\r\n75000 Ville", "1 rue\n75000 Ville", ""}, {"a\x01", "", ValueControl}})
	runChecks(t, register.KindText, []checkCase{{"a\tb\rc", "a\tb\nc", ""}})
	runChecks(t, register.KindCode, []checkCase{{" ML-0001 ", "ML-0001", ""}, {"FR76  3000 1", "FR76 3000 1", ""}, {strings.Repeat("x", 65), "", ValueTooLong}})
}

func TestATerritoryIsACodeWithDivisions(t *testing.T) {
	for _, c := range []checkCase{
		{"93", "93", ""}, {"93-008", "93-008", ""}, {" 2a-004 ", "2A-004", ""}, {"974", "974", ""},
		{"", "", ValueMissing}, {"*", "", TerritoryFormat}, {"93-", "", TerritoryFormat}, {"93 94", "", TerritoryFormat},
		{strings.Repeat("9", 33), "", TerritoryFormat},
	} {
		if got, code := Territory(c.typed); got != c.stored || code != c.code {
			t.Errorf("Territory(%q) = %q, %q; want %q, %q", c.typed, got, code, c.stored, c.code)
		}
	}
}

func TestEveryCodeHasASentence(t *testing.T) {
	for code, sentence := range sentences {
		if sentence == "" || code == "" {
			t.Errorf("%q has the sentence %q", code, sentence)
		}
	}
}

func TestASingleWrongDigitOfANIRIsAlwaysFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.StringMatching(`[12][0-9]{2}(0[1-9]|1[0-2])([013-9][0-9]|2[1-9AB])[0-9]{6}`).Draw(t, "number")
		good := n + key(n)
		if _, code := NIR(good); code != "" {
			t.Fatalf("%s: %s", good, code)
		}
		i := rapid.IntRange(7, 14).Draw(t, "place")
		d := rapid.IntRange(1, 9).Draw(t, "by")
		bad := []byte(good)
		bad[i] = '0' + (bad[i]-'0'+byte(d))%10
		if _, code := NIR(string(bad)); code != NIRKey {
			t.Fatalf("%s passed as %s with %q", good, bad, code)
		}
	})
}

// FuzzCheck holds every kind to three promises: no panic, a stored form is valid UTF-8, and checking a
// stored form again changes nothing.
func FuzzCheck(f *testing.F) {
	for _, v := range []string{"2004-05-17", "17/05/2004", "269054958815780", "0639980123", "lea@example.test", "\xff", "É\u0301", "0000001B"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		for k := range rules {
			stored, code := Check(k, v, latest)
			if code != "" && !code.Warning() {
				if stored != "" {
					t.Fatalf("%s: a rejected value has a stored form", k)
				}
				continue
			}
			if utf8.ValidString(v) && !utf8.ValidString(stored) {
				t.Fatalf("%s: stored form of %q is not UTF-8", k, v)
			}
			if again, code2 := Check(k, stored, latest); again != stored || code2 != code {
				t.Fatalf("%s: %q is stored as %q, and that as %q (%s)", k, v, stored, again, code2)
			}
		}
	})
}
