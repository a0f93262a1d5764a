package register

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func planted(t *testing.T) Values {
	s := preset(t, "mission-locale")
	set, err := s.Set("first_name", "surname", "email")
	if err != nil {
		t.Fatal(err)
	}
	text := map[int]string{0: "PLANTED-A", 1: "PLANTED-B"}
	return Values{schema: s, set: set, text: func(bit int) string { return text[bit] }}
}

func TestValuesCannotBePrinted(t *testing.T) {
	v := planted(t)
	type inner struct {
		v Values
		p *Values
	}
	type outer struct{ V any }
	var out strings.Builder
	for _, x := range []any{v, &v, inner{v, &v}, &inner{v, &v}, outer{v}, outer{inner{v, nil}}, []Values{v}, map[string]Values{"a": v}, fmt.Errorf("oops: %v", v)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
			fmt.Fprintf(&out, verb, x)
		}
		if data, err := json.Marshal(x); err == nil {
			out.Write(data)
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "values", x)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "values", x)
	}
	if strings.Contains(out.String(), "PLANTED") || strings.Contains(out.String(), "504c414e544544") {
		t.Error("a value was printed")
	}
	if !strings.Contains(out.String(), "[values]") {
		t.Error("nothing was printed at all")
	}
}

func TestEachGivesTheFieldsOfTheReceiptInSchemaOrder(t *testing.T) {
	v := planted(t)
	var got []string
	v.Each(func(f Field, value string) { got = append(got, f.Name+"="+value) })
	if diff := cmp.Diff([]string{"surname=PLANTED-A", "first_name=PLANTED-B", "email="}, got); diff != "" {
		t.Error(diff)
	}
	if s, ok := v.Get("surname"); s != "PLANTED-A" || !ok {
		t.Error("Get does not give the surname")
	}
	for _, name := range []string{"nir", "shoe_size"} {
		if s, ok := v.Get(name); s != "" || ok {
			t.Errorf("Get gives %s, which the receipt does not cover", name)
		}
	}
	Values{}.Each(func(Field, string) { t.Error("the zero value has fields") })
	if _, ok := (Values{}).Get("surname"); ok {
		t.Error("the zero value has a surname")
	}
}
