#!/usr/bin/env bash
# demo.sh: a real data set into an encrypted file without any Redis, then into a throwaway Redis and back.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
redis_pid=
hold_pid=
finish() {
    local pid
    for pid in $hold_pid $redis_pid; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    # Whoever waits for a sign in there ends with it.
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

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

step "Install the packages that are missing"
timed Scripts/install-deps.sh --demo

step "Build the command in release"
build() { swift build -c release --product cachekit >"$scratch/build.log" 2>&1 || { tail -n 30 "$scratch/build.log"; exit 1; }; }
timed build
cachekit=$PWD/.build/release/cachekit
"$cachekit" --version | sed 's/^/   /'

step "Make a master key"
generate() { (umask 077 && "$cachekit" keys generate >"$scratch/key"); }
timed generate
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
[ "$count" -ge 12000 ] || failed "these are not the 12,000 entries of the data set"

step "Import them into an encrypted SQLite file; there is no Redis"
timed run import "$scratch/entries.ndjson" "${key[@]}"

step "Read some back"
timed run get iso_3166-2:CH-ZH "${key[@]}"
timed run get iso_639-3:gsw "${key[@]}"
timed run stats "${key[@]}"

step "Look for their names and keys in the file and, while a process has it open, its write-ahead log"
hold() {
    # Written once more by a process that stays until its input ends, so that the log is there to be looked at.
    { cat "$scratch/entries.ndjson"; while [ -d "$scratch" ] && [ ! -e "$scratch/copied" ]; do sleep 0.05; done; } |
        "$cachekit" import "${key[@]}" >/dev/null &
    hold_pid=$!
    local size=0
    for _ in $(seq 200); do
        size=$(stat -c %s "$scratch/cache.db-wal" 2>/dev/null || echo 0)
        if [ "$size" -gt 1000000 ] || ! kill -0 "$hold_pid" 2>/dev/null; then break; fi
        sleep 0.05
    done
    [ "$size" -gt 1000000 ] || failed "the log did not come to hold anything"
    cat "$scratch"/cache.db "$scratch"/cache.db-wal >"$scratch/seen"
    ls -l "$scratch" | awk '/cache.db/ { print "   " $9 ": " $5 " bytes" }'
    touch "$scratch/copied"
    wait "$hold_pid"
    hold_pid=
}
timed hold
names() {
    # Shorter ones could turn up in random bytes.
    python3 - "$scratch/entries.ndjson" >"$scratch/names" <<'PY'
import json, sys
found = set()
for line in open(sys.argv[1], encoding="utf-8"):
    entry = json.loads(line)
    found.add(entry["key"])
    found.update(text for member, text in entry["value"].items() if "name" in member)
print("\n".join(sorted(text for text in found if len(text.encode()) >= 8)))
PY
}
timed names
# Whether any line of the first file stands in the second one; shows which.
found() {
    LC_ALL=C grep -aoFf "$1" "$2" >"$scratch/found" || true
    head -n 5 "$scratch/found"
    [ -s "$scratch/found" ]
}
leaks() {
    local here
    # The same search finds them where they are readable, in every line.
    here=$(LC_ALL=C grep -acFf "$scratch/names" "$scratch/entries.ndjson")
    [ "$here" = "$count" ] || failed "the search finds names in $here of $count readable lines only"
    found "$scratch/names" "$scratch/seen" && failed "names were found in the file or its log"
    echo "   none of $(wc -l <"$scratch/names") names and keys of at least 8 bytes is found"
}
timed leaks

step "Open every row"
timed run verify "${key[@]}"

if ! command -v redis-server >/dev/null; then
    step "No redis-server here: the second half is left out"
    exit 0
fi

step "Start a throwaway Redis on a unix socket"
serve() {
    for _ in $(seq 100); do [ -S "$scratch/redis.sock" ] && return; sleep 0.05; done
    tail -n 5 "$scratch/redis.log"
    failed "redis-server did not start"
}
redis-server --port 0 --unixsocket "$scratch/redis.sock" --save '' --appendonly no --rdbcompression no --dir "$scratch" >"$scratch/redis.log" 2>&1 &
redis_pid=$!
timed serve
url=redis+unix://$scratch/redis.sock
echo "   process $redis_pid"

step "Push everything"
timed run sync push --redis "$url" "${key[@]}"
timed run sync status --redis "$url" "${key[@]}"

step "Read it back from Redis alone"
unset CACHEKIT_DATABASE
timed run get iso_3166-2:CH-ZH --redis "$url" "${key[@]}"
timed run get iso_639-3:gsw --redis "$url" "${key[@]}"
held=$(redis-cli -s "$scratch/redis.sock" --scan | grep -cv '^ckv:')
echo "   Redis holds $held keys"
[ "$held" = "$count" ] || failed "Redis holds $held keys, not $count"
compare() {
    python3 - "$scratch/entries.ndjson" "$cachekit" --redis "$url" "${key[@]}" <<'PY'
import json, subprocess, sys
path, command, *options = sys.argv[1:]
sample = open(path, encoding="utf-8").read().splitlines()[::31]
for line in sample:
    entry = json.loads(line)
    read = subprocess.run([command, "get", entry["key"], *options], stdout=subprocess.PIPE)
    if read.returncode != 0 or json.loads(read.stdout) != entry["value"]:
        sys.exit(f"demo: {entry['key']} came back as {read.stdout!r}")
print(f"   {len(sample)} entries, one in 31, are what went in")
PY
}
timed compare
readable() {
    if redis-cli -s "$scratch/redis.sock" --no-raw get iso_639-3:gsw | grep -q -a "Swiss"; then
        failed "the value is readable in Redis"
    fi
    redis-cli -s "$scratch/redis.sock" save >/dev/null
    LC_ALL=C grep -v '^iso_' "$scratch/names" >"$scratch/values"
    found "$scratch/values" "$scratch/dump.rdb" && failed "names are readable in Redis"
    echo "   and none of the names is readable there; keys are, so that other SDKs find them"
}
timed readable

step "Done; nothing is left running"
