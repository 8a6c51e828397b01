"""
What the question of a publish tells of the crate's history, which comes from an index that may be
slow, wrong or hostile: it never delays the question for long, and nothing of it forges a line.
"""

import json
import time

import pytest

from closed_play import closed, closed_desk, digest, put_crate
from crate import write_crate
from desk import PASSPHRASE, TOKEN, code, publish
from play import APPROVE, CANCEL, UNLOCK, lent_pty
from test_auth_required import rows
from test_cargo import publish_demo

__all__ = ["closed", "closed_desk"]  # Fixtures.

FIRST = "  history   FIRST publish of this crate; its name is taken for good"
LAST = "  history   last version 0.1.0"
UNKNOWN = "  history   unknown: the index was not asked, or did not answer"
FILE = "GET /index/de/mo/demo"
CKSUM = "0f" * 32


def question(desk, request, prompt=APPROVE) -> list[str]:
    """The rows that a person sees, who then says no."""
    with lent_pty() as terminal, desk.line() as line:
        line.send(request, [terminal.lent])
        shown = terminal.answers(prompt, CANCEL)
        assert code(json.loads(line.receive())) == "denied"
        assert TOKEN not in terminal.seen
        seen = terminal.seen.removeprefix("\a")  # The bell of the question.
        assert all(c == "\n" or " " <= c <= "~" for c in seen), ascii(seen)
    return rows(shown)


def history(desk, request, prompt=APPROVE) -> str:
    (row,) = [row for row in question(desk, request, prompt) if row.startswith("  history ")]
    return row


def entry(**more) -> str:
    return json.dumps({"name": "demo", "vers": "0.1.0", "deps": [], "cksum": CKSUM,
                       "features": {}, "yanked": False} | more)


def test_first_publish_and_the_next_are_told_apart(ready_desk, registry):
    terminal = publish_demo(ready_desk)
    assert FIRST in rows(terminal.seen)
    terminal = publish_demo(ready_desk, version="0.2.0")
    assert LAST in rows(terminal.seen) and "FIRST" not in terminal.seen
    terminal = publish_demo(ready_desk, "another")
    assert FIRST in rows(terminal.seen)
    assert registry.violations == []


def test_index_that_wants_a_token_is_asked_with_it(closed_desk, closed):
    assert history(closed_desk, publish(closed.index)) == FIRST
    put_crate(closed)
    assert history(closed_desk, publish(closed.index, version="0.2.0")) == LAST
    assert {e["token"] for e in closed.requests(FILE)} == {digest(TOKEN)}
    closed.revoke_token(TOKEN)
    assert history(closed_desk, publish(closed.index)) == UNKNOWN


def test_only_a_publish_has_a_history(ready_desk, registry):
    request = publish(registry.index) | {"operation": "yank"}
    assert not [row for row in question(ready_desk, request) if "history" in row]
    assert registry.requests(FILE) == []


def test_locked_store_keeps_the_way_to_the_index_and_it_is_not_asked(ready_desk, registry):
    put_crate(registry)
    ready_desk.succeed("lock")
    assert history(ready_desk, publish(registry.index), UNLOCK) == UNKNOWN
    assert registry.requests(FILE) == []


@pytest.mark.parametrize("status", [404, 410, 451])
def test_what_cargo_takes_for_absent_is_a_first_publish(ready_desk, registry, status):
    registry.inject(FILE, status=status)
    assert history(ready_desk, publish(registry.index)) == FIRST


@pytest.mark.parametrize("rule", [
    {"status": 500}, {"status": 403}, {"status": 401}, {"redirect": "https://evil.example/x"},
    {"cut": -1}, {"cut": 3, "body": entry() + "\n"}], ids=str)
def test_failing_index_is_unknown_and_never_a_first_publish(ready_desk, registry, rule):
    registry.inject(FILE, **rule)
    assert history(ready_desk, publish(registry.index)) == UNKNOWN


@pytest.mark.parametrize("slow", [{"hang": True}, {"trickle": (1, 0.2), "body": entry()}], ids=str)
def test_question_does_not_wait_long_for_a_slow_index(ready_desk, registry, slow):
    rule = registry.inject(FILE, **slow)
    since = time.monotonic()
    assert history(ready_desk, publish(registry.index)) == UNKNOWN
    assert rule.hits == 1
    assert time.monotonic() - since < 6  # Three, and a busy machine.


ESCAPE = "\x1b[2J\x1b[1;1H"


@pytest.mark.parametrize("body, shown", [
    (entry(vers=f"0.1.0{ESCAPE}"), UNKNOWN),
    (entry(vers="0.1.0\n  registry  https://crates.io"), UNKNOWN),
    (entry(vers="9" * 5000), UNKNOWN),
    (entry(vers="1.0.0-" + "a" * 5000), UNKNOWN),
    (entry(vers=["0.1.0"]), UNKNOWN),
    (entry(name=f"demo{ESCAPE}"), UNKNOWN),
    (entry(name="other"), UNKNOWN),
    (f"{entry()}\n{entry(vers=f'0.2.0{ESCAPE}')}\n", LAST),
    (f"{entry()}\n{ESCAPE}\n", LAST),
    (f"{entry()}\n{entry(vers='0.2.0', cksum=ESCAPE)}\n", "  history   last version 0.2.0"),
    (f"{entry()}\n{{\"name\":\"demo\",\"vers\":\"0.2.0\",\"vers\":\"0.3.0\"}}\n", LAST),
    (b"\0" * 100, UNKNOWN), (b"\xff\xfe", UNKNOWN), (b"", UNKNOWN), (b"\n" * 1000, UNKNOWN),
    (b"[" * 100_000, UNKNOWN),
], ids=lambda x: ascii(x)[:40])
def test_hostile_file_of_a_crate_never_reaches_the_terminal(ready_desk, registry, body, shown):
    registry.inject(FILE, body=body)
    assert history(ready_desk, publish(registry.index)) == shown


@pytest.mark.parametrize("size", [16 * 1024 * 1024, 17 * 1024 * 1024, 1 << 40])
def test_huge_file_of_a_crate_is_unknown(ready_desk, registry, size):
    registry.inject(FILE, huge=size)
    assert history(ready_desk, publish(registry.index)) == UNKNOWN
    assert ready_desk.status()["accounts"] == 1


def test_large_file_of_a_crate_is_read_to_its_end(ready_desk, registry):
    lines = "".join(f"{entry(vers=f'0.0.{n}')}\n" for n in range(5_000))
    registry.inject(FILE, body=lines + entry() + "\n")
    assert history(ready_desk, publish(registry.index)) == LAST


def test_file_that_takes_long_to_read_holds_the_question_up_no_longer(ready_desk, registry):
    registry.inject(FILE, body=(f"{entry()}\n" * 120_000)[:16 * 1024 * 1024])
    since = time.monotonic()
    assert history(ready_desk, publish(registry.index)) in (LAST, UNKNOWN)
    assert time.monotonic() - since < 8


def test_release_does_not_hang_on_the_history(ready_desk, registry):
    """Asked and answered, with an index that never tells anything of the crate."""
    registry.inject(FILE, hang=True, times=None)
    with lent_pty() as terminal, ready_desk.line() as line:
        line.send(publish(registry.index), [terminal.lent])
        assert UNKNOWN in rows(terminal.answers(APPROVE, PASSPHRASE))
        assert json.loads(line.receive())["Ok"]["token"] == TOKEN
