#!/bin/bash -eu
# The build script of the OSS-Fuzz project: one fuzzer for each native fuzz target. It changes the
# checkout, which is thrown away.
#
# OSS-Fuzz compiles the tests of a directory as files of one ordinary package. So tests of an
# external package move to another directory, with the package name "external".
cd "$SRC/countersign"

# export_test.go exports names for the external tests, so both packages need it.
move_external() {
  local dir=$1 file
  mkdir "$dir/external"
  for file in $(go -C "$dir" list -f '{{join .XTestGoFiles " "}}' .); do
    sed 's/^package [a-z0-9]*_test$/package external/' "$dir/$file" >"$dir/external/$file"
    rm "$dir/$file"
  done
  [[ ! -f $dir/export_test.go ]] || mv "$dir/export_test.go" "$dir/export.go"
}

git grep -lE '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u | while read -r dir; do
  module=$dir
  while [[ ! -f $module/go.mod ]]; do module=$(dirname "$module"); done
  move_external "$dir"
  go -C "$module" get github.com/AdamKorcz/go-118-fuzz-build/testing
  grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9]+' "$dir"/*_test.go "$dir/external" | sed 's|/[^/]*:func | |' | while read -r place target; do
    package=$(go -C "$place" list .)
    (cd "$module" && compile_native_go_fuzzer_v2 "$package" "$target" "$(echo "$place" | tr / _)_$target")
  done
done
