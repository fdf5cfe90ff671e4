"""Functions of the same names on both sides, decorated there and cached here, by `@Cached` and without it."""

import unicodedata
import uuid

from cachekit import cache

import values
from ends import NOT_CALLED
from exchanges import tags
from report import Section

CASES = 60


def cached_functions(ends):
    for mode, decorated in ends.modes:
        for kind, arguments in (("scalars", scalars), ("composites", composites)):
            function = Pair(kind, decorated.options)
            for name in (kind, f"{kind} by macro"):
                section = Section(f"A cached Swift function, {name}, and a Python one: {mode}")
                for case in range(CASES):
                    share(ends, section, mode, name, function, arguments(ends.random), python_first=case % 2 == 0)


class Pair:
    """The Python half: counts its calls and gives what it is told to."""

    def __init__(self, kind, options):
        self.calls = 0
        self.result = None
        body = self.scalars if kind == "scalars" else self.composites
        # The signatures' names differ from Swift's, and do not matter.
        self.function = cache(interop=f"{kind}.v1", namespace="proof", **options)(body)

    def given(self):
        self.calls += 1
        return self.result

    @property
    def scalars(self):
        def scalars(is_set, number, large, score, text, raw):
            return self.given()

        return scalars

    @property
    def composites(self):
        def composites(moment, reference, labels, counts, path, nickname=None):
            return self.given()

        return composites


def share(ends, section, mode, name, python, arguments, python_first):
    value = values.value(ends.random)
    tagged = [values.tagged_argument(argument) for argument in arguments]
    before = python.calls
    if python_first:
        python.result = value
        python.function(*arguments)
        answer = ends.peer.ask("call", cache=mode, function=name, arguments=tagged, value=values.tagged(NOT_CALLED))
        section.check(
            python.calls == before + 1 and not answer["called"] and answer["value"] == values.tagged(value),
            "Swift after Python: found", answer, "expected", value)
    else:
        answer = ends.peer.ask("call", cache=mode, function=name, arguments=tagged, value=values.tagged(value))
        python.result = NOT_CALLED
        result = python.function(*arguments)
        section.check(
            answer["called"] and python.calls == before and values.tagged(result) == values.tagged(value),
            "Python after Swift: found", result, "expected", value)


def scalars(random):
    number = random.choice([random.getrandbits(63), -random.getrandbits(63), 0, 1, -1, 2**63 - 1, -(2**63)])
    return (
        random.random() < 0.5, number, random.getrandbits(64), values.float64(random), values.string(random),
        values.raw(random),
    )  # fmt: skip


def composites(random):
    # Strings that differ by more than Unicode normalisation: a Swift set takes the others for one.
    labels = {unicodedata.normalize("NFC", values.string(random)) for _ in range(random.randrange(5))}
    path = [[values.float64(random) for _ in range(random.randrange(4))] for _ in range(random.randrange(4))]
    return (
        values.moment(random, first=1900, last=2200), uuid.UUID(bytes=random.randbytes(16)), labels, tags(random), path,
        values.string(random) if random.random() < 0.7 else None,
    )  # fmt: skip
