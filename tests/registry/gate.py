"""Who may do what, and which requests should never have come.

Tokens are known by their SHA-256 only, so that a scan of the test host's files and of this
process for a token's bytes finds none that this registry put there.
"""

import hashlib
import re
import threading
from typing import Callable, Iterable
from urllib.parse import unquote

from answer import Refused
from grant import MISSING_PERMISSION, Grant, is_trusted
from request import Request

PLACEHOLDER = "cpub-placeholder-not-a-token"
CIO = re.compile("(?i:bearer +)?cio")
OWNERS = re.compile(r"/api/v1/crates/[^/]+/owners")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("latin-1", "replace")).hexdigest()


def is_read(request: Request) -> bool:
    """Cargo sends its token with every look at the owners, also where reading is free."""
    return (request.method in ("GET", "HEAD") and not OWNERS.fullmatch(request.path)
            and request.path != "/api/v1/me")


class Gate:
    """
    verify(authorization, act) is asked first where it is given, for tokens that are signed anew
    for each act; act has the keys mutation, name, vers and cksum as far as they apply. Its refusals
    are 401s (RFC 3231), and if it has challenges (verify.py), each brings a fresh one along.
    """

    def __init__(self, login_url: str, hashes: Iterable[str], scoped_hashes: Iterable[str],
                 verify: Callable[[str, dict], bool] | None):
        self._login_url = login_url
        self._lock = threading.Lock()
        self._grants = {h: None for h in hashes} | {h: Grant() for h in scoped_hashes}
        self._trusted: dict[str, set[str]] = {}
        self._verify = verify

    @property
    def keeps_text(self) -> bool:
        return self._verify is not None

    def want_credential(self, request: Request) -> None:
        if request.digest is None:
            raise Refused(401, "this action requires authentication", self._demand())

    def _demand(self) -> list[tuple[str, str]]:
        fresh = getattr(self._verify, "challenge", lambda: None)()
        words = f', challenge="{fresh}"' if fresh else ""
        return [("WWW-Authenticate", f'Cargo login_url="{self._login_url}"{words}')]

    def admit(self, request: Request, **act: str) -> None:
        """Returns only for a known token, or for one that was signed for this act."""
        self.want_credential(request)
        if self._verify and self._verify(request.authorization, act):
            return
        if self.knows(request.digest):
            return
        if self._verify:
            raise Refused(401, "authentication failed", self._demand())
        raise Refused(403, "authentication failed")

    def admit_reader(self, request: Request) -> None:
        """Cargo sees a refused token in a 401 only; a 403 of an index is an HTTP error to it."""
        try:
            self.admit(request)
        except Refused:
            raise Refused(401, "authentication failed", self._demand()) from None

    def knows(self, digest: str | None) -> bool:
        with self._lock:
            return digest in self._grants

    def want_permission(self, request: Request, endpoint: str | None, crate: str = "") -> None:
        """endpoint None: one that names no scope, and so refuses every token that has some."""
        with self._lock:
            grant = self._grants.get(request.digest)
        if grant and not (endpoint and grant.covers(endpoint, crate)):
            raise Refused(403, MISSING_PERMISSION)

    def accept(self, digest: str, grant: Grant | None = None) -> None:
        with self._lock:
            self._grants[digest] = grant

    def revoke(self, digest: str) -> None:
        with self._lock:
            self._grants.pop(digest, None)
            self._trusted.pop(digest, None)

    def trust(self, digest: str, crates: Iterable[str]) -> None:
        """A token of Trusted Publishing. Only publish and its own revocation take it: elsewhere
        it is looked for among the ordinary ones, and not found."""
        with self._lock:
            self._trusted[digest] = set(crates)

    def trusts(self, digest: str | None) -> bool:
        with self._lock:
            return digest in self._trusted

    def admit_trusted(self, request: Request, crate: str, is_new: bool) -> None:
        """crates.io, src/controllers/krate/publish.rs."""
        if not request.is_trusted:
            raise Refused(401, "Invalid `Authorization` header: Failed to parse token")
        with self._lock:
            crates = self._trusted.get(request.digest)
        if is_new:
            raise Refused(403, "Trusted Publishing tokens do not support creating new crates. "
                               "Publish the crate manually, first")
        if crates is None:
            raise Refused(403, "Invalid authentication token")
        if crate not in crates:
            raise Refused(403, f"The provided access token is not valid for crate `{crate}`")

    def take_authorization(self, request: Request) -> None:
        """Moves the credential out of the headers, where it would live longer than it has to."""
        values = request.headers.get_all("Authorization", [])
        del request.headers["Authorization"]
        request.n_credentials = len(values)
        if values:
            request.digest = sha256(values[0])
            request.authorization = values[0] if self.keeps_text else None
            request.has_cio_form = bool(CIO.match(values[0]))
            request.is_trusted = is_trusted(values[0])

    def holds_token(self, text: str) -> bool:
        """Whether a known token is the text, or a word of it, or all behind its first word."""
        text = unquote(text)
        words = [text, text.partition(" ")[2], *re.split(r"[/?&=]", text),
                 *re.split(r"[\s/?&=;,\"]+", text)]
        digests = map(sha256, words)
        return any(self.knows(digest) or self.trusts(digest) for digest in digests)


def violations(request: Request, gate: Gate, is_open: bool) -> list[str]:
    """What a well-behaved client never does, as far as the request has been read."""
    found = []
    if request.n_credentials and is_open and is_read(request):
        found.append("a credential with a read of an open registry")
    if request.n_credentials > 1:
        found.append("more than one Authorization header")
    texts = [unquote(request.target), *request.headers.values()]
    if (request.digest == sha256(PLACEHOLDER) or any(PLACEHOLDER in t for t in texts)
            or PLACEHOLDER.encode() in request.body):
        found.append("the placeholder was sent")
    if any(gate.holds_token(text) for text in texts):
        found.append("a token outside the Authorization header")
    return found
