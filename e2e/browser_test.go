//go:build e2e

package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// browser is one Chromium for all tests of the package; each test gets a tab of its own.
var browser context.Context

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if _, err := exec.LookPath("chromium"); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: chromium is not installed (Debian package chromium)")
		return 1
	}
	profile, err := os.MkdirTemp("", "ecluse-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(profile)
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath("chromium"), chromedp.UserDataDir(profile)}
	for _, flag := range []string{"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-dev-shm-usage", "no-default-browser-check", "hide-scrollbars"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	defer stop()
	var end context.CancelFunc
	browser, end = chromedp.NewContext(allocator)
	defer end()
	if err := chromedp.Do(browser); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: start chromium:", err)
		return 1
	}
	stopped, err := startWorlds()
	defer stopped()
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e: start the demo:", err)
		return 1
	}
	flag.Parse()
	// A journey waits more than it computes: one for each world, whatever the machine has of cores.
	if err := flag.Set("test.parallel", strconv.Itoa(cap(worlds))); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return m.Run()
}

// tab is a page of the browser. Its methods fail the test when the browser does not do what it is
// told within patience.
type tab struct {
	t     *testing.T
	ctx   context.Context
	world *world
	size  [2]int64
	plain bool // without JavaScript
}

// patience bounds one step in the browser.
const patience = 20 * time.Second

// wide and narrow are the two windows that every page is looked at in.
var wide, narrow = [2]int64{1280, 900}, [2]int64{390, 800}

// open returns a new tab of a size, with cookies of its own. What the page writes to the console as an
// error or throws fails the test when it ends.
func open(t *testing.T, w *world, size [2]int64) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	p := &tab{t: t, ctx: ctx, world: w, size: size}
	messages := chromedp.Console(ctx)
	p.do(chromedp.EmulateViewport(size[0], size[1]))
	var complaints []string
	var wait sync.WaitGroup
	wait.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.IsException() || m.Type == "error" && m.Source != "network" {
				complaints = append(complaints, m.String())
			}
		}
	})
	t.Cleanup(func() {
		end()
		wait.Wait()
		for _, complaint := range complaints {
			t.Errorf("the page complains: %s", complaint)
		}
	})
	return p
}

// do runs steps in order.
func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("in the browser: %v", err)
	}
}

// ask runs one step that answers.
func ask[T any](p *tab, step chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	answer, err := chromedp.Run(ctx, step)
	if err != nil {
		p.t.Fatalf("in the browser: %v", err)
	}
	return answer
}

// visit goes to an address, or a path of the demo, and waits until it is loaded.
func (p *tab) visit(address string) {
	p.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = p.world.Base + address
	}
	p.do(chromedp.Navigate(address))
}

// text is what a person can read on the page.
func (p *tab) text() string {
	p.t.Helper()
	return ask(p, chromedp.Evaluate[string](`document.body.innerText`))
}

// violation is one rule of axe-core that the page breaks.
type violation struct {
	ID     string `json:"id"`
	Help   string `json:"help"`
	Impact string `json:"impact"`
	Nodes  []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// violations runs axe-core on the page with the rules of WCAG 2.2 A and AA and its best practices.
func (p *tab) violations() []violation {
	p.t.Helper()
	if !ask(p, chromedp.Evaluate[bool]("window.axe !== undefined")) {
		p.do(chromedp.Evaluate[chromedp.Void](axe(p.t)))
	}
	const run = `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
		resultTypes: ["violations"], preload: false}).then(r => r.violations)`
	return ask(p, chromedp.Evaluate[[]violation](run, chromedp.EvalAwaitPromise))
}

// accessible fails the test for each rule of axe-core that the page breaks; what names the page.
func (p *tab) accessible(what string) {
	p.t.Helper()
	for _, v := range p.violations() {
		var b strings.Builder
		for _, node := range v.Nodes {
			fmt.Fprintf(&b, "\n  %s\n    %s", node.HTML, strings.ReplaceAll(node.Summary, "\n", "\n    "))
		}
		p.t.Errorf("%s: %s (%s): %s%s", what, v.ID, v.Impact, v.Help, b.String())
	}
}

// axe is the text of axe-core, which npm has put beside the tests.
func axe(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("axe-core is not installed (make e2e runs npm ci): %v", err)
	}
	return string(text)
}
