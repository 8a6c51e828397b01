"""`check`: what can be known before a release, without changing anything and without an approval."""

import json
import time
from email.utils import formatdate

import pytest

from act_play import counter, elsewhere, shop  # noqa: F401
from desk import PASSPHRASE, TOKEN
from exchange import Exchange
from play import UNLOCK
from test_probe import alone, crates_io, desk, its_certificate  # noqa: F401

pytestmark = pytest.mark.release


@pytest.fixture
def demo(counter):
    counter.log_in()
    return counter.crate("0.1.0", "0.2.0")


def check(counter, *words: str) -> tuple[int, dict[str, tuple[str, str]]]:
    done = counter.run("--json", "check", *words)
    assert done.stdout, done.stderr
    return done.returncode, findings(done.stdout)


def findings(text: str) -> dict[str, tuple[str, str]]:
    told = json.loads(text)["findings"]
    assert len({f["what"] for f in told}) == len(told)
    return {f["what"]: (f["state"], f["text"]) for f in told}


def test_account_alone_is_checked_without_a_crate(counter):
    counter.log_in("--expires", "90d", "--scope", "publish-update", "--crates", "demo-*")
    status, told = check(counter)
    assert status == 0
    assert told["account"][0] == "good" and counter.registry.api in told["account"][1]
    assert {told[what][0] for what in ("expiry", "scope", "index", "pin")} == {"good"}
    assert "publish-update on demo-*" in told["scope"][1]
    assert told["token"][0] == "unknown"  # Only crates.io tells.
    assert not told.keys() & {"crate", "version", "owners"}


def test_crate_and_version_are_looked_up_and_no_token_goes_along(counter, demo):
    status, told = check(counter, f"{demo}@0.3.0")
    assert status == 0
    assert told["crate"] == ("good", "there, last version 0.2.0")
    assert told["version"] == ("good", "0.3.0 is free")
    assert "alice" in told["owners"][1]
    assert {e["token"] for e in counter.requests()} == {None} or all(
        e["token"] is None for e in counter.requests("GET"))
    assert check(counter, f"{demo}@0.1.5")[1]["version"][0] == "warning"
    status, told = check(counter, f"{demo}@0.1.0")
    assert status == 1 and told["version"][0] == "bad"
    status, told = check(counter, counter.name("fresh") + "@0.1.0")
    assert status == 0 and told["crate"][0] == "good" and "nobody has this name" in told["crate"][1]
    assert counter.requests("PUT /api/v1/crates/.*/owners") == counter.requests("DELETE ") == []
    assert counter.audit("check", "owner-list") == []


def test_text_has_a_row_for_each_finding(counter, demo):
    done = counter.run("check", f"{demo}@0.1.0")
    assert done.returncode == 1
    rows = done.stdout.splitlines()
    assert any(row.startswith("  version    ✗ 0.1.0 is there already") for row in rows)
    assert any(row.startswith("  pin        ✓ ") for row in rows)
    assert any(row.startswith("  expiry     ? ") for row in rows)
    quiet = counter.run("-q", "check", f"{demo}@0.1.0")
    assert quiet.returncode == 1 and "✓" not in quiet.stdout and "✗" in quiet.stdout


def test_index_that_names_another_api_is_bad(counter, demo, tmp_path, certificate):
    with elsewhere(tmp_path, certificate) as other:
        counter.registry.announce(api=other.api)
        status, told = check(counter)
        assert status == 1 and told["pin"][0] == "bad" and other.api in told["pin"][1]
        assert "cpub-agent trust" in told["pin"][1] and other.requests() == []


def test_index_that_does_not_answer_is_not_known(counter, demo):
    counter.registry.inject("GET /index/config.json", status=500, body="oops")
    status, told = check(counter)
    assert status == 0 and told["index"][0] == "unknown" and "pin" not in told


def test_token_that_ends_soon_is_a_warning_and_one_that_is_over_is_bad(counter):
    counter.log_in("--expires", "5d")
    status, told = check(counter)
    assert status == 0 and told["expiry"][0] == "warning" and "5 days" in told["expiry"][1] or \
        "4 days" in told["expiry"][1]
    answer = counter.desk.ask({
        "v": 1, "registry": {"index-url": counter.registry.index}, "kind": "login",
        "account": counter.account + "-over", "url-source": "given", "no-check": True,
        "token": counter.token, "expires": int(time.time()) + 61, "api": counter.registry.api})
    assert "Ok" in answer, answer

    def is_over() -> bool:
        done = counter.desk.run("--json", "check", "--index", counter.registry.index,
                                "--account", counter.account + "-over")
        return findings(done.stdout)["expiry"][0] == "bad" and done.returncode == 1

    counter.desk.wait(is_over, "the token's end", 5)


def test_locked_store_is_opened_and_nothing_more_is_asked(counter, demo):
    counter.desk.succeed("lock")
    assert counter.run("check").returncode == 4
    done = counter.do("check", demo, prompt=UNLOCK, answer=PASSPHRASE)
    assert done.status == 0 and "  crate      ✓ there" in done.text


def test_clock_is_compared_with_the_registrys(counter, monkeypatch):
    counter.log_in()

    def state(skew: float) -> str:
        date = formatdate(time.time() + skew, usegmt=True)
        monkeypatch.setattr(Exchange, "date_time_string", lambda *_: date)
        return check(counter)[1]["clock"][0]

    assert [state(skew) for skew in (0, 30, -90, 200, -400, 86400)] == [
        "good", "good", "warning", "warning", "bad", "bad"]


def test_account_that_is_not_there_is_said(counter, demo):
    done = counter.desk.run("--json", "check", "--index", counter.registry.index,
                            "--account", "nobody")
    assert done.returncode == 4 and json.loads(done.stdout)["error"]["code"] == "account-unknown"


def test_crates_io_tells_whether_the_token_is_good(desk, crates_io):
    desk.succeed("login", "--with-token", "--account", "checked", given=TOKEN + "\n")
    done = desk.run("--json", "check", "--account", "checked")
    assert findings(done.stdout)["token"] == ("good", "the registry knows it")
    crates_io.revoke_token(TOKEN)
    done = desk.run("--json", "check", "--account", "checked")
    assert done.returncode == 1 and findings(done.stdout)["token"][0] == "bad"
    crates_io.accept_token(TOKEN)
    crates_io.announce(locked="This account is indefinitely locked. Reason: spam")
    done = desk.run("--json", "check", "--account", "checked")
    assert done.returncode == 1 and "locked out" in findings(done.stdout)["token"][1]
    assert TOKEN not in done.stdout + done.stderr
