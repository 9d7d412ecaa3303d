#!/bin/sh
# Build the native modules with the address and undefined-behaviour sanitizers in a copy of the tree, and fuzz that.
# Usage: asan.sh PYTHON [--seconds N]
set -eu
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
source=$(cd "$(dirname "$0")/../.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r "$source/pipeline" "$source/processors" "$source/tests" "$source/setup.py" "$source/pyproject.toml" "$source/README.md" "$source/LICENSE" "$copy"
cd "$copy"
find . -name '*.so' -delete
WEIR_SANITIZE=address,undefined WEIR_REQUIRE_NATIVE=1 "$python" setup.py -q build_ext --inplace
runtime=$(gcc -print-file-name=libasan.so)
# Python itself leaks at exit on purpose; its allocator would hide overruns inside its arenas.
LD_PRELOAD="$runtime" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 PYTHONMALLOC=malloc \
  PYTHONPATH="$copy" "$python" -m tests.fuzz "$@"
