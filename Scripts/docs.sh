#!/usr/bin/env bash
# docs.sh: checks and builds the documentation of all libraries into .build/docs, as one DocC archive. A link that leads nowhere
# is an error.
#
# DocC resolves links within one module only, and ours name each other's symbols: so the symbols of all modules, and the catalogs
# of those that have one, are given to it as those of one module.
set -euo pipefail
cd "$(dirname "$0")/.."

swift="${SWIFT:-swift}"
modules=(CacheKitCore CacheKit CacheKitSQLite CacheKitRedis CacheKitSync CacheKitTesting)
# Beside the compiler, where swiftly or PATH have put it.
docc="${DOCC:-$(dirname "$(readlink -f "$(command -v "$swift")")")/docc}"
[ -x "$docc" ] || docc=$(command -v docc)

for module in "${modules[@]}"; do "$swift" build --target "$module"; done
bin=$("$swift" build --show-bin-path)
work=.build/docs
rm -rf "$work"
mkdir -p "$work/graphs" "$work/CacheKit.docc"

includes=()
for map in Sources/*/module.modulemap; do includes+=(-Xcc "-fmodule-map-file=$map"); done
for map in "$bin"/*.build/module.modulemap .build/checkouts/*/Sources/*/include/module.modulemap; do
    [ ! -f "$map" ] || includes+=(-Xcc "-fmodule-map-file=$map")
done
target=$("$swift" -print-target-info | sed -n 's/^ *"unversionedTriple": "\(.*\)",*/\1/p' | head -1)
for module in "${modules[@]}"; do
    "$swift" symbolgraph-extract -module-name "$module" -target "$target" -I "$bin/Modules" "${includes[@]}" \
        -minimum-access-level public -skip-synthesized-members -output-dir "$work/graphs"
done
# One module in DocC's eyes.
for graph in "$work"/graphs/*.symbols.json; do
    sed -i -E 's/"(module|name)":("|\{"name":")CacheKit(Core|SQLite|Redis|Sync|Testing)"/"\1":\2CacheKit"/g' "$graph"
done
cp Sources/CacheKit/CacheKit.docc/*.md "$work/CacheKit.docc/"
# The other module's page becomes an article.
for page in Sources/CacheKitTesting/CacheKitTesting.docc/*.md; do
    sed '1s/^# ``CacheKitTesting``$/# Testing with CacheKitTesting/' "$page" >"$work/CacheKit.docc/$(basename "$page")"
done

found=0
"$docc" convert "$work/CacheKit.docc" --additional-symbol-graph-dir "$work/graphs" --output-path "$work/CacheKit.doccarchive" \
    --fallback-display-name CacheKit --fallback-bundle-identifier cachekit >"$work/docc.log" 2>&1 || found=1
# Not every parameter needs words of its own.
if grep -E '^(warning|error):' "$work/docc.log" | grep -vE "Parameter '.*' is missing documentation" >"$work/findings"; then
    found=1
fi
if [ $found -ne 0 ]; then
    cat "$work/findings" >&2
    echo "docs: where, is in $work/docc.log" >&2
    exit 1
fi
echo "docs: $work/CacheKit.doccarchive"
