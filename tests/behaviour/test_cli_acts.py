"""What the command line sends and says of acts at a registry, with a fake agent behind it."""

import json
import time

import pytest

from test_cli_words import CRATES_IO, agent, cpub, environment, ok, refused  # noqa: F401

SPARSE = "sparse+https://crates.corp.example/index/"
REFUSED = {"outcome": "refused", "code": "registry-refused",
           "message": "the registry said no; nothing was changed there",
           "detail": "crate `demo` does not have a version `9.9.9`", "hint": None,
           "retry-after": None, "said": None}
DONE = {"outcome": "done", "code": None, "message": None, "detail": None, "hint": None,
        "retry-after": None, "said": None}


def release(name, vers, **members):
    return {"name": name, "vers": vers, **DONE, **members}


def yanked(*results, kind="yank"):
    return ok(kind=kind, results=list(results))


# What is sent.

@pytest.mark.parametrize("words,kind,releases", [
    (["yank", "demo@1.0.0"], "yank", [("demo", "1.0.0")]),
    (["yank", "demo@1.0.0", "--", "demo@1.0.1-a+b"], "yank",
     [("demo", "1.0.0"), ("demo", "1.0.1-a+b")]),
    (["yank", "--undo", "demo@1.0.0"], "unyank", [("demo", "1.0.0")]),
    (["unyank", "demo@1.0.0"], "unyank", [("demo", "1.0.0")]),
    (["yank", "demo", "--version", "1.0.0"], "yank", [("demo", "1.0.0")]),
    (["yank", "--vers=1.0.0", "demo", "--undo"], "unyank", [("demo", "1.0.0")]),
    (["unyank", "demo", "--vers", "1.0.0"], "unyank", [("demo", "1.0.0")]),
])
def test_yank_sends_each_release_as_it_was_named(cpub, agent, words, kind, releases):
    fake = agent(yanked(*(release(*one) for one in releases), kind=kind))
    done = cpub("--socket", fake.path, words[0], "--account", "work", *words[1:])
    assert (done.returncode, done.stderr) == (0, b"")
    assert fake.requests == [{
        "v": 1, "kind": kind, "account": "work",
        "registry": {"index-url": CRATES_IO, "name": "crates-io"},
        "releases": [{"name": name, "vers": vers} for name, vers in releases]}]
    verb = "Yanked" if kind == "yank" else "Unyanked"
    assert done.stdout.decode() == "".join(f"{verb} {n} {v}.\n" for n, v in releases)


@pytest.mark.parametrize("words,request_members", [
    (["owner", "demo"], {}),
    (["owner", "demo", "--list"], {}),
    (["owner", "-l", "demo"], {}),
    (["owner", "demo", "--add", "alice", "--add=github:acme:rust", "--remove", "bob"],
     {"add": ["alice", "github:acme:rust"], "remove": ["bob"]}),
    (["owner", "-aalice", "demo", "-r", "bob", "-r", "carol"],
     {"add": ["alice"], "remove": ["bob", "carol"]}),
])
def test_owner_sends_the_logins_in_their_order(cpub, agent, words, request_members):
    answer = ok(kind="owner", name="demo", owners=[], results=[
        {"act": act, "users": users, **DONE} for act, users in request_members.items()])
    fake = agent(answer)
    done = cpub(*words, "--index", SPARSE, agent=fake)
    assert (done.returncode, done.stderr) == (0, b"")
    assert fake.requests == [{"v": 1, "kind": "owner", "name": "demo",
                              "registry": {"index-url": SPARSE}, **request_members}]


@pytest.mark.parametrize("words,request_members", [
    (["revoke"], {"kind": "revoke"}),
    (["revoke", "--for", "read", "--forget"], {"kind": "revoke", "for": "read", "forget": True}),
    (["check"], {"kind": "check"}),
    (["check", "demo"], {"kind": "check", "name": "demo"}),
    (["check", "demo@1.0.0"], {"kind": "check", "name": "demo", "vers": "1.0.0"}),
])
def test_revoke_and_check_send_what_was_asked(cpub, agent, words, request_members):
    fake = agent(ok(kind=words[0], findings=[], outcome="revoked", erased=True))
    assert cpub(*words, agent=fake).returncode == 0
    assert fake.requests == [{"v": 1, "registry": {"index-url": CRATES_IO, "name": "crates-io"},
                              **request_members}]


LONG = "a" * 65


@pytest.mark.parametrize("words,hint", [
    (["yank"], "which crate and version?"),
    (["yank", "demo"], "which version of 'demo'? demo@VERSION"),
    (["yank", "demo@"], "'' is no version"),
    (["yank", "@1.0.0"], "'' is no crate's name"),
    (["yank", "demo@1.0"], "'1.0' is no version"),
    (["yank", "demo@1.0.0@2"], "'1.0.0@2' is no version"),
    (["yank", "../demo@1.0.0"], "'../demo' is no crate's name"),
    (["yank", "de%6do@1.0.0"], "'de%6do' is no crate's name"),
    (["yank", "demo@1.0.0/.."], "'1.0.0/..' is no version"),
    (["yank", "demo @1.0.0"], "'demo ' is no crate's name"),
    (["yank", f"{LONG}@1.0.0"], f"'{LONG}' is no crate's name"),
    (["yank", "demo\x1b@1.0.0"], "'demo?' is no crate's name"),
    (["yank", "demo@1.0.0", "x@1.0.0", "demo@1.0.0"], "'demo@1.0.0' is there twice"),
    (["yank", "demo", "x", "--version", "1.0.0"], "--version goes with one crate"),
    (["yank", "demo@1.0.0", "--vers", "1.0.0"], "has a version already"),
    (["yank", "demo", "--version", "x"], "--version takes a version"),
    (["yank", *(f"demo@1.0.{i}" for i in range(65))], "at most 64"),
    (["yank", *(f"demo@1.0.{i}" for i in range(257))], "more than 256"),
    (["unyank", "--undo", "demo@1.0.0"], "unknown option '--undo'"),
    (["yank", "demo@1.0.0", "--token", "x"], "no token is taken from the command line"),
    (["owner"], "which one crate?"),
    (["owner", "demo", "alice"], "which one crate?"),
    (["owner", "demo@1.0.0"], "name 'demo' alone"),
    (["owner", "demo", "--add", "a b"], "'a b' is no login"),
    (["owner", "demo", "--add", "github:acme"], "'github:acme' is no login; a team is"),
    (["owner", "demo", *(f"-aa{i}" for i in range(11))], "at most 10 logins"),
    (["owner", "demo", "--list", "--add", "alice"], "--list goes with neither"),
    (["revoke", "demo"], "takes options only"),
    (["revoke", "--for", "writes"], "--for takes the word read"),
    (["check", "demo", "x"], "one crate at a time"),
    (["check", "demo@x"], "'x' is no version"),
    (["yank", "demo@1.0.0", "--account", "a b"], "--account takes"),
])
def test_a_malformed_word_is_named_and_nothing_is_sent(cpub, agent, words, hint):
    fake = agent()
    done = cpub(*words, agent=fake)
    assert done.returncode == 2
    assert hint in done.stderr.decode() and done.stdout == b""
    assert fake.requests == []


# What is said.

def test_one_that_failed_is_told_in_full_and_the_rest_is_done(cpub, agent):
    answer = yanked(release("demo", "1.0.0"), release("demo", "9.9.9", **REFUSED))
    done = cpub("yank", "demo@1.0.0", "demo@9.9.9", agent=agent(answer, answer, answer))
    assert done.returncode == 9
    assert done.stdout == b"Yanked demo 1.0.0.\n"
    assert done.stderr.decode() == (
        "cpub-agent: demo 9.9.9: the registry said no; nothing was changed there\n"
        "  cause: crate `demo` does not have a version `9.9.9`\n")


def test_quiet_says_the_failures_alone_and_json_all_of_it(cpub, agent):
    answer = yanked(release("demo", "1.0.0"), release("demo", "9.9.9", **REFUSED))
    fake = agent(answer, answer)
    quiet = cpub("-q", "yank", "demo@1.0.0", "demo@9.9.9", agent=fake)
    assert (quiet.returncode, quiet.stdout) == (9, b"")
    assert b"demo 9.9.9" in quiet.stderr
    told = cpub("--json", "yank", "demo@1.0.0", "demo@9.9.9", agent=fake)
    assert told.returncode == 9
    assert json.loads(told.stdout) == {"schema": 1, **answer["Ok"]}


@pytest.mark.parametrize("members,status", [
    ({"code": "rate-limited"}, 6),
    ({"code": "token-scope"}, 6),
    ({"code": "network"}, 7),
    ({"code": "denied"}, 5),
    ({"code": "a-later-one"}, 1),
    ({"code": None}, 1),
    ({"outcome": "unknown", "code": "outcome-unknown", "message": None}, 7),
    ({"outcome": "unknown", "code": None}, 7),
    ({"outcome": "a-later-one", "code": None}, 7),
])
def test_where_nothing_was_done_the_first_refusal_is_the_exit_code(cpub, agent, members, status):
    first = release("demo", "1.0.0", **{**REFUSED, **members})
    done = cpub("yank", "demo@1.0.0", "demo@9.9.9",
                agent=agent(yanked(first, release("demo", "9.9.9", **REFUSED))))
    assert done.returncode == status
    assert done.stdout == b"" and done.stderr.startswith(b"cpub-agent: demo 1.0.0: ")
    if members["code"] == "outcome-unknown":
        assert b"nobody knows whether it was carried out" in done.stderr


def test_an_answer_without_results_is_no_success(cpub, agent):
    assert cpub("yank", "demo@1.0.0", agent=agent(yanked())).returncode == 1


def test_a_registry_that_wants_one_to_wait_says_until_when(cpub, agent):
    soon = int(time.time()) + 600
    answer = yanked(release("demo", "1.0.0", **{
        **REFUSED, "code": "rate-limited", "hint": "wait", "retry-after": soon}))
    done = cpub("yank", "demo@1.0.0", agent=agent(answer, answer), env={"TZ": "Asia/Tokyo"})
    clock = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(soon + 9 * 3600))
    assert done.returncode == 6
    assert "  hint: wait\n" in done.stderr.decode()
    assert f"  try again: after {clock}, in 10 min\n" in done.stderr.decode()


def test_words_of_a_registry_cannot_steer_the_terminal(cpub, agent):
    answer = yanked(release("demo", "1.0.0", **{
        **REFUSED, "detail": "\x1b[2Jgone", "hint": "\u202eevil"}))
    done = cpub("yank", "demo@1.0.0", agent=agent(answer))
    assert "?[2Jgone" in done.stderr.decode() and "hint: ?evil" in done.stderr.decode()


def test_owners_are_a_table(cpub, agent):
    answer = ok(kind="owner", name="demo", results=[], owners=[
        {"login": "alice", "kind": "user", "name": "Alice A."},
        {"login": "github:acme:rust", "kind": "team", "name": None}])
    done = cpub("owner", "demo", agent=agent(answer))
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == ("alice             user  Alice A.\n"
                                    "github:acme:rust  team\n")


def test_an_invitation_is_not_called_an_owner(cpub, agent):
    said = "user alice has been invited to be an owner of crate demo"
    answer = ok(kind="owner", name="demo", owners=[], results=[
        {"act": "add", "users": ["alice"], **DONE, "said": said}])
    team = ok(kind="owner", name="demo", owners=[], results=[
        {"act": "add", "users": ["github:o:t"], **DONE, "said": None}])
    fake = agent(answer, answer, team)
    here = cpub("owner", "demo", "--add", "alice", agent=fake).stdout.decode()
    assert f"the registry says: {said}\n" in here and "invited, and are owners once" in here
    # Another registry may add at once: its words stand alone.
    there = cpub("owner", "demo", "--add", "alice", "--index", SPARSE, agent=fake).stdout.decode()
    assert said in there and "once they accept" not in there
    assert "once they accept" not in cpub(
        "owner", "demo", "-a", "github:o:t", agent=fake).stdout.decode()


def test_an_owner_added_and_none_removed_is_partly_done(cpub, agent):
    answer = ok(kind="owner", name="demo", owners=[], results=[
        {"act": "add", "users": ["alice", "bob"], **DONE, "said": "fine"},
        {"act": "remove", "users": ["carol"], **REFUSED, "detail": "no such owner",
         "hint": "look at the list"}])
    done = cpub("owner", "demo", "-aalice", "-abob", "-rcarol", agent=agent(answer))
    assert done.returncode == 9
    assert "add        alice, bob: accepted" in done.stdout.decode()
    assert done.stderr.decode().splitlines()[0].startswith("cpub-agent: remove carol: the registry")
    assert "  cause: no such owner\n  hint: look at the list\n" in done.stderr.decode()


PAGE = "https://crates.io/settings/tokens"


def revocation(outcome, erased, code=None, detail=None, **members):
    return ok(kind="revoke", outcome=outcome, erased=erased, code=code, detail=detail,
              **{"account": "default", "index": CRATES_IO, "url": PAGE, **members})


@pytest.mark.parametrize("answer,status,stdout,stderr", [
    (revocation("revoked", True), 0,
     ["Revoked at crates.io: the token of account 'default'.", "Removed from the store."], []),
    (revocation("dead", True), 0, ["was dead already", "Removed from the store."], []),
    (revocation("revoked", True, **{"reader-erased": True}), 0,
     ["Removed from the store, and with it the token for reads, which stays valid."], []),
    (revocation("revoked", False, "locked", message="the store is locked"), 9,
     ["Revoked at crates.io"], ["could not be removed", "cause: the store is locked"]),
    (revocation("not-revoked", False, "token-scope", url=None), 6, [],
     ["NOT revoked: ", "on the registry's own pages", "stays in the store"]),
    (revocation("not-revoked", False, "token-scope", "no permissions"), 6, [],
     ["NOT revoked: this token may not revoke itself", "cause: no permissions", PAGE, "stays in the sto"]),
    (revocation("not-revoked", True, "token-scope", "no permissions"), 6, [],
     ["NOT revoked: ", PAGE, "removed from the store, as you asked"]),
    (revocation("not-revoked", False, "network"), 7, [], ["NOT revoked: ", "stays in the store"]),
    (revocation("unknown", False, "outcome-unknown"), 7, [], ["NOT KNOWN", PAGE, "stays in the"]),
    (revocation("a-later-one", False), 7, [], ["NOT KNOWN", "stays in the store"]),
])
def test_revoke_says_what_the_registry_said(cpub, agent, answer, status, stdout, stderr):
    done = cpub("revoke", agent=agent(answer))
    assert done.returncode == status
    assert all(words in done.stdout.decode() for words in stdout)
    assert all(words in done.stderr.decode() for words in stderr)
    assert bool(done.stdout) == bool(stdout) and bool(done.stderr) == bool(stderr)
    if answer["Ok"]["outcome"] not in ("revoked", "dead"):
        assert b"Revoked" not in done.stdout + done.stderr


@pytest.mark.parametrize("outcome", ["revoked", "not-revoked"])
@pytest.mark.parametrize("members,words", [
    ({}, ""),
    ({"account": "work", "for": "read"}, " --account work --for read"),
    ({"index": "sparse+https://corp.example/index"}, " --index sparse+https://corp.example/index"),
])
def test_revoke_says_which_logout_is_left(cpub, agent, outcome, members, words):
    answer = revocation(outcome, False, "network", **{"for": "all", **members})
    assert f"`cpub-agent logout{words}` " in cpub("revoke", agent=agent(answer)).stderr.decode()


def test_revoke_in_json_is_the_answer(cpub, agent):
    answer = revocation("not-revoked", False, "token-scope")
    done = cpub("--json", "revoke", agent=agent(answer))
    assert done.returncode == 6 and json.loads(done.stdout) == {"schema": 1, **answer["Ok"]}


def test_check_shows_each_finding_and_fails_for_a_bad_one(cpub, agent):
    findings = [{"what": "token", "state": "good", "text": "accepted"},
                {"what": "expiry", "state": "warning", "text": "in 5 days"},
                {"what": "owners", "state": "unknown", "text": "no answer"},
                {"what": "later", "state": "odd", "text": "hm"}]
    bad = {"what": "version", "state": "bad", "text": "taken"}
    fake = agent(ok(kind="check", findings=findings), ok(kind="check", findings=[*findings, bad]),
                 ok(kind="check", findings=[*findings, bad]))
    done = cpub("check", "demo", agent=fake)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == ("  token      ✓ accepted\n  expiry     ! in 5 days\n"
                                    "  owners     ? no answer\n  later      ? hm\n")
    done = cpub("-q", "--color=always", "check", "demo", agent=fake)
    assert done.returncode == 1
    assert b"accepted" not in done.stdout
    assert "  version    \033[31m✗ taken\033[0m\n" in done.stdout.decode()
    done = cpub("--json", "check", "demo", agent=fake)
    assert done.returncode == 1 and json.loads(done.stdout)["findings"][-1] == bad


@pytest.mark.parametrize("words", [["yank", "demo@1.0.0"], ["owner", "demo"], ["revoke"],
                                   ["check"]])
def test_a_refusal_of_the_whole_request_is_told_as_ever(cpub, agent, words):
    done = cpub(*words, agent=agent(refused("needs-terminal", "somebody has to be asked")))
    assert (done.returncode, done.stdout) == (4, b"")
    assert done.stderr.startswith(b"cpub-agent: somebody has to be asked\n")
