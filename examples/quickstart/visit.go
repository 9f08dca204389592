package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"

	"github.com/countersign/countersign/examples/internal/visitor"
)

// visit acts as the visitor and prints the last page. An error names the step of the seven at which
// it occurred.
func visit(ctx context.Context, s *system, out io.Writer) error {
	v := &visitor.Visitor{App: s.app, Username: s.username, Password: s.password, Cancel: s.cancel}
	page, err := v.Visit(ctx, "/photos")
	if err == nil {
		err = judge(v, page)
	}
	if err != nil {
		return fmt.Errorf("step %d: %w", v.Step, err)
	}
	fmt.Fprintf(out, "\nThe ID token:\n\n%s\nThe API's answer:\n\n%s\n", align(page.Table("report")), strings.TrimSpace(page.Element("pre", "answer")))
	return nil
}

// align prints a table in columns.
func align(rows [][]string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	w.Flush()
	return b.String()
}

// judge looks at the last page as a person would.
func judge(v *visitor.Visitor, page *visitor.Page) error {
	code, answer := page.Element("strong", "code"), page.Element("pre", "answer")
	switch {
	case v.Refusal != "":
		return fmt.Errorf("the server answers %s; %s", v.Refusal, complaint(page, code))
	case code != "":
		return errors.New(complaint(page, code))
	case page.Status != http.StatusOK:
		v.Step = 6
		return fmt.Errorf("the API answers %s", answer)
	case answer == "" || page.Table("report") == nil:
		return fmt.Errorf("the last page (status %d) shows no table or no answer", page.Status)
	}
	return nil
}

func complaint(page *visitor.Page, code string) string {
	return fmt.Sprintf("the application says %s (status %d, reference %s): %s", code, page.Status, page.Element("strong", "id"), page.Element("code", "reason"))
}
