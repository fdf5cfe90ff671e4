"""ByteStorage envelopes: the Python package's own storage class against Swift's."""

import json

from cachekit._rust_serializer import ByteStorage

from peer import Refused
from report import Section

CASES = 250


def envelopes(ends):
    storage = ByteStorage("msgpack")
    written = Section("Envelopes: Python stores, Swift opens")
    read = Section("Envelopes: Swift packs, Python retrieves")
    altered = Section("Envelopes: altered, Swift no laxer than Python")
    for case in range(CASES):
        payload = random_payload(ends.random)
        found = ask(ends, "unpack", bytes(storage.store(payload, None)))
        written.check(found == payload, f"case {case}: {len(payload)} bytes")
        envelope = ask(ends, "pack", payload)
        result, form = storage.retrieve(envelope)
        read.check(bytes(result) == payload and form == "msgpack", f"case {case}: {len(payload)} bytes")
        compare_altered(ends, altered, storage, envelope, payload, case)


def compare_altered(ends, section, storage, envelope, payload, case):
    """One bit is altered or the end cut off: Swift opens it to the original's bytes, and only where Python does."""
    envelope = bytearray(envelope)
    position = ends.random.randrange(len(envelope))
    if ends.random.random() < 0.2:
        del envelope[position:]
    else:
        envelope[position] ^= 1 << ends.random.randrange(8)
    try:
        found = ask(ends, "unpack", envelope)
    except Refused as error:
        section.expect(error.code, "invalidEnvelope", f"case {case}: Swift's refusal")
        return
    section.check(found == payload, f"case {case}: Swift gave other bytes than the original's")
    try:
        result, form = storage.retrieve(bytes(envelope))
        section.check(bytes(result) == payload and form == "msgpack", f"case {case}: Python gave other bytes")
    except Exception as error:
        section.check(False, f"case {case}: Swift opened what Python refused:", error, bytes(envelope))


def random_payload(random):
    """Noise, one byte again and again, or JSON that repeats itself; now and then large."""
    size = random.choice([0, 1, 7, 100, 1000, 4096, random.randrange(20_000)])
    if random.random() < 0.05:
        size = random.choice([65535, 65536, random.randrange(200_000)])
    kind = random.randrange(3)
    if kind == 0:
        return random.randbytes(size)
    if kind == 1:
        return bytes([random.randrange(256)]) * size
    return (json.dumps({"name": "value", "number": random.random()}).encode() * (size // 20 + 1))[:size]


def ask(ends, do, payload):
    answer = ends.peer.ask(do, bytes={"$bytes": payload.hex()})
    return bytes.fromhex(answer["bytes"]["$bytes"])
