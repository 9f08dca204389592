package wire

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Shown is an exchange without its secrets, for JSON.
type Shown struct {
	Request  Message `json:"request"`
	Response Message `json:"response"`
}

// Message is a request or a response.
type Message struct {
	Line   string      `json:"line"`
	Header [][2]string `json:"header,omitempty"`
	Body   string      `json:"body,omitempty"`
}

// Show returns x without its secrets.
func (m *Mask) Show(x *Exchange) Shown {
	s := Shown{
		Request:  Message{x.Method + " " + m.URL(x.URL), m.fields(x.Header), m.Body(x.Header.Get("Content-Type"), x.Body)},
		Response: Message{fmt.Sprintf("%d %s", x.Status, http.StatusText(x.Status)), m.fields(x.Answer), m.Body(x.Answer.Get("Content-Type"), x.AnswerBody)},
	}
	if x.Status == 0 {
		s.Response = Message{Line: "no response"}
	}
	for _, message := range []*Message{&s.Request, &s.Response} {
		message.clean(m)
	}
	return s
}

// clean is the last look at a message: known secrets may be in any part of it.
func (msg *Message) clean(m *Mask) {
	msg.Line, msg.Body = Printable(m.Text(msg.Line)), Printable(m.Text(msg.Body))
	for i := range msg.Header {
		msg.Header[i][1] = Printable(m.Text(msg.Header[i][1]))
	}
}

func (m *Mask) fields(h http.Header) (all [][2]string) {
	for _, name := range sortedKeys(h) {
		for _, value := range h[name] {
			all = append(all, [2]string{name, m.Header(name, value)})
		}
	}
	return all
}

// Print writes the exchange for a person.
func (s Shown) Print(w io.Writer) {
	for mark, message := range []Message{s.Request, s.Response} {
		arrow := [2]string{"→", "←"}[mark]
		fmt.Fprintf(w, "%s %s\n", arrow, message.Line)
		for _, f := range message.Header {
			fmt.Fprintf(w, "  %s: %s\n", f[0], f[1])
		}
		if message.Body != "" {
			fmt.Fprintf(w, "\n  %s\n", strings.ReplaceAll(shorten(message.Body), "\n", "\n  "))
		}
		fmt.Fprintln(w)
	}
}

// maxLines of a body are printed for a person. Metadata and key sets have more.
const maxLines = 25

func shorten(body string) string {
	lines := strings.Split(body, "\n")
	if len(lines) <= maxLines {
		return body
	}
	return fmt.Sprintf("%s\n… %d more lines; -json prints all", strings.Join(lines[:maxLines], "\n"), len(lines)-maxLines)
}

// Curl returns the request as a curl command. It has labels instead of secrets: replace them by the
// values.
func (s Shown) Curl() string {
	method, address, _ := strings.Cut(s.Request.Line, " ")
	parts := []string{"curl -i -X " + method + " " + quote(address)}
	for _, f := range s.Request.Header {
		if f[0] != "Content-Type" || s.Request.Body == "" {
			parts = append(parts, "-H "+quote(f[0]+": "+f[1]))
		}
	}
	for line := range strings.SplitSeq(s.Request.Body, "\n") {
		if line != "" {
			parts = append(parts, "--data-urlencode "+quote(line))
		}
	}
	return strings.Join(parts, " \\\n  ")
}

// quote writes s as one word of a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
