#!/usr/bin/env bash
# fuzz.sh [PROGRAM...]: builds the fuzzing programs (all unless named) and runs each for FUZZ_SECONDS (default 60) from its
# seeds in Fuzz/Corpus. What it finds new is kept in .build/fuzz, and so are inputs that fail: run a program on one to see it.
set -euo pipefail
cd "$(dirname "$0")/.."

programs=("$@")
[ ${#programs[@]} -gt 0 ] || programs=(FuzzRESP FuzzRedisURL FuzzMessagePack FuzzEnvelope FuzzJSON)
# Given here and not in the manifest: so they reach every module. A debug build would not reach many inputs a second.
# lld, because gold, the default, fails on the debug information of these builds.
flags=(-c release --package-path Fuzz -Xswiftc -sanitize=fuzzer,address -Xswiftc -enable-testing -Xswiftc -use-ld=lld)
# A crash would else hang in Swift's backtracer.
export SWIFT_BACKTRACE=enable=no
# Swift's runtime keeps metadata for ever.
export ASAN_OPTIONS=detect_leaks=0

for program in "${programs[@]}"; do
    "${SWIFT:-swift}" build "${flags[@]}" --product "$program"
done
bin=$("${SWIFT:-swift}" build "${flags[@]}" --show-bin-path)
for program in "${programs[@]}"; do
    mkdir -p ".build/fuzz/$program"
    echo "fuzz: $program for ${FUZZ_SECONDS:-60} s"
    "$bin/$program" -max_total_time="${FUZZ_SECONDS:-60}" -max_len=4096 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -verbosity=0 -artifact_prefix=".build/fuzz/$program-" ".build/fuzz/$program" "Fuzz/Corpus/$program"
done
