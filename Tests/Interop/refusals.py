"""What must not be read: wrong keys, tenants, modes and bytes, and what has no place in the profile."""

import datetime
import logging

from cachekit import cache
from cachekit.backends.redis import RedisBackend
from cachekit.config import ConfigurationError
from cachekit.interop import InteropError, encode_interop_value
from cachekit.serializers.encryption_wrapper import DecryptionAuthenticationError

import values
from ends import NOT_CALLED, TTL, Functions
from report import Section


def wrong_keys(ends):
    """Only the key that sealed an entry opens it, for its tenant."""
    section = Section("Wrong key or tenant: refused by Swift")
    members = python_entry(ends)
    expected = values.tagged(ends.secure.result)
    section.expect(ends.get("secure", members), expected, "the right key:")
    for name, options in (
        ("another tenant", dict(master_key=ends.key, tenant=ends.another_tenant())),
        ("the default tenant", dict(master_key=ends.key)),
        ("another key", dict(master_key=ends.another_key(), tenant=ends.tenant)),
        ("a longer key", dict(master_key=ends.key + "00", tenant=ends.tenant)),
    ):
        ends.open(name, **options)
        error = section.refused("authenticationFailed", lambda: ends.get(name, members), name)
        section.check(error is None or ends.tenant not in error.message, "the message names the tenant:", str(error))
    ends.open("rotated", master_key=ends.another_key(), previous_keys=[ends.key], tenant=ends.tenant)
    section.expect(ends.get("rotated", members), expected, "the key as a previous one:")


def wrong_bytes(ends):
    """No mode is guessed from bytes, and no altered or moved byte is taken."""
    section = Section("Wrong mode or altered bytes: refused by Swift")
    members = python_entry(ends)
    key = ends.physical_key(members)
    sealed = ends.redis.get(key)
    section.refused("decoding", lambda: ends.get("plain", members), "a plain reader")
    _, _, other = ends.fresh(ends.secure)
    ends.redis.set(ends.physical_key(other), sealed, ex=TTL)
    section.refused("authenticationFailed", lambda: ends.get("secure", other), "sealed for another key")
    for index in (0, 11, 12, len(sealed) // 2, len(sealed) - 1):
        altered = bytearray(sealed)
        altered[index] ^= 1
        ends.redis.set(key, bytes(altered), ex=TTL)
        section.refused("authenticationFailed", lambda: ends.get("secure", members), f"byte {index} altered")
    for count in (0, 1, 27, 28, len(sealed) - 1):
        ends.redis.set(key, sealed[:count], ex=TTL)
        section.refused("authenticationFailed", lambda: ends.get("secure", members), f"cut to {count} bytes")
    ends.redis.set(key, encode_interop_value({"name": "mallory"}), ex=TTL)
    section.refused("authenticationFailed", lambda: ends.get("secure", members), "plain bytes, secure reader")
    key = ends.set("plain", 1, members)
    ends.redis.set(key, ends.redis.get(key) + b"\x00", ex=TTL)
    section.refused("decoding", lambda: ends.get("plain", members), "bytes after the document")


def own_mode(ends):
    section = Section("Python's own mode: named in Swift's error")

    @cache(namespace="own", ttl=TTL, backend=RedisBackend(ends.url), l1_enabled=False, encryption=False)
    def own(number):
        return {"number": number}

    own(1)
    [frame] = [ends.redis.get(key) for key in ends.redis.scan_iter("ns:own:*")]
    section.expect(frame[:3], b"CK\x03", "the frame begins")
    _, _, members = ends.fresh(ends.plain)
    ends.redis.set(ends.physical_key(members), frame, ex=TTL)
    error = section.refused("decoding", lambda: ends.get("plain", members), "the frame")
    section.check(error is not None and "Python SDK" in error.message, "the error does not name it:", str(error))


def python_refuses(ends):
    """What Swift sealed for another tenant or key is no value in Python either."""
    section = Section("Wrong key or tenant: refused by Python")
    for name, encryption in (
        ("tenant", ends.encryption(tenant=ends.another_tenant())),
        ("key", ends.encryption(key=ends.another_key())),
    ):
        wrong = Functions(ends.url, f"wrong_{name}", fail_closed=True, **encryption)
        namespace, arguments, members = ends.fresh(wrong)
        ends.set("secure", 1, members)
        wrong.result = NOT_CALLED
        # The SDK logs what is meant to happen here.
        logging.disable(logging.CRITICAL)
        try:
            section.check(False, name, "Python gave", wrong.call(namespace, arguments))
        except DecryptionAuthenticationError:
            section.check(True)
        finally:
            logging.disable(logging.NOTSET)


def outside_the_profile(ends):
    """Neither end makes a key of what the profile leaves out."""
    section = Section("Arguments and names outside the profile: refused by both")
    arguments = [
        (float("nan"), ["float", {"$float": "nan"}], "encoding"),
        (float("inf"), ["float", {"$float": "inf"}], "encoding"),
        ([float("-inf")], ["array", [["float", {"$float": "-inf"}]]], "encoding"),
        (2**64, ["int", 2**64], "decoding"),
        (-(2**63) - 1, ["int", -(2**63) - 1], "decoding"),
        (datetime.datetime(2024, 1, 1), ["datetime", "2024-01-01T00:00:00"], "decoding"),
    ]
    for argument, tagged, code in arguments:
        try:
            section.check(False, "Python took", argument, ends.plain.call("proof", [argument]))
        except InteropError:
            section.check(True)
        members = dict(namespace="proof", operation="op", arguments=[tagged])
        section.refused(code, lambda: ends.physical_key(members), repr(argument))
    for segment in ("", "Users", ".users", "a b", "users\n", "us:ers", "a" * 65, "\u00e9"):
        try:
            cache(interop=segment, namespace="proof", ttl=TTL, backend=RedisBackend(ends.url))(lambda: None)
            section.check(False, "Python took the operation", segment)
        except ConfigurationError as error:
            section.check("invalid interop operation" in str(error), "another reason:", str(error))
        members = dict(namespace="proof", operation=segment, arguments=[])
        section.refused("invalidArgument", lambda: ends.physical_key(members), repr(segment))


def python_entry(ends):
    """An entry that Python sealed; gives the members of a request for it."""
    namespace, arguments, members = ends.fresh(ends.secure)
    ends.secure.result = {"name": "alice"}
    ends.secure.call(namespace, arguments)
    return members
