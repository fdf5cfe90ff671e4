#!/bin/sh
# write-commit.sh PACKAGE OUTPUT: writes BuildCommit.swift with the commit of PACKAGE, only if it changed.
set -eu
commit=$(git -C "$1" rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
if [ "$commit" != unknown ] && [ -n "$(git -C "$1" status --porcelain --untracked-files=no 2>/dev/null)" ]; then
    commit="$commit-modified"
fi
text="let buildCommit = \"$commit\""
file="$2/BuildCommit.swift"
[ -f "$file" ] && [ "$(cat "$file")" = "$text" ] && exit 0
printf '%s\n' "$text" >"$file"
