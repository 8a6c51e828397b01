"""`owner`: shows who owns a crate without a token, and changes it after an approval."""

import json

import pytest

from act_play import counter, new_token, shop  # noqa: F401
from desk import PASSPHRASE
from grant import trusted_token
from play import APPROVE, CANCEL

pytestmark = pytest.mark.release

TEAM = "github:acme:rust"


@pytest.fixture
def demo(counter):
    counter.log_in()
    return counter.crate("0.1.0")


def owners(counter, name: str) -> list[str]:
    return counter.registry.owners.of(name)


def test_owners_are_listed_without_a_token_and_nobody_is_asked(counter, demo):
    counter.registry.owners.give(demo, "alice", TEAM)
    done = counter.run("owner", demo)
    assert done.returncode == 0, done.stderr
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["alice", "user", "Alice"], [TEAM, "team", "Rust"]]
    listed = json.loads(counter.run("--json", "owner", demo, "-l").stdout)
    assert listed["name"] == demo and listed["results"] == []
    assert listed["owners"][0] == {"login": "alice", "kind": "user", "name": "Alice"}
    assert [e["token"] for e in counter.requests("GET .*/owners")] == [None, None]


def test_registry_that_wants_a_token_for_it_gets_one_after_the_approval(counter, demo):
    counter.registry.announce(auth_required=True)
    done = counter.do("owner", demo)
    assert done.status == 0 and "alice" in done.text and f"  crate     {demo}" in done.question
    assert counter.run("owner", demo).returncode == 4


def test_unknown_crate_has_no_owners(counter, demo):
    done = counter.run("--json", "owner", counter.name("nothing"))
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (6, "registry-refused")
    assert "does not exist" in error["detail"]


def test_case_67_people_and_teams_are_added_in_one_request_and_told_in_its_words(counter, demo):
    done = counter.do("owner", demo, "--add", "bob", "-a", TEAM)
    assert done.status == 0
    for row in ("cpub-agent: approve changing owners?", f"  account   {counter.account}",
                f"  crate     {demo}", "  add       bob", f"  add       {TEAM}",
                "An owner can publish, yank, and add and remove owners."):
        assert row in done.question
    assert f"  add        bob, {TEAM}: accepted\n" in done.text
    assert f"user bob has been invited to be an owner of crate {demo}" in done.text
    assert f"team {TEAM} has been added as an owner of crate {demo}" in done.text
    assert owners(counter, demo) == ["alice", TEAM]  # bob has not accepted.
    (sent,) = counter.requests("PUT ")
    assert sent["headers"]["content-type"] == "application/json"
    done = counter.do("owner", demo, "--add", "bob")
    assert done.status == 0 and "already has a pending invitation" in done.text
    assert counter.audit("owner-add") == [
        ("owner-add", "begun", None), ("owner-add", "done", None)] * 2


def test_adding_comes_before_removing_and_each_has_its_result(counter, demo):
    done = counter.do("owner", demo, "--remove", TEAM, "--remove", "carol", "--add", TEAM)
    assert done.status == 9 and f"  add        {TEAM}: accepted\n" in done.text
    assert f"remove {TEAM}, carol: the registry said no" in done.text
    assert "could not find owner with login `carol`" in done.text
    assert owners(counter, demo) == ["alice", TEAM]
    status, answer = counter.told("owner", demo, "--remove", TEAM)
    (result,) = answer["results"]
    assert status == 0 and owners(counter, demo) == ["alice"]
    assert result == {"act": "remove", "users": [TEAM], "outcome": "done", "code": None,
                      "message": None, "detail": None, "hint": None, "retry-after": None,
                      "said": "owners successfully removed"}
    assert [e["method"] for e in counter.requests("(PUT|DELETE) .*/owners")] == [
        "PUT", "DELETE", "DELETE"]


REFUSALS = [
    ("bob nobody", None, None, "could not find user with login `nobody`", None),
    ("alice", None, None, "`alice` is already an owner", None),
    (TEAM, "unknown", None, "could not find the github team acme/rust", "github:ORG:TEAM"),
    (TEAM, "foreign", None, "only members of a team", "github:ORG:TEAM"),
    (TEAM, "closed", None, "has restricted OAuth access", "grant crates.io access"),
    ("gitlab:a:b", None, None, "unknown organization handler", None),
    ("bob", None, ("carol",), "only owners have permission", "ask an owner"),
    ("bob", None, ("carol", "github:acme:all"), "team members don't have permission",
     "only owners named one by one"),
]


@pytest.mark.parametrize("logins,obstacle,held_by,detail,hint", REFUSALS)
def test_what_crates_io_says_no_to_is_told_with_a_hint(
        counter, demo, logins, obstacle, held_by, detail, hint):
    if obstacle:
        counter.registry.owners.obstruct(TEAM, obstacle)
    if held_by:
        counter.registry.owners.join("github:acme:all")
        counter.registry.owners.give(demo, *held_by)
    before = owners(counter, demo)
    words = [word for login in logins.split() for word in ("--add", login)]
    status, answer = counter.told("owner", demo, *words)
    counter.registry.owners._obstacles.clear()
    (result,) = answer["results"]
    assert (status, result["outcome"], result["code"]) == (6, "refused", "registry-refused")
    assert detail in result["detail"]
    assert (hint in result["hint"]) if hint else result["hint"] is None
    assert owners(counter, demo) == before


def test_case_68_eleven_logins_are_refused_here(counter, demo):
    words = [f"-au{i}" for i in range(11)]
    assert counter.run("owner", demo, *words).returncode == 2
    answer = counter.desk.ask({
        "v": 1, "kind": "owner", "registry": {"index-url": counter.registry.index},
        "account": counter.account, "name": demo, "add": [f"u{i}" for i in range(11)]})
    assert answer["Err"]["code"] == "bad-request" and counter.requests("PUT ") == []


@pytest.mark.parametrize("login", ["a b", "a\"b", "a\\b", "a\nb", "", "github:a", "github:a/b:c"])
def test_odd_login_never_reaches_a_request(counter, demo, login):
    answer = counter.desk.ask({
        "v": 1, "kind": "owner", "registry": {"index-url": counter.registry.index},
        "account": counter.account, "name": demo, "add": [login]})
    assert answer["Err"]["code"] == "bad-name" and counter.requests("PUT ") == []


def test_without_an_approval_nothing_is_changed(counter, demo):
    terminal = counter.start("owner", demo, "--add", TEAM)
    terminal.sees(APPROVE)
    terminal.send(CANCEL)
    assert counter.end(terminal) == 5
    assert counter.run("owner", demo, "--add", TEAM).returncode == 4
    assert owners(counter, demo) == ["alice"] and counter.requests("PUT ") == []


def test_lost_answer_is_unknown_and_what_comes_after_it_is_still_done(counter, demo):
    counter.registry.owners.give(demo, "alice", TEAM)
    counter.registry.inject(f"PUT .*{demo}/owners", done=True, cut=-1)
    status, answer = counter.told("owner", demo, "--add", "bob", "--remove", TEAM)
    assert status == 9
    assert [(r["act"], r["outcome"]) for r in answer["results"]] == [
        ("add", "unknown"), ("remove", "done")]
    assert len(counter.requests("PUT ")) == 1


def test_case_94_token_of_trusted_publishing_is_refused_here(counter):
    demo, token = counter.crate("0.1.0"), trusted_token(new_token()[3:34])
    counter.log_in("--no-check", "--api", counter.registry.api, token=token)
    terminal = counter.start("--json", "owner", demo, "--add", "bob")
    terminal.answers(APPROVE, PASSPHRASE)
    assert counter.end(terminal) == 6
    assert '"code":"token-scope"' in terminal.seen and counter.requests("PUT ") == []
