"""The log of requests: in memory for the test, and one JSON line each on disk. Never a secret."""

import json
import re
import threading
import time
from pathlib import Path

from gate import Gate
from request import Request

# Headers whose values tell something and are no credentials; of others only the name is kept.
HARMLESS = {
    "accept", "accept-encoding", "cache-control", "cargo-protocol", "connection",
    "content-length", "content-type", "expect", "host", "if-modified-since", "if-none-match",
    "range", "te", "transfer-encoding", "user-agent",
}


class RequestLog:
    def __init__(self, file: Path):
        self._file = file
        self._entries: list[dict] = []
        self._changed = threading.Condition()

    def arrived(self, request: Request, gate: Gate, violations: list[str]) -> dict:
        """Notes the request before it is answered; until then the entry's status is None."""
        headers = {name.lower(): _shown(name, value, gate)
                   for name, value in request.headers.items()}
        if request.digest:
            headers["authorization"] = "withheld"
        target = request.target if not gate.holds_token(request.target) else "withheld"
        entry = {
            "time": round(time.time(), 3),
            "method": request.method,
            "path": target.partition("?")[0],
            "query": target.partition("?")[2],
            "status": None,
            "headers": headers,
            "body_length": 0,
            "token": f"sha256:{request.digest[:12]}" if request.digest else None,
            "violations": violations,
            "injected": False,
        }
        with self._changed:
            self._entries.append(entry)
            self._changed.notify_all()
        return entry

    def finished(self, entry: dict) -> None:
        with self._changed:
            with self._file.open("a") as file:
                file.write(json.dumps(entry) + "\n")
            self._changed.notify_all()

    def entries(self, match: str = "") -> list[dict]:
        """The requests whose "METHOD /path" the regular expression is found in."""
        with self._changed:
            return [dict(e) for e in self._entries if re.search(match, _line(e))]

    def wait(self, match: str, times: int, timeout: float) -> list[dict]:
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.entries(match)) >= times, timeout):
                raise TimeoutError(f"{len(self.entries(match))} of {times} requests '{match}'")
            return self.entries(match)


def _line(entry: dict) -> str:
    return f"{entry['method']} {entry['path']}"


def _shown(name: str, value: str, gate: Gate) -> str:
    if name.lower() not in HARMLESS or gate.holds_token(value):
        return "withheld"
    return value
