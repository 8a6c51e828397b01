"""
What a test plays around an account that signs its requests: keys that the test itself knows, a
registry that has their public halves alone, and what goes over the socket. One desk and one
registry over TLS for all tests of a file, and for each test an account and a key of its own.
"""

import contextlib
import itertools
import json
import os
import re
import select
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding, NoEncryption, PrivateFormat, PublicFormat,
)

from crate import metadata
from desk import PASSPHRASE, PATIENCE, TOKEN, Desk, code, get
from play import APPROVE, CRATES_IO, LOG_IN, accounts, lent_pty
from rawclient import Client
from registry import Registry
from scan import children
from verify import HEADER, Verifier, encode, key_id, open_token

NUMBERS = itertools.count()
CKSUM = "5c" * 32
# An act at a registry as it is asked for and as a token claims it, by operation.
ACTS = {
    "read": {},
    "publish": {"name": "demo", "vers": "0.1.0", "cksum": CKSUM},
    "yank": {"name": "demo", "vers": "0.1.0"},
    "unyank": {"name": "demo", "vers": "0.1.0"},
    "owners": {"name": "demo"},
}
# Of each form as many bytes as no other text has by chance.
RAW_PIECE, TEXT_PIECE = 12, 16


def act(operation: str, **changes: str) -> dict[str, str]:
    """What the registry sees done."""
    mutation = {} if operation == "read" else {"mutation": operation}
    return mutation | ACTS[operation] | changes


# Keys.

def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


def scalar(key) -> bytes:
    return key.private_numbers().private_value.to_bytes(48, "big")


def point(key) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def paserk(key) -> str:
    return "k3.secret." + encode(scalar(key))


def public(key) -> str:
    return "k3.public." + encode(point(key))


def pem(key, form=PrivateFormat.PKCS8, protection=NoEncryption()) -> bytes:
    return key.private_bytes(Encoding.PEM, form, protection)


def key_forms(raw: bytes) -> dict[bytes, str]:
    """
    What to look for where no private key may be, each with a name: pieces of its 48 bytes, also in
    the order in which libcrypto keeps large numbers, of its base64url text and of hexadecimal.
    """
    found = {}
    for name, form, size in (("bytes", raw, RAW_PIECE), ("bytes from behind", raw[::-1], RAW_PIECE),
                             ("text", encode(raw).encode(), TEXT_PIECE),
                             ("hex", raw.hex().encode(), 2 * RAW_PIECE),
                             ("HEX", raw.hex().upper().encode(), 2 * RAW_PIECE)):
        for at in range(0, len(form) - size + 1, size):
            found[form[at:at + size]] = f"{name} at {at}"
    return found


def key_traces(text: bytes | str, *keys) -> list[str]:
    if isinstance(text, str):
        text = text.encode()
    return [name for key in keys for form, name in key_forms(scalar(key)).items() if form in text]


def outcome(answer: dict) -> tuple[str, str | None]:
    """What came of an act of the agent's own: its outcome and code, or "err" and the refusal."""
    if "Err" in answer:
        return "err", code(answer)
    (result,) = answer["Ok"]["results"]
    return result["outcome"], result["code"]


def open_claims(token: str, key) -> tuple[str, str]:
    """The texts of claims and footer of a token that the key has signed."""
    message, footer = open_token(token, point(key))
    return message.decode(), footer.decode()


# Over the socket.

@contextlib.contextmanager
def pipe(given: bytes | str):
    """The end of a pipe that this lies in."""
    reader, writer = os.pipe()
    try:
        os.write(writer, given.encode() if isinstance(given, str) else given)
        os.close(writer)
        yield reader
    finally:
        os.close(reader)


def piped(desk, request: dict, given: bytes | str) -> dict:
    """The answer to a request whose secret lies in a pipe that is sent along."""
    with pipe(given) as reader:
        return desk.ask(request | {"secret-in-pipe": True}, [reader])


class Asked:
    """A request on a lent terminal, where each question is answered that is named beforehand."""

    def __init__(self, desk, request: dict, answers: dict[str, str], fds=()):
        self.questions = []
        with lent_pty() as terminal, desk.line() as line:
            line.send(request, [terminal.lent, *fds])
            until = time.monotonic() + PATIENCE
            while not self._comes(terminal, line, until):
                asked = [prompt for prompt in answers if prompt in terminal.seen[terminal.n_read:]]
                if asked:
                    self.questions.append(terminal.answers(asked[0], answers[asked[0]]))
            self.answer = json.loads(line.receive())
            # The other end of the line shows all that came before its answer.
            terminal.shown()
            self.seen = terminal.seen

    @staticmethod
    def _comes(terminal, line, until: float) -> bool:
        """True when the answer is there; else more of the terminal has been read."""
        left = max(0.0, until - time.monotonic())
        ready = select.select([terminal.ours, line.socket], [], [], left)[0]
        assert ready, f"neither an answer nor a question after {terminal.seen!r}"
        if line.socket in ready:
            return True
        terminal.seen += os.read(terminal.ours, 65536).decode().replace("\r", "")
        return False


class Held:
    """A request on a lent terminal that a test answers as it goes on."""

    def __init__(self, desk, request: dict, fds=()):
        self._all = contextlib.ExitStack()
        self.terminal = self._all.enter_context(lent_pty())
        self.line = self._all.enter_context(desk.line())
        self.line.send(request, [self.terminal.lent, *fds])

    def ends(self) -> dict:
        return json.loads(self.line.receive())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._all.close()


class Signer:
    """What a test has: `account`, not stored yet, `key`, which the registry does not know, and
    `crate_name`, which nobody else uses."""

    def __init__(self, desk: Desk, registry: Registry, verifier: Verifier):
        self.desk = desk
        self.registry = registry
        self.verifier = verifier
        number = next(NUMBERS)
        self.account = f"signer-{number}"
        self.crate_name = f"demo-{number}"
        self.key = new_key()
        self.keys = [self.key]
        self.answers = []
        self.n_before = len(registry.requests())

    def request(self, kind: str, **more) -> dict:
        more = {name.replace("_", "-"): value for name, value in more.items()}
        registry = {"index-url": self.registry.index} | more.pop("registry", {})
        return {"v": 1, "kind": kind, "registry": registry, "account": self.account, **more}

    def login_request(self, **more) -> dict:
        return self.request("login", **{
            "url_source": "given", "asymmetric": True,
            "ca_pem": Path(self.registry.ca).read_text(), **more})

    def token_request(self, token: str | None = TOKEN, **more) -> dict:
        """A login with a token; without one it is asked for, or comes through a pipe."""
        request = self.login_request(**more) | ({"token": token} if token else {})
        del request["asymmetric"]
        return request

    def trust_request(self) -> dict:
        return self.request("trust", ca_pem=Path(self.registry.ca).read_text())

    def renew(self) -> None:
        """The account signs with another key from now on."""
        for change in ("rotate", "finish"):
            assert code(self.change(change)) == "ok"

    def give(self, text: bytes | str, **more) -> dict:
        """The answer to a login whose key comes through a pipe."""
        return self._kept(piped(self.desk, self.login_request(**more), text))

    def make(self, **more) -> dict:
        """… for which a key is made, as a person agrees to."""
        return self.ask(self.login_request(**more)).answer

    def log_in(self, **more) -> dict:
        """With the test's own key, which the registry knows by then."""
        self.verifier.register(public(self.key))
        answer = self.give(paserk(self.key), **more)
        assert code(answer) == "ok", answer
        return answer["Ok"]

    def confirm(self) -> None:
        """Once more over itself, with the passphrase, which confirms the account's CA."""
        with pipe(paserk(self.key)) as reader:
            request = self.login_request(replace=True, secret_in_pipe=True)
            asked = self.ask(request, [reader])
        assert code(asked.answer) == "ok" and APPROVE in asked.seen, asked.answer

    def ask(self, request: dict, fds=()) -> Asked:
        """On a terminal where a person agrees to all."""
        asked = Asked(self.desk, request, {APPROVE: PASSPHRASE, "[y/N] ": "y"}, fds)
        self._kept(asked.answer)
        assert key_traces(asked.seen, *self.keys) == []
        return asked

    def get(self, operation: str, **more) -> dict:
        """The answer to cargo's question for a credential; a mutation is approved."""
        request = get(self.registry.index, operation, account=self.account,
                      **ACTS[operation] | more)
        return self._kept(self.desk.ask(request)) if operation == "read" else (
            self.ask(request).answer)

    def token(self, operation: str, **more) -> str:
        answer = self.get(operation, **more)
        assert code(answer) == "ok", answer
        assert answer["Ok"]["token"].startswith(HEADER)
        return answer["Ok"]["token"]

    def signed(self, operation: str, **more) -> tuple[str, str]:
        """Claims and footer of such a token, as texts."""
        return open_claims(self.token(operation, **more), self.key)

    def change(self, change: str, **more) -> dict:
        """The answer to `key`, which a person agrees to."""
        return self.ask(self.request("key", change=change, **more)).answer

    def yank(self, *versions: str, kind: str = "yank") -> dict:
        """The answer to the agent's own act, which a person agrees to."""
        releases = [{"name": self.crate_name, "vers": version} for version in versions]
        return self.ask(self.request(kind, releases=releases)).answer

    def crate(self, *versions: str) -> str:
        """Published by somebody with a token, and the verifier has forgotten about it."""
        publisher = "somebody with a token"
        self.registry.accept_token(publisher)
        with contextlib.closing(Client(self.registry, publisher)) as client:
            for version in versions:
                assert client.publish(metadata(self.crate_name, version)).status == 200
        self.registry.revoke_token(publisher)
        del self.verifier.refused[:]
        self.n_before = len(self.registry.requests())
        return self.crate_name

    def stored(self, account: str | None = None) -> list[dict]:
        """What `list` tells of it."""
        return [told for told in accounts(self.desk)
                if told["account"].split("/")[0] == (account or self.account)]

    def requests(self, match: str = "") -> list[dict]:
        """Those that came since the test began."""
        return [entry for entry in self.registry.requests()[self.n_before:]
                if re.search(match, f"{entry['method']} {entry['path']}")]

    def close(self) -> None:
        """What the agent still does for the account, as the look for what was published, is done
        without a credential from now on."""
        if self.desk.status()["state"] == "locked":
            self.desk.unlock()
        for told in self.stored():
            request = self.request("logout") | {"registry": {"index-url": told["index"]}}
            assert code(self.ask(request).answer) in ("ok", "account-unknown", "not-found")
        self.desk.wait(lambda: not children(self.desk.pid(), "worker-net"), "all looks to be over")

    def _kept(self, answer: dict) -> dict:
        self.answers.append(answer)
        return answer


class SigningRegistry(Registry):
    """Knows no token at all; `verifier` is what it knows of keys."""

    def __init__(self, directory, certificate, **how):
        self.verifier = Verifier(public(new_key()), "", **how)
        super().__init__(directory, tls=certificate, verify=self.verifier)
        self.verifier.url = self.index


@contextlib.contextmanager
def opened(desk: Desk, folder: Path, certificate):
    """The desk with an open vault, and a registry for it."""
    with SigningRegistry(folder / "registry", certificate) as registry:
        try:
            desk.start()
            desk.init()
            yield desk, registry
        finally:
            desk.stop()


@pytest.fixture(scope="module")
def workshop(tmp_path_factory, certificate):
    """The desk and the registry that all tests of a file share."""
    folder = tmp_path_factory.mktemp("workshop")
    with opened(Desk(folder / "desk"), folder, certificate) as both:
        yield both


@pytest.fixture
def signer(workshop):
    """Nothing that is said, logged or recorded meanwhile has a private key in it, and nothing came
    to the registry as a credential that is no signed token."""
    desk, registry = workshop
    signer = Signer(desk, registry, registry.verifier)
    registry.verifier.reset()
    yield signer
    registry.injections.clear()
    signer.close()
    registry.announce(auth_required=False, api=registry.api)
    assert registry.violations == []
    assert "form" not in registry.verifier.refused
    texts = [json.dumps(signer.answers), desk.log.read_text(),
             (desk.state / "audit.jsonl").read_text()]
    assert [key_traces(text, *signer.keys) for text in texts] == [[], [], []]
    assert not any(re.search(r"k[34]\.secret\.[\w-]", text) for text in texts)


__all__ = ["ACTS", "APPROVE", "CKSUM", "CRATES_IO", "LOG_IN", "Asked", "Held", "Signer",
           "SigningRegistry", "act", "key_id", "key_traces", "new_key", "open_claims", "opened",
           "outcome", "paserk", "pem", "pipe", "piped", "point",
           "public", "scalar", "signer", "workshop"]
