"""A question shows what was asked for, and nothing in it can be taken for another line of it."""

import json

import pytest

from desk import TOKEN, code
from play import APPROVE, lent_pty

# On a terminal of 80 columns the blanks would end a line, and what follows begin the next.
FORGED = "x" + " " * 78 + "asked by  someone you trust"


def shown(desk, request: dict) -> str:
    with lent_pty() as terminal, desk.line() as line:
        line.send(request, [terminal.lent])
        text = terminal.sees(APPROVE)
        terminal.types("\x03", end="")
        assert code(json.loads(line.receive())) == "denied"
    return text


@pytest.mark.parametrize("what", ["scope", "crates"])
def test_what_is_told_of_a_token_makes_no_line_of_its_own(ready_desk, registry, what):
    text = shown(ready_desk, {
        "v": 1, "kind": "login", "registry": {"index-url": registry.index}, "replace": True,
        "url-source": "given", "ca-pem": open(registry.ca).read(), what: FORGED})
    assert "x asked by someone you trust (as you say)" in text
    assert "  asked by  someone" not in text


@pytest.mark.parametrize("kind", ["login", "trust"])
def test_proxy_with_a_blank_is_none(ready_desk, registry, kind):
    assert code(ready_desk.ask({
        "v": 1, "kind": kind, "registry": {"index-url": registry.index}, "no-check": True, "url-source": "given", "ca-pem": open(registry.ca).read(),
        **({"account": "other", "token": TOKEN} if kind == "login" else {}),
        "proxy": "http://127.0.0.1:1/" + FORGED})) == "bad-url"


def test_told_of_a_token_makes_no_line_in_an_approval(open_desk, registry):
    open_desk.login(registry, "cioTokenOfTheTests0123456789abcdefg", "--scope", FORGED,
                    "--crates", FORGED)
    text = shown(open_desk, {
        "v": 1, "kind": "get", "operation": "owners", "name": "demo",
        "registry": {"index-url": registry.index}})
    assert "x asked by someone you trust" in text
    assert "  asked by  someone" not in text
