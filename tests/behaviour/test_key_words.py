"""What the command line sends and says of accounts that sign, with a fake agent behind it."""

import json
import re
import shlex
import subprocess
import time

import pytest

from test_cli_words import (  # noqa: F401
    ACCOUNT, CRATES_IO, PROGRAM, agent, cpub, environment, ok, refused, run_on_terminal)
from test_readme import README, blocks

INDEX = "sparse+https://crates.corp.example/index/"
CANONICAL = INDEX.rstrip("/")  # As the agent tells it.
# Of RFC 3231's sample key.
SECRET = "k3.secret.fNYVuMvBgOlljt9TDohnaYLblghqaHoQquVZwgR6X12cBFHZLFsaU3q7X3k1Zn36"
PUBLIC = "k3.public.AmDwjlyf8jAV3gm5Z7Kz9xAOcsKslt_Vwp5v-emjFzBHLCtcANzTaVEghTNEMj9PkQ"
PID = "k3.pid.QB3WNBP-5j-0XQV2MOuvuOcLlJ8uz-pmqtIZus1x3YTu"
NEXT_PUBLIC = "k3.public." + "A" * 66
NEXT_PID = "k3.pid." + "B" * 44
PEM = "-----BEGIN EC PRIVATE KEY-----\n" + "MIGk\n" * 40 + "-----END EC PRIVATE KEY-----\n"
KEY = {"public": PUBLIC, "pid": PID, "subject": None, "footer-key": "kip"}
NEXT = {"next-public": NEXT_PUBLIC, "next-pid": NEXT_PID}
NO_NEXT = {"next-public": None, "next-pid": None}


def logged_in(**members):
    return ok(**{
        "kind": "login", "index": CANONICAL, "account": "default", "for": "all",
        "api": "https://crates.corp.example", "dl": "https://dl.corp.example",
        "replaced": False, "unchanged": False, "readable": False, "checked": "none",
        "check-detail": None, "shape": None, "type": "asymmetric", **KEY, **members})


def answered(**members):
    return ok(**{"kind": "key", "index": CANONICAL, "account": "default", "for": "all", **KEY,
                 **NO_NEXT, "changed": False, **members})


@pytest.fixture
def corp(tmp_path, environment):
    """The user's own configuration has a registry of that name."""
    config = tmp_path / "home" / ".cargo" / "config.toml"
    config.write_text(f"[registries.corp]\nindex = '{INDEX}'\n")
    return config


# Login.

def test_login_that_signs_sends_no_secret_and_says_what_to_register(cpub, agent, corp):
    fake = agent(logged_in())
    done = cpub("login", "--asymmetric", "--registry", "corp", agent=fake)
    assert (done.returncode, done.stderr) == (0, b"")
    assert fake.requests == [{
        "v": 1, "kind": "login", "registry": {"index-url": INDEX, "name": "corp"},
        "url-source": "user", "url-file": str(corp), "asymmetric": True}]
    assert fake.secrets == [None]
    assert done.stdout.decode() == (
        f"Logged in to registry 'corp' ({CANONICAL}), account 'default': requests are signed.\n"
        "Register this key at the registry:\n"
        f"  {PUBLIC}\n"
        f"Its id is {PID}.\n"
        "  api        https://crates.corp.example\n"
        "  downloads  https://dl.corp.example\n")


def test_login_sends_subject_and_footer_key_and_all_other_options(cpub, agent):
    fake = agent(logged_in(subject="me", **{"footer-key": "kid", "for": "read"}))
    done = cpub("login", "--asymmetric", "--index", INDEX, "--subject", "me", "--footer-key=kid",
                "--account", "work", "--for", "read", "--replace", "--no-check", "--scope", "all",
                "--api", "https://api.corp.example", agent=fake)
    assert fake.requests == [{
        "v": 1, "kind": "login", "registry": {"index-url": INDEX}, "url-source": "given",
        "asymmetric": True, "subject": "me", "footer-key": "kid", "account": "work",
        "for": "read", "replace": True, "no-check": True, "scope": "all",
        "api": "https://api.corp.example"}]
    text = done.stdout.decode()
    assert text.startswith(
        f"Logged in to {CANONICAL}, account 'default', for reads alone: requests are signed.\n")
    assert "  subject    me\n" in text
    assert "  footer     names the key as 'kid'\n" in text


def test_footer_key_of_cargo_is_what_is_meant_without_a_word(cpub, agent):
    fake = agent(logged_in())
    cpub("login", "--asymmetric", "--footer-key", "kip", agent=fake)
    assert "footer-key" not in fake.requests[0]


@pytest.mark.parametrize("words,hint", [
    (["--subject", "me"], b"go with --asymmetric only"),
    (["--footer-key", "kip"], b"go with --asymmetric only"),
    (["--asymmetric", "--footer-key", "kit"], b"--footer-key takes kip or kid"),
    (["--asymmetric", "--subject", ""], b"--subject takes"),
    (["--asymmetric", "--subject", "a b"], b"--subject takes"),
    (["--asymmetric", "--subject", 'a"b'], b"--subject takes"),
    (["--asymmetric", "--subject", "\u00e4"], b"--subject takes"),
    (["--asymmetric", "--subject", "x" * 257], b"--subject takes"),
    (["--asymmetric", "--for", "all"], b"--for takes the word read"),
    (["--asymmetric=k3.secret.x"], b"no text belongs to the option '--asymmetric'"),
    (["--asymmetric", SECRET], b"takes options only"),
    (["--asymmetric", "--no-subject"], b"unknown option '--no-subject'"),
])
def test_wrong_words_of_a_login_that_signs_are_usage_errors(cpub, agent, words, hint):
    fake = agent()
    done = cpub("login", *words, agent=fake)
    assert (done.returncode, done.stdout, fake.requests) == (2, b"", [])
    assert hint in done.stderr and SECRET.encode() not in done.stderr


def test_registry_that_cannot_know_the_key_yet_is_trusted_once_it_does(cpub, agent, corp):
    fake = agent(*[logged_in(checked="unregistered", api=None, dl=None, readable=True)] * 3)
    done = cpub("login", "--asymmetric", "--registry", "corp", "--account", "work", agent=fake)
    text = done.stdout.decode()
    assert text.endswith("The registry does not know it yet. When it does: "
                         "cpub-agent trust --registry corp --account work\n")
    assert "  api        unpinned: the agent sends no request of its own with this key\n" in text
    assert "any program of yours can have a token signed for reads, build scripts too" in text
    done = cpub("login", "--asymmetric", "--index", INDEX, agent=fake)
    assert done.stdout.decode().endswith(f": cpub-agent trust --index {INDEX}\n")
    done = cpub("login", "--asymmetric", "--index", "sparse+https://h/a;b/", agent=fake)
    assert done.stdout.decode().endswith(": cpub-agent trust --index 'sparse+https://h/a;b/'\n")


@pytest.mark.parametrize("checked,end", [
    ("unregistered",
     "The registry does not know it yet. It signs for reads as it is, once it does.\n"),
    ("skipped", "  checked    no, as you asked\n")])
def test_key_for_reads_alone_needs_no_api_and_nothing_more_to_be_done(
    cpub, agent, corp, checked, end):
    fake = agent(logged_in(checked=checked, api=None, dl=None, readable=True, **{"for": "read"}))
    done = cpub("login", "--asymmetric", "--registry", "corp", "--for", "read", agent=fake)
    text = done.stdout.decode()
    assert text.endswith(end) and "trust" not in text and "unpinned" not in text


def test_key_that_the_registry_took_needs_no_registering(cpub, agent):
    done = cpub("login", "--asymmetric", "--with-token", stdin=SECRET.encode(),
                agent=agent(logged_in(checked="valid", index=CRATES_IO)))
    text = done.stdout.decode()
    assert f"Logged in to crates.io, account" in text
    assert f"The registry knows this key:\n  {PUBLIC}\n" in text and "Register" not in text
    assert "  checked    the registry accepts it\n" in text


@pytest.mark.parametrize("members,row", [
    ({"replaced": True}, "  key        took the place of what was there, which stays valid until"),
    ({"unchanged": True}, "  key        the one that is stored already\n"),
    ({"checked": "skipped"}, "  checked    no, as you asked\n"),
])
def test_login_that_signs_says_what_became_of_it(cpub, agent, members, row):
    assert row in cpub("login", "--asymmetric", agent=agent(logged_in(**members))).stdout.decode()


def test_login_with_a_token_says_what_it_always_said(cpub, agent):
    nothing = dict.fromkeys(KEY)
    done = cpub("login", agent=agent(logged_in(type="bearer", **nothing)))
    text = done.stdout.decode()
    assert text.startswith(f"Logged in to {CANONICAL} as account 'default'.\n")
    assert "  token      stored\n" in text and "key" not in text


def test_json_of_login_and_key_has_the_members_of_the_agent(cpub, agent):
    fake = agent(logged_in(), answered(**NEXT))
    assert json.loads(cpub("--json", "login", "--asymmetric", agent=fake).stdout) == {
        "schema": 1, **logged_in()["Ok"]}
    assert json.loads(cpub("key", "show", "--json", agent=fake).stdout) == {
        "schema": 1, **answered(**NEXT)["Ok"]}


def test_first_login_that_signs_makes_the_store_on_the_way(agent, environment, tmp_path):
    fake = agent(refused("no-store", "there is no store"),
                 ok(kind="init", store="vault", path="/v", level=2), logged_in())
    code, text = run_on_terminal(["login", "--asymmetric", "--socket", fake.path], environment,
                                 cwd=str(tmp_path))
    assert code == 0 and "requests are signed" in text
    assert [request["kind"] for request in fake.requests] == ["login", "init", "login"]
    assert fake.requests[2] == fake.requests[0] and fake.requests[0]["asymmetric"] is True


# A key on standard input.

LOGIN = ["login", "--asymmetric", "--with-token"]


def test_key_of_several_lines_goes_whole_through_a_pipe(cpub, agent):
    fake = agent(logged_in())
    done = cpub(*LOGIN, agent=fake, stdin=PEM.encode())
    assert done.returncode == 0
    assert fake.secrets == [PEM.encode()]
    assert fake.requests[0]["secret-in-pipe"] is True
    assert "MIGk" not in json.dumps(fake.requests) + str(done)


@pytest.mark.parametrize("size,status", [(1027, 0), (4096, 0), (4097, 2), (100000, 2)])
@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_key_is_taken_up_to_4096_bytes_and_never_cut(
    cpub, agent, environment, tmp_path, size, status, kind):
    fake = agent(logged_in())
    text = b"x" * size
    if kind == "pipe":
        done = cpub(*LOGIN, agent=fake, stdin=text)
    else:
        (tmp_path / "key").write_bytes(text)
        with open(tmp_path / "key", "rb") as stdin:
            done = subprocess.run([PROGRAM, *LOGIN, "--socket", fake.path], stdin=stdin,
                                  capture_output=True, env=environment, timeout=30, cwd=tmp_path)
    assert done.returncode == status
    assert fake.secrets == ([text] if status == 0 else [])
    assert (b"more than 4096 bytes" in done.stderr) == (status == 2)


def test_key_in_pieces_is_waited_for_until_its_end(agent, environment, tmp_path):
    fake = agent(logged_in())
    program = subprocess.Popen([PROGRAM, *LOGIN, "--socket", fake.path], stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, env=environment, cwd=tmp_path)
    for line in PEM.splitlines(keepends=True):
        program.stdin.write(line.encode())
        program.stdin.flush()
        time.sleep(0.005)
    assert fake.requests == []
    program.stdin.close()
    assert program.wait(30) == 0
    assert fake.secrets == [PEM.encode()]


def test_key_without_an_end_is_given_up_at_the_timeout(agent, environment, tmp_path):
    fake = agent()
    program = subprocess.Popen([PROGRAM, *LOGIN, "--timeout", "1", "--socket", fake.path],
                               stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
                               cwd=tmp_path)
    program.stdin.write(SECRET.encode() + b"\n")
    program.stdin.flush()
    assert program.wait(30) == 2
    said = program.stderr.read()
    assert b"end the input" in said and SECRET.encode() not in said
    assert fake.requests == []
    program.stdin.close()
    program.stderr.close()


def test_no_key_on_standard_input_is_refused(cpub, agent):
    fake = agent()
    done = cpub(*LOGIN, agent=fake)
    assert done.returncode == 2 and b"standard input is empty" in done.stderr
    assert fake.requests == []


# The key of an account.

@pytest.mark.parametrize("words,members", [
    (["show"], {}),
    (["rotate"], {"change": "rotate"}),
    (["rotate", "--finish"], {"change": "finish"}),
    (["rotate", "--cancel"], {"change": "cancel"}),
    (["--account", "work", "rotate", "--for", "read"],
     {"change": "rotate", "account": "work", "for": "read"}),
    (["set", "--subject", "me"], {"change": "set", "subject": "me"}),
    (["set", "--no-subject", "--footer-key", "kid"],
     {"change": "set", "no-subject": True, "footer-key": "kid"}),
    (["set", "--footer-key=kip", "--account", "work", "--for", "read"],
     {"change": "set", "footer-key": "kip", "account": "work", "for": "read"}),
])
def test_key_sends_what_is_to_change(cpub, agent, corp, words, members):
    fake = agent(answered(**NEXT))
    assert cpub("key", "--registry", "corp", *words, agent=fake).returncode == 0
    assert fake.requests == [{"v": 1, "kind": "key",
                              "registry": {"index-url": INDEX, "name": "corp"}, **members}]


@pytest.mark.parametrize("words,hint", [
    ([], b"`cpub-agent key show`, `cpub-agent key rotate` or `cpub-agent key set`"),
    (["--finish"], b"`cpub-agent key show`, `cpub-agent key rotate` or `cpub-agent key set`"),
    (["show", "--finish"], b"go with `key rotate` only"),
    (["show", "--cancel"], b"go with `key rotate` only"),
    (["rotate", "--finish", "--cancel"], b"exclude each other"),
    (["rotate", "--for", "all"], b"--for takes the word read"),
    (["show", "rotate"], b"takes options only"),
    (["frob"], b"`cpub-agent key` takes show, rotate or set; see `cpub-agent key --help`"),
    ([SECRET], b"`cpub-agent key` takes show, rotate or set;"),
    (["set"], b"takes --subject or --no-subject, and --footer-key: one at least"),
    (["set", "--account", "work"], b"one at least"),
    (["set", "--subject", "me", "--no-subject"], b"exclude each other"),
    (["set", "--subject", "a b"], b"--subject takes"),
    (["set", "--subject", ""], b"--subject takes"),
    (["set", "--footer-key", "kit"], b"--footer-key takes kip or kid"),
    (["set", "--footer-key", "kid", "--finish"], b"go with `key rotate` only"),
    (["show", "--subject", "me"], b"go with `key set` only"),
    (["rotate", "--no-subject"], b"go with `key set` only"),
    (["rotate", "--footer-key", "kid"], b"go with `key set` only"),
    (["show", "--registry", "a", "--index", "b"], b"exclude each other"),
])
def test_wrong_words_of_key_are_usage_errors(cpub, agent, words, hint):
    fake = agent()
    done = cpub("key", *words, agent=fake)
    assert (done.returncode, done.stdout, fake.requests) == (2, b"", [])
    assert hint in done.stderr and SECRET.encode() not in done.stderr


def test_key_show_prints_the_public_key_and_what_it_claims(cpub, agent):
    fake = agent(answered(subject="me", **{"footer-key": "kid"}))
    assert cpub("key", "show", agent=fake).stdout.decode() == (
        f"The key of account 'default' at {CANONICAL}:\n"
        f"  {PUBLIC}\n"
        f"Its id is {PID}.\n"
        "  subject    me\n"
        "  footer     names the key as 'kid'\n")


def test_key_show_prints_the_next_key_with_what_to_do(cpub, agent, corp):
    fake = agent(answered(account="work", **{"for": "read"}, **NEXT))
    done = cpub("key", "show", "-q", "--registry", "corp", "--account", "work", "--for", "read",
                agent=fake)
    assert done.stdout.decode() == (
        f"The key of account 'work' at {CANONICAL} (for reads alone):\n"
        f"  {PUBLIC}\n"
        f"Its id is {PID}.\n"
        "The next key, which signs nothing yet:\n"
        f"  {NEXT_PUBLIC}\n"
        f"Its id is {NEXT_PID}.\n"
        "Register it, then: cpub-agent key rotate --finish --registry corp --account work "
        "--for read\n")


@pytest.mark.parametrize("changed,head", [
    (True, f"Made the next key of account 'default' at {CANONICAL}:\n"),
    (False, f"There is a next key of account 'default' at {CANONICAL} already:\n"),
])
def test_key_rotate_prints_the_next_key_with_what_to_do(cpub, agent, corp, changed, head):
    done = cpub("key", "rotate", "--registry", "corp",
                agent=agent(answered(changed=changed, **NEXT)))
    assert done.stdout.decode() == (
        f"{head}  {NEXT_PUBLIC}\nIts id is {NEXT_PID}.\nThe old key goes on signing.\n"
        "Register it, then: cpub-agent key rotate --finish --registry corp\n")


def test_key_rotate_finish_says_to_remove_the_old_one(cpub, agent):
    done = cpub("key", "rotate", "--finish",
                agent=agent(answered(index=CRATES_IO, changed=True)))
    assert done.stdout.decode() == (
        f"The new key signs now for account 'default' at crates.io:\n  {PUBLIC}\n"
        f"Its id is {PID}.\n"
        "The old one is erased here. Remove it at the registry, too.\n")


def test_key_rotate_cancel_says_which_key_is_left(cpub, agent):
    done = cpub("key", "rotate", "--cancel", agent=agent(answered(changed=True)))
    assert done.stdout.decode() == (
        f"Forgot the next key of account 'default' at {CANONICAL}. The key that signs:\n"
        f"  {PUBLIC}\nIts id is {PID}.\n"
        "If you registered the next one, remove it at the registry.\n")


@pytest.mark.parametrize("changed,head", [
    (True, f"Changed what the tokens of account 'default' at {CANONICAL} claim. The key stays:\n"),
    (False, f"Nothing has changed for account 'default' at {CANONICAL}:\n"),
])
def test_key_set_prints_the_key_and_what_its_tokens_claim(cpub, agent, changed, head):
    fake = agent(answered(changed=changed, subject="me", **{"footer-key": "kid"}))
    done = cpub("key", "set", "--subject", "me", "--footer-key", "kid", agent=fake)
    assert (done.returncode, done.stdout.decode()) == (
        0, f"{head}  {PUBLIC}\nIts id is {PID}.\n"
           "  subject    me\n  footer     names the key as 'kid'\n")


@pytest.mark.parametrize("words,is_said", [
    (["show"], True), (["rotate"], False), (["rotate", "--finish"], False),
    (["rotate", "--cancel"], False), (["set", "--no-subject"], False)])
def test_quiet_leaves_what_was_asked_for(cpub, agent, words, is_said):
    done = cpub("key", *words, "-q", agent=agent(answered(changed=True, **NEXT)))
    assert (done.returncode, bool(done.stdout), done.stderr) == (0, is_said, b"")


def test_key_lends_the_terminal_since_it_may_ask(agent, environment):
    fake = agent(answered(), answered(**NEXT), answered())
    for words in (["show"], ["rotate"], ["set", "--no-subject"]):
        assert run_on_terminal(["key", *words, "--socket", fake.path], environment)[0] == 0
    assert fake.terminals == [True, True, True]


@pytest.mark.parametrize("words,code,status", [
    (["key", "show"], "no-key", 2),
    (["key", "rotate", "--finish"], "no-next-key", 2),
    (["key", "rotate", "--finish"], "key-unknown", 6),
    (["key", "set", "--no-subject"], "no-key", 2),
    (["key", "rotate"], "denied", 5),
    (["login", "--for", "read"], "account-signs", 2),
    (["login", "--asymmetric"], "needs-terminal", 4),
    (["login", "--asymmetric"], "bad-key", 2),
    (["login", "--asymmetric"], "signing-not-taken", 2),
    (["login", "--asymmetric"], "key-unknown", 6),
    (["login"], "token-is-key", 2),
    (["revoke"], "nothing-to-revoke", 2),
    (["check"], "clock-wrong", 1),
    (["check"], "challenge-repeated", 6),
])
def test_refusals_of_accounts_that_sign_have_their_exit_code(cpub, agent, words, code, status):
    done = cpub(*words, agent=agent(refused(code, "what failed", "why")))
    assert done.returncode == status
    assert done.stderr == b"cpub-agent: what failed\n  cause: why\n"


def test_what_the_agent_says_of_a_key_cannot_steer_the_terminal(cpub, agent):
    bad, clean = "k3.public.\x1b[2J\u202e", "k3.public.?[2J?"
    fake = agent(answered(public=bad, pid=bad, subject=bad),
                 logged_in(public=bad, pid=bad, subject=bad))
    for words in (["key", "show"], ["login", "--asymmetric"]):
        text = cpub(*words, agent=fake).stdout.decode()
        assert text.count(clean) == 3 and "\x1b" not in text


def test_logout_says_what_is_left_at_the_registry(cpub, agent):
    signs, has_token = (
        {"index": CANONICAL, "account": "a", "for": "all", "type": kind, "pid": pid}
        for kind, pid in (("asymmetric", "k3.pid.a"), ("bearer", None)))
    fake = agent(*(ok(kind="logout", accounts=accounts)
                   for accounts in ([signs], [signs, has_token], [signs, signs])))
    key = "The key is erased. Remove its public half at the registry, too.\n"
    token = "The token itself stays valid at the registry until it is revoked there.\n"
    removed = f"Removed account 'a' of {CANONICAL} from the store"
    with_key = removed + ", with the key k3.pid.a.\n"
    assert cpub("logout", agent=fake).stdout.decode() == with_key + key
    assert cpub("logout", agent=fake).stdout.decode() == (
        with_key + removed + ".\n" + token + key)
    assert cpub("logout", agent=fake).stdout.decode() == 2 * with_key + (
        "The keys are erased. Remove their public halves at the registries, too.\n")


# What the README shows.

def test_readme_shows_what_a_login_that_signs_says(cpub, agent, corp):
    shown, _ = blocks("Signed requests")
    [answered_at] = [i for i, line in enumerate(shown) if line.endswith("[y/N] y")]
    done = cpub(*shown[0].split()[2:], agent=agent(logged_in()))
    assert done.stdout.decode().splitlines() == shown[answered_at + 1:]


def test_readme_shows_where_a_key_of_ones_own_is_given(cpub, agent, corp):
    [words] = re.findall(r"`cpub-agent (login [^`]*--with-token[^`]*) <key\.pem`", README)
    fake = agent(logged_in())
    assert cpub(*words.split(), agent=fake, stdin=PEM.encode()).returncode == 0
    assert fake.secrets == [PEM.encode()] and fake.requests[0]["asymmetric"] is True
    assert fake.requests[0]["registry"]["name"] == "corp"


def test_readme_shows_how_a_key_is_changed(cpub, agent, corp):
    _, commands = blocks("Signed requests")
    fake = agent(*[answered(**NEXT)] * len(commands))
    for command in commands:
        words = shlex.split(command, comments=True)
        assert words[0] == "cpub-agent" and cpub(*words[1:], agent=fake).returncode == 0
    assert [request.get("change") for request in fake.requests] == [
        None, "set", "rotate", "finish"]
    assert {request["registry"]["name"] for request in fake.requests} == {"corp"}


# The list.

SIGNS = {**ACCOUNT, "index": INDEX, "for": "all", "type": "asymmetric", **KEY, **NO_NEXT}


def test_list_shows_which_account_signs_and_with_which_key(cpub, agent):
    accounts = [SIGNS,
                {**SIGNS, "readable": True, "subject": "me", "footer-key": "kid", **NEXT},
                {**ACCOUNT, **dict.fromkeys([*KEY, *NO_NEXT])}]
    done = cpub("list", agent=agent(ok(kind="list", accounts=accounts)), env={"TZ": "UTC"})
    first, second, third = done.stdout.decode().split("\n\n")
    row = f"  key        signs ({PID}), added 2025-11-22"
    assert row in first and row in second and "token" not in first
    assert "subject" not in first and "footer" not in first and "next" not in first
    assert "  subject    me\n" in second and "  footer     names the key as 'kid'\n" in second
    assert (f"  next key   {NEXT_PID}; `cpub-agent key rotate --finish --index {INDEX}` once it "
            "is registered\n") in second
    assert "any program of yours can have a token signed for reads" in second
    assert "  token      bearer, added 2025-11-22\n" in third and "key" not in third


def test_list_names_the_account_in_the_commands_that_it_shows(cpub, agent):
    strange = "sparse+https://h/a;b/"
    named = {**SIGNS, **NEXT, "index": strange, "api": None, "account": "work"}
    accounts = [named, {**named, "for": "read"},
                {**named, "index": CRATES_IO, "account": "default"}]
    done = cpub("list", agent=agent(ok(kind="list", accounts=accounts)))
    work, read, crates_io = done.stdout.decode().split("\n\n")
    assert f"unpinned; `cpub-agent trust --index '{strange}' --account work` asks" in work
    finish = "`cpub-agent key rotate --finish"
    assert f"{finish} --index '{strange}' --account work` once" in work
    assert f"{finish} --index '{strange}' --account work --for read` once" in read
    assert f"{finish}` once" in crates_io and "unpinned; `cpub-agent trust` asks" in crates_io


@pytest.mark.parametrize("kind", ["asymmetric", "bearer"])
def test_list_calls_what_is_for_reads_alone_not_unpinned(cpub, agent, kind):
    accounts = [{**SIGNS, "type": kind, "api": None, "for": use} for use in ("all", "read")]
    done = cpub("list", agent=agent(ok(kind="list", accounts=accounts)))
    for_all, for_read = done.stdout.decode().split("\n\n")
    assert "  api        unpinned" in for_all and "  api" not in for_read
