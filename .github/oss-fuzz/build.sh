#!/bin/bash -eu
# The build script of the OSS-Fuzz project: one fuzzer for each native fuzz target.
cd "$SRC/countersign"
git grep -oE '^func Fuzz[A-Za-z0-9]+' -- '*_test.go' | sed 's|/[^/]*:func | |' | while read -r dir target; do
  module=$dir
  while [[ ! -f $module/go.mod ]]; do module=$(dirname "$module"); done
  package=$(go -C "$dir" list .)
  name=$(echo "$dir" | tr / _)_$target
  (cd "$module" && compile_native_go_fuzzer "$package" "$target" "$name")
done
