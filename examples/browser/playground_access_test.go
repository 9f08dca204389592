package browser

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// heard returns the names that a screen reader says, by the role of the element.
func (p *person) heard() map[string][]string {
	p.t.Helper()
	tree := read(p, "accessibility tree", func(ctx context.Context, t *chromedp.Target) (accessibility.GetFullAXTreeResult, error) {
		return cdp.Call(ctx, t, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	})
	names := map[string][]string{}
	for _, n := range tree.Nodes {
		if n.Ignored || n.Role == nil || n.Name == nil {
			continue
		}
		var role, name string
		_ = json.Unmarshal(n.Role.Value, &role)
		_ = json.Unmarshal(n.Name.Value, &name)
		names[role] = append(names[role], name)
	}
	return names
}

// keyTo presses Tab until the element has the focus.
func (p *person) keyTo(selector string) {
	p.t.Helper()
	for range 400 {
		p.do("Tab", chromedp.KeyEvent(kb.Tab))
		if read(p, "focus", chromedp.Evaluate[bool](`document.activeElement.matches(`+"`"+selector+"`"+`)`)) {
			return
		}
	}
	p.t.Fatalf("Tab never comes to %s", selector)
}

// TestPlaygroundKeyboard: the keyboard is enough for all of the page. It turns on a switch, runs
// the login and an attack, opens a message, and shows the claims of a step.
func TestPlaygroundKeyboard(t *testing.T) {
	address := startPlayground(t)
	p := newPerson(t, nil, "")
	p.load("open", chromedp.Navigate(address))
	p.keyTo("input[name=dpop]")
	p.do("Space", chromedp.KeyEvent(" "))
	p.keyTo("#run")
	p.do("Enter", chromedp.KeyEvent(kb.Enter))
	p.eventually("DPoP", func() bool { return strings.Contains(p.text(), "&client.DPoP{}") })
	p.eventually("the result has the focus", func() bool {
		return read(p, "focus", chromedp.Evaluate[string]("document.activeElement.id")) == "result"
	})
	p.do("back to the top", chromedp.EvaluateAsDevTools[chromedp.Void]("document.activeElement.blur()"))
	p.keyTo(`.attacks button[value="nonce"]`)
	p.do("Enter", chromedp.KeyEvent(kb.Enter))
	p.eventually("the attack", func() bool { return strings.Contains(p.text(), "Step 11 of 14") })
	p.keyTo("summary")
	p.do("Enter", chromedp.KeyEvent(kb.Enter))
	if p.count(".diagram details[open]") != 1 {
		t.Error("Enter opens no message")
	}
	p.keyTo(`[data-step="11"]`)
	if p.count(".claims .lit") == 0 {
		t.Error("step 11 highlights no claim")
	}
}

// TestPlaygroundScreenReader: switches, attacks and messages have roles and names. The outcome
// is announced.
func TestPlaygroundScreenReader(t *testing.T) {
	address := startPlayground(t)
	p := newPerson(t, nil, "")
	p.load("open", chromedp.Navigate(address))
	p.press(`.attacks button[value="none"]`)
	heard := p.heard()
	for role, names := range map[string][]string{
		"checkbox": {"PAR", "DPoP", "Step-up"}, "button": {"Run the login", "Algorithm none", "Flood of unknown kids"}, "region": {"The result", "The messages"},
		"group": {"Switches", "Attacks"}, "heading": {"Countersign playground", "Algorithm none", "The messages", "The ID token and the 14 steps", "The Go lines that change"},
	} {
		for _, name := range names {
			if !slices.Contains(heard[role], name) {
				t.Errorf("no %s %q in %q", role, name, heard[role])
			}
		}
	}
	for role, names := range heard {
		for _, name := range names {
			if name == "" && slices.Contains([]string{"checkbox", "button", "link", "region", "heading", "DisclosureTriangle"}, role) {
				t.Errorf("a %s without a name", role)
			}
		}
	}
	messages := strings.Join(heard["DisclosureTriangle"], "\n")
	if !strings.Contains(messages, "Token request: authorization_code Application to Server status 200") {
		t.Errorf("messages %q", messages)
	}
	if said := read(p, "status", chromedp.Text(chromedp.CSS("[role=status]"))); !strings.Contains(said, "Rejected by the application") {
		t.Errorf("the status says %q", said)
	}
}
