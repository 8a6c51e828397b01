"""A vault of thousands of accounts can be emptied at once."""

import json
import subprocess

import pytest

from desk import PASSPHRASE
from play import LOG_OUT, lent_pty

pytestmark = pytest.mark.release  # As in test_agent_many.py.

MANY = 3000


def test_logout_of_thousands_of_accounts_is_asked_and_done(desk):
    subprocess.run([desk.build / "tests/make-vault", str(MANY)], env=desk.environment, check=True,
                   input=PASSPHRASE + "\n", text=True)
    desk.start()
    desk.unlock()
    with lent_pty() as terminal, desk.line() as line:
        line.send({"v": 1, "kind": "logout", "all": True}, [terminal.lent])
        shown = terminal.answers(LOG_OUT, "y")
        assert "https://registry-0.example/index" in shown and "  and 2900 more\n" in shown
        answer = json.loads(line.receive())["Ok"]
    assert len(answer["accounts"]) == MANY
    assert desk.status()["accounts"] == 0
