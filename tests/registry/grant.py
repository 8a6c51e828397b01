"""What a token may do: crates.io's scopes, and the tokens of Trusted Publishing."""

import functools
import operator
import re
import string
from dataclasses import dataclass

ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits
TRUSTED = re.compile("(?i:bearer +)?cio_tp_(.*)", re.DOTALL)
MISSING_PERMISSION = ("this token does not have the required permissions to perform this action")


@dataclass(frozen=True)
class Grant:
    """endpoints: publish-new, publish-update, yank, change-owners; None for all of these. crates:
    names, or beginnings of names with a * behind; none for all."""

    endpoints: frozenset[str] | None = None
    crates: tuple[str, ...] = ()

    def covers(self, endpoint: str, crate: str) -> bool:
        return ((self.endpoints is None or endpoint in self.endpoints)
                and (not self.crates or any(map(functools.partial(_fits, crate), self.crates))))


def _fits(crate: str, pattern: str) -> bool:
    return crate.startswith(pattern[:-1]) if pattern.endswith("*") else crate == pattern


def trusted_token(body: str) -> str:
    """A token of Trusted Publishing, of 31 letters and digits and what belongs behind them."""
    assert len(body) == 31
    return f"cio_tp_{body}{_check(body)}"


def is_trusted(authorization: str) -> bool | None:
    """None where it is no such token; False where it is none that was ever issued."""
    match = TRUSTED.fullmatch(authorization)
    if not match:
        return None
    body = match[1]
    return (len(body) == 32 and all(c in ALPHABET for c in body)
            and _check(body[:31]) == body[31])


def _check(body: str) -> str:
    return ALPHABET[functools.reduce(operator.xor, body.encode()) % len(ALPHABET)]
