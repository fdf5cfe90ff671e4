#!/usr/bin/env bash
# interop.sh: the live proof. The real Python SDK and CacheKit for Swift read and refuse what the other wrote, on one
# throwaway Redis. SEED=n repeats a run.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
redis_pid=
proof_pid=
finish() {
    local pid
    for pid in $proof_pid $redis_pid; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

failed() { echo "interop: $*" >&2; exit 1; }
# Runs quietly; the end of its output is shown only if it fails.
quietly() {
    local problem=$1
    shift
    "$@" >"$scratch/log" 2>&1 || { tail -n 30 "$scratch/log" >&2; failed "$problem"; }
}

seed=${SEED:-$(od -An -N6 -tu8 /dev/urandom | tr -d ' ')}
[[ $seed =~ ^[0-9]{1,18}$ ]] || failed "SEED is a number of at most 18 digits, not '$seed'"
command -v redis-server >/dev/null || failed "no redis-server in PATH; install it (Debian: apt-get install redis-server)"
command -v python3 >/dev/null || failed "no python3 in PATH; install it (Debian: apt-get install python3-venv)"

# Neither SDK may take a key, a tenant or an address from whoever runs this.
for variable in $(compgen -e CACHEKIT_) REDIS_URL REDIS_POOL_SIZE; do unset "$variable"; done

venv=$PWD/.build/interop-venv
version() {
    "$venv/bin/python" -c '
import sys
from importlib.metadata import version
import cachekit, redis
found = version("cachekit")
print(found)
sys.exit(tuple(map(int, found.split(".")[:2])) < (0, 24))' 2>/dev/null
}
if ! version >/dev/null; then
    echo "interop: installing the Python package cachekit into .build/interop-venv"
    rm -rf "$venv"
    mkdir -p .build
    quietly "no virtual environment can be made; install python3-venv" python3 -m venv "$venv"
    quietly "pip can't install cachekit; is the network there?" \
        "$venv/bin/pip" install --quiet --disable-pip-version-check 'cachekit>=0.24'
    version >/dev/null || failed "the installed package cachekit does not load, or is older than 0.24"
fi

quietly "the Swift peer does not build" swift build --product InteropPeer
quietly "the command does not build" swift build --product cachekit
binaries=$(swift build --show-bin-path)
peer=$binaries/InteropPeer

redis-server --port 0 --unixsocket "$scratch/redis.sock" --save '' --appendonly no --dir "$scratch" >"$scratch/redis.log" 2>&1 &
redis_pid=$!
for _ in $(seq 100); do [ -S "$scratch/redis.sock" ] && break; sleep 0.05; done
[ -S "$scratch/redis.sock" ] || { tail -n 5 "$scratch/redis.log" >&2; failed "redis-server did not start"; }

echo "interop: Python package cachekit $(version), $(redis-server --version | cut -d' ' -f1-3), process $redis_pid"
status=0
# In the background, because a shell hears signals only while it waits.
PYTHONDONTWRITEBYTECODE=1 timeout --kill-after=10 900 "$venv/bin/python" Tests/Interop/proof.py --peer "$peer" --command "$binaries/cachekit" --seed "$seed" \
    --python-url "unix://$scratch/redis.sock" --swift-url "redis+unix://$scratch/redis.sock" &
proof_pid=$!
wait "$proof_pid" || status=$?
proof_pid=
case $status in
    0) ;;
    124 | 137) failed "the proof did not end within 15 minutes (seed $seed)" ;;
    *) failed "the proof failed with status $status (seed $seed)" ;;
esac
