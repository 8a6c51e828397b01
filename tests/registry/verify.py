"""
Checks signed requests (RFC 3231) as a registry does that knows a public key only: the checks of
cargo's own test registry, and besides them a time that lies ahead, and challenges. Written with
python3-cryptography and nothing of the agent's, so that two programs have to agree.
"""

import base64
import binascii
import hashlib
import json
import re
import secrets
import struct
import threading
import time
from datetime import datetime, timedelta, timezone
from typing import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA384

HEADER = "v3.public."
SIGNATURE_SIZE = 96
INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(?:Z|([+-])(\d\d):(\d\d))")
ACT = ("mutation", "name", "vers", "cksum")


class Wrong(Exception):
    """What about a token is not as it has to be, in a word: its claim, or one of the others."""


def decode(text: str) -> bytes:
    """Base64url without padding, and only as one would write it."""
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Wrong("form") from error
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != text.encode():
        raise Wrong("form")
    return decoded


def encode(decoded: bytes) -> str:
    return base64.urlsafe_b64encode(decoded).rstrip(b"=").decode()


def authenticated(*pieces: bytes) -> bytes:
    """PASETO's pre-authentication encoding."""
    return struct.pack("<Q", len(pieces)) + b"".join(
        struct.pack("<Q", len(piece)) + piece for piece in pieces)


def key_id(public: str) -> str:
    """The k3.pid of a k3.public."""
    return "k3.pid." + encode(hashlib.sha384(b"k3.pid." + public.encode()).digest()[:33])


def instant(text: str) -> float:
    """RFC 3339 as Unix time; fractions of a second are dropped."""
    found = INSTANT.fullmatch(text)
    if not found:
        raise Wrong("iat")
    local, sign, hours, minutes = found.groups()
    try:
        when = datetime.fromisoformat(local).replace(tzinfo=timezone.utc)
    except ValueError as error:
        raise Wrong("iat") from error
    ahead = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return (when + ahead if sign == "-" else when - ahead).timestamp()


def strict_json(text: bytes) -> dict:
    """An object of strings alone, without a name twice, an escape or anything between."""
    try:
        pairs = json.loads(text, object_pairs_hook=list)
    except ValueError as error:
        raise Wrong("json") from error
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        raise Wrong("json")
    found = dict(pairs)
    if len(found) != len(pairs) or not all(isinstance(v, str) for v in found.values()):
        raise Wrong("json")
    if json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode() != text:
        raise Wrong("json")
    return found


def open_token(token: str, point: bytes, assertion: bytes = b"") -> tuple[bytes, bytes]:
    """Message and footer of a token that the key signed."""
    parts = token.removeprefix(HEADER).split(".")
    if not token.startswith(HEADER) or len(parts) > 2 or "" in parts:
        raise Wrong("form")
    body, footer = decode(parts[0]), decode(parts[1]) if parts[1:] else b""
    if len(body) < SIGNATURE_SIZE:
        raise Wrong("form")
    message, signature = body[:-SIGNATURE_SIZE], body[-SIGNATURE_SIZE:]
    r, s = (int.from_bytes(half, "big") for half in (signature[:48], signature[48:]))
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), point)
    try:
        key.verify(utils.encode_dss_signature(r, s),
                   authenticated(point, HEADER.encode(), message, footer, assertion),
                   ec.ECDSA(SHA384()))
    except InvalidSignature as error:
        raise Wrong("signature") from error
    return message, footer


class Verifier:
    """
    To be given to a Registry as `verify`. public is the `k3.public.…` that was registered; window,
    how many seconds a token may be old or ahead; with_challenges: each request has to carry the
    challenge of a refusal, and no challenge is taken twice. What was refused, and why in a word, is
    in `refused`; what was let in, in `admitted`: claims and footer.
    """

    def __init__(self, public: str, url: str, **how):
        self.url = url
        self._lock = threading.Lock()
        self.reset(**how)
        self.register(public)

    def reset(self, *, subject: str | None = None, footer_key: str = "kip", window: float = 60,
              with_challenges: bool = False, now: Callable[[], float] = time.time) -> None:
        """As new, but for the key."""
        self.subject = subject
        self.footer_key = footer_key
        self.window = window
        self.with_challenges = with_challenges
        self.now = now
        self.refused: list[str] = []
        self.admitted: list[tuple[dict, dict]] = []
        self._open_challenges: set[str] = set()

    def register(self, public: str) -> None:
        """From now on the one key that counts."""
        self._point = decode(public.removeprefix("k3.public."))
        self._id = key_id(public)

    def challenge(self) -> str | None:
        """A fresh one for the header of a refusal, where this registry has them."""
        if not self.with_challenges:
            return None
        challenge = secrets.token_urlsafe(18)
        with self._lock:
            self._open_challenges.add(challenge)
        return challenge

    def __call__(self, authorization: str, act: dict) -> bool:
        try:
            seen = self.check(authorization, act)
        except Wrong as wrong:
            self.refused.append(str(wrong))
            return False
        self.admitted.append(seen)
        return True

    def check(self, authorization: str, act: dict) -> tuple[dict, dict]:
        message, footer = open_token(authorization, self._point)
        claims, around = strict_json(message), strict_json(footer)
        self._check_footer(around)
        self._check_time(claims)
        if claims.get("sub") != self.subject:
            raise Wrong("sub")
        if claims.get("v", "1") != "1":
            raise Wrong("v")
        for name in ACT:
            if claims.get(name) != act.get(name):
                raise Wrong(name)
        self._check_challenge(claims)
        return claims, around

    def _check_footer(self, footer: dict) -> None:
        if footer.keys() != {"url", self.footer_key} or footer[self.footer_key] != self._id:
            raise Wrong(self.footer_key)
        if footer["url"] != self.url:
            raise Wrong("url")

    def _check_time(self, claims: dict) -> None:
        age = self.now() - instant(claims.get("iat", ""))
        if age > self.window:
            raise Wrong("stale")
        # A token has whole seconds, so a clock that is right says at most one less.
        if age < -self.window:
            raise Wrong("ahead")

    def _check_challenge(self, claims: dict) -> None:
        """Last of all, so that a token that is refused for something else uses none up."""
        if not self.with_challenges:
            return
        with self._lock:
            if claims.get("challenge") not in self._open_challenges:
                raise Wrong("challenge")
            self._open_challenges.remove(claims["challenge"])
