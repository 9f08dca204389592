package visitor

import (
	"context"
	"errors"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// form is the first form of a page that is sent by post, as far as login forms need it.
type form struct {
	action string
	inputs []input
}

type input struct{ name, kind, value string }

var (
	formTag   = regexp.MustCompile(`(?is)<form\b([^>]*)>(.*?)</form>`)
	inputTag  = regexp.MustCompile(`(?is)<(input|button)\b([^>]*)>`)
	attribute = regexp.MustCompile(`(?s)([a-zA-Z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')`)
)

func parseForm(page string) (*form, error) {
	for _, m := range formTag.FindAllStringSubmatch(page, -1) {
		attrs := attributes(m[1])
		if !strings.EqualFold(attrs["method"], "post") {
			continue
		}
		f := &form{action: attrs["action"]}
		for _, tag := range inputTag.FindAllStringSubmatch(m[2], -1) {
			f.inputs = append(f.inputs, newInput(strings.ToLower(tag[1]), attributes(tag[2])))
		}
		return f, nil
	}
	return nil, errors.New("no form that is posted")
}

func hasForm(page string) bool {
	_, err := parseForm(page)
	return err == nil
}

func newInput(tag string, attrs map[string]string) input {
	in := input{name: attrs["name"], kind: strings.ToLower(attrs["type"]), value: attrs["value"]}
	switch {
	case tag == "button":
		in.kind = "submit"
	case in.kind == "" || in.kind == "email":
		in.kind = "text"
	}
	return in
}

func attributes(tag string) map[string]string {
	attrs := map[string]string{}
	for _, m := range attribute.FindAllStringSubmatch(tag, -1) {
		attrs[strings.ToLower(m[1])] = html.UnescapeString(m[2] + m[3])
	}
	return attrs
}

// chooses reports whether a button is the visitor's, where a page has one for each user.
func (in input) chooses(v *Visitor) bool {
	return in.kind == "submit" && in.name == "user" && in.value == v.Username
}

// submit sends the form as v fills it in.
func (f *form) submit(ctx context.Context, at *url.URL, v *Visitor) (*http.Request, error) {
	action, err := at.Parse(f.action)
	if err != nil {
		return nil, err
	}
	values, err := f.fill(v)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, action.String(), strings.NewReader(values.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r, nil
}

// fill fills in the form and presses a button: the one that cancels, or the first
// that does not.
func (f *form) fill(v *Visitor) (url.Values, error) {
	values, pressed := url.Values{}, false
	choice := slices.ContainsFunc(f.inputs, func(in input) bool { return in.chooses(v) })
	for _, in := range f.inputs {
		switch {
		case in.name == "":
		case in.kind == "hidden":
			values.Add(in.name, in.value)
		case in.kind == "text":
			values.Set(in.name, v.Username)
		case in.kind == "password":
			values.Set(in.name, v.Password)
		case in.kind == "submit" && choice && !v.Cancel && !in.chooses(v):
		case in.kind == "submit" && !pressed && v.Cancel == (in.value == "cancel"):
			values.Set(in.name, in.value)
			pressed = true
		}
	}
	if v.Cancel && !pressed {
		return nil, errors.New("the form has no button with the value cancel")
	}
	return values, nil
}
