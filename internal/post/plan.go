package post

import (
	"slices"
	"time"

	"ecluse/internal/notice"
)

// plan decides what of an account's due deliveries goes now, in which mails, and what waits until when.
// It is pure. recent are the mails of the hour before.
//
//   - Kinds that go together: one mail at once, then at most one an hour with all that came meanwhile.
//   - Others go one by one, emergencies first.
//   - At most PerHour mails in an hour, whatever the kinds: the last of them holds all that is left.
func plan(due []Delivery, recent []Mailed, now time.Time) (mails [][]Delivery, later map[time.Time][]Delivery) {
	later = map[time.Time][]Delivery{}
	var bundles [][]Delivery
	for _, d := range due {
		kind := d.Notice.Kind
		if !kind.Manner().Together {
			bundles = append(bundles, []Delivery{d})
			continue
		}
		if until := newest(recent, kind).Add(Together); until.After(now) {
			later[until] = append(later[until], d)
			continue
		}
		i := slices.IndexFunc(bundles, func(b []Delivery) bool { return b[0].Notice.Kind == kind })
		if i < 0 {
			bundles = append(bundles, []Delivery{d})
			continue
		}
		bundles[i] = append(bundles[i], d)
	}
	slices.SortStableFunc(bundles, func(a, b []Delivery) int { return urgency(b[0].Notice.Kind) - urgency(a[0].Notice.Kind) })
	room, free := room(recent, now)
	switch {
	case len(bundles) <= room:
		return bundles, later
	case room == 0:
		for _, b := range bundles {
			later[free] = append(later[free], b...)
		}
		return nil, later
	}
	return append(bundles[:room-1:room-1], slices.Concat(bundles[room-1:]...)), later
}

func urgency(k notice.Kind) int {
	if k.Manner().Urgent {
		return 1
	}
	return 0
}

// newest is when the last mail with notices of a kind was sent; zero if none was.
func newest(recent []Mailed, kind notice.Kind) (at time.Time) {
	for _, m := range recent {
		if m.Kind == kind && m.At.After(at) {
			at = m.At
		}
	}
	return at
}

// room is how many mails may go now; with none left, free is when one may.
func room(recent []Mailed, now time.Time) (left int, free time.Time) {
	sent := map[int64]time.Time{}
	for _, m := range recent {
		if now.Sub(m.At) < time.Hour {
			sent[m.Mail] = m.At
		}
	}
	for _, at := range sent {
		if free.IsZero() || at.Before(free) {
			free = at
		}
	}
	return max(0, PerHour-len(sent)), free.Add(time.Hour)
}
