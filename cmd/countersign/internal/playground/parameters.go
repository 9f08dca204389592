package playground

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Group are the parameters of one part of a message.
type Group struct {
	Title      string
	Parameters []Parameter
	Header     bool // they are header fields
}

// Parameter is one of a request or a response, with what it is for. Text and Clause are empty
// for what only a server of the person's own sends.
type Parameter struct {
	Name, Value, Text, Clause string
	Token                     *Token // the value, decoded, if it is a JWT
}

// NameParts are the parts of the name between which a narrow table may break it.
func (p Parameter) NameParts() []string { return strings.SplitAfter(p.Name, "_") }

// groups are the parameters of a message, with an explanation of each.
func groups(a *arrow, u *url.URL) (all []Group) {
	add := func(title string, parameters []Parameter) {
		if len(parameters) > 0 {
			all = append(all, Group{Title: title, Parameters: parameters})
		}
	}
	form := url.Values{}
	if strings.HasPrefix(a.x.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form, _ = url.ParseQuery(string(a.x.Body))
	}
	var members map[string]any
	_ = json.Unmarshal(a.x.AnswerBody, &members)
	add("In the address", fromValues(u.Query()))
	add("In the body of the request", fromValues(form))
	if to, err := url.Parse(a.x.Answer.Get("Location")); err == nil {
		add("In the address that the response leads to", fromValues(to.Query()))
	}
	add("In the response", fromJSON(kindOf(a, u, members), members))
	return append(all,
		Group{"Header fields of the request", fromHeader(a.x.Header), true},
		Group{"Header fields of the response", fromHeader(a.x.Answer), true})
}

// kindOf is the kind of a response, which its members show: the paths of servers differ.
func kindOf(a *arrow, u *url.URL, members map[string]any) string {
	has := func(name string) bool { _, ok := members[name]; return ok }
	switch {
	case a.To == laneAPI:
		return kindAPI
	case strings.Contains(u.Path, "/.well-known/"):
		return kindMetadata
	case has("request_uri"):
		return kindPushed
	case has("active"):
		return kindIntrospection
	case has("device_code"):
		return kindDevice
	}
	return ""
}

func fromValues(values url.Values) (all []Parameter) {
	for _, name := range sortedNames(values) {
		for _, value := range values[name] {
			all = append(all, parameter(explain("", name), name, value))
		}
	}
	return all
}

func fromJSON(kind string, members map[string]any) (all []Parameter) {
	for _, name := range sortedNames(members) {
		value, ok := members[name].(string)
		if !ok {
			data, _ := json.Marshal(members[name])
			value = string(data)
		}
		all = append(all, parameter(explain(kind, name), name, value))
	}
	return all
}

// fromHeader names the fields as the specifications do.
func fromHeader(h http.Header) (all []Parameter) {
	for _, name := range sortedNames(h) {
		for _, value := range h[name] {
			p := parameter(headerExplanations[name], name, value)
			p.Name = writtenNames.Replace(name)
			all = append(all, p)
		}
	}
	return all
}

var writtenNames = strings.NewReplacer("Dpop", "DPoP", "Www-", "WWW-")

func parameter(e explanation, name, value string) Parameter {
	return Parameter{Name: name, Value: cut(value), Text: e.text, Clause: e.clause, Token: tokenIn(name, value)}
}

// tokenIn decodes a value that is a JWT.
func tokenIn(name, value string) *Token {
	parts, steps := strings.Split(value, "."), stepsFor(name)
	switch len(parts) {
	case 3:
		if header := claimsOf(parts[0], steps); header != nil {
			return &Token{name, header, claimsOf(parts[1], steps), value}
		}
	case 5:
		if header := claimsOf(parts[0], nil); header != nil {
			return &Token{name + ", encrypted: only the header is readable", header, nil, value}
		}
	}
	return nil
}

func sortedNames[V any](m map[string]V) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// limit of a value or a body that is shown.
const maxShown = 6000

func cut(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown], "") + fmt.Sprintf("… (%d bytes in all)", len(s))
}
