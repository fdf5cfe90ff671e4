"""Each end sees how long the other's entries live, and that they are gone."""

import time

import values
from ends import TTL, Functions
from report import Section


def lifetimes(ends):
    section = Section("Time to live, expiry and deletion, both ways")
    for mode, functions in ends.modes:
        remaining(ends, section, mode, functions)
        deleted_and_expired(ends, section, mode, functions)
        without_expiry(ends, section, mode)


def remaining(ends, section, mode, functions):
    key = dict(master_key=ends.key, tenant=ends.tenant) if mode == "secure" else {}
    watching = ends.open(f"{mode} with memory", memory=1 << 20, **key)
    namespace, arguments, members = ends.fresh(functions)
    functions.result = "python"
    functions.call(namespace, arguments)
    ends.get(watching, members)
    left = ends.peer.ask("remaining", cache=watching, **members)["milliseconds"]
    section.check(left is not None and (TTL - 60) * 1000 < left <= TTL * 1000, f"Swift sees of Python's {TTL} s:", left)

    _, _, members = ends.fresh(functions)
    left = ends.redis.pttl(ends.set(mode, 1, members, milliseconds=123_456))
    section.check(63_456 < left <= 123_456, "Python sees of Swift's 123,456 ms:", left)


def deleted_and_expired(ends, section, mode, functions):
    namespace, arguments, members = ends.fresh(functions)
    functions.result = "recomputed"
    key = ends.set(mode, 1, members)
    ends.peer.ask("delete", cache=mode, **members)
    section.expect(functions.call(namespace, arguments), ("recomputed", True), "after Swift's delete")
    functions.function(namespace, len(arguments)).invalidate_cache(*arguments)
    section.expect(ends.get(mode, members), None, "after Python's delete:")

    ends.set(mode, "short", members, milliseconds=30)
    deadline = time.monotonic() + 5
    while ends.redis.exists(key) and time.monotonic() < deadline:
        time.sleep(0.01)
    section.expect(functions.call(namespace, arguments), ("recomputed", True), "after Swift's value expired")


def without_expiry(ends, section, mode):
    encryption = ends.encryption() if mode == "secure" else dict(encryption=False)
    forever = Functions(ends.url, f"forever_{mode}", ttl=None, **encryption)
    namespace, arguments, members = ends.fresh(forever)
    forever.result = "no expiry"
    forever.call(namespace, arguments)
    section.expect(ends.redis.pttl(ends.physical_key(members)), -1, "Python's ttl=None:")
    section.expect(ends.get(mode, members), values.tagged("no expiry"), "Swift reads what never expires:")
