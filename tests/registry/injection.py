"""Misbehaviour to order: rules that a test sets, each for a number of requests.

A rule is about three things, which combine freely:
    when      delay, hang (until release()); deaf: before the body is read, and where the rule
              has an answer of its own, or cuts at once, the body is not read at all
    what      status, body, headers, redirect, retry_after, huge: an answer instead of the real one
    how       cut (after so many bytes of the body; NOT_EVEN_A_STATUS), trickle (bytes, seconds),
              content_length: the way in which the answer goes out
Without a "what" the request is served as always. With done=True it is served first in any case,
and then the rule applies: the crate is published, but the client does not learn of it.
"""

import json
import re
import threading
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime

from answer import Answer

NOT_EVEN_A_STATUS = -1
CHUNK = 1 << 16


@dataclass
class Rule:
    match: str
    times: int | None = 1
    delay: float = 0
    hang: bool = False
    deaf: bool = False
    done: bool = False
    status: int | None = None
    body: bytes | str | dict | list | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    content_type: str | None = None
    redirect: str | None = None
    retry_after: int | str | datetime | None = None
    huge: int | None = None
    cut: int | None = None
    trickle: tuple[int, float] | None = None
    content_length: int | None = None
    hits: int = 0
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        self.released.set()

    @property
    def replaces(self) -> bool:
        what = (self.status, self.body, self.redirect, self.retry_after, self.huge)
        return any(part is not None for part in what) or bool(self.headers)

    def wait(self) -> None:
        """The delay, or the hanging. Ends early on release(), and when the registry closes."""
        if self.hang:
            self.released.wait()
        elif self.delay:
            self.released.wait(self.delay)

    def answer(self) -> Answer:
        body = self.body if self.body is not None else b""
        is_json = isinstance(body, (dict, list))
        if is_json:
            body = json.dumps(body)
        content_type = self.content_type or ("application/json" if is_json else "text/plain")
        return Answer(self._status(), body.encode() if isinstance(body, str) else body,
                      content_type, [*self.headers, *self._own_headers()])

    def length(self, body: bytes) -> int:
        """What the Content-Length says, true or not."""
        if self.content_length is not None:
            return self.content_length
        return self.huge if self.huge is not None else len(body)

    def pieces(self, body: bytes):
        """The body as it goes out: a piece at a time, with pauses between them if it trickles."""
        size, pause = self.trickle or (CHUNK, 0)
        total = self.huge if self.huge is not None else len(body)
        end = total if self.cut is None else min(total, self.cut)
        for start in range(0, max(end, 0), size):
            stop = min(start + size, end)
            yield b"a" * (stop - start) if self.huge is not None else body[start:stop]
            if pause and self.released.wait(pause):
                pause = 0

    @property
    def reads_body(self) -> bool:
        return self.done or not (self.deaf and (self.replaces or self.is_silent))

    @property
    def is_silent(self) -> bool:
        return self.cut == NOT_EVEN_A_STATUS

    @property
    def ends_connection(self) -> bool:
        return self.cut is not None or self.content_length is not None

    def _status(self) -> int:
        if self.status is not None:
            return self.status
        if self.redirect is not None:
            return 302
        return 429 if self.retry_after is not None else 200

    def _own_headers(self) -> list[tuple[str, str]]:
        headers = []
        if self.redirect is not None:
            headers.append(("Location", self.redirect))
        if isinstance(self.retry_after, datetime):
            headers.append(("Retry-After", format_datetime(self.retry_after, usegmt=True)))
        elif self.retry_after is not None:
            headers.append(("Retry-After", str(self.retry_after)))
        return headers


class Injections:
    def __init__(self):
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._is_closed = False

    def add(self, rule: Rule) -> Rule:
        re.compile(rule.match)
        with self._lock:
            self._rules.append(rule)
        return rule

    def take(self, method: str, path: str) -> Rule | None:
        """The oldest rule for this request that is not used up; counts the use."""
        with self._lock:
            for rule in [] if self._is_closed else self._rules:
                is_left = rule.times is None or rule.hits < rule.times
                if is_left and re.search(rule.match, f"{method} {path}"):
                    rule.hits += 1
                    rule.reached.set()
                    return rule
        return None

    def clear(self) -> None:
        """Forgets the rules and lets go of everything that hangs."""
        with self._lock:
            rules, self._rules = self._rules, []
        for rule in rules:
            rule.release()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
        self.clear()
