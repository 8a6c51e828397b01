"""A wall clock that is set back and forth: it ends and prolongs nothing."""

import datetime
import subprocess
import time
from pathlib import Path

import pytest

from desk import PASSPHRASE, TOKEN, code, publish
from play import APPROVE, CRATES_IO, lent_pty, provider
from test_agent_connections import STATUS

SOURCE = Path(__file__).resolve().parent.parent / "fake/wall_clock.c"
YEAR = 365 * 24 * 3600
LOCK_AFTER = 4


@pytest.fixture
def wrong_clock(desk, tmp_path):
    """Sets the agent's wall clock wrong by so many seconds; for Desk.start there is .agent."""
    library = tmp_path / "wall_clock.so"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    offset = tmp_path / "offset"
    offset.write_text("0")

    def step(seconds: int) -> None:
        beside = tmp_path / "offset.new"
        beside.write_text(str(seconds))
        beside.rename(offset)

    step.agent = {"LD_PRELOAD": str(library), "WALL_CLOCK": str(offset),
                  # A preloaded library comes before the sanitizer's.
                  "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0:exitcode=99"}
    return step


def year_of_last_line(desk) -> int:
    return datetime.datetime.fromisoformat(desk.audit()[-1]["time"].rstrip("Z")).year


def test_stepped_clock_neither_ends_nor_prolongs_the_idle_lock(desk, wrong_clock):
    desk.start(f"--lock-after={LOCK_AFTER}", **wrong_clock.agent)
    desk.init()
    wrong_clock(2 * YEAR)
    assert desk.status()["state"] == "unlocked"
    assert 0 < desk.status()["locks-in"] <= LOCK_AFTER
    begin = time.monotonic()
    desk.ask({"v": 1, "kind": "list"})  # From here on it counts again.
    wrong_clock(-2 * YEAR)
    assert desk.status()["state"] == "unlocked"
    desk.wait(lambda: desk.status()["state"] == "locked", "the lock", LOCK_AFTER + 3)
    assert time.monotonic() - begin > LOCK_AFTER - 1


def test_stepped_clock_neither_ends_nor_prolongs_a_grant(desk, wrong_clock):
    desk.start(**wrong_clock.agent)
    desk.init()
    desk.succeed("login", "--index", CRATES_IO, "--with-token", given=TOKEN + "\n")
    this_year = year_of_last_line(desk)
    with lent_pty() as terminal, provider(desk, terminal) as cargo:
        cargo.send(publish(CRATES_IO, "one"))
        terminal.answers(APPROVE, PASSPHRASE)
        assert TOKEN.encode() in cargo.line()
        for n, years in enumerate((2, -2, 0)):
            wrong_clock(years * YEAR)
            assert desk.ask(STATUS)["Ok"]["grants"] == 1
            answer = cargo.ask(publish(CRATES_IO, f"crate-{n}"))
            assert code(answer) == "ok"  # And nobody was asked.
            # That the preloaded clock is looked at, and the log tells the clock as it is.
            assert abs(year_of_last_line(desk) - (this_year + years)) <= 1
        assert terminal.seen.count(APPROVE) == 1
