"""
52 lines that a real cargo 1.95 sent to a provider, in 37 situations, and what ours answers to each.

tests/vectors/cargo-requests.jsonl has one of them a line: `line` as cargo wrote it, but for the
`args` that the recording provider was configured with, which lie beside it; and under `expect`

    state              of the line's registry: "logged in", "logged out", or "other account": there
                       is one, but not of the name that is asked for
    asks               what a person at the terminal is asked, in order; the person agrees to all
    answer             then; $TOKEN is the account's own token
    without-terminal   the answer when nobody can be asked; absent where that changes nothing

The recorded hosts are replaced by those of registries that run here.
"""

import json
from pathlib import Path

import pytest

from desk import PASSPHRASE, TOKEN, Desk, code
from play import (
    APPROVE, CRATES_IO, LOG_IN, LOG_OUT, TOKEN_FOR, accounts, ask_provider, lent_pty, log_out,
    provider,
)
from registry import Registry

VECTORS = Path(__file__).parent.parent / "vectors/cargo-requests.jsonl"
LINES = [json.loads(text) for text in VECTORS.read_text().splitlines()]
RECORDED = {"open": "127.0.0.1:7801", "priv": "127.0.0.1:7802"}
ANSWERS = {
    "approve": (APPROVE, PASSPHRASE),
    "log in": (LOG_IN, "y"),
    "log out": (LOG_OUT, "y"),
    "token": (TOKEN_FOR, TOKEN),
}


class World:
    """An agent, the two registries of the recording, and crates.io, which is never talked to."""

    def __init__(self, desk: Desk, registries: dict[str, Registry]):
        self.desk = desk
        self.registries = registries

    def here(self, text: str) -> str:
        """The text with our hosts instead of the recorded ones."""
        for name, host in RECORDED.items():
            text = text.replace(host, f"127.0.0.1:{self.registries[name].port}")
        return text.replace("$TOKEN", TOKEN)

    def arrange(self, index: str, state: str) -> None:
        """Brings the registry's accounts into that state."""
        wanted = {"logged in": {"default"}, "logged out": set(), "other account": {"other"}}[state]
        there = {a["account"] for a in accounts(self.desk) if a["index"] == index.rstrip("/")}
        for account in there - wanted:
            log_out(self.desk, index, account)
        for account in wanted - there:
            self.desk.succeed("login", "--index", index, "--with-token", "--allow-http",
                              "--account", account, given=TOKEN + "\n")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    directory = tmp_path_factory.mktemp("vectors")
    desk = Desk(directory / "desk")
    with Registry(directory / "open") as opened, Registry(directory / "priv") as private:
        world = World(desk, {"open": opened, "priv": private})
        try:
            desk.start()
            desk.init()
            yield world
        finally:
            desk.stop()
        for registry in world.registries.values():
            assert registry.violations == []
            assert {e["path"].split("/")[1] for e in registry.requests()} <= {"index"}
            assert {e["token"] for e in registry.requests()} <= {None}


def essence(answer: dict) -> dict:
    """Without the sentences for people, which have to be there."""
    error = answer.get("Err", {})
    if error.get("kind") == "other":
        assert error.pop("message") and isinstance(error.pop("caused-by"), list)
    answer.get("Ok", {}).pop("check-detail", None)
    return answer


def names(lines: list[dict]) -> list[str]:
    return [f"{n:02}-{one['scenario']}" for n, one in enumerate(lines)]


@pytest.fixture(params=LINES, ids=names(LINES))
def recorded(request, world):
    """A line in the state that it expects: the line and what is expected."""
    line = world.here(request.param["line"])
    expect = json.loads(world.here(json.dumps(request.param["expect"])))
    index = json.loads(line)["registry"]["index-url"]
    world.arrange(index, expect["state"])
    yield line, expect
    if json.loads(line)["kind"] == "login":
        world.arrange(index, "logged out")  # The token may be another one now.


def test_all_recorded_lines_are_there():
    assert len(LINES) == 52
    assert len({one["scenario"] for one in LINES}) == 37
    assert {json.loads(one["line"])["registry"]["index-url"] for one in LINES} == {
        CRATES_IO, *(f"sparse+http://{host}/index/" for host in RECORDED.values())}


def test_recorded_line_is_answered_as_written_down(world, recorded):
    line, expect = recorded
    with lent_pty() as terminal, provider(world.desk, terminal) as running:
        running.send(line)
        for question in expect["asks"]:
            terminal.answers(*ANSWERS[question])
        answer = essence(json.loads(running.line()))
        assert answer == expect["answer"]
        assert running.end() == (0, b"", b"")
        # Nothing but what was asked, and never a secret.
        assert terminal.shown().strip() in (["", "y"] if expect["asks"] else [""])
        assert TOKEN not in terminal.seen and PASSPHRASE not in terminal.seen


def test_recorded_line_is_answered_as_written_down_without_a_terminal(world, recorded):
    line, expect = recorded
    wanted = expect.get("without-terminal", expect["answer"])
    assert essence(ask_provider(world.desk, line)) == wanted
    if "Err" in wanted:
        assert TOKEN not in json.dumps(wanted)


@pytest.mark.parametrize("one", [o for o in LINES if "args" in o],
                         ids=names([o for o in LINES if "args" in o]))
def test_recorded_line_with_the_arguments_of_another_provider_is_refused(world, one):
    request = json.loads(world.here(one["line"])) | {"args": one["args"]}
    before = accounts(world.desk)
    answer = ask_provider(world.desk, request)
    assert code(answer) == "argument-unknown" and answer["Err"]["kind"] == "other"
    assert accounts(world.desk) == before
