package generate

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strconv"
)

// Each number of a person is a function of her index, so that no two persons share one, and neighbours
// in a file are not neighbours in number.

// spread maps 0 … modulus-1 onto itself; factor and modulus have no common divisor.
func spread(i, factor, modulus int) int {
	return int(uint64(i) % uint64(modulus) * uint64(factor) % uint64(modulus))
}

const letters = "ABCDEFGHJKLMNPRSTUVWXYZ" // without I, O, Q

// fileNumber is a nine-digit number with a control letter.
func fileNumber(i int) string {
	n := spread(i+1, 387_420_489, 1_000_000_000) // 3^18
	return fmt.Sprintf("%09d%c", n, letters[n%len(letters)])
}

// birthDepartments are those of a NIR: 01 to 95 without 20, and 2A, 2B.
var birthDepartments = func() (all []string) {
	for d := 1; d <= 95; d++ {
		if d != 20 {
			all = append(all, fmt.Sprintf("%02d", d))
		}
	}
	return append(all, "2A", "2B")
}()

// nir is a social security number with its key. Communes 980 to 999 exist in no département, so nobody
// has it. Unique for at least 1.9 million persons.
func nir(i int, sex string, born date) string {
	const orders, communes = 999, 20
	n := spread(i, 1_000_003, orders*communes*len(birthDepartments))
	first := "1"
	if sex == "f" {
		first = "2"
	}
	number := fmt.Sprintf("%s%02d%02d%s%03d%03d", first, born.year%100, born.month,
		birthDepartments[n/(orders*communes)], 980+n/orders%communes, 1+n%orders)
	return number + fmt.Sprintf("%02d", nirKey(number))
}

// nirKey is 97 - n mod 97, Corsica counting as 19 and 18.
func nirKey(number string) int {
	switch number[5:7] {
	case "2A":
		number = number[:5] + "19" + number[7:]
	case "2B":
		number = number[:5] + "18" + number[7:]
	}
	n, _ := strconv.ParseInt(number, 10, 64)
	return int(97 - n%97)
}

// mobile and landline are numbers of the ranges that the numbering plan keeps for works of fiction.
func mobile(i int) string { return fmt.Sprintf("+3363998%04d", spread(i, 7_919, 10_000)) }

func landline(i int) string {
	return [...]string{"+3319900", "+3326191", "+3335301", "+3346571", "+3353649"}[i%5] + fmt.Sprintf("%04d", spread(i, 7_919, 10_000))
}

// siren is the number of the i-th body, from 000 upwards, where none is allotted.
func siren(i int) string { return withLuhn(fmt.Sprintf("000%05d", 100+i)) }

// siret is the number of a body's n-th establishment.
func siret(siren string, n int) string { return withLuhn(siren + fmt.Sprintf("%04d", n+1)) }

// withLuhn appends the check digit (ISO/IEC 7812-1).
func withLuhn(number string) string {
	sum := 0
	for i := range len(number) {
		d := int(number[len(number)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return number + string(rune('0'+(10-sum%10)%10))
}

// schoolCode is a UAI of a département, from 9500 upwards, where none is.
func schoolCode(department string, i int) string {
	if len(department) < 3 {
		department = "0" + department
	}
	if department == "02A" {
		department = "620"
	}
	number := fmt.Sprintf("%s%04d", department, 9500+i)
	n, _ := strconv.Atoi(number)
	return number + string(letters[n%len(letters)])
}

// iban is an account of the bank 99999, which does not exist, with the check digits of ISO 13616.
func iban(i int) string {
	account := fmt.Sprintf("99999%05d%011d%02d", i%100_000, spread(i, 999_983, 99_999_999_977), i%97+1)
	n, _ := new(big.Int).SetString(account+"152700", 10) // FR00
	return fmt.Sprintf("FR%02d%s", 98-new(big.Int).Mod(n, big.NewInt(97)).Int64(), account)
}

// idDocument is the number of an identity card of the new form: nine letters and digits.
func idDocument(r *rand.Rand) string {
	const signs = "CFGHJKLMNPRTVWXYZ0123456789"
	b := []byte("X")
	for range 8 {
		b = append(b, signs[r.IntN(len(signs))])
	}
	return string(b)
}

// date is a day of the calendar.
type date struct{ year, month, day int }

func (d date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.year, d.month, d.day) }

// age is the age in years on Reference.
func (d date) age() int {
	years := reference.year - d.year
	if d.month > reference.month || d.month == reference.month && d.day > reference.day {
		years--
	}
	return years
}

// birth draws a birth date of somebody who is from low to high years old on Reference. One in a hundred
// is only known by the year.
func birth(r *rand.Rand, low, high int) date {
	for {
		d := date{reference.year - low - r.IntN(high-low+2), 1 + r.IntN(12), 1 + r.IntN(31)}
		if r.IntN(100) == 0 {
			d.month, d.day = 1, 1
		}
		last := [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[d.month-1]
		if a := d.age(); d.day <= last && a >= low && a <= high {
			return d
		}
	}
}

// agdref is a foreign national's file number: ten digits, from 99 on, where none is allotted.
func agdref(i int) string { return fmt.Sprintf("99%08d", spread(i+1, 38_742_049, 100_000_000)) }

// ine is a pupil's or student's number: nine digits and two letters.
func ine(i int) string {
	n := spread(i+1, 387_420_489, 1_000_000_000)
	return fmt.Sprintf("%09d%c%c", n, letters[n%len(letters)], letters[n/7%len(letters)])
}

// franceTravail is a job seeker's number: seven digits and a letter.
func franceTravail(i int) string {
	n := spread(i+1, 4_782_969, 10_000_000) // 3^14
	return fmt.Sprintf("%07d%c", n, letters[i/10_000_000%len(letters)])
}
