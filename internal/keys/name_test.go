package keys

import (
	"testing"

	"pgregory.net/rapid"
)

func TestANameLeadsBackToItsRowAndToNoOther(t *testing.T) {
	k, _ := create(t)
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Int64().Draw(t, "id")
		name := k.Name("approval", id)
		if got, err := k.Number("approval", name); err != nil || got != id {
			t.Fatalf("%d came back as %d: %v", id, got, err)
		}
		if _, err := k.Number("review", name); err != ErrSealed {
			t.Fatalf("a name of another kind: %v", err)
		}
		changed := []byte(name)
		i := rapid.IntRange(0, len(changed)-1).Draw(t, "place")
		changed[i] ^= 1
		if got, err := k.Number("approval", string(changed)); err != ErrSealed {
			t.Fatalf("a changed name is row %d: %v", got, err)
		}
	})
	for _, name := range []string{"", "7", "a b", k.Name("approval", 7) + "A"} {
		if _, err := k.Number("approval", name); err != ErrSealed {
			t.Errorf("%q: %v", name, err)
		}
	}
}
