package intake

import "time"

// oldest is the first day that a date may have.
const oldest = "1900-01-01"

// LatestDay is the day that Check should be given as the last one at instant now: the day that it
// already is in the earliest time zone (UTC+14), so that no overseas territory's newborn is refused.
func LatestDay(now time.Time) string { return now.UTC().Add(14 * time.Hour).Format(time.DateOnly) }

// Date checks a day of the calendar, yyyy-mm-dd or dd/mm/yyyy, from 1900 to latest (yyyy-mm-dd). It is
// stored as yyyy-mm-dd. A day that is not known is written as the first of January, as the civil
// status does.
func Date(value, latest string) (string, Code) {
	iso, ok := isoDay(value)
	if !ok {
		return "", DateFormat
	}
	y, m, d := number(iso[:4]), number(iso[5:7]), number(iso[8:])
	if m < 1 || m > 12 || d < 1 || d > time.Date(y, time.Month(m)+1, 0, 0, 0, 0, 0, time.UTC).Day() {
		return "", DateCalendar
	}
	if iso < oldest {
		return "", DateOld
	}
	if iso > latest {
		return "", DateFuture
	}
	return iso, ""
}

// isoDay brings either form to yyyy-mm-dd.
func isoDay(v string) (string, bool) {
	if len(v) != 10 {
		return "", false
	}
	switch {
	case v[4] == '-' && v[7] == '-':
	case v[2] == '/' && v[5] == '/':
		v = v[6:] + "-" + v[3:5] + "-" + v[:2]
	default:
		return "", false
	}
	return v, digits(v[:4]) && digits(v[5:7]) && digits(v[8:])
}

// number reads decimal digits.
func number(s string) int {
	n := 0
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	return n
}
