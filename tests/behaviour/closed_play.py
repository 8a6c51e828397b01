"""
A registry that wants a token for every read, what was put there beforehand, and a witness between
cargo and the provider that writes down what cargo asked.
"""

import contextlib
import json
import secrets
import string

import pytest

from crate import metadata
from desk import TOKEN
from gate import sha256
from rawclient import Client
from registry import Registry

READ_TOKEN = "cio" + "".join(
    secrets.choice(string.ascii_letters + string.digits) for _ in range(32))
CONFIG = "GET /index/config.json"
STORE_FOR = "Store the token for this API? [y/N] "

# bash hands cargo's pipe to tee and becomes the provider, so that cargo is still its parent.
RECORDER = """#!/bin/bash
exec "{provider}" "$@" < <(exec tee -a "{log}")
"""


@pytest.fixture
def closed(tmp_path, certificate):
    """Over TLS; accepts TOKEN and READ_TOKEN."""
    with Registry(tmp_path / "closed", tls=certificate, tokens={TOKEN, READ_TOKEN},
                  auth_required=True) as r:
        yield r


@pytest.fixture
def closed_desk(open_desk, closed):
    """Logged in there with TOKEN, which reads get as well; cargo is set up for it."""
    open_desk.login(closed)
    open_desk.set_up_cargo(closed)
    return open_desk


def digest(token: str) -> str:
    """How the registry's log names it."""
    return f"sha256:{sha256(token)[:12]}"


def tokens_sent(registry, match: str = "") -> set:
    """With what such requests came: None for those without a token."""
    return {entry["token"] for entry in registry.requests(match)}


def put_crate(registry, name: str = "demo", version: str = "0.1.0") -> None:
    """Published before the test begins."""
    client = Client(registry, TOKEN)
    with contextlib.closing(client):
        assert client.publish(metadata(name, version)).status == 200


def record(desk, registry, *arguments: str):
    """Sets up cargo with the witness between; returns what reads its notes, request by request."""
    log, program = desk.directory / "requests.jsonl", desk.directory / "recorder"
    program.write_text(RECORDER.format(provider=desk.provider, log=log))
    program.chmod(0o700)
    real, desk.provider = desk.provider, program
    desk.set_up_cargo(registry, *arguments)
    desk.provider = real

    def asked() -> list[dict]:
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return asked
