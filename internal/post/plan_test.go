package post

import (
	"slices"
	"testing"
	"time"

	"ecluse/internal/notice"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func some(kind notice.Kind, ids ...int64) (list []Delivery) {
	for _, id := range ids {
		list = append(list, Delivery{Notice: notice.Notice{ID: id, At: noon, Kind: kind}})
	}
	return list
}

func sizes(mails [][]Delivery) (n []int) {
	for _, m := range mails {
		n = append(n, len(m))
	}
	return n
}

func TestOpeningsOutsideTheSiteAreOneMailAnHour(t *testing.T) {
	mails, later := plan(some(notice.ReviewOutside, 1), nil, noon)
	if !slices.Equal(sizes(mails), []int{1}) || len(later) != 0 {
		t.Fatalf("the first is not told at once: %v, %v", mails, later)
	}
	sent := []Mailed{{Mail: 1, Kind: notice.ReviewOutside, At: noon}}
	mails, later = plan(some(notice.ReviewOutside, 2, 3), sent, noon.Add(10*time.Minute))
	if len(mails) != 0 || len(later[noon.Add(Together)]) != 2 {
		t.Fatalf("within the hour: %v, %v", mails, later)
	}
	mails, _ = plan(some(notice.ReviewOutside, 2, 3, 4), sent, noon.Add(Together))
	if !slices.Equal(sizes(mails), []int{3}) {
		t.Errorf("after the hour: %v", mails)
	}
}

func TestEmergenciesGoOneByOneAtOnceAndFirst(t *testing.T) {
	due := append(some(notice.ReviewUnexplained, 1, 2), some(notice.ReviewEmergency, 3, 4)...)
	sent := []Mailed{{Mail: 9, Kind: notice.ReviewEmergency, At: noon.Add(-time.Minute)}}
	mails, later := plan(due, sent, noon)
	if !slices.Equal(sizes(mails), []int{1, 1, 1, 1}) || len(later) != 0 {
		t.Fatalf("%v, %v", mails, later)
	}
	if mails[0][0].Notice.ID != 3 || mails[1][0].Notice.ID != 4 || mails[2][0].Notice.ID != 1 {
		t.Errorf("the order is %v", mails)
	}
}

func TestTheLastMailOfAnHourHoldsAllThatIsLeft(t *testing.T) {
	var ids []int64
	for i := range 100 {
		ids = append(ids, int64(i+1))
	}
	mails, later := plan(some(notice.ReviewEmergency, ids...), nil, noon)
	if len(mails) != PerHour || len(mails[PerHour-1]) != 100-PerHour+1 || len(later) != 0 {
		t.Fatalf("%d mails, the last with %d, later %v", len(mails), len(mails[len(mails)-1]), later)
	}
	var sent []Mailed
	for i, m := range mails {
		sent = append(sent, Mailed{Mail: m[0].Notice.ID, Kind: notice.ReviewEmergency, At: noon.Add(time.Duration(i) * time.Second)})
	}
	mails, later = plan(some(notice.ReviewEmergency, 200, 201), sent, noon.Add(time.Minute))
	if len(mails) != 0 || len(later[noon.Add(time.Hour)]) != 2 {
		t.Errorf("beyond the bound: %v, %v", mails, later)
	}
}

// Whatever comes when: no hour holds more than PerHour mails, no hour more than one of a kind that goes
// together, and nothing is lost or sent twice.
func TestNoFloodFillsAMailbox(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kinds := rapid.SliceOfN(rapid.SampledFrom(notice.Kinds()), 1, 4).Draw(t, "kinds")
		var sent []Mailed // one for each mail and kind
		var instants []time.Time
		waiting := map[int64]time.Time{} // due at
		notices := map[int64]Delivery{}
		told := map[int64]int{}
		next := int64(0)
		for step := range rapid.IntRange(1, 40).Draw(t, "steps") {
			now := noon.Add(time.Duration(step) * rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 7 * time.Minute}).Draw(t, "pace"))
			if len(instants) > 0 && now.Before(instants[len(instants)-1]) {
				now = instants[len(instants)-1]
			}
			for range rapid.IntRange(0, 60).Draw(t, "new") {
				next++
				notices[next] = some(rapid.SampledFrom(kinds).Draw(t, "kind"), next)[0]
				waiting[next] = now
			}
			var due []Delivery
			for id := int64(1); id <= next; id++ {
				if at, ok := waiting[id]; ok && !at.After(now) {
					due = append(due, notices[id])
				}
			}
			recent := slices.DeleteFunc(slices.Clone(sent), func(m Mailed) bool { return !m.At.After(now.Add(-time.Hour)) })
			mails, later := plan(due, recent, now)
			planned := 0
			for until, list := range later {
				if !until.After(now) || until.After(now.Add(time.Hour)) {
					t.Fatalf("put off until %v at %v", until, now)
				}
				for _, d := range list {
					waiting[d.Notice.ID] = until
					planned++
				}
			}
			for _, m := range mails {
				instants = append(instants, now)
				for _, d := range m {
					told[d.Notice.ID]++
					delete(waiting, d.Notice.ID)
					planned++
					if d.Notice.Kind.Manner().Together && newest(recent, d.Notice.Kind).After(now.Add(-Together)) {
						t.Fatalf("two mails of %s within an hour", d.Notice.Kind)
					}
					sent = append(sent, Mailed{Mail: m[0].Notice.ID, Kind: d.Notice.Kind, At: now})
				}
			}
			if planned != len(due) {
				t.Fatalf("%d were due, %d are planned", len(due), planned)
			}
			inHour := 0
			for _, at := range instants {
				if at.After(now.Add(-time.Hour)) {
					inHour++
				}
			}
			if inHour > PerHour {
				t.Fatalf("%d mails in an hour", inHour)
			}
		}
		for id := int64(1); id <= next; id++ {
			if _, left := waiting[id]; told[id] > 1 || told[id] == 0 && !left {
				t.Fatalf("notice %d was sent %d times, still waiting %v", id, told[id], left)
			}
		}
	})
}
