"""Hit ratios of other policies on a trace, computed by libcachesim.

usage: hit_ratios.py TRACE.gz ENTRIES...

A trace is one key per line, in order of access. Prints `policy TAB entries TAB ratio`. Every entry weighs one.
"""

import gzip
import sys

import libcachesim

POLICIES = {
    "LRU": libcachesim.LRU,
    "S3-FIFO": libcachesim.S3FIFO,
    "W-TinyLFU": libcachesim.WTinyLFU,
    "LIRS": libcachesim.LIRS,
    "ARC": libcachesim.ARC,
}


def ratio(policy, entries, keys):
    cache = POLICIES[policy](entries)
    request = libcachesim.Request()
    request.obj_size = 1
    hits = 0
    for key in keys:
        request.obj_id = key
        hits += cache.get(request)
    return hits / len(keys)


def main():
    numbers = {}
    with gzip.open(sys.argv[1], "rt") as trace:
        keys = [numbers.setdefault(line, len(numbers) + 1) for line in trace]
    for entries in map(int, sys.argv[2:]):
        for policy in POLICIES:
            print(policy, entries, ratio(policy, entries, keys), sep="\t")


main()
