package deploy_test

import (
	"os"
	"path/filepath"
	"testing"
)

// form is the part of GitHub's issue forms that the repository uses.
type form struct {
	Name, Description string
	Body              []struct {
		Type        string
		Attributes  struct{ Label, Value string }
		Validations struct{ Required bool }
	}
}

// TestIssueForms: GitHub shows a form only if it has a name, a description and a field. Labels
// must not repeat.
func TestIssueForms(t *testing.T) {
	files, err := filepath.Glob("../../../.github/ISSUE_TEMPLATE/*.yml")
	if err != nil || len(files) < 2 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var f form
		decode(t, string(raw), &f)
		labels := map[string]bool{}
		for _, field := range f.Body {
			label := field.Attributes.Label
			switch {
			case field.Type == "markdown" && field.Attributes.Value != "":
			case field.Type != "input" && field.Type != "textarea", label == "", labels[label]:
				t.Errorf("%s: %+v", file, field)
			default:
				labels[label] = true
			}
		}
		if f.Name == "" || f.Description == "" || len(labels) == 0 {
			t.Errorf("%s: %+v", file, f)
		}
	}
}
