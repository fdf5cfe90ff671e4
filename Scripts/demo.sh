#!/usr/bin/env bash
# demo.sh: a real data set into an encrypted file without any Redis, then into a throwaway Redis and back.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
redis_pid=
finish() {
    if [ -n "$redis_pid" ]; then kill "$redis_pid" 2>/dev/null || true; wait "$redis_pid" 2>/dev/null || true; fi
    rm -rf "$scratch"
}
trap finish EXIT

step() { printf '\n== %s\n' "$*"; }
timed() {
    local start end
    start=$(date +%s%N)
    "$@"
    end=$(date +%s%N)
    printf '   (%d.%02d s)\n' $(((end - start) / 1000000000)) $(((end - start) / 10000000 % 100))
}
run() { printf '   $ cachekit %s\n' "$*"; "$cachekit" "$@" | sed 's/^/   /'; }
failed() { echo "demo: $*" >&2; exit 1; }

step "Build the command in release"
build() { swift build -c release --product cachekit >"$scratch/build.log" 2>&1 || { tail -n 30 "$scratch/build.log"; exit 1; }; }
timed build
cachekit=$PWD/.build/release/cachekit
"$cachekit" --version | sed 's/^/   /'

step "Make a master key"
(umask 077 && "$cachekit" keys generate >"$scratch/key")
unset CACHEKIT_MASTER_KEY CACHEKIT_PREVIOUS_MASTER_KEYS CACHEKIT_REDIS_URL
export CACHEKIT_DATABASE=$scratch/cache.db
key=(--key-file "$scratch/key")
echo "   in a file that only its owner reads"

step "Turn iso-codes (ISO 3166-2 subdivisions, ISO 639-3 languages) into NDJSON"
lines() {
    python3 - >"$scratch/entries.ndjson" <<'PY'
import json
folder = "/usr/share/iso-codes/json/"
for name, member, code in (("iso_3166-2", "3166-2", "code"), ("iso_639-3", "639-3", "alpha_3")):
    for entry in json.load(open(folder + name + ".json", encoding="utf-8"))[member]:
        print(json.dumps({"key": f"{name}:{entry[code]}", "value": entry, "ttl": 604800}, ensure_ascii=False))
PY
}
timed lines
count=$(wc -l <"$scratch/entries.ndjson")
echo "   $count entries"

step "Import them into an encrypted SQLite file; there is no Redis"
timed run import "$scratch/entries.ndjson" "${key[@]}"

step "Read some back"
run get iso_3166-2:CH-ZH "${key[@]}"
run get iso_639-3:gsw "${key[@]}"
run stats "${key[@]}"

step "Look for their names in the file and, while a process has it open, its write-ahead log"
hold() {
    # Written once more by a process that stays until its input ends, so that the log is there to be looked at.
    { cat "$scratch/entries.ndjson"; until [ -e "$scratch/copied" ]; do sleep 0.05; done; } |
        "$cachekit" import "${key[@]}" >/dev/null &
    for _ in $(seq 200); do [ "$(stat -c %s "$scratch/cache.db-wal" 2>/dev/null || echo 0)" -gt 1000000 ] && break; sleep 0.05; done
    cat "$scratch"/cache.db* >"$scratch/seen"
    ls -l "$scratch" | awk '/cache.db/ { print "   " $9 ": " $5 " bytes" }'
    touch "$scratch/copied"
    wait $!
}
leaks() {
    local name
    for name in Zürich Appenzell Bretagne Okayama "Swiss German" Quechua iso_3166-2 iso_639-3 CH-ZH; do
        grep -q -- "$name" "$scratch/entries.ndjson" || failed "the marker is not in the data set"
        if grep -q -a -- "$name" "$scratch/seen"; then failed "a name was found in the file"; fi
        echo "   $name: not found"
    done
}
hold
timed leaks

step "Open every row"
timed run verify "${key[@]}"

if ! command -v redis-server >/dev/null; then
    step "No redis-server here: the second half is left out"
    exit 0
fi

step "Start a throwaway Redis on a unix socket"
redis-server --port 0 --unixsocket "$scratch/redis.sock" --save '' --appendonly no --dir "$scratch" >"$scratch/redis.log" 2>&1 &
redis_pid=$!
for _ in $(seq 100); do [ -S "$scratch/redis.sock" ] && break; sleep 0.05; done
[ -S "$scratch/redis.sock" ] || { tail -n 5 "$scratch/redis.log"; failed "redis-server did not start"; }
url=redis+unix://$scratch/redis.sock
echo "   process $redis_pid"

step "Push everything"
timed run sync push --redis "$url" "${key[@]}"
run sync status --redis "$url" "${key[@]}"

step "Read it back from Redis alone"
unset CACHEKIT_DATABASE
run get iso_3166-2:CH-ZH --redis "$url" "${key[@]}"
run get iso_639-3:gsw --redis "$url" "${key[@]}"
held=$(redis-cli -s "$scratch/redis.sock" dbsize)
echo "   Redis holds $held keys"
[ "$held" = "$count" ] || failed "Redis holds $held keys, not $count"
if redis-cli -s "$scratch/redis.sock" get iso_639-3:gsw | grep -q -a "Swiss"; then failed "the value is readable in Redis"; fi
echo "   and none of the values is readable there"

step "Done; nothing is left running"
