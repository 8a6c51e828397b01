"""
What a person tells of a token at login: when it ends, what it may do and on which crates. It is
shown wherever the token is used, warned of in time, and a token that is over is not handed out.

No test waits for a clock but by a second or two: less than a minute left counts as over.
"""

import json
import time

import pytest

from crate import write_crate
from desk import PASSPHRASE, PLACEHOLDER, TOKEN, code, get, publish
from play import (
    APPROVE, CRATES_IO, LOG_IN, OTHER_TOKEN, TOKEN_FOR, UNLOCK, accounts, ends, lent_pty, provider,
    refused, terminal_login, token_of, with_token,
)

DAY = 24 * 60 * 60
MUTATIONS = ("publish", "yank", "unyank", "owners")
SENTENCE = "make a new one at the registry and run `cpub-agent login --replace`"


def tell(desk, ahead: int, account: str = "default", index: str = CRATES_IO, **more) -> int:
    """Logs in without a network and tells that the token ends in so many seconds; returns when."""
    expires = int(time.time()) + ahead
    answer = desk.ask({
        "v": 1, "registry": {"index-url": index}, "kind": "login", "account": account,
        "url-source": "given", "no-check": True, "token": TOKEN, "expires": expires} | more)
    assert code(answer) == "ok", answer
    return expires


def act(index: str, operation: str, account: str = "default") -> dict:
    return publish(index) | {"operation": operation, "account": account}


def wait_until_over(desk, index: str = CRATES_IO) -> None:
    desk.wait(lambda: code(desk.ask(act(index, "yank"))) == "token-expired", "the token's end", 5)


def day_of(expires: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(expires))


@pytest.fixture
def over(open_desk, registry):
    """An account at the registry whose token is over, as told."""
    tell(open_desk, 62, index=registry.index, **{"api": registry.api})
    assert code(open_desk.ask(act(registry.index, "yank"))) == "needs-terminal"
    wait_until_over(open_desk, registry.index)
    return open_desk


# Over.

def test_token_that_is_over_is_refused_before_anybody_is_asked(over, registry):
    for operation in MUTATIONS:
        with lent_pty() as terminal, over.line() as line:
            line.send(act(registry.index, operation), [terminal.lent])
            answer = json.loads(line.receive())
            assert code(answer) == "token-expired" and SENTENCE in answer["Err"]["message"]
            assert terminal.shown() == ""
    refusals = {e["op"] for e in over.audit() if e.get("refusal") == "token-expired"}
    assert refusals == set(MUTATIONS)
    # Reads of this registry need no token.
    assert over.ask(get(registry.index))["Ok"]["token"] == PLACEHOLDER
    assert "over; make a new one" in over.succeed("list")
    assert "over; make a new one" in over.succeed("status")


def test_cargo_says_what_to_do_about_a_token_that_is_over_and_sends_nothing(over, registry):
    over.set_up_cargo(registry)
    folder = write_crate(over.home / "demo", "demo")
    terminal = over.terminal("cargo", "publish", "--registry", "local", "--allow-dirty", cwd=folder)
    assert terminal.ends() == 101
    assert SENTENCE in " ".join(terminal.seen.split()) and APPROVE not in terminal.seen
    assert registry.requests("PUT /") == [] and registry.violations == []


def test_token_that_is_over_is_refused_after_the_passphrase_of_a_locked_store(over, registry):
    over.succeed("lock")
    with lent_pty() as terminal, over.line() as line:
        line.send(act(registry.index, "publish"), [terminal.lent])
        terminal.answers(UNLOCK, PASSPHRASE)
        assert code(json.loads(line.receive())) == "token-expired"
        assert APPROVE not in terminal.seen + terminal.shown()


def test_approval_of_a_cargo_run_covers_no_token_that_is_over(open_desk, registry):
    open_desk.login(registry, TOKEN, "--account", "other")
    tell(open_desk, 62, index=registry.index, **{"api": registry.api})
    with lent_pty() as terminal, provider(open_desk, terminal) as running:
        running.send(publish(registry.index))
        terminal.answers(APPROVE, PASSPHRASE)
        assert "Ok" in json.loads(running.line())
        wait_until_over(open_desk, registry.index)
        terminal.shown()
        assert code(running.ask(publish(registry.index, "another"))) == "token-expired"
        assert terminal.shown() == ""


def test_new_token_in_place_of_one_that_is_over_is_handed_out(over, registry):
    terminal = terminal_login(over, registry, "--expires", "90d")
    terminal.answers(APPROVE, PASSPHRASE)
    terminal.answers(TOKEN_FOR, OTHER_TOKEN)
    ends(terminal, 0)
    assert token_of(over, registry.index) == OTHER_TOKEN


@pytest.mark.parametrize("ahead", [-DAY, -1, 30])
def test_login_with_a_token_that_is_over_is_refused(open_desk, registry, ahead):
    request = {"v": 1, "registry": {"index-url": registry.index}, "kind": "login",
               "url-source": "given", "token": TOKEN, "expires": int(time.time()) + ahead}
    answer = open_desk.ask(request)
    assert code(answer) == "token-expired" and TOKEN not in json.dumps(answer)
    assert accounts(open_desk) == [] and registry.requests() == []


# Warned in time.

@pytest.mark.parametrize("ahead, days, when", [
    (14 * DAY - 20, "13 days", "soon"),
    (2 * DAY + 300, "2 days", "soon"),
    (DAY + 300, "1 day", "soon"),
    (DAY - 20, "less than a day", "now"),
    (300, "less than a day", "now"),
])
def test_end_within_14_days_is_warned_of_everywhere(open_desk, ahead, days, when):
    expires = tell(open_desk, ahead)
    day = day_of(expires)
    rows = [line.rstrip() for line in open_desk.succeed("list").splitlines()]
    assert f"  expires    {day}, in {days}; make a new one {when}" in rows
    rows = [line.rstrip() for line in open_desk.succeed("status").splitlines()]
    assert f"expires    crates.io/default: {day}, in {days}; make a new one {when}" in [
        row.strip() for row in rows]
    assert open_desk.status()["expiring"] == [
        {"index": CRATES_IO, "account": "default", "expires": expires}]
    with lent_pty() as terminal, open_desk.line() as line:
        line.send(act(CRATES_IO, "owners"), [terminal.lent])
        question = terminal.sees(APPROVE).splitlines()
        assert f"  token     expires in {days}: make a new one {when}" in question


@pytest.mark.parametrize("ahead", [14 * DAY + 60, 15 * DAY, 90 * DAY, None])
def test_later_end_is_shown_and_not_warned_of(open_desk, ahead):
    if ahead:
        expires = tell(open_desk, ahead)
    else:
        open_desk.succeed("login", "--with-token", "--no-check", given=TOKEN + "\n")
    text = open_desk.succeed("list")
    assert "make a new one" not in text + open_desk.succeed("status")
    if ahead:
        assert f"  expires    {day_of(expires)}, in " in text
    else:
        assert "expires" not in text
    assert open_desk.status()["expiring"] == []
    assert accounts(open_desk)[0]["expires"] == (expires if ahead else None)
    with lent_pty() as terminal, open_desk.line() as line:
        line.send(act(CRATES_IO, "owners"), [terminal.lent])
        assert "expires" not in terminal.sees(APPROVE)


def test_status_warns_of_the_accounts_that_end_soon_and_of_no_other(open_desk):
    tell(open_desk, 5 * DAY, "soon")
    tell(open_desk, 50 * DAY, "late")
    text = open_desk.succeed("status")
    assert "crates.io/soon: " in text and "crates.io/late" not in text
    answer = json.loads(open_desk.succeed("--json", "status"))
    assert [e["account"] for e in answer["expiring"]] == ["soon"]
    open_desk.succeed("lock")  # When an account ends is sealed with it.
    assert open_desk.status()["expiring"] == []


# Told.

def test_what_is_told_is_kept_shown_and_sealed(open_desk, registry):
    words = ("--expires", "2099-02-20", "--scope", "publish-update", "--crates", "serde*, demo")
    done = with_token(open_desk, registry, *words)
    assert done.returncode == 0, done.stderr
    open_desk.stop()
    assert b"serde" not in open_desk.vault.read_bytes()
    assert b"publish-update" not in open_desk.vault.read_bytes()
    open_desk.start()
    open_desk.unlock()
    (account,) = json.loads(open_desk.succeed("--json", "list"))["accounts"]
    assert account["expires"] == 4075228800
    assert (account["scope"], account["crates"]) == ("publish-update", "serde*, demo")
    for zone in ("UTC", "America/Los_Angeles", "Asia/Tokyo"):
        rows = [line.rstrip() for line in open_desk.succeed("list", TZ=zone).splitlines()]
        assert [r for r in rows if r.startswith("  expires    2099-02-20, in ")], zone
        assert "  scope      publish-update" in rows and "  crates     serde*, demo" in rows
    with lent_pty() as terminal, open_desk.line() as line:
        line.send(act(registry.index, "publish"), [terminal.lent])
        question = terminal.sees(APPROVE).splitlines()
        assert "  told of it  publish-update on serde*, demo" in question


def test_question_at_login_shows_what_is_told(open_desk, registry):
    terminal = terminal_login(open_desk, registry, "--expires", "2099-02-20", "--scope", "yank",
                              "--crates", "demo")
    rows = [line.rstrip() for line in terminal.answers(LOG_IN, "n").splitlines()]
    for row in ("  expires   2099-02-20 (as you say)", "  scope     yank (as you say)",
                "  crates    demo (as you say)"):
        assert row in rows
    ends(terminal, 5)


def test_nothing_told_is_null(open_desk, registry):
    with_token(open_desk, registry)
    (account,) = json.loads(open_desk.succeed("--json", "list"))["accounts"]
    assert [account[name] for name in ("expires", "scope", "crates")] == [None, None, None]


def test_replacing_forgets_what_was_told_of_the_old_token(open_desk, registry):
    with_token(open_desk, registry, "--expires", "90d", "--scope", "yank", "--crates", "demo")
    terminal = terminal_login(open_desk, registry)
    terminal.answers(APPROVE, PASSPHRASE)
    terminal.answers(TOKEN_FOR, OTHER_TOKEN)
    ends(terminal, 0)
    (account,) = accounts(open_desk)
    assert [account[name] for name in ("expires", "scope", "crates")] == [None, None, None]


@pytest.mark.parametrize("word, seconds", [
    ("90d", 90 * DAY), ("12h", DAY // 2), ("30min", 1800), ("2w", 14 * DAY), ("1y", 365 * DAY),
])
def test_expires_takes_a_span(open_desk, registry, word, seconds):
    before = int(time.time())
    assert with_token(open_desk, registry, "--expires", word).returncode == 0
    assert before <= accounts(open_desk)[0]["expires"] - seconds <= time.time()


@pytest.mark.parametrize("word", [
    "", "soon", "90", "d", "-5d", "0d", "90 d", "90days", "1e3d", "5m", "999999999y",
    "99999999999d",
    "2001-01-01", "2099-02-30", "2099-2-3", "2099- 2- 3", "2099-02-20T10:00", "20990220", "\x1b[2J",
], ids=ascii)
def test_other_words_for_expires_are_a_usage_error(open_desk, registry, word):
    refused(with_token(open_desk, registry, f"--expires={word}"), "usage", 2)
    assert accounts(open_desk) == [] and registry.requests() == []


@pytest.mark.parametrize("option", ["--scope", "--crates"])
@pytest.mark.parametrize("words", ["", "a\x1b[2J", "a\nb", "t\u00f6", "x" * 257], ids=ascii)
def test_words_that_could_forge_a_question_are_refused(open_desk, registry, option, words):
    refused(with_token(open_desk, registry, option, words), "bad-name", 8)
    assert accounts(open_desk) == [] and registry.requests() == []
