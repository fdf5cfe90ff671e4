"""The Swift end of the proof, as a process that answers JSON lines."""

import json
import subprocess


class Refused(Exception):
    """The error that CacheKit for Swift answered with."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Peer:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")

    def ask(self, do, **members):
        """Sends one request and gives its answer; an error of CacheKit is raised as `Refused`."""
        self.process.stdin.write(json.dumps({"do": do, **members}, ensure_ascii=False) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"interop: the Swift peer ended in the middle of '{do}', status {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"], answer["message"])
        return answer

    def close(self):
        self.process.stdin.close()
        try:
            return self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
