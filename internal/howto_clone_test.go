package internal

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestUseAClone runs the commands of the page that need no network, and compares the directories that
// they name with the modules in them.
func TestUseAClone(t *testing.T) {
	page, err := os.ReadFile("../docs/use-a-clone.md")
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "photos")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(root, filepath.Join(filepath.Dir(dir), "countersign")); err != nil {
		t.Skip(err) // Windows, without the right to make one
	}
	var after []string
	for command := range strings.Lines(strings.ReplaceAll(string(page), "\\\n", "")) {
		switch f := strings.Fields(command); {
		case strings.HasPrefix(command, "go mod edit -drop"):
			after = f
		case strings.HasPrefix(command, "go mod init"), strings.HasPrefix(command, "go mod edit"):
			goCommand(t, dir, f[1:]...)
		case strings.HasPrefix(command, "go -C"):
			goCommand(t, filepath.Join(dir, f[2]), "list", f[4])
		}
	}
	replaced := replacements(t, dir)
	if len(replaced) != 2 || len(after) == 0 {
		t.Errorf("the page replaces %v, expected two modules, and drops %v", replaced, after)
	}
	for path, at := range replaced {
		mod, err := os.ReadFile(filepath.Join(dir, at, "go.mod"))
		if err != nil || !strings.HasPrefix(string(mod), "module "+path+"\n") {
			t.Errorf("%s is not %s: %v", at, path, err)
		}
	}
	if goCommand(t, dir, after[1:]...); len(replacements(t, dir)) != 1 {
		t.Errorf("%v drops nothing", after)
	}
}

func replacements(t *testing.T, dir string) map[string]string {
	var mod struct {
		Replace []struct{ Old, New struct{ Path string } }
	}
	if err := json.Unmarshal(goCommand(t, dir, "mod", "edit", "-json"), &mod); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, r := range mod.Replace {
		out[r.Old.Path] = r.New.Path
	}
	return out
}

func goCommand(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	c := exec.CommandContext(t.Context(), "go", args...)
	c.Dir = dir
	out, err := c.Output()
	if err != nil {
		t.Fatalf("go %q in %s: %v", args, dir, err)
	}
	return out
}
