"""A token that lies in a file is taken when it is needed, and not before somebody has agreed."""

import json

import pytest

from desk import PASSPHRASE, TOKEN, code
from import_play import MINE, keep
from play import APPROVE, OTHER_TOKEN, lent_pty, token_of
from scan import memory_size, memory_traces

pytestmark = pytest.mark.release  # Sanitizers keep what was freed, and have too much memory to scan.


def test_token_of_a_file_is_not_in_the_agent_while_it_asks(open_desk, registry):
    open_desk.login(registry, OTHER_TOKEN)
    path = keep(open_desk, MINE)
    with lent_pty() as terminal, open_desk.line() as line, open(path, "rb") as file:
        line.send({"v": 1, "kind": "login", "registry": {"index-url": registry.index},
                   "url-source": "user", "secret-in-file": "registries.local.token",
                   "replace": True, "ca-pem": open(registry.ca).read()},
                  [terminal.lent, file.fileno()])
        terminal.sees(APPROVE)
        assert memory_size(open_desk.pid()) > 0
        assert memory_traces(open_desk.pid(), TOKEN) == []
        terminal.types(PASSPHRASE)
        answer = json.loads(line.receive())
        assert code(answer) == "ok" and answer["Ok"]["replaced"]
    assert token_of(open_desk, registry.index) == TOKEN
