#!/usr/bin/env bash
# sanitize.sh [address|thread]: runs the tests under one sanitizer, or both in turn.
set -euo pipefail
cd "$(dirname "$0")/.."

run() {
    echo "== $1 sanitizer"
    local scratch=$PWD/.build-$1
    # Crash rounds kill processes and gain nothing here.
    export SWIFT_BACKTRACE=enable=no CACHEKIT_CRASH_ROUNDS=3 CACHEKIT_SANITIZED=1
    swift build --build-tests --sanitize="$1" --scratch-path "$scratch"
    local options=(ASAN_OPTIONS=detect_leaks=0)  # the harness itself leaks a few bytes
    if [ "$1" = thread ]; then
        # The toolchain's own clang: gcc does not know Swift's calling convention.
        local clang preload=$scratch/thread-sanitizer-mutex.so
        clang=$(dirname "$(readlink -f "$(command -v swift)")")/clang
        options=(TSAN_OPTIONS="suppressions=$PWD/Scripts/thread-sanitizer-suppressions.txt")
        # Elsewhere a Mutex is another lock, one that the sanitizer knows.
        if [ "$(uname)" = Linux ]; then
            "$clang" -shared -fPIC -O1 -o "$preload" Scripts/thread-sanitizer-mutex.c -ldl
            options+=(LD_PRELOAD="$preload")
        fi
    fi
    env "${options[@]}" swift test --skip-build --sanitize="$1" --scratch-path "$scratch" --no-parallel
}
case "${1:-both}" in
    address | thread) run "$1" ;;
    both)
        run address
        run thread
        ;;
    *) echo "usage: sanitize.sh [address|thread]" >&2; exit 2 ;;
esac
