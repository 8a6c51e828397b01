"""`yank` and `unyank`: done by the agent, after one approval, and told as the registry told it."""

import json
import os
import signal
import time
from datetime import datetime, timedelta, timezone

import pytest

from act_play import Counter, counter, new_token, shop  # noqa: F401
from desk import PASSPHRASE, Desk, code
from grant import trusted_token
from injection import NOT_EVEN_A_STATUS
from play import APPROVE, CANCEL, UNLOCK, lent_pty

pytestmark = pytest.mark.release

NO_PERMISSION = "this token does not have the required permissions to perform this action"


def errors(detail: str) -> dict:
    return {"errors": [{"detail": detail}]}


@pytest.fixture
def demo(counter):
    counter.log_in()
    return counter.crate("0.1.0", "0.1.1")


def is_yanked(counter, name: str, version: str = "0.1.0") -> bool:
    return counter.registry.crates[name, version].yanked


def test_agent_yanks_and_unyanks_what_was_approved(counter, demo):
    done = counter.do("yank", f"{demo}@0.1.0")
    assert done.status == 0 and f"Yanked {demo} 0.1.0.\n" in done.text
    assert "cpub-agent: approve yank?\n" in done.question
    for row in (f"  registry  {counter.registry.index.rstrip('/')}", f"  account   {counter.account}",
                f"  sent to   {counter.registry.api}", f"  crate     {demo} 0.1.0", "  asked by  "):
        assert row in done.question
    assert is_yanked(counter, demo) and not is_yanked(counter, demo, "0.1.1")
    (sent,) = counter.requests("DELETE ")
    assert sent["path"] == f"/api/v1/crates/{demo}/0.1.0/yank" and sent["body_length"] == 0
    assert sent["headers"]["user-agent"].startswith("cpub-agent/")  # Case 69.
    assert "origin" not in sent["headers"]

    for words in (["unyank", demo, "--version", "0.1.0"], ["yank", "--undo", f"{demo}@0.1.0"]):
        done = counter.do(*words)
        assert done.status == 0 and f"Unyanked {demo} 0.1.0.\n" in done.text
        assert "cpub-agent: approve un-yank?\n" in done.question
        assert not is_yanked(counter, demo)
    assert counter.audit("yank", "unyank") == [
        ("yank", "begun", None), ("yank", "done", None),
        *[("unyank", "begun", None), ("unyank", "done", None)] * 2]


def test_several_at_once_are_one_approval_and_each_has_its_result(counter, demo):
    words = ("yank", f"{demo}@0.1.0", f"{demo}@9.9.9", f"{demo}@0.1.1")
    done = counter.do(*words)
    assert done.status == 9
    assert [line for line in done.question.splitlines() if "  crate " in line] == [
        f"  crate     {demo} {version}" for version in ("0.1.0", "9.9.9", "0.1.1")]
    assert is_yanked(counter, demo, "0.1.0") and is_yanked(counter, demo, "0.1.1")
    assert f"Yanked {demo} 0.1.0.\n" in done.text and f"Yanked {demo} 0.1.1.\n" in done.text
    assert f"  cause: crate `{demo}` does not have a version `9.9.9`\n" in done.text
    status, answer = counter.told("unyank", *words[1:])
    assert status == 9
    assert [(r["vers"], r["outcome"], r["code"]) for r in answer["results"]] == [
        ("0.1.0", "done", None), ("9.9.9", "refused", "registry-refused"), ("0.1.1", "done", None)]


def test_without_an_approval_nothing_is_sent(counter, demo):
    terminal = counter.start("yank", f"{demo}@0.1.0")
    terminal.sees(APPROVE)
    terminal.send(CANCEL)
    assert counter.end(terminal) == 5
    done = counter.run("--json", "yank", f"{demo}@0.1.0")
    assert done.returncode == 4 and json.loads(done.stdout)["error"]["code"] == "needs-terminal"
    assert counter.run("--no-input", "yank", f"{demo}@0.1.0").returncode == 4
    assert counter.requests("DELETE ") == []


def test_on_a_locked_store_one_passphrase_unlocks_and_approves(counter, demo):
    counter.desk.succeed("lock")
    done = counter.run("--json", "yank", f"{demo}@0.1.0")
    assert done.returncode == 4 and json.loads(done.stdout)["error"]["code"] == "locked"
    done = counter.do("yank", f"{demo}@0.1.0", prompt=UNLOCK)
    assert done.status == 0 and is_yanked(counter, demo)
    assert f"  crate     {demo} 0.1.0" in done.question
    assert counter.desk.status()["state"] == "unlocked"


def test_an_account_that_is_not_there_is_said_before_anybody_is_asked(counter, demo):
    done = counter.desk.run("--json", "yank", f"{demo}@0.1.0", "--index", counter.registry.index,
                            "--account", "nobody")
    assert json.loads(done.stdout)["error"]["code"] == "account-unknown" and done.returncode == 4
    done = counter.desk.run("--json", "yank", f"{demo}@0.1.0", "--index",
                            "sparse+https://nowhere.example/")
    assert json.loads(done.stdout)["error"]["code"] == "not-found" and done.returncode == 4


SCOPE_HINT = "https://crates.io/settings/tokens"
ANSWERS = [
    # Cases 57, 60, 61, 62, 64, 66: what the registry says, and what is told of it.
    (dict(status=200, body=errors("no today")), "refused", "registry-refused", "no today", 6),
    (dict(status=400, body="go away"), "refused", "registry-refused", "HTTP 400: go away", 6),
    (dict(status=403, body=errors("authentication failed")), "refused", "token-unknown",
     "authentication failed", 6),
    (dict(status=403, body=errors(NO_PERMISSION)), "refused", "token-scope", NO_PERMISSION, 6),
    (dict(status=503, body=errors("crates.io is currently in read-only mode. Please check …")),
     "refused", "registry-unavailable", "read-only mode", 6),
    (dict(status=503, body="<html>Service Unavailable</html>"), "unknown", "outcome-unknown",
     "HTTP 503", 7),
    (dict(status=500, body=errors("Internal Server Error")), "unknown", "outcome-unknown",
     "Internal Server Error", 7),
    (dict(status=200, body={"ok": False}), "refused", "registry-refused", None, 6),
    (dict(status=200, body={}), "unknown", "answer-invalid", None, 7),
    (dict(status=200, body="<html>Log in to the network</html>"), "unknown", "answer-invalid",
     None, 7),
    (dict(done=True, cut=NOT_EVEN_A_STATUS), "unknown", "outcome-unknown", None, 7),
]


@pytest.mark.parametrize("rule,outcome,refusal,detail,status", ANSWERS)
def test_each_answer_is_told_as_what_it_is(counter, demo, rule, outcome, refusal, detail, status):
    counter.registry.inject(f"DELETE .*{demo}", **rule)
    got, answer = counter.told("yank", f"{demo}@0.1.0")
    (result,) = answer["results"]
    assert (got, result["outcome"], result["code"]) == (status, outcome, refusal)
    assert result["message"] and (not detail or detail in result["detail"])
    assert (SCOPE_HINT in (result["hint"] or "")) is (refusal == "token-scope")
    # It is not sent again, and the token stays stored whatever was said of it.
    assert len(counter.requests("DELETE ")) == 1 and counter.stored() == ["all"]
    begun, ended = counter.audit("yank")
    assert begun == ("yank", "begun", None)
    assert ended == ("yank", "refused" if outcome == "refused" else "unknown", refusal)


def test_case_63_wait_that_is_asked_for_is_told(counter, demo):
    until = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(minutes=10)
    match = f"DELETE .*{demo}"
    counter.registry.rate_limit(match, until, "yanked or unyanked too many versions")
    counter.registry.inject(match, retry_after=3600)
    status, answer = counter.told("yank", f"{demo}@0.1.0")
    (result,) = answer["results"]
    assert (status, result["code"]) == (6, "rate-limited")
    assert result["retry-after"] == int(until.timestamp())
    assert "You have yanked or unyanked too many versions" in result["detail"]
    done = counter.do("yank", f"{demo}@0.1.0")
    clock = time.strftime("%Y-%m-%d %H:", time.localtime(time.time() + 3600))
    assert done.status == 6 and f"  try again: after {clock}" in done.text
    assert not is_yanked(counter, demo) and len(counter.requests("DELETE ")) == 2


def test_case_65_redirect_is_not_followed(counter, demo, registry):
    """`registry`: another one, that the client would trust as well."""
    registry.accept_token(counter.token)
    counter.registry.inject(f"DELETE .*{demo}",
                            redirect=f"{registry.api}/api/v1/crates/{demo}/0.1.0/yank")
    status, answer = counter.told("yank", f"{demo}@0.1.0")
    (result,) = answer["results"]
    assert (status, result["outcome"], result["code"]) == (7, "refused", "redirect")
    assert registry.api in result["detail"] and registry.requests() == []


def test_case_71_token_with_a_scheme_goes_as_it_is(counter):
    demo, token = counter.crate("0.1.0"), f"Bearer {new_token()}"
    counter.registry.accept_token(token)
    counter.log_in(token=token)
    assert counter.do("yank", f"{demo}@0.1.0").status == 0 and is_yanked(counter, demo)


@pytest.mark.parametrize("name,version", [
    ("../demo", "0.1.0"), ("demo/..", "0.1.0"), ("de%6do", "0.1.0"), ("demo ", "0.1.0"),
    ("", "0.1.0"), ("demo", "0.1.0/.."), ("demo", "0.1"), ("demo", "0.1.0%2f"), ("demo", "")])
def test_case_73_odd_name_or_version_never_reaches_a_url(counter, demo, name, version):
    n_before = len(counter.registry.requests())
    answer = counter.desk.ask({
        "v": 1, "kind": "yank", "registry": {"index-url": counter.registry.index},
        "account": counter.account, "releases": [{"name": name, "vers": version}]})
    assert code(answer) == "bad-name" and len(counter.registry.requests()) == n_before


def test_case_94_token_of_trusted_publishing_is_refused_here(counter):
    demo, token = counter.crate("0.1.0"), trusted_token(new_token()[3:34])
    counter.registry.trust_token(token, demo)
    counter.log_in("--no-check", "--api", counter.registry.api, token=token)
    status, answer = counter.told("yank", f"{demo}@0.1.0")
    (result,) = answer["results"]
    assert (status, result["code"]) == (6, "token-scope")
    assert "Trusted Publishing" in result["hint"] and counter.requests("DELETE ") == []


def test_no_connection_is_surely_not_done(counter, demo, tmp_path, certificate):
    """The registry's place is taken by one that nobody has a reason to trust."""
    from registry import Registry
    from certificate import Certificate

    stranger = Certificate.make(tmp_path / "stranger")
    with Registry(tmp_path / "other", tls=certificate) as gone:
        gone.accept_token(counter.token)
        counter.desk.login(gone, counter.token, "--account", counter.account)
    which = ("yank", f"{demo}@0.1.0", "--index", gone.index, "--account", counter.account)
    for tls, refusal in ((None, "network"), (stranger, "tls")):
        place = tls and Registry(tmp_path / "place", tls=tls, port=gone.port)
        if place:
            place.__enter__()
        terminal = counter.desk.terminal("--json", *which)
        terminal.answers(APPROVE, PASSPHRASE)
        assert terminal.ends() == 7
        assert f'"outcome":"refused","code":"{refusal}"' in terminal.seen
        if place:
            assert place.requests() == []
            place.close()


def test_client_that_dies_leaves_a_record_of_what_came_of_it(counter, demo):
    rule = counter.registry.inject(f"DELETE .*{demo}", hang=True)
    with lent_pty() as terminal, counter.desk.line() as line:
        line.send({"v": 1, "kind": "yank", "registry": {"index-url": counter.registry.index},
                   "account": counter.account, "releases": [{"name": demo, "vers": "0.1.0"}]},
                  [terminal.lent])
        terminal.answers(APPROVE, PASSPHRASE)
        assert rule.reached.wait(10)
    assert counter.audit("yank") == [("yank", "begun", None)]
    rule.release()
    counter.desk.wait(lambda: len(counter.audit("yank")) == 2, "the record of what came of it")
    assert counter.audit("yank")[-1] == ("yank", "done", None) and is_yanked(counter, demo)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_agent_that_ends_meanwhile_leaves_a_record(tmp_path, shop, how):
    desk, registry = Desk(tmp_path / "desk"), shop[1]
    counter = Counter(desk, registry)
    try:
        desk.start()
        desk.init()
        counter.log_in()
        demo = counter.crate("0.1.0")
        rule = registry.inject(f"DELETE .*{demo}", hang=True)
        terminal = counter.start("yank", f"{demo}@0.1.0")
        terminal.answers(APPROVE, PASSPHRASE)
        assert rule.reached.wait(10)
        os.kill(desk.agent.pid, how)
        desk.agent.wait(30)
        desk.agent = None
        assert counter.end(terminal) == 3  # It is not sent a second time, to a new agent.
        assert "audit log has what was begun" in terminal.before
    finally:
        registry.injections.clear()
        desk.stop()
    record = counter.audit("yank")
    assert record[0] == ("yank", "begun", None)
    # One that is killed writes nothing more: what was begun and has no end is unknown.
    assert record[1:] == ([("yank", "unknown", "outcome-unknown")] if how == signal.SIGTERM else [])
    assert len(counter.requests("DELETE ")) == 1
