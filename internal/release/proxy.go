package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/zip"
)

// writeProxy writes the modules into dir, in the layout of a module proxy.
func writeProxy(dir, version string, modules []*goModule) error {
	sums := map[string][]string{} // the lines of go.sum, by module path
	for _, m := range modules {
		lines, err := m.write(dir, version, sums)
		if err != nil {
			return fmt.Errorf("%s: %w", m.path, err)
		}
		sums[m.path] = lines
	}
	return nil
}

// write writes one module and returns its lines of go.sum.
func (m *goModule) write(proxy, version string, sums map[string][]string) ([]string, error) {
	escaped, err := module.EscapePath(m.path)
	if err != nil {
		return nil, err
	}
	place := filepath.Join(proxy, filepath.FromSlash(escaped), "@v")
	if err := os.MkdirAll(place, 0o755); err != nil {
		return nil, err
	}
	tree, err := os.MkdirTemp("", "release")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tree)
	mod, err := m.tagged(tree, version, sums)
	if err != nil {
		return nil, err
	}
	if err := m.pack(filepath.Join(place, version+".zip"), tree, version); err != nil {
		return nil, err
	}
	if err := writeMeta(place, version, mod); err != nil {
		return nil, err
	}
	return sumLines(place, m.path, version)
}

// tagged copies the module into tree as it is tagged, and returns its go.mod.
func (m *goModule) tagged(tree, version string, sums map[string][]string) ([]byte, error) {
	if err := copyTree(tree, m.dir); err != nil {
		return nil, err
	}
	mod, err := m.require(version)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(tree, "go.mod"), mod, 0o644); err != nil {
		return nil, err
	}
	return mod, m.addSums(filepath.Join(tree, "go.sum"), sums)
}

// require returns go.mod without the replace directives that lead to other directories of the
// repository, and with version for the modules there.
func (m *goModule) require(version string) ([]byte, error) {
	file, err := modfile.Parse("go.mod", modfile.Format(m.file.Syntax), nil)
	if err != nil {
		return nil, err
	}
	for _, r := range slices.Clone(file.Replace) {
		if !ours(r.Old.Path) {
			return nil, fmt.Errorf("go.mod replaces %s: a release must not depend on a replace directive", r.Old.Path)
		}
		if err := file.DropReplace(r.Old.Path, r.Old.Version); err != nil {
			return nil, err
		}
	}
	for _, path := range m.siblings() {
		if err := file.AddRequire(path, version); err != nil {
			return nil, err
		}
	}
	file.Cleanup()
	return file.Format()
}

// addSums adds the lines of the modules that m requires to its go.sum.
func (m *goModule) addSums(name string, sums map[string][]string) error {
	old, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	lines := slices.DeleteFunc(strings.Split(string(old), "\n"), func(line string) bool { return line == "" })
	for _, path := range m.siblings() {
		lines = append(lines, sums[path]...)
	}
	slices.Sort(lines)
	return os.WriteFile(name, []byte(strings.Join(slices.Compact(lines), "\n")+"\n"), 0o644)
}

// copyTree copies the files of a module: what the repository ignores, and the modules
// below it, stay behind.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return enter(to, path, name)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), data, 0o644)
	})
}

func enter(to, path, name string) error {
	if name == "." {
		return nil
	}
	if name == ".git" || name == ".cache" || name == "node_modules" {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
		return fs.SkipDir // a module below this one
	}
	return os.MkdirAll(filepath.Join(to, name), 0o755)
}

func (m *goModule) pack(name, tree, version string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := zip.CreateFromDir(f, module.Version{Path: m.path, Version: version}, tree); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// writeMeta writes what a proxy serves beside the zip file.
func writeMeta(place, version string, mod []byte) error {
	info, err := json.Marshal(map[string]any{"Version": version, "Time": time.Now().UTC().Format(time.RFC3339)})
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{version + ".info": info, version + ".mod": mod, "list": []byte(version + "\n")} {
		if err := os.WriteFile(filepath.Join(place, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func sumLines(place, path, version string) ([]string, error) {
	all, err := dirhash.HashZip(filepath.Join(place, version+".zip"), dirhash.Hash1)
	if err != nil {
		return nil, err
	}
	mod, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return os.Open(filepath.Join(place, version+".mod"))
	})
	if err != nil {
		return nil, err
	}
	return []string{path + " " + version + " " + all, path + " " + version + "/go.mod " + mod}, nil
}
