package browser

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// pictures is the directory of the pictures.
const pictures = "../../.cache/browser"

// picture photographs the page in two widths and two color schemes, and checks it.
func (p *person) picture(name string) {
	p.t.Helper()
	if err := os.MkdirAll(pictures, 0o755); err != nil {
		p.t.Fatal(err)
	}
	p.fits(name, 320)
	for _, width := range []int64{360, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			p.variant(name, width, scheme)
		}
	}
	p.scheme("")
	p.do("resize", chromedp.ResetViewport())
	for what, is := range accessible {
		if !read(p, what, chromedp.Evaluate[bool](is)) {
			p.t.Errorf("%s: not so: %s", name, what)
		}
	}
	p.named(name)
	if !strings.HasPrefix(name, "playground-") { // TestPlaygroundKeyboard
		p.tabs(name)
	}
}

// variant photographs the page in one width and one color scheme.
func (p *person) variant(name string, width int64, scheme string) {
	p.t.Helper()
	p.scheme(scheme)
	p.fits(name, width)
	for what, script := range map[string]string{"contrast": contrast, "contrast of a control": controlContrast} {
		if pale := read(p, what, chromedp.Evaluate[string](inspect(script))); pale != "" {
			p.t.Errorf("%s, %s: the %s is too low: %s", name, scheme, what, pale)
		}
	}
	png := read(p, "picture", chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(pictures, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// fits sets the width of the screen. The test fails if the page is wider (WCAG 2.2, success
// criterion 1.4.10), or if an element cuts off its content.
func (p *person) fits(name string, width int64) {
	p.t.Helper()
	p.do("resize", chromedp.EmulateViewport(width, 800))
	if wide := read(p, "width", chromedp.Evaluate[int64]("document.documentElement.scrollWidth")); wide > width {
		p.t.Errorf("%s is %d wide on a screen of %d", name, wide, width)
	}
	if found := read(p, "cut off", chromedp.Evaluate[string](cutOff)); found != "" {
		p.t.Errorf("%s at %d: cut off: %s", name, width, found)
	}
}

// cutOff returns elements whose content is wider than they are, without a way to scroll.
const cutOff = `[...document.querySelectorAll("body *:not(.unseen, iframe)")].filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0 && getComputedStyle(e).display != "inline" && !["auto", "scroll"].includes(getComputedStyle(e).overflowX)).map(e => e.tagName + "." + e.className + ": " + e.textContent.slice(0, 40)).slice(0, 3).join("; ")`

// scheme sets the visitor's color scheme: "light", "dark", or "" for none.
func (p *person) scheme(scheme string) {
	p.t.Helper()
	p.do("color scheme", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		return err
	}))
}

// colors has the functions of the checks. ratio is the contrast of two colors.
const colors = `
const channels = c => { const m = c.match(/[\d.]+/g).map(Number); return { rgb: m.slice(0, 3), alpha: m.length > 3 ? m[3] : 1 } };
const light = rgb => rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const ratio = (x, y) => { const [a, b] = [light(x), light(y)].sort((x, y) => y - x); return (a + 0.05) / (b + 0.05) };
const dark = matchMedia("(prefers-color-scheme: dark)").matches && getComputedStyle(document.documentElement).colorScheme.includes("dark");
const behind = e => {
  for (; e; e = e.parentElement) { const c = channels(getComputedStyle(e).backgroundColor); if (c.alpha == 1) return c.rgb; if (c.alpha != 0) return [127, 127, 127] }
  return dark ? [18, 18, 18] : [255, 255, 255];
};
const shown = e => e.getClientRects().length > 0;
`

// inspect is a script that has those functions.
func inspect(expression string) string { return "(() => {" + colors + "return " + expression + "})()" }

// contrast returns the texts with a contrast below 4.5 (WCAG 2.2, success criterion 1.4.3).
const contrast = `(() => {
  const pale = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.data.trim(), e = walk.currentNode.parentElement;
    if (!text || ["SCRIPT", "STYLE", "NOSCRIPT"].includes(e.tagName) || !shown(e)) continue;
    if (ratio(channels(getComputedStyle(e).color).rgb, behind(e)) < 4.5) pale.push(text);
  }
  return pale.join(" | ");
})()`

// controlContrast returns the icons, buttons and inputs whose contrast to their surroundings is
// below 3 (WCAG 2.2, success criterion 1.4.11). For a button, the border or the area must have it.
// The browser draws a checkbox by itself.
const controlContrast = `(() => {
  const pale = [], border = e => { const s = getComputedStyle(e); return s.borderTopStyle == "none" || s.borderTopWidth == "0px" ? behind(e) : channels(s.borderTopColor).rgb };
  for (const e of document.querySelectorAll("button, a.button, input:not([type=hidden], [type=checkbox])"))
    if (shown(e) && getComputedStyle(e).appearance != "auto" && Math.max(ratio(border(e), behind(e.parentElement)), ratio(behind(e), behind(e.parentElement))) < 3) pale.push(e.outerHTML.slice(0, 60));
  for (const e of document.querySelectorAll("svg"))
    if (shown(e) && ratio(channels(getComputedStyle(e).stroke).rgb, behind(e.parentElement)) < 3) pale.push("icon in " + e.parentElement.outerHTML.slice(0, 60));
  return pale.join(" | ");
})()`

// accessible checks that the page has a language, a title and a heading, and that its policy
// allows its own style.
var accessible = map[string]string{
	"a language":                    `document.documentElement.lang == "en"`,
	"a title":                       `document.title != ""`,
	"one heading":                   `document.querySelectorAll("h1").length == 1`,
	"no level of headings left out": `[...document.querySelectorAll("h1, h2, h3, h4")].map(h => +h.tagName[1]).every((n, i, all) => i == 0 ? n == 1 : n <= all[i - 1] + 1)`,
	"a main part":                   `document.querySelectorAll("main").length == 1`,
	"a label for every input":       `[...document.querySelectorAll("input:not([type=hidden])")].every(i => i.labels.length == 1)`,
	"its style":                     `[...document.styleSheets].some(s => s.cssRules.length > 0)`,
	"controls of 24 px":             `[...document.querySelectorAll("button, .button, input:not([type=hidden], [type=checkbox])")].every(e => !e.getClientRects().length || e.getBoundingClientRect().height >= 24)`,
	"no id twice":                   `(all => new Set(all).size == all.length)([...document.querySelectorAll("[id]")].map(e => e.id))`,
}

// named fails the test if a screen reader has no name for a control or a heading.
func (p *person) named(page string) {
	p.t.Helper()
	for role, names := range p.heard() {
		if slices.Contains([]string{"link", "button", "textbox", "checkbox", "heading", "region", "table", "DisclosureTriangle", "Iframe"}, role) && slices.Contains(names, "") {
			p.t.Errorf("%s: a %s without a name: %q", page, role, names)
		}
	}
}

// reachable counts what the Tab key comes to.
const reachable = `[...document.querySelectorAll("a[href], button, input:not([type=hidden]), summary, [tabindex='0']")].filter(e => e.getClientRects().length > 0).length`

// focused describes the element with the focus, "" without one. Its outline must have a
// contrast of 3 to the page (WCAG 2.2, success criteria 2.4.7 and 1.4.11), or be the browser's own.
const focused = `(() => {
  const e = document.activeElement, s = getComputedStyle(e);
  if (!e || e == document.body) return "";
  const seen = s.outlineStyle == "auto" || s.outlineStyle == "solid" && parseFloat(s.outlineWidth) >= 2 && ratio(channels(s.outlineColor).rgb, behind(e.parentElement)) >= 3;
  return (seen ? "seen " : "unseen ") + [...document.querySelectorAll("*")].indexOf(e) + e.outerHTML.slice(0, 60);
})()`

// tabs presses the Tab key until it has come to every control. Each must show that it has the focus.
func (p *person) tabs(page string) {
	p.t.Helper()
	p.focusable()
	p.do("to the top", chromedp.EvaluateAsDevTools[chromedp.Void](`document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0)`))
	want, found := read(p, "controls", chromedp.Evaluate[int](reachable)), map[string]bool{}
	for range want + 1 { // after the last control comes the page itself
		p.do("Tab", chromedp.KeyEvent(kb.Tab))
		if what := read(p, "focus", chromedp.Evaluate[string](inspect(focused))); what != "" {
			found[what] = true
		}
	}
	for what := range found {
		if !strings.HasPrefix(what, "seen ") {
			p.t.Errorf("%s: the keyboard's focus cannot be seen: %s", page, what)
		}
	}
	if len(found) != want {
		p.t.Errorf("%s: the keyboard comes to %d of %d controls: %q", page, len(found), want, slices.Sorted(maps.Keys(found)))
	}
	p.do("leave", chromedp.EvaluateAsDevTools[chromedp.Void](`document.activeElement.blur()`))
}

// focusable lets the page have the focus although the window has none.
func (p *person) focusable() {
	p.t.Helper()
	p.do("have the focus", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
		return err
	}))
}

// TestChecks: the checks of a page find each kind of fault.
func TestChecks(t *testing.T) {
	p := newPerson(t, nil, "")
	for what, test := range map[string]struct{ script, page string }{
		"pale text":      {inspect(contrast), `<p style="color:#999;background:#fff">text</p>`},
		"pale button":    {inspect(controlContrast), `<button style="appearance:none;background:#fff;border:1px solid #ddd">text</button>`},
		"pale icon":      {inspect(controlContrast), `<p style="background:#fff"><svg stroke="#ccc" width="9" height="9"></svg></p>`},
		"cut off":        {cutOff, `<div style="width:50px;overflow:hidden">` + strings.Repeat("wide", 50) + `</div>`},
		"unseen outline": {inspect(`(f => f.startsWith("unseen") ? f : "")(` + focused + `)`), `<button autofocus style="outline:none">text</button>`},
	} {
		p.load(what, chromedp.Navigate("data:text/html,"+strings.NewReplacer("#", "%23", "%", "%25").Replace(test.page)))
		p.focusable()
		p.do("focus", chromedp.EvaluateAsDevTools[chromedp.Void](`document.querySelector("[autofocus]")?.focus()`))
		if read(p, what, chromedp.Evaluate[string](test.script)) == "" {
			t.Errorf("%s: not found", what)
		}
		p.load(what, chromedp.Navigate("data:text/html,<p>text</p>"))
		if got := read(p, what, chromedp.Evaluate[string](test.script)); got != "" {
			t.Errorf("%s: found in a good page: %s", what, got)
		}
	}
}
