#!/usr/bin/python3
"""A cargo registry for tests on this host: sparse index, downloads, web API, and misbehaviour.

In a test:

    with Registry(tmp_path, tls=True, tokens={"…"}) as r:
        …  # r.index, r.api, r.ca for the client; r.inject(…) for trouble
        assert r.crates["demo", "0.1.0"].cksum == …
        assert not r.violations

By hand: registry.py DIR [--tls] [--token-hash SHA256 …] prints one line of JSON when it is ready
and serves until it gets SIGTERM or SIGINT.
"""

import argparse
import json
import signal
import sys
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Callable, Iterable

from api import Api
from certificate import Certificate
from exchange import Exchange
from gate import Gate, sha256
from grant import Grant
from index import Index
from injection import Injections, Rule
from listener import Listener
from owners import Owners
from requestlog import RequestLog
from shelf import Published, Shelf


@dataclass
class Settings:
    """
    What may change while the registry runs. refusal_status is for a publish that was refused for
    its content: 400, or 200 with errors in the body as on crates.io. open_config: where a token is
    required, config.json alone is for everybody. cio_only: only tokens of crates.io's form are
    looked at; locked: what is said to all whom it knows; unverified: the publisher's e-mail address
    is; read_only: nothing is changed for the moment.
    """

    index_url: str
    api: str
    dl: str
    auth_required: bool = False
    open_config: bool = False
    refusal_status: int = 200
    warnings: list[str] = field(default_factory=list)
    cio_only: bool = False
    locked: str | None = None
    unverified: bool = False
    read_only: bool = False


class Registry:
    """
    tls: False, True, or the Certificate of another registry (r.certificate) for a second origin
    that the client trusts as well. tokens and scoped_tokens may do all; the scoped ones cannot
    revoke themselves, as on crates.io. verify: see gate.py. api and dl: what config.json says,
    where it shall be another origin than this one.
    """

    def __init__(self, directory, *, tls: bool | Certificate = False, port: int = 0,
                 tokens: Iterable[str] = (), scoped_tokens: Iterable[str] = (),
                 token_hashes: Iterable[str] = (),
                 verify: Callable[[str, dict], bool] | None = None,
                 auth_required: bool = False, api: str | None = None, dl: str | None = None,
                 refusal_status: int = 200, publisher: str = "alice",
                 people: tuple[str, ...] = ("bob", "carol")):
        directory = Path(directory)  # Of this registry alone; it always starts empty.
        directory.mkdir(parents=True, exist_ok=True)
        self.certificate = Certificate.make(directory / "tls") if tls is True else tls or None
        self._listener = Listener(port, self.certificate, Exchange, self)
        self.port = self._listener.port
        host = "localhost" if self.certificate else "127.0.0.1"
        self.api = f"{'https' if self.certificate else 'http'}://{host}:{self.port}"
        self.index = f"sparse+{self.api}/index/"
        self.hosts = {f"localhost:{self.port}", f"127.0.0.1:{self.port}"}
        self.login_url = f"{self.api}/me"
        self.settings = Settings(self.index, api or self.api, dl or f"{self.api}/api/v1/crates",
                                 auth_required, refusal_status=refusal_status)
        hashes = [*map(sha256, tokens), *(h.lower() for h in token_hashes)]
        self.gate = Gate(self.login_url, hashes, map(sha256, scoped_tokens), verify)
        self.log = RequestLog(directory / "requests.jsonl")
        self.injections = Injections()
        self.owners = Owners(publisher, people)
        self._shelf = Shelf(directory / "crates")
        self._index = Index(directory / "index")
        self.service = Api(self.settings, self._shelf, self._index, self.gate, self.owners)
        self.announce()

    def __enter__(self) -> "Registry":
        self._listener.start()
        return self

    def __exit__(self, kind, *_) -> None:
        self.close()
        if kind is None and self._listener.faults:
            raise RuntimeError("the registry itself failed:\n" + "\n".join(self._listener.faults))

    def close(self) -> None:
        """Ends all connections, lets go of what hangs, and waits for the threads."""
        self._listener.hang_up()
        self.injections.close()
        self._listener.join()

    @property
    def ca(self) -> str | None:
        return str(self.certificate.ca) if self.certificate else None

    @property
    def crates(self) -> dict[tuple[str, str], Published]:
        """What was published here, by name and version."""
        return self._shelf.all(self._index)

    @property
    def violations(self) -> list[dict]:
        """The requests that no well-behaved client sends, each with its "violations"."""
        return [entry for entry in self.requests() if entry["violations"]]

    @property
    def handshake_failures(self) -> list[str]:
        return list(self._listener.handshake_failures)

    def requests(self, match: str = "") -> list[dict]:
        """The log, or the requests whose "METHOD /path" the regular expression is found in."""
        return self.log.entries(match)

    def wait_for(self, match: str, times: int = 1, timeout: float = 10) -> list[dict]:
        """Waits until so many such requests have come, answered or not; TimeoutError if not."""
        return self.log.wait(match, times, timeout)

    def inject(self, match: str, **rule) -> Rule:
        """Misbehaviour for requests whose "METHOD /path" matches; the words are Rule's fields."""
        return self.injections.add(Rule(match, **rule))

    def rate_limit(self, match: str, until: datetime, what: str, times: int = 1) -> Rule:
        """As crates.io does it: what it says, and a date in Retry-After."""
        date = format_datetime(until, usegmt=True)
        words = (f"You have {what} in a short period of time. Please try again after {date} and "
                 "see https://crates.io/docs/rate-limits for more details.")
        return self.inject(match, times=times, status=429, retry_after=until,
                           body={"errors": [{"detail": words}]})

    def announce(self, **changes) -> None:
        """Changes settings (the names are those of Settings) and config.json."""
        for name, value in changes.items():
            if not hasattr(self.settings, name):
                raise TypeError(f"no such setting: {name}")
            setattr(self.settings, name, value)
        config = {"dl": self.settings.dl, "api": self.settings.api}
        self._index.set_config(
            config | ({"auth-required": True} if self.settings.auth_required else {}))

    def accept_token(self, token: str, is_scoped: bool = False, *,
                     endpoints: Iterable[str] | None = None, crates: Iterable[str] = ()) -> None:
        """endpoints and crates: see grant.py; where there are any, it is a scoped one."""
        is_scoped = is_scoped or endpoints is not None or bool(crates)
        scopes = None if endpoints is None else frozenset(endpoints)
        self.gate.accept(sha256(token), Grant(scopes, tuple(crates)) if is_scoped else None)

    def trust_token(self, token: str, *crates: str) -> None:
        """One of Trusted Publishing for these crates; grant.trusted_token makes a text for it."""
        self.gate.trust(sha256(token), crates)

    def revoke_token(self, token: str) -> None:
        self.gate.revoke(sha256(token))

    def knows_token(self, token: str) -> bool:
        return self.gate.knows(sha256(token)) or self.gate.trusts(sha256(token))

    def threads(self) -> list:
        """The threads that still run, for the test that none is left behind."""
        return self._listener.live_threads()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A cargo registry for tests on this host.")
    parser.add_argument("directory", metavar="DIR")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--token-hash", nargs="+", action="extend", default=[], metavar="SHA256",
                        help="accepted tokens; a token itself is no argument")
    parser.add_argument("--auth-required", action="store_true")
    parser.add_argument("--api", metavar="URL", help="what config.json says instead of our own")
    parser.add_argument("--refusal-status", type=int, choices=(200, 400), default=200,
                        help="for a publish refused for its content")
    return parser.parse_args()


def main() -> int:
    options = _options()
    # Blocked before any thread starts, so that all inherit it and only sigwait() takes them.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with Registry(options.directory, tls=options.tls, port=options.port, api=options.api,
                  token_hashes=options.token_hash, auth_required=options.auth_required,
                  refusal_status=options.refusal_status) as registry:
        print(json.dumps({"port": registry.port, "index": registry.index, "api": registry.api,
                          "ca": registry.ca}), flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


if __name__ == "__main__":
    sys.exit(main())
