#!/usr/bin/env bash
# install-deps.sh [--demo | --bench]: installs the Debian packages that are missing; says nothing and asks nothing when none is.
# For --bench also libcachesim, into a Python environment of its own under .build.
set -euo pipefail

packages=(libsqlite3-dev libssl-dev liblz4-dev libxxhash-dev libhiredis-dev pkg-config redis-server git)
case "${1:-}" in
    "") packages+=(python3-venv) ;;
    --demo) packages+=(iso-codes python3) ;;
    --bench) packages+=(libsqlcipher-dev gcc libc6-dev python3-venv) ;;
    *) echo "usage: install-deps.sh [--demo | --bench]" >&2; exit 2 ;;
esac

# What hit ratios are compared with; the bench does without it and says so.
install_peers() {
    [ "$1" = --bench ] || return 0
    local version=0.3.5 folder
    folder=$(dirname "$0")/../.build/libcachesim
    [ ! -e "$folder/$version" ] || return 0
    echo "install-deps: installing libcachesim $version from PyPI into .build/libcachesim"
    rm -rf "$folder"
    if python3 -m venv "$folder" && "$folder/bin/pip" install -q --disable-pip-version-check "libcachesim==$version"; then
        touch "$folder/$version"
    else
        rm -rf "$folder"
        echo "install-deps: libcachesim can't be installed; hit ratios come without those of other policies" >&2
    fi
}
if ! command -v swift >/dev/null; then
    echo "install-deps: no swift in PATH; install a Swift 6.3 toolchain from https://www.swift.org/install/linux/" >&2
    exit 1
fi
if ! command -v dpkg-query >/dev/null; then
    echo "install-deps: this is not Debian; install yourself what corresponds to: ${packages[*]}" >&2
    install_peers "${1:-}"
    exit 0
fi

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    install_peers "${1:-}"
    exit 0
fi

as_root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "install-deps: run as root: apt-get install ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
fi
# Debian would start the server as a service; ours are throwaway ones. policy-rc.d keeps it from starting, and goes again.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ] && [[ " ${missing[*]} " == *" redis-server "* ]]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
fi
echo "install-deps: installing ${missing[*]}"
log=$(mktemp)
if ! { "${as_root[@]}" apt-get update -qq &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "install-deps: apt-get failed; the whole log is $log" >&2
    exit 1
fi
rm -f "$log"
install_peers "${1:-}"
