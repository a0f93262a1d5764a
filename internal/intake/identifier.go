package intake

import "strings"

// NIR checks a French social security number with its key: 15 characters
// `^[123478]\d{4}(2[AB]|\d{2})\d{8}$`, key = 97 - n mod 97 where 2A counts as 19 and 2B as 18. Months
// 13 to 19 and 43 to 49 are not used (décret 82-103). It is stored without spaces, letters as capitals.
func NIR(value string) (string, Code) {
	n := strings.ToUpper(compact(value))
	if !nirForm(n) {
		return "", NIRFormat
	}
	if m := n[3:5]; m >= "13" && m <= "19" || m >= "43" && m <= "49" {
		return "", NIRMonth
	}
	if NIRKeyOf(n[:13]) != int(n[13]-'0')*10+int(n[14]-'0') {
		return "", NIRKey
	}
	return n, ""
}

func nirForm(n string) bool {
	if len(n) != 15 || !strings.ContainsRune("123478", rune(n[0])) || !digits(n[1:6]) || !digits(n[7:]) {
		return false
	}
	return n[6] >= '0' && n[6] <= '9' || n[5] == '2' && (n[6] == 'A' || n[6] == 'B')
}

// NIRKeyOf computes the two-digit key of the first 13 characters of a NIR. The characters must be of
// the right form.
func NIRKeyOf(number string) int {
	var b [13]byte
	copy(b[:], number)
	switch b[6] {
	case 'A':
		b[5], b[6] = '1', '9'
	case 'B':
		b[5], b[6] = '1', '8'
	}
	var n int64
	for _, c := range b {
		n = n*10 + int64(c-'0')
	}
	return int(97 - n%97)
}

// SIRET checks the number of an establishment: 14 digits under Luhn's formula (ISO/IEC 7812-1); the
// establishments of La Poste (356000000) may instead have a sum of digits that is a multiple of 5. It
// is stored without spaces.
func SIRET(value string) (string, Code) {
	n := compact(value)
	if len(n) != 14 || !digits(n) || n[:9] == "000000000" {
		return "", SIRETFormat
	}
	sum, luhn := 0, 0
	for i := range 14 {
		d := int(n[i] - '0')
		sum += d
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		luhn += d
	}
	if luhn%10 == 0 || n[:9] == "356000000" && sum%5 == 0 {
		return n, ""
	}
	return "", SIRETKey
}

// uaiLetters are the letters of a school code: the number modulo 23 points into them.
const uaiLetters = "ABCDEFGHJKLMNPRSTUVWXYZ"

// UAI checks the code of a school: 7 digits and the letter that belongs to them. The letter is stored
// as a capital.
func UAI(value string) (string, Code) {
	n := strings.ToUpper(compact(value))
	if len(n) != 8 || !digits(n[:7]) {
		return "", UAIFormat
	}
	if n[7] != UAILetterOf(n[:7]) {
		return "", UAIKey
	}
	return n, ""
}

// UAILetterOf computes the letter of the seven digits of a school code.
func UAILetterOf(number string) byte {
	n := 0
	for i := range len(number) {
		n = n*10 + int(number[i]-'0')
	}
	return uaiLetters[n%len(uaiLetters)]
}

// INE remarks on a pupil's or student's national number that does not have 11 letters and digits. Its
// forms are not all published: the value is taken all the same.
func INE(value string) (string, Code) {
	n := strings.ToUpper(compact(value))
	if len(n) != 11 || strings.IndexFunc(n, notAlphanumeric) >= 0 {
		return value, INEFormat
	}
	return n, ""
}

// AGDREF remarks on a foreign national's file number that does not have 10 digits (sometimes 9). The
// value is taken all the same.
func AGDREF(value string) (string, Code) {
	n := compact(value)
	if (len(n) != 10 && len(n) != 9) || !digits(n) {
		return value, AGDREFFormat
	}
	return n, ""
}
