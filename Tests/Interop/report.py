"""What was checked and what held."""

import sys

from peer import Refused


class Section:
    """One row of the summary: a claim and how many of its checks held."""

    rows = []

    def __init__(self, title):
        self.title = title
        self.passed = 0
        self.failed = 0
        Section.rows.append(self)

    def check(self, holds, *problem):
        if holds:
            self.passed += 1
            return
        self.failed += 1
        # The first ones tell enough; the count tells the rest.
        if self.failed <= 3:
            print(f"FAILED  {self.title}: " + " ".join(shown(part) for part in problem), file=sys.stderr)

    def expect(self, found, expected, what):
        self.check(found == expected, what, "found", found, "expected", expected)

    def refused(self, code, ask, what):
        """Checks that Swift refuses with the code; gives the error."""
        try:
            self.check(False, what, "was answered:", ask())
        except Refused as error:
            self.expect(error.code, code, what)
            return error
        return None


def shown(part):
    text = part if isinstance(part, str) else repr(part)
    return text if len(text) <= 400 else f"{text[:200]} ...({len(text)} characters)... {text[-200:]}"


def summary(seed, seconds):
    """Prints a row per section and the closing line; gives the number of failures."""
    width = max(len(section.title) for section in Section.rows)
    for section in Section.rows:
        print(f"  {section.title:{width}}  {section.passed:5} passed  {section.failed:3} failed")
    passed = sum(section.passed for section in Section.rows)
    failed = sum(section.failed for section in Section.rows)
    print(f"interop: {passed} passed, {failed} failed (seed {seed}, {seconds:.1f} s)")
    return failed
