"""Proves on one Redis that CacheKit for Swift and the Python SDK read what the other wrote, and refuse alike.

Run by Scripts/interop.sh. Every case is a check that counts; the first failures are printed with what was found and
expected. The generated cases come from one seed, printed first.
"""

import argparse
import sys
import time
import traceback

from command import command
from ends import Ends
from envelopes import envelopes
from exchanges import dates, defaults, python_writes, records, swift_writes
from functions import cached_functions
from lifetimes import lifetimes
from late import late_changes
from locks import locks
from refusals import outside_the_profile, own_mode, python_refuses, wrong_bytes, wrong_keys
from report import Section, summary


def run(options):
    print(f"seed {options.seed}  (SEED={options.seed} make interop repeats it)", flush=True)
    started = time.monotonic()
    ends = Ends(options)
    for step in (
        python_writes, swift_writes, cached_functions, defaults, dates, records, envelopes,
        wrong_keys, wrong_bytes, own_mode, python_refuses, outside_the_profile, lifetimes, late_changes, locks,
        command,
    ):  # fmt: skip
        try:
            step(ends)
        except Exception:
            # The other steps still tell what holds and what does not.
            Section.rows[-1].check(False, "ended early:", traceback.format_exc(limit=-2))
    Section("The Swift peer ends cleanly").expect(ends.peer.close(), 0, "exit status")
    return summary(options.seed, time.monotonic() - started)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, help="the built InteropPeer")
    parser.add_argument("--command", required=True, help="the built cachekit")
    parser.add_argument("--python-url", required=True, help="the Redis, as the Python SDK writes its address")
    parser.add_argument("--swift-url", required=True, help="the same, as CacheKit for Swift writes it")
    parser.add_argument("--seed", type=int, required=True)
    sys.exit(1 if run(parser.parse_args()) else 0)
