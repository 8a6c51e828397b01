"""What the registry answers: an Answer, or a Refused that becomes one in crates.io's envelope."""

import json
from dataclasses import dataclass, field


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)


class Refused(Exception):
    """A request that this registry does not take, with the status and the words for the client."""

    def __init__(self, status: int, detail: str, headers: list[tuple[str, str]] | None = None):
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or []

    def answer(self) -> Answer:
        return as_json({"errors": [{"detail": self.detail}]}, self.status, self.headers)


def as_json(value, status: int = 200, headers: list[tuple[str, str]] | None = None) -> Answer:
    return Answer(status, json.dumps(value).encode(), headers=headers or [])
