package main

import (
	"strings"
	"testing"
)

const passes = `{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Elapsed":0.1}
`

func TestTheLastLineCountsAndTheStatusFollows(t *testing.T) {
	tests := map[string]struct {
		input  string
		forbid bool
		good   bool
		last   string
		shows  string
	}{
		"all pass":                    {passes, true, true, "1 passed, 0 failed", "ok   p"},
		"one fails":                   {passes + `{"Action":"output","Package":"p","Test":"TestB","Output":"why\n"}` + "\n" + `{"Action":"fail","Package":"p","Test":"TestB"}`, false, false, "1 passed, 1 failed", "why"},
		"a build fails":               {passes + `{"Action":"build-output","ImportPath":"q","Output":"syntax\n"}` + "\n" + `{"Action":"fail","Package":"q"}`, false, false, "1 passed, 1 failed", "syntax"},
		"a skip is told":              {passes + `{"Action":"output","Package":"p","Test":"TestC","Output":"no database\n"}` + "\n" + `{"Action":"skip","Package":"p","Test":"TestC"}`, false, true, "1 passed, 0 failed", "no database"},
		"a skip is not accepted":      {passes + `{"Action":"skip","Package":"p","Test":"TestC"}`, true, false, "1 passed, 1 failed", "no skip is accepted"},
		"a package without tests":     {passes + `{"Action":"skip","Package":"q"}`, true, true, "1 passed, 0 failed", ""},
		"nothing ran":                 {"", false, false, "0 passed, 1 failed", "no test ran"},
		"the go command itself fails": {"go: no such module\n", false, false, "0 passed, 1 failed", "no such module"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			tally := &tally{forbidSkips: test.forbid, said: map[string][]string{}, out: &out}
			if err := tally.read(strings.NewReader(test.input)); err != nil {
				t.Fatal(err)
			}
			good := tally.close()
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if good != test.good || lines[len(lines)-1] != test.last || !strings.Contains(out.String(), test.shows) {
				t.Errorf("good %v:\n%s", good, out.String())
			}
		})
	}
}
