#!/usr/bin/env bash
# consumer.sh: two packages that depend on this checkout, built from nothing: one without `@Cached`, for which swift-syntax is
# not built, and one with it.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed() { echo "consumer: $*" >&2; exit 1; }

# Builds and runs a consumer; its output in $scratch/NAME.out, what was built below $scratch/NAME.
run() {
    local start=$SECONDS
    swift build --package-path "Tests/Consumers/$1" --scratch-path "$scratch/$1" >"$scratch/$1.log" 2>&1 ||
        { tail -n 30 "$scratch/$1.log" >&2; failed "$1 does not build"; }
    "$scratch/$1/debug/$1" >"$scratch/$1.out" || failed "$1 failed"
    echo "consumer: $1 built from nothing in $((SECONDS - start)) s"
}
# How many modules of swift-syntax were compiled.
syntax_modules() { find "$scratch/$1/" -name 'SwiftSyntax*.swiftmodule' | wc -l; }
calls() { grep -c '^greeting is called$' "$scratch/$1.out" || true; }

run CacheOnly
[ "$(syntax_modules CacheOnly)" = 0 ] || failed "swift-syntax was built for a package that uses only the cache"
[ "$(calls CacheOnly)" = 1 ] || failed "CacheOnly called its function $(calls CacheOnly) times, not once"
echo "consumer: no module of swift-syntax was built for it"

run WithMacros
# The same search finds them where they are built.
[ "$(syntax_modules WithMacros)" -gt 0 ] || failed "no module of swift-syntax is found where it must have been built"
[ "$(calls WithMacros)" = 2 ] || failed "WithMacros called its function $(calls WithMacros) times, not twice"
echo "consumer: $(syntax_modules WithMacros) modules named SwiftSyntax were built for it"
