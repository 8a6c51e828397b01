"""
A counter at which acts are done: one desk with an open vault, one registry over TLS and one token
for each test, so that a test of an act costs no agent of its own.
"""

import contextlib
import itertools
import json
import secrets
import string

import pytest

from crate import metadata
from desk import PASSPHRASE, Desk
from play import APPROVE, network
from rawclient import Client
from registry import Registry

NUMBERS = itertools.count()
REVOKE = "Revoke? [y/N] "


def new_token() -> str:
    """As crates.io makes them; shorter parts of it are in no other text."""
    letters = string.ascii_letters + string.digits
    return "cio" + "".join(secrets.choice(letters) for _ in range(32))


class Counter:
    """What a test has there: `token`, which the registry knows, stored as account `account`, and
    names of crates that nobody else uses."""

    def __init__(self, desk: Desk, registry: Registry):
        self.desk = desk
        self.registry = registry
        self.number = next(NUMBERS)
        self.account = f"account-{self.number}"
        self.token = new_token()
        self.tokens = [self.token]
        self.outputs = []
        registry.accept_token(self.token)

    def name(self, text: str = "demo") -> str:
        return f"{text}-{self.number}"

    def crate(self, *versions: str, name: str = "demo") -> str:
        """Published by somebody else."""
        publisher = new_token()
        self.registry.accept_token(publisher)
        with contextlib.closing(Client(self.registry, publisher)) as client:
            for version in versions:
                assert client.publish(metadata(self.name(name), version)).status == 200
        self.registry.revoke_token(publisher)
        return self.name(name)

    def log_in(self, *words: str, token: str | None = None) -> None:
        self.tokens.append(token or self.token)
        self.outputs.append(self.desk.login(
            self.registry, token or self.token, "--account", self.account, *words))

    @property
    def which(self) -> tuple[str, ...]:
        return ("--index", self.registry.index, "--account", self.account)

    def run(self, *words: str):
        """Without a terminal."""
        done = self.desk.run(*words, *self.which)
        self.outputs.append(done.stdout + done.stderr)
        return done

    def start(self, *words: str):
        return self.desk.terminal(*words, *self.which)

    def end(self, terminal) -> int:
        status = terminal.ends()
        self.outputs.append(terminal.seen)
        return status

    def do(self, *words: str, prompt: str = APPROVE, answer: str = PASSPHRASE) -> "Outcome":
        """On a terminal, where a person answers the one question."""
        terminal = self.start(*words)
        question = terminal.answers(prompt, answer)
        status = self.end(terminal)
        return Outcome(status, question.replace("\r", ""),
                       terminal.before.replace("\r", "").lstrip("\n"))

    def told(self, *words: str, **answers) -> tuple[int, dict]:
        """The same with --json: the exit code and what was answered."""
        outcome = self.do("--json", *words, **answers)
        (line,) = [text for text in outcome.text.splitlines() if text.startswith("{")]
        return outcome.status, json.loads(line)

    def audit(self, *ops: str) -> list[tuple[str, str, str | None]]:
        """What it has of this account: op, decision, refusal."""
        return [(e["op"], e["decision"], e.get("refusal")) for e in self.desk.audit()
                if e.get("account", "").split("/")[0] == self.account and e["op"] in ops]

    def stored(self) -> list[str]:
        """The accounts of this test that the store has: "all" and "read"."""
        listed = json.loads(self.desk.succeed("--json", "list"))["accounts"]
        return [a["for"] or "all" for a in listed if a["account"] == self.account]

    def requests(self, match: str = "") -> list[dict]:
        """Those that came with a token of this test, or ask for its crates."""
        return [e for e in self.registry.requests(match) if f"-{self.number}" in e["path"]
                or e["token"] in {f"sha256:{digest(token)[:12]}" for token in self.tokens}]


def digest(token: str) -> str:
    from gate import sha256

    return sha256(token)


class Outcome:
    def __init__(self, status: int, question: str, text: str):
        self.status = status
        self.question = question
        self.text = text

    def __repr__(self) -> str:
        return f"{self.status}\n{self.question}\n{self.text}"


@pytest.fixture(scope="module")
def shop(tmp_path_factory, certificate):
    """The desk and the registry that all tests of a file share."""
    folder = tmp_path_factory.mktemp("shop")
    desk = Desk(folder / "desk")
    with Registry(folder / "registry", tls=certificate) as registry:
        try:
            desk.start()
            desk.init()
            yield desk, registry
        finally:
            desk.stop()


@pytest.fixture
def counter(shop):
    """Nothing that is said, logged or recorded meanwhile has a secret in it."""
    desk, registry = shop
    counter = Counter(desk, registry)
    yield counter
    registry.injections.clear()
    registry.announce(read_only=False, locked=None, unverified=False, auth_required=False,
                      api=registry.api)
    assert registry.violations == []
    texts = counter.outputs + [desk.log.read_text(), (desk.state / "audit.jsonl").read_text()]
    for secret in [*counter.tokens, PASSPHRASE]:
        assert not any(secret in text or secret[3:20] in text for text in texts)


@contextlib.contextmanager
def elsewhere(tmp_path, certificate):
    """A second origin that the client trusts as well."""
    with Registry(tmp_path / "elsewhere", tls=certificate) as registry:
        yield registry


__all__ = ["Counter", "REVOKE", "counter", "elsewhere", "network", "new_token", "shop"]
