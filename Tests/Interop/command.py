"""The `cachekit` command on the same Redis: it reads what Python wrote, and writes what Python hits."""

import json
import os
import subprocess

import values
from ends import NOT_CALLED
from report import Section


def command(ends):
    for mode, functions in ends.modes:
        section = Section(f"The command reads and writes for Python: {mode}")
        options = ["--mode", "interop", "--redis", ends.swift_url]
        options += ["--plain"] if mode == "plain" else ["--tenant", ends.tenant]
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        if mode == "secure":
            environment["CACHEKIT_MASTER_KEY"] = ends.key

        def cachekit(*arguments):
            ended = subprocess.run(
                [ends.command, *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
            section.expect(ended.returncode, 0, f"exit status of {arguments[0]}, {ended.stderr.decode()!r}:")
            return ended.stdout.decode().rstrip("\n")

        value = {"name": "Zoë", "tags": [1, 2.5, None, True], "nested": {"k": "v"}}
        functions.result = value
        functions.call("proof", ["read by the command"])
        key = cachekit("keys", "interop", "proof", functions.operation(1), '["read by the command"]')
        section.expect(json.loads(cachekit("get", key, *options) or "null"), value, "what the command read:")

        functions.result = NOT_CALLED
        key = cachekit("keys", "interop", "proof", functions.operation(1), '["written by the command"]')
        cachekit("set", key, json.dumps(value), "--ttl", "10m", *options)
        result, ran = functions.call("proof", ["written by the command"])
        section.check(not ran and values.tagged(result) == values.tagged(value), "Python found", result)
