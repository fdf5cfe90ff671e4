"""Random arguments and values of the interop profile, and the tagged form in which both ends compare them."""

import datetime
import struct
import uuid

INTEGERS = (
    [0, 1, -1, 31, 32, -32, -33, 127, 128, -128, -129, 255, 256, 32767, 32768, -32768, -32769, 65535, 65536]
    + [2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**32 - 1, 2**32, 2**53, 2**53 + 1, -(2**53) - 1]
    + [2**63 - 1, 2**63, 2**64 - 1, 2**64 - 2, -(2**63), -(2**63) + 1]
)
FLOATS = (
    [0.0, -0.0, 1.0, -1.0, 2.0, 2.5, -7.25, 0.1, 1 / 3, 1e-7, 1e15, 1e16, 1e21, 1e22, 1e300, -1e300, 5e-324]
    + [2.2250738585072014e-308, 1.7976931348623157e308, 2.0**53, 2.0**62, 2.0**63, -(2.0**63), 2.0**64]
    + [18446744073709549568.0, 9223372036854774784.0, -9223372036854777856.0]
)
STRINGS = (
    ["", "a", "caf\u00e9", "cafe\u0301", "e\u0301\u0323", "\uac00\u1100\u1161", "\u0000", "\n", '"\\']
    + ["\u2028\u2029", "\ufeff", "\ud7ff\ue000\ufffd", "\U0001f600", "\U0001d11e\U0010ffff"]
    + ["\U0001f468\u200d\U0001f469\u200d\U0001f467", "$bytes", "__datetime__"]
)
LENGTHS = [15, 16, 31, 32, 255, 256, 1000]
LONG_LENGTHS = [65535, 65536]


def length(random):
    return random.choice(LONG_LENGTHS if random.random() < 0.02 else LENGTHS)


def character(random):
    plane = random.randrange(4)
    if plane == 0:
        return chr(random.randrange(0x20, 0x7F))
    if plane == 1:
        return chr(random.randrange(0x80, 0xD800))
    if plane == 2:
        return chr(random.randrange(0xE000, 0x10000))
    return chr(random.randrange(0x10000, 0x110000))


def string(random):
    choice = random.randrange(10)
    if choice < 4:
        return random.choice(STRINGS)
    if choice == 4:
        return random.choice("ab\u00e9\u20ac\U0001f600") * length(random)
    return "".join(character(random) for _ in range(random.randrange(24)))


def integer(random):
    if random.random() < 0.5:
        return random.choice(INTEGERS)
    bits = random.randrange(1, 65)
    return random.getrandbits(bits) if random.random() < 0.6 else -random.getrandbits(min(bits, 63))


def float64(random):
    choice = random.randrange(4)
    if choice == 0:
        return random.choice(FLOATS)
    if choice == 1:
        return float(random.randrange(-(10**6), 10**6))
    if choice == 2:
        return random.uniform(-1e6, 1e6)
    while True:
        value = struct.unpack(">d", random.randbytes(8))[0]
        if value == value and abs(value) != float("inf"):
            return value


def zone(random):
    choice = random.randrange(4)
    if choice == 0:
        return datetime.timezone.utc
    if choice == 1:
        return datetime.timezone(datetime.timedelta(minutes=15 * random.randrange(-50, 57)))
    if choice == 2:
        return datetime.timezone(datetime.timedelta(minutes=random.randrange(-1439, 1440)))
    return datetime.timezone(datetime.timedelta(seconds=random.randrange(-86399, 86400)))


def moment(random, first=1, last=9999):
    year = random.choice([first, last, 1969, 1970, 2000, 2024, 2038, random.randrange(first, last + 1)])
    return datetime.datetime(
        year, random.randrange(1, 13), random.randrange(1, 29), random.randrange(24), random.randrange(60),
        random.randrange(60), random.choice([0, 1, 999999, random.randrange(10**6)]), tzinfo=zone(random),
    )  # fmt: skip


def raw(random):
    return random.randbytes(random.choice([0, 1, 2, 16, 40, length(random)]))


def scalar(random):
    return random.choice([
        lambda: None, lambda: random.random() < 0.5, lambda: integer(random), lambda: integer(random),
        lambda: float64(random), lambda: string(random), lambda: string(random), lambda: raw(random),
    ])()  # fmt: skip


def key(random):
    return string(random)[:300]


def argument(random, depth=0):
    choice = random.randrange(16 if depth < 4 else 11)
    if choice < 8:
        return scalar(random)
    if choice == 8:
        return uuid.UUID(bytes=random.randbytes(16))
    if choice <= 10:
        return moment(random)
    if choice == 11:
        return {hashable(random, depth) for _ in range(random.randrange(20))}
    if choice == 12:
        return tuple(argument(random, depth + 1) for _ in range(random.randrange(5)))
    if choice == 13:
        return [argument(random, depth + 1) for _ in range(random.randrange(20))]
    return {key(random): argument(random, depth + 1) for _ in range(random.randrange(20 if depth == 0 else 5))}


def hashable(random, depth):
    choice = random.randrange(8)
    if choice == 0 and depth < 3:
        return frozenset(hashable(random, depth + 1) for _ in range(random.randrange(4)))
    if choice == 1 and depth < 3:
        return tuple(hashable(random, depth + 1) for _ in range(random.randrange(4)))
    if choice == 2:
        return moment(random)
    if choice == 3:
        return uuid.UUID(bytes=random.randbytes(16))
    return scalar(random)


def value(random, depth=0):
    choice = random.randrange(15 if depth < 5 else 10)
    if choice < 8:
        return scalar(random)
    if choice == 8:
        return moment(random) if random.random() < 0.7 else moment(random).replace(tzinfo=None)
    if choice == 9:
        return moment(random).date() if random.random() < 0.5 else moment(random).time()
    if choice <= 11:
        return [value(random, depth + 1) for _ in range(random.randrange(20 if depth == 0 else 5))]
    return {key(random): value(random, depth + 1) for _ in range(random.randrange(20 if depth == 0 else 5))}


def tagged_argument(argument):
    """`[tag, payload]`, as `Tests/InteropPeer/TaggedValue.swift` reads it."""
    if isinstance(argument, (set, frozenset)):
        return ["set", [tagged_argument(element) for element in argument]]
    if isinstance(argument, (list, tuple)):
        return ["array", [tagged_argument(element) for element in argument]]
    if isinstance(argument, dict):
        return ["map", [[name, tagged_argument(element)] for name, element in argument.items()]]
    if isinstance(argument, uuid.UUID):
        return ["uuid", str(argument).upper()]
    if isinstance(argument, datetime.datetime):
        return ["datetime", argument.isoformat()]
    return tagged(argument)


def tagged(value):
    """`[tag, payload]`; times are the maps that stand for them on the wire, pairs are sorted by key."""
    for kind, name in ((datetime.datetime, "__datetime__"), (datetime.date, "__date__"), (datetime.time, "__time__")):
        if isinstance(value, kind):
            return ["map", [[name, ["bool", True]], ["value", ["str", value.isoformat()]]]]
    if value is None:
        return ["nil", None]
    if isinstance(value, bool):
        return ["bool", value]
    if isinstance(value, int):
        return ["int", value]
    if isinstance(value, float):
        return ["float", value]
    if isinstance(value, str):
        return ["str", value]
    if isinstance(value, bytes):
        return ["bytes", {"$bytes": value.hex()}]
    if isinstance(value, (list, tuple)):
        return ["array", [tagged(element) for element in value]]
    if isinstance(value, dict):
        return ["map", [[name, tagged(value[name])] for name in sorted(value)]]
    raise TypeError(f"{type(value).__name__} is not in the interop profile")
