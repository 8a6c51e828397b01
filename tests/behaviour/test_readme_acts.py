"""What README.md shows of acts at a registry is what one sees, at what plays crates.io here."""

import contextlib

import pytest

from act_play import REVOKE
from crate import metadata
from desk import PASSPHRASE, TOKEN
from play import APPROVE
from rawclient import Client
from test_probe import alone, crates_io, desk, its_certificate  # noqa: F401
from test_readme import blocks

pytestmark = pytest.mark.release

LINES = [line for block in blocks("Publishing, yanking, owners, revoking")
         if block[0].startswith("$ ") for line in block if line]
STARTS = [i for i, line in enumerate(LINES) if line.startswith("$ cpub-agent ")]
SHOWN = [LINES[i:j] for i, j in zip(STARTS, [*STARTS[1:], None])]


def test_each_of_them_is_shown():
    assert [block[0].split()[2] for block in SHOWN] == ["yank", "owner", "revoke"]


@pytest.fixture
def demo(desk, crates_io):
    """What the blocks start from: a crate, and a token that may do all but revoke itself."""
    crates_io.accept_token(TOKEN, is_scoped=True)
    # Only the names of crates.io are in its certificate, so not by those of this machine.
    client = Client(crates_io, TOKEN)
    client.connection.host = "crates.io"
    with contextlib.closing(client):
        for version in ("0.1.0", "0.1.1"):
            assert client.publish(metadata("demo", version)).status == 200
    if not desk.status()["accounts"]:
        desk.succeed("login", "--with-token", given=TOKEN + "\n")


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block[0].split()[2])
def test_act_says_what_the_readme_shows(desk, demo, block):
    command, *said = block
    status = 0
    if "$ echo $?" in said:
        at = said.index("$ echo $?")
        said, status = said[:at], int(said[at + 1])
    terminal = desk.terminal(*command.split()[2:])
    if command.split()[2] == "revoke":
        terminal.answers(REVOKE, "y")
    else:
        terminal.answers(APPROVE, PASSPHRASE)
    assert terminal.ends() == status
    shown = terminal.before.replace("\r", "").splitlines()
    assert [line.rstrip() for line in shown if line.strip() and line != "y"] == said
