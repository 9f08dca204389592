package bench

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// table has the results of a benchmark: a row for each library, a column for each measurement.
type table struct {
	name          string
	rows, columns []string
	cells         map[[2]string]float64
}

var tables []*table

// report adds a number to the output of go test and to the benchmark's table. A sub-benchmark is
// a column, or the first part of a column's name.
func report(b *testing.B, row, column string, value float64) {
	b.ReportMetric(value, strings.ReplaceAll(strings.Trim(row+"/"+column, "/"), " ", "_"))
	name, part, _ := strings.Cut(strings.TrimPrefix(b.Name(), "Benchmark"), "/")
	tableOf(name).set(row, strings.TrimSpace(strings.ReplaceAll(part, "_", " ")+" "+column), value)
}

func (t *table) set(row, column string, value float64) {
	t.rows, t.columns = with(t.rows, row), with(t.columns, column)
	t.cells[[2]string{row, column}] = value
}

func tableOf(name string) *table {
	for _, t := range tables {
		if t.name == name {
			return t
		}
	}
	t := &table{name: name, cells: map[[2]string]float64{}}
	tables = append(tables, t)
	return t
}

func with(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func (t *table) print() {
	fmt.Printf("\n%s\n\n| | %s |\n|---|%s\n", t.name, strings.Join(t.columns, " | "), strings.Repeat("---|", len(t.columns)))
	for _, row := range t.rows {
		fmt.Printf("| %s |", row)
		for _, column := range t.columns {
			text := ""
			if v, ok := t.cells[[2]string{row, column}]; ok {
				text = fmt.Sprintf("%.4g", v)
			}
			fmt.Printf(" %s |", text)
		}
		fmt.Println()
	}
}

// TestMain prints the tables at the end.
func TestMain(m *testing.M) {
	code := m.Run()
	for _, t := range tables {
		t.print()
	}
	os.Exit(code)
}
