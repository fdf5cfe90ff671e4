"""One end writes, the other reads: generated values under keys of generated arguments."""

import datetime
import unicodedata
import uuid

from cachekit import cache
from cachekit.backends.redis import RedisBackend
from cachekit.interop import encode_interop_value

import values
from ends import NOT_CALLED, TTL
from peer import Refused
from report import Section

CASES = 250
TYPED_CASES = 100


def python_writes(ends):
    for mode, functions in ends.modes:
        section = Section(f"Python writes, Swift reads: {mode}")
        hits = ends.peer.ask("statistics", cache=mode)["remote_hits"]
        for case in range(CASES):
            namespace, arguments, members = ends.fresh(functions)
            functions.result = values.value(ends.random)
            held = ends.redis.dbsize()
            _, ran = functions.call(namespace, arguments, by_name=ends.random.randrange(len(arguments) + 1))
            if not ran or ends.redis.dbsize() != held + 1 or not ends.redis.exists(ends.physical_key(members)):
                section.check(False, f"case {case}: Swift's key is not the one that Python wrote;", arguments)
                continue
            try:
                section.expect(ends.get(mode, members), values.tagged(functions.result), f"case {case}:")
            except Refused as error:
                section.check(False, f"case {case}:", str(error), functions.result)
        read = ends.peer.ask("statistics", cache=mode)["remote_hits"] - hits
        section.expect(read, CASES, "reads that Redis answered:")


def swift_writes(ends):
    for mode, functions in ends.modes:
        section = Section(f"Swift writes, Python hits: {mode}")
        for case in range(CASES):
            namespace, arguments, members = ends.fresh(functions)
            value = values.value(ends.random)
            functions.result = NOT_CALLED
            try:
                key = ends.set(mode, value, members)
            except Refused as error:
                section.check(False, f"case {case}:", str(error), value)
                continue
            stored = ends.redis.get(key)
            result, ran = functions.call(namespace, arguments, by_name=ends.random.randrange(len(arguments) + 1))
            section.check(
                not ran and values.tagged(result) == values.tagged(value) and ends.redis.get(key) == stored,
                f"case {case}: found", result, "expected", value)
            if mode == "plain" and stored != encode_interop_value(value):
                section.check(False, f"case {case}: other bytes than Python's,", stored, "for", value)


def defaults(ends):
    """Names, defaults and omitted arguments give one key: the flat list with every default filled in."""
    section = Section("Defaults and names, both ways")
    calls = []

    @cache(interop="defaults", namespace="proof", ttl=TTL, backend=RedisBackend(ends.url), l1_enabled=False)
    def function(first, second=7, *, third="x", fourth=None):
        calls.append(first)
        return NOT_CALLED

    attempts = [
        (lambda: function(1), [1, 7, "x", None]),
        (lambda: function(first=2), [2, 7, "x", None]),
        (lambda: function(3, 8), [3, 8, "x", None]),
        (lambda: function(4, third="y"), [4, 7, "y", None]),
        (lambda: function(fourth=[1.0], second=2.0, first=5), [5, 2, "x", [1]]),
    ]
    for attempt, arguments in attempts:
        tagged = [values.tagged_argument(argument) for argument in arguments]
        ends.set("plain", arguments, dict(namespace="proof", operation="defaults", type="document", arguments=tagged))
        section.expect(attempt(), arguments, "the hit")
    section.expect(calls, [], "calls of the function")


def dates(ends):
    for mode, functions in ends.modes:
        section = Section(f"Dates as Swift's Date, both ways: {mode}")
        for case in range(TYPED_CASES):
            date = values.moment(ends.random, first=1900, last=2200)
            namespace, arguments, members = ends.fresh(functions)
            members["type"] = "date"
            if case % 2:
                functions.result = date
                functions.call(namespace, arguments)
                section.expect(ends.get(mode, members), values.tagged(as_swift_writes(date)), f"case {case}:")
            else:
                functions.result = NOT_CALLED
                ends.set(mode, date, members)
                result, ran = functions.call(namespace, arguments)
                section.check(not ran and result == date and result.tzinfo is not None, f"case {case}:", result, date)


def records(ends):
    for mode, functions in ends.modes:
        section = Section(f"A Codable struct and a dict, both ways: {mode}")
        for case in range(TYPED_CASES):
            record = random_record(ends.random)
            namespace, arguments, members = ends.fresh(functions)
            members["type"] = "record"
            if case % 2:
                functions.result = record
                functions.call(namespace, arguments)
                section.expect(ends.get(mode, members), values.tagged(normalised(record)), f"case {case}:")
            else:
                functions.result = NOT_CALLED
                ends.set(mode, record, members)
                result, ran = functions.call(namespace, arguments)
                section.check(not ran and result == record, f"case {case}:", result, record)


def random_record(random, depth=0):
    """The members of `Record` in Tests/InteropPeer."""
    record = {
        "id": random.getrandbits(64),
        "name": values.string(random),
        "born": values.moment(random, first=1900, last=2200),
        "reference": str(uuid.UUID(bytes=random.randbytes(16))),
        "score": values.float64(random),
        "tags": tags(random),
        "picture": values.raw(random),
        "children": [random_record(random, depth + 1) for _ in range(random.randrange(3) if depth < 2 else 0)],
    }
    if random.random() < 0.5:
        record["nickname"] = values.string(random)
    return record


def tags(random):
    """Keys that differ by more than Unicode normalisation: a Swift dictionary takes the others for one."""
    keys = {unicodedata.normalize("NFC", values.key(random)): None for _ in range(random.randrange(4))}
    return {key: random.randrange(-(2**63), 2**63) for key in keys}


def as_swift_writes(date):
    """The map that stands for a date: UTC, always six digits of a second."""
    text = date.astimezone(datetime.timezone.utc).isoformat(timespec="microseconds")
    return {"__datetime__": True, "value": text}


def normalised(record):
    """The record with its dates as Swift writes them."""
    children = [normalised(child) for child in record["children"]]
    return record | {"born": as_swift_writes(record["born"]), "children": children}
