"""A Swift node with a file pushes its changes late or fresh, while Python writes and deletes the same keys."""

import os
import tempfile
import time

import values
from report import Section


def late_changes(ends):
    with tempfile.TemporaryDirectory() as folder:
        for mode, functions in ends.modes:
            for late in (True, False):
                node = Node(ends, mode, functions, late, folder)
                node.meet_python()
                ends.peer.ask("close", cache=node.name)


class Node:
    def __init__(self, ends, mode, functions, late, folder):
        self.ends, self.mode, self.functions, self.late = ends, mode, functions, late
        kind = "Late changes leave what Python wrote" if late else "Fresh changes win"
        self.section = Section(f"{kind}: {mode}")
        options = dict(file_key=ends.another_key(), late_after=0 if late else 60)
        if mode == "secure":
            options |= dict(master_key=ends.key, tenant=ends.tenant)
        path = os.path.join(folder, f"{mode}-{late}.db")
        self.name = ends.open(f"{mode} node, late: {late}", path=path, **options)

    def push(self, **expected):
        """Pushes, and compares what became of the changes so far."""
        # Time is told in whole milliseconds: what was stamped in this one is not late yet.
        time.sleep(0.02)
        found = self.ends.peer.ask("push", cache=self.name)
        expected = dict(pending=0) | expected
        self.section.expect({name: found[name] for name in expected}, expected, "after a push")

    def write(self, value, members):
        self.ends.set(self.name, value, members)

    def python_writes(self, value, namespace, arguments):
        self.functions.function(namespace, len(arguments)).invalidate_cache(*arguments)
        self.functions.result = value
        self.section.expect(self.functions.call(namespace, arguments), (value, True), "Python writes:")

    def expect(self, value, namespace, arguments, members, what):
        """Both ends have the value, and Python did not have to compute it."""
        self.functions.result = "computed"
        self.section.expect(self.functions.call(namespace, arguments), (value, False), f"Python, {what}:")
        self.section.expect(self.ends.get(self.name, members), values.tagged(value), f"the node, {what}:")

    def meet_python(self):
        # A key that both know.
        known = self.ends.fresh(self.functions)
        self.write("swift", known[2])
        self.push(applied=1, foreign=0)
        self.expect("swift", *known, "before anything happens")
        self.write("swift again", known[2])
        self.python_writes("python", *known[:2])
        self.push(applied=1 if self.late else 2, foreign=1 if self.late else 0)
        self.expect("python" if self.late else "swift again", *known, "a key that both wrote")

        # A key that only Python had.
        theirs = self.ends.fresh(self.functions)
        self.python_writes("python", *theirs[:2])
        self.write("swift", theirs[2])
        self.push(foreign=2 if self.late else 0)
        self.expect("python" if self.late else "swift", *theirs, "a key that was Python's")

        # A delete here, a write there.
        deleted = self.ends.fresh(self.functions)
        self.write("swift", deleted[2])
        self.push()
        self.ends.peer.ask("delete", cache=self.name, **deleted[2])
        self.python_writes("python", *deleted[:2])
        self.push(foreign=3 if self.late else 0)
        if self.late:
            self.expect("python", *deleted, "a key deleted here")
        else:
            self.section.expect(self.ends.redis.exists(self.ends.physical_key(deleted[2])), 0, "a deleted key")

        # A write here, a delete there, which can't be told from an eviction.
        gone = self.ends.fresh(self.functions)
        self.write("swift", gone[2])
        self.push()
        self.functions.function(gone[0], len(gone[1])).invalidate_cache(*gone[1])
        self.write("swift again", gone[2])
        self.push(absent=0)
        self.expect("swift again", *gone, "a key deleted by Python")
