package main

import (
	"io"
	"math"
	"os"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
)

// bar shows long work on a terminal; on anything else one line a step.
type bar struct {
	out  io.Writer
	live bool
	what string
	p    *progressbar.ProgressBar
}

func newBar(out io.Writer) *bar {
	f, ok := out.(*os.File)
	return &bar{out: out, live: ok && isatty.IsTerminal(f.Fd())}
}

// step shows how far something is, from 0 to 1; a negative number means unknown.
func (b *bar) step(what string, done float64) {
	if what != b.what {
		b.end()
		b.what = what
		if !b.live {
			_, _ = io.WriteString(b.out, "ecluse: "+what+" …\n")
			return
		}
		total := 1000
		if done < 0 {
			total = -1
		}
		b.p = progressbar.NewOptions(total, progressbar.OptionSetWriter(b.out), progressbar.OptionSetDescription(what), progressbar.OptionClearOnFinish())
	}
	if b.p != nil {
		_ = b.p.Set(int(math.Round(max(0, done) * 1000)))
	}
}

// end removes the bar.
func (b *bar) end() {
	if b.p != nil {
		_ = b.p.Finish()
		b.p = nil
	}
}
