//go:build e2e

package e2e

import (
	"bytes"
	"cmp"
	"errors"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// tallest is how much of a page a picture for the documents shows; what is longer is cut well above.
const tallest, cut = 1900, 1150

// picture writes a screenshot of the whole page to the folder that ECLUSE_PICTURES names, if it does; and
// beside it, as top-…, the part of a long page that a document shows.
func (p *tab) picture(name string) {
	p.t.Helper()
	folder := os.Getenv("ECLUSE_PICTURES")
	if folder == "" {
		return
	}
	whole := ask(p, chromedp.FullScreenshot(100))
	if err := errors.Join(os.MkdirAll(folder, 0o755), os.WriteFile(filepath.Join(folder, name+".png"), whole, 0o644)); err != nil {
		p.t.Fatal(err)
	}
	if !strings.HasSuffix(name, "light-wide") {
		return
	}
	if ask(p, chromedp.Evaluate[float64]("document.documentElement.scrollHeight")) > tallest {
		clip := page.CaptureScreenshotParams{Clip: &page.Viewport{Width: float64(wide[0]), Height: cut, Scale: 1}, CaptureBeyondViewport: new(true)}
		shot, err := chromedp.Call(p.ctx, page.CaptureScreenshot, clip)
		if err != nil {
			p.t.Fatal(err)
		}
		whole = shot.Data
	}
	top, err := slim(whole)
	if err := errors.Join(err, os.WriteFile(filepath.Join(folder, "top-"+name+".png"), top, 0o644)); err != nil {
		p.t.Fatal(err)
	}
}

// slim is a picture with the 256 colours that it has most of, every other one as the nearest: half the size.
func slim(full []byte) ([]byte, error) {
	from, err := png.Decode(bytes.NewReader(full))
	if err != nil {
		return nil, err
	}
	size := from.Bounds()
	count := map[color.Color]int{}
	for y := size.Min.Y; y < size.Max.Y; y++ {
		for x := size.Min.X; x < size.Max.X; x++ {
			count[from.At(x, y)]++
		}
	}
	most := slices.SortedFunc(maps.Keys(count), func(a, b color.Color) int { return cmp.Compare(count[b], count[a]) })
	to := image.NewPaletted(size, color.Palette(most[:min(256, len(most))]))
	nearest := map[color.Color]uint8{}
	for _, c := range most {
		nearest[c] = uint8(to.Palette.Index(c))
	}
	for y := size.Min.Y; y < size.Max.Y; y++ {
		for x := size.Min.X; x < size.Max.X; x++ {
			to.SetColorIndex(x, y, nearest[from.At(x, y)])
		}
	}
	var out bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, to)
	return out.Bytes(), err
}
