"""
What `get` answers, row by row: the state of the store, whose the URL is, which operation, and
whether a terminal is lent. Asked at the socket, so that nothing but the agent decides.
"""

import json

import pytest

from desk import PASSPHRASE, PLACEHOLDER, TOKEN, Desk, code, get
from play import APPROVE, CANCEL, CRATES_IO, MUTATIONS, UNLOCK, is_locked, lent_pty
from registry import Registry

OPERATIONS = ("read", *MUTATIONS)
NOT_FOUND = {"Err": {"kind": "not-found"}}
FOREIGN = "sparse+https://elsewhere.example/index/"
WORK_TOKEN = "cioOfTheAccountNamedWork01234567890"
ALLOWED_SPELLINGS = (
    "https://github.com/rust-lang/crates.io-index",
    "https://github.com/rust-lang/crates.io-index/",
    "https://github.com/rust-lang/crates.io-index.git",
    "https://github.com/Rust-Lang/Crates.IO-Index.git/",
    "sparse+https://index.crates.io/",
    "sparse+https://index.crates.io",
)
ODD_SPELLINGS = (
    "http://github.com/Rust-Lang/crates.io-index.git",
    "http://github.com/rust-lang/crates.io-index",
    "HTTPS://github.com/rust-lang/crates.io-index",
    "https://GitHub.com/rust-lang/crates.io-index",
    "https://github.com./rust-lang/crates.io-index",
    "https://github.com:443/rust-lang/crates.io-index",
    "https://github.com:8443/rust-lang/crates.io-index",
    "https://me@github.com/rust-lang/crates.io-index",
    "https://github.com@evil.example/rust-lang/crates.io-index",
    "https://www.github.com/rust-lang/crates.io-index",
    "https://g\u0456thub.com/rust-lang/crates.io-index",
    "https://github.com//rust-lang/crates.io-index",
    "https://github.com/rust-lang/crates.io-index//",
    "https://github.com/rust-lang/./crates.io-index",
    "https://github.com/rust-lang/x/../crates.io-index",
    "https://github.com/rust-lang%2fcrates.io-index",
    "https://github.com/rust-lang/crates%2Eio-index",
    "https://github.com/rust-lang\\crates.io-index",
    "https://github.com/rust-lang/crates.io-index.git.git",
    "https://github.com/rust-lang/crates.io-index?x",
    "https://github.com/rust-lang/crates.io-index#x",
    "https://github.com/rust-lang/crates.io-index ",
    " https://github.com/rust-lang/crates.io-index",
    "https://github.com/rust-lang/crates.io-index\n",
    "ssh://git@github.com/rust-lang/crates.io-index",
    "sparse+https://github.com/rust-lang/crates.io-index",
    "sparse+http://index.crates.io/",
    "https://index.crates.io/",
    "sparse+https://index.crates.io/x",
    "sparse+sparse+https://index.crates.io/",
    "",
)


def token(text: str) -> dict:
    """The whole answer: never to be kept, never for another operation."""
    return {"Ok": {"kind": "get", "token": text, "cache": "never", "operation_independent": False}}


def act(index: str, operation: str, **more) -> dict:
    """A request with all that cargo sends along with that operation."""
    members = {"name": "demo", "vers": "0.1.0", "cksum": "0f" * 32}
    n = {"read": 0, "owners": 1, "yank": 2, "unyank": 2, "publish": 3}[operation]
    return get(index, operation, **dict(list(members.items())[:n]), **more)


def ask(desk, request, *typed: tuple[str, str]) -> dict:
    """Asks with a terminal lent; that shows these questions and no other."""
    with lent_pty() as terminal, desk.line() as line:
        line.send(request, [terminal.lent])
        for question, answer in typed:
            terminal.sees(question)
            terminal.types(answer, end="" if answer == CANCEL else "\n")
        answer = json.loads(line.receive())
        rest = terminal.shown()
        assert rest == ("\n" if typed else ""), rest
        assert PASSPHRASE not in terminal.seen and TOKEN not in terminal.seen
    return answer


@pytest.fixture(scope="module")
def kept(tmp_path_factory, certificate):
    """A desk with accounts at crates.io and at a registry: `default` and `work`."""
    directory = tmp_path_factory.mktemp("table")
    desk = Desk(directory / "desk")
    with Registry(directory / "registry", tls=certificate) as registry:
        try:
            desk.start()
            desk.init()
            desk.login(registry)
            desk.login(registry, WORK_TOKEN, "--account", "work")
            desk.succeed("login", "--with-token", given=TOKEN + "\n")
            desk.index = registry.index
            n_requests = len(registry.requests())
            yield desk
        finally:
            desk.stop()
        # `get` asks the index alone, and shows nobody a token.
        asked = [(entry["method"], entry["path"].split("/")[1], entry["token"])
                 for entry in registry.requests()[n_requests:]]
        assert set(asked) <= {("GET", "index", None)}


@pytest.fixture
def unlocked(kept):
    if is_locked(kept):
        kept.unlock()
    yield kept
    assert not is_locked(kept)


@pytest.fixture
def locked(kept):
    kept.succeed("lock")
    assert is_locked(kept)
    return kept


# No store yet.

@pytest.mark.parametrize("operation", OPERATIONS)
def test_without_a_store_nothing_is_found_and_nobody_asked(desk, operation):
    desk.start()
    for index in (CRATES_IO, FOREIGN):
        assert desk.ask(act(index, operation)) == NOT_FOUND
        assert ask(desk, act(index, operation)) == NOT_FOUND


def test_without_a_store_logout_finds_nothing_and_login_says_what_to_do(desk):
    desk.start()
    registry = {"registry": {"index-url": CRATES_IO}}
    assert ask(desk, {"v": 1, "kind": "logout"} | registry) == NOT_FOUND
    answer = ask(desk, {"v": 1, "kind": "login", "token": TOKEN} | registry)
    assert code(answer) == "no-store" and "cpub-agent init" in answer["Err"]["message"]
    assert not desk.vault.exists()


# Not ours.

@pytest.mark.parametrize("operation", OPERATIONS)
def test_foreign_index_is_not_found_when_unlocked(unlocked, operation):
    assert unlocked.ask(act(FOREIGN, operation)) == NOT_FOUND
    assert ask(unlocked, act(FOREIGN, operation)) == NOT_FOUND


@pytest.mark.parametrize("operation", OPERATIONS)
def test_foreign_index_is_not_found_when_locked_and_the_store_stays_locked(locked, operation):
    assert locked.ask(act(FOREIGN, operation)) == NOT_FOUND
    assert ask(locked, act(FOREIGN, operation)) == NOT_FOUND
    assert is_locked(locked)


def test_name_of_the_registry_is_no_key(unlocked):
    for name in ("crates-io", "local", "default"):
        assert unlocked.ask(get(FOREIGN, registry={"name": name})) == NOT_FOUND
        answer = unlocked.ask(get(unlocked.index, registry={"name": name}))
        assert answer == token(PLACEHOLDER)


# Locked and ours.

@pytest.mark.parametrize("operation", OPERATIONS)
def test_locked_without_a_terminal_is_locked_and_never_not_found(locked, operation):
    for index in (locked.index, locked.index.rstrip("/"), *ALLOWED_SPELLINGS):
        answer = locked.ask(act(index, operation))
        assert code(answer) == "locked" and answer["Err"]["kind"] == "other"
        assert "cpub-agent unlock" in answer["Err"]["message"]


def test_locked_headers_and_account_names_change_nothing_without_a_terminal(locked):
    headers = {"headers": ['www-authenticate: Cargo login_url="https://x.example/me"']}
    assert code(locked.ask(get(locked.index, registry=headers))) == "locked"
    for account in ("work", "nobody"):
        assert code(locked.ask(get(locked.index, args=["--account", account]))) == "locked"


def test_locked_read_asks_the_passphrase_then_answers_as_unlocked(locked):
    assert ask(locked, get(locked.index), (UNLOCK, PASSPHRASE)) == token(PLACEHOLDER)
    assert not is_locked(locked)


def test_locked_read_with_headers_asks_the_passphrase_and_releases_nothing(locked):
    request = get(locked.index, registry={"headers": ["WWW-Authenticate: Cargo"]})
    assert code(ask(locked, request, (UNLOCK, PASSPHRASE))) == "read-auth-not-agreed"


@pytest.mark.parametrize("operation", MUTATIONS)
def test_locked_act_asks_one_passphrase_that_unlocks_and_approves(locked, operation):
    answer = ask(locked, act(locked.index, operation), (UNLOCK, PASSPHRASE))
    assert answer == token(TOKEN)
    assert not is_locked(locked)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_locked_and_unknown_account_is_account_unknown_once_unlocked(locked, operation):
    request = act(locked.index, operation, args=["--account", "nobody"])
    assert code(ask(locked, request, (UNLOCK, PASSPHRASE))) == "account-unknown"


@pytest.mark.parametrize("operation", ["read", "publish"])
def test_locked_and_cancelled_is_denied_and_stays_locked(locked, operation):
    assert code(ask(locked, act(locked.index, operation), (UNLOCK, CANCEL))) == "denied"
    assert is_locked(locked)


def test_locked_and_three_wrong_passphrases_stays_locked(locked):
    wrong = [(UNLOCK, "not-the-passphrase")] * 3
    assert code(ask(locked, act(locked.index, "publish"), *wrong)) == "wrong-passphrase"
    assert is_locked(locked)


@pytest.mark.parametrize("kind", ["login", "logout", "list"])
def test_other_kinds_on_a_locked_store_ask_the_passphrase_or_are_locked(locked, kind):
    request = {"v": 1, "kind": kind, "registry": {"index-url": locked.index}}
    assert code(locked.ask(request)) == "locked"
    assert code(ask(locked, request, (UNLOCK, CANCEL))) == "denied"
    assert is_locked(locked)


# Unlocked and ours.

def test_read_is_answered_by_the_placeholder(unlocked):
    assert unlocked.ask(get(unlocked.index)) == token("cpub-placeholder-not-a-token")
    assert ask(unlocked, get(unlocked.index)) == token("cpub-placeholder-not-a-token")


def test_read_placeholder_is_byte_for_byte_what_cargo_reads(unlocked):
    with unlocked.line() as line:
        line.send(get(unlocked.index))
        assert line.receive() == (
            b'{"Ok":{"kind":"get","token":"cpub-placeholder-not-a-token","cache":"never",'
            b'"operation_independent":false}}\n')


@pytest.mark.parametrize("header", [
    'WWW-Authenticate: Cargo login_url="https://x.example/me"',
    'www-authenticate: Cargo login_url="https://x.example/me"',
    "Www-AUTHENTICATE: cargo", "WWW-Authenticate: Basic realm=x", "Server: nginx", "odd", "",
])
def test_headers_never_release_a_token(unlocked, header):
    request = get(unlocked.index, registry={"headers": [header]})
    for answer in (unlocked.ask(request), ask(unlocked, request)):
        assert code(answer) == "read-auth-not-agreed" and answer["Err"]["kind"] == "other"
        assert "cpub-agent login" in answer["Err"]["message"]
        assert "x.example" not in json.dumps(answer)


def test_no_headers_are_no_headers(unlocked):
    assert unlocked.ask(get(unlocked.index, registry={"headers": []})) == token(PLACEHOLDER)


@pytest.mark.parametrize("operation", MUTATIONS)
def test_act_is_approved_with_the_passphrase_and_gets_the_token(unlocked, operation):
    unlocked.succeed("lock")  # Ends the approval of an earlier publish.
    unlocked.unlock()
    answer = ask(unlocked, act(unlocked.index, operation), (APPROVE, PASSPHRASE))
    assert answer == token(TOKEN)


@pytest.mark.parametrize("operation", MUTATIONS)
def test_act_without_a_terminal_gets_nothing(unlocked, operation):
    unlocked.succeed("lock")
    unlocked.unlock()
    for more in ({}, {"registry": {"headers": ["WWW-Authenticate: Cargo"]}}):
        answer = unlocked.ask(act(unlocked.index, operation, **more))
        assert code(answer) == "needs-terminal" and TOKEN not in json.dumps(answer)


def test_denied_act_gets_nothing(unlocked):
    assert code(ask(unlocked, act(unlocked.index, "yank"), (APPROVE, CANCEL))) == "denied"


def test_each_account_has_its_own_token(unlocked):
    request = act(unlocked.index, "yank", args=["--account", "work"])
    assert ask(unlocked, request, (APPROVE, PASSPHRASE)) == token(WORK_TOKEN)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_unknown_account_is_never_not_found_and_nobody_is_asked(unlocked, operation):
    request = act(unlocked.index, operation, args=["--account", "nobody"])
    assert code(unlocked.ask(request)) == "account-unknown"
    assert code(ask(unlocked, request)) == "account-unknown"


# Spellings.

@pytest.mark.parametrize("index", ALLOWED_SPELLINGS)
def test_allowed_spelling_is_crates_io(unlocked, index):
    assert unlocked.ask(get(index)) == token(PLACEHOLDER)


@pytest.mark.parametrize("index", ODD_SPELLINGS, ids=ascii)
def test_odd_spelling_is_never_crates_io(unlocked, index):
    for operation in OPERATIONS:
        assert ask(unlocked, act(index, operation)) == NOT_FOUND


def test_odd_spelling_is_never_crates_io_when_locked(locked):
    for index in ODD_SPELLINGS:
        assert ask(locked, get(index)) == NOT_FOUND
    assert is_locked(locked)


# A store that was there.

def lose(desk):
    desk.vault.unlink()


def lose_folder(desk):
    for file in desk.vault.parent.iterdir():
        file.unlink()
    desk.vault.parent.rmdir()


def damage(desk):
    content = bytearray(desk.vault.read_bytes())
    content[len(content) // 2] ^= 1
    desk.vault.write_bytes(content)


def cut(desk):
    desk.vault.write_bytes(desk.vault.read_bytes()[:-1])


def empty(desk):
    desk.vault.write_bytes(b"")


@pytest.mark.parametrize("harm, refusal", [
    (lose, "store-gone"), (lose_folder, "store-gone"), (damage, "store-damaged"),
    (cut, "store-damaged"), (empty, "store-damaged")], ids=lambda x: getattr(x, "__name__", x))
def test_store_that_was_there_is_never_not_found(open_desk, harm, refusal):
    open_desk.succeed("login", "--with-token", given=TOKEN + "\n")
    open_desk.stop()
    harm(open_desk)
    open_desk.start()
    for operation in OPERATIONS:
        assert code(open_desk.ask(act(CRATES_IO, operation))) == refusal
        assert code(ask(open_desk, act(CRATES_IO, operation))) == refusal
    registry = {"registry": {"index-url": CRATES_IO}}
    for kind in ("login", "logout", "list", "unlock", "init"):
        assert code(ask(open_desk, {"v": 1, "kind": kind} | registry)) == refusal, kind
    done = open_desk.run("list")
    assert done.returncode == 10, done.stderr
