"""
`import --from keyring`: what cargo's own provider put into a real keyring is stored, or it is said
why not; and nothing leaves the keyring that is not stored.
"""

import json
import sys
from pathlib import Path

import dbus
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fake"))

import scan
from desk import PASSPHRASE, TOKEN, code
from import_play import configure, serving  # noqa: F401 - a fixture is among them
from keyring import (
    CARGOS, SECRETS, KeePassXC, dbus_secret, needs_gnome_keyring, needs_keepassxc,
)
from play import (
    APPROVE, CRATES_IO, OTHER_TOKEN, UNLOCK, accounts, ends, network, token_of,
)
from registry import Registry
from test_agent_connections import NEEDS_ROOT
from test_agent_workers import tree  # noqa: F401 - a fixture
from tree import Tree
from worker_program import ask_worker, enumerators

pytestmark = needs_gnome_keyring

IMPORT = {"v": 1, "kind": "import", "from": "keyring"}


@pytest.fixture
def other(tmp_path, certificate):
    with Registry(tmp_path / "other", tls=certificate, tokens={OTHER_TOKEN}) as r:
        yield r


@pytest.fixture(autouse=True)
def nothing_leaks(desk):
    yield
    for path in (desk.log, desk.state / "audit.jsonl", desk.vault):
        content = path.read_bytes() if path.exists() else b""
        for secret in (TOKEN, OTHER_TOKEN, PASSPHRASE):
            assert secret.encode() not in content, path


def cargo_stores(desk, keyring, registry, token: str = TOKEN) -> None:
    """The real cargo, with its own provider, as the user has set it up."""
    config = desk.cargo_home / "config.toml"
    before = config.read_text() if config.exists() else None
    config.write_text(f'[registries.local]\nindex = "{registry.index}"\n'
                      f'credential-provider = "cargo:libsecret"\n[http]\ncainfo = "{registry.ca}"\n')
    done = desk.cargo("login", "--registry", "local", given=token + "\n",
                      DBUS_SESSION_BUS_ADDRESS=keyring.address)
    assert done.returncode == 0, done.stderr
    if before is None:
        config.unlink()
    else:
        config.write_text(before)


def put(keyring, url: str, token: str = TOKEN) -> None:
    """As cargo stores one (cargo-credential-libsecret, lib.rs)."""
    keyring.add(CARGOS, {"url": url}, f"cargo-registry:{url}", token.encode())


def kept(keyring) -> dict[str, bytes]:
    """What cargo has there, by URL."""
    with keyring.items(CARGOS) as items:
        return {item.attributes["url"]: item.secret() for item in items}


def take_over(desk, registry, *words: str, **more):
    return desk.run("import", "--from", "keyring", *words,
                    **(network(registry) if registry else {}) | more)


def told(desk, registry, *words: str, **more) -> tuple[int, dict[str, dict], dict]:
    """As JSON: exit status, tokens by key, and all of it."""
    done = take_over(desk, registry, "--json", *words, **more)
    answer = json.loads(done.stdout)
    assert "tokens" in answer, done.stdout + done.stderr
    for secret in (TOKEN, OTHER_TOKEN):
        assert secret not in done.stdout + done.stderr
    return done.returncode, {token["key"]: token for token in answer["tokens"]}, answer


# What cargo has stored.

def test_import_stores_what_cargo_put_into_the_keyring_and_leaves_it(
        open_desk, keyring, registry):
    cargo_stores(open_desk, keyring, registry)
    assert kept(keyring) == {registry.index: TOKEN.encode()}
    done = take_over(open_desk, registry)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"keyring\n  {registry.index} stored as account 'default'\n")
    assert "--wipe" in done.stdout and TOKEN not in done.stdout + done.stderr
    assert token_of(open_desk, registry.index) == TOKEN
    assert kept(keyring) == {registry.index: TOKEN.encode()}
    assert {entry["token"] for entry in registry.requests()} == {None}


def test_cargo_publishes_through_our_provider_with_what_was_imported(
        open_desk, keyring, registry):
    cargo_stores(open_desk, keyring, registry)
    assert take_over(open_desk, registry, "--wipe").returncode == 0
    assert kept(keyring) == {}
    open_desk.set_up_cargo(registry)
    crate = open_desk.home / "demo"
    (crate / "src").mkdir(parents=True)
    (crate / "src/lib.rs").write_text("")
    (crate / "Cargo.toml").write_text(
        '[package]\nname = "demo"\nversion = "0.1.0"\nedition = "2021"\n'
        'description = "d"\nlicense = "MIT"\npublish = ["local"]\n')
    terminal = open_desk.terminal("cargo", "publish", "--allow-dirty", cwd=crate)
    terminal.answers(APPROVE, PASSPHRASE)
    ends(terminal, 0)
    assert ("demo", "0.1.0") in registry.crates and registry.violations == []


@pytest.mark.parametrize("url", [CRATES_IO, "sparse+https://index.crates.io/"])
def test_import_takes_crates_io_under_each_of_its_urls(open_desk, keyring, url):
    put(keyring, url)
    status, tokens, _ = told(open_desk, None, "--no-check", "--account", "mine")
    assert status == 0 and tokens[url]["name"] == "crates-io"
    assert tokens[url]["result"] == "stored" and tokens[url]["file"] is None
    assert token_of(open_desk, CRATES_IO, "mine") == TOKEN


def test_import_names_a_registry_as_the_users_own_configuration_does(serving, keyring, registry):
    put(keyring, registry.index)
    configure(serving, corp=registry)
    assert take_over(serving, registry, "--dry-run").stdout == (
        f"keyring\n  corp       {registry.index}\n")
    assert told(serving, registry)[1][registry.index]["name"] == "corp"


def test_import_again_is_unchanged_and_another_token_wants_replace(open_desk, keyring, registry):
    put(keyring, registry.index)
    assert told(open_desk, registry)[1][registry.index]["result"] == "stored"
    status, tokens, _ = told(open_desk, registry)
    assert (status, tokens[registry.index]["result"]) == (0, "unchanged")
    assert "was stored already" in take_over(open_desk, registry).stdout

    with keyring.items(CARGOS) as [item]:
        item.set_secret(OTHER_TOKEN.encode())
    status, tokens, _ = told(open_desk, registry, "--wipe")
    token = tokens[registry.index]
    assert (status, token["result"], token["code"]) == (1, "refused", "account-exists")
    assert token["wiped"] is False and len(kept(keyring)) == 1
    assert token_of(open_desk, registry.index) == TOKEN

    terminal = open_desk.terminal(
        "import", "--from", "keyring", "--replace", "--wipe", **network(registry))
    terminal.answers(APPROVE, PASSPHRASE)
    terminal.sees("replaced the token of account 'default'")
    ends(terminal, 0)
    assert token_of(open_desk, registry.index) == OTHER_TOKEN and kept(keyring) == {}


def test_import_of_two_of_which_one_fails_is_partly(serving, keyring, registry, other):
    put(keyring, registry.index)
    put(keyring, other.index, "t\u00f6ken")
    status, tokens, answer = told(serving, registry, "--wipe")
    assert status == 9 and answer["problems"] == []
    assert (tokens[registry.index]["result"], tokens[registry.index]["wiped"]) == ("stored", True)
    assert (tokens[other.index]["code"], tokens[other.index]["wiped"]) == ("bad-token", False)
    assert list(kept(keyring)) == [other.index]
    assert [a["index"] + "/" for a in accounts(serving)] == [registry.index]


def test_import_asks_for_the_passphrase_once_where_the_store_is_locked(
        open_desk, keyring, registry, other):
    put(keyring, registry.index)
    put(keyring, other.index, OTHER_TOKEN)
    open_desk.succeed("lock")
    status, tokens, _ = told(open_desk, registry)
    assert status == 4
    assert sorted(token["code"] for token in tokens.values()) == ["locked", "skipped"]
    terminal = open_desk.terminal("import", "--from", "keyring", "--wipe", **network(registry))
    terminal.answers(UNLOCK, PASSPHRASE)
    terminal.sees("Removed 2 tokens from the keyring.")
    ends(terminal, 0)
    assert len(accounts(open_desk)) == 2 and kept(keyring) == {}


# Only looking.

def test_dry_run_tells_what_there_is_and_changes_nothing(desk, keyring, registry):
    desk.start()
    put(keyring, registry.index)
    put(keyring, "file:///tmp/index", OTHER_TOKEN)
    done = take_over(desk, registry, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"  {registry.index} {registry.index}\n" in done.stdout
    assert "  file:///tmp/index skipped: the registry's URL is not in the plain" in done.stdout
    assert TOKEN not in done.stdout
    assert told(desk, registry, "--dry-run")[1][registry.index]["result"] == "found"
    assert len(kept(keyring)) == 2
    assert registry.requests() == [] and desk.status()["state"] == "absent"


def test_keyring_without_a_token_of_cargos_is_told(desk, keyring):
    keyring.add("org.example.Other", {"url": CRATES_IO}, "not cargo's", TOKEN.encode())
    desk.start()
    assert desk.succeed("import", "--from", "keyring") == (
        "There is no token of cargo's in the keyring.\n")
    assert told(desk, None)[:2] == (0, {})


# What is wrong with an item.

ODD = [
    "https://Corp.example/i", "https://user@corp.example/i", "ftp://corp.example/i", "", "corp",
    "https://corp.example/a\nb", "https://corp.ex\u00e4mple/i", "https://c.example/" + "x" * 2000,
    "file:///tmp/x\x1b[2J"]


def test_odd_urls_are_left_and_shown_harmless(serving, keyring, registry):
    for url in ODD:
        put(keyring, url, OTHER_TOKEN)
    put(keyring, registry.index)
    status, tokens, _ = told(serving, registry, "--wipe")
    assert status == 9 and tokens.pop(registry.index)["wiped"] is True
    assert len(tokens) == len(ODD)
    for key, token in tokens.items():
        assert (token["result"], token["code"]) == ("skipped", "bad-url")
        assert len(key) <= 1024 and key.isascii() and (key.isprintable() or not key)
    assert sorted(kept(keyring)) == sorted(ODD)
    assert "\x1b" not in take_over(serving, registry).stdout


def test_several_items_of_one_url_are_left(serving, keyring, registry):
    put(keyring, registry.index)
    put(keyring, registry.index, OTHER_TOKEN)
    status, tokens, _ = told(serving, registry, "--wipe")
    assert (status, tokens[registry.index]["code"]) == (1, "token-ambiguous")
    done = take_over(serving, registry)
    assert done.returncode == 1 and "skipped: the keyring holds several" in done.stdout
    login = {"v": 1, "kind": "login", "registry": {"index-url": registry.index},
             "url-source": "user", "no-check": True, "secret-in-keyring": registry.index}
    assert code(serving.ask(login)) == "token-ambiguous"
    assert accounts(serving) == []
    with keyring.items(CARGOS) as items:
        assert len(items) == 2


NO_TOKENS = {
    b"": "is empty", b"x" * 1025: "more than 1024 bytes", b"x" * 100_000: "more than 1024 bytes",
    "t\u00f6ken".encode(): "else than printable ASCII", b"a\nb": "else than printable ASCII",
    b"a\0b": "else than printable ASCII", b"\xff\xfe": "else than printable ASCII"}


def test_secrets_that_are_no_tokens_are_left_and_it_is_said_why(serving, keyring):
    wrong = {f"https://corp.example/{n}": secret for n, secret in enumerate(NO_TOKENS)}
    for url, secret in wrong.items():
        keyring.add(CARGOS, {"url": url}, "x", secret)
    status, tokens, _ = told(serving, None, "--wipe", "--no-check")
    assert status == 2 and len(tokens) == len(wrong)
    for url, secret in wrong.items():
        assert (tokens[url]["result"], tokens[url]["code"]) == ("refused", "bad-token")
        assert NO_TOKENS[secret] in tokens[url]["message"]
    assert accounts(serving) == [] and kept(keyring) == wrong


def test_item_that_vanishes_before_it_is_taken_is_told(serving, keyring, registry):
    login = {"v": 1, "kind": "login", "registry": {"index-url": registry.index},
             "url-source": "user", "no-check": True, "secret-in-keyring": registry.index}
    assert code(serving.ask(login)) == "no-token-in-keyring"
    put(keyring, registry.index)
    assert code(serving.ask(login)) == "ok"
    with keyring.items(CARGOS) as [item]:
        item.delete()
    assert code(serving.ask(login)) == "no-token-in-keyring"


def test_what_cargo_keeps_for_one_registry_is_never_stored_for_another(
        serving, keyring, registry, other):
    put(keyring, registry.index)
    login = {"v": 1, "kind": "login", "registry": {"index-url": other.index},
             "url-source": "given", "no-check": True, "secret-in-keyring": registry.index}
    assert code(serving.ask(login)) == "bad-url"
    assert code(serving.ask(login | {"secret-in-keyring": "sparse+https://x.example/ "})) == "bad-url"
    assert accounts(serving) == [] and other.requests() == []
    # With and without the slash at the end it is the same registry.
    login["registry"]["index-url"] = registry.index.rstrip("/")
    assert code(serving.ask(login)) == "ok"


@pytest.mark.release
def test_client_holds_no_token_while_it_imports_and_wipes(open_desk, keyring, registry, other):
    first, second = sorted([registry, other], key=lambda r: r.index)
    open_desk.login(second, "an-older-token", "--no-check", "--api", second.api)
    put(keyring, first.index)
    put(keyring, second.index, OTHER_TOKEN)
    terminal = open_desk.terminal(
        "import", "--from", "keyring", "--wipe", "--replace", **network(registry))
    terminal.sees(APPROVE)  # One is stored, the other has been compared.
    assert scan.memory_size(terminal.pid) > 1 << 20
    assert scan.memory_traces(terminal.pid, TOKEN, OTHER_TOKEN) == []
    with scan.Stepped(terminal.pid) as client:
        terminal.types(PASSPHRASE)
        client.run_to("Removed 2 tokens")  # The last that it says.
        assert scan.memory_traces(terminal.pid, TOKEN, OTHER_TOKEN) == []
    ends(terminal, 0)
    open_desk.wait(lambda: not scan.children(open_desk.pid(), "worker-keyring"), "the workers")
    assert not scan.disk_traces(open_desk.directory / "run", TOKEN, OTHER_TOKEN)
    open_desk.succeed("lock")
    assert scan.memory_traces(open_desk.agent.pid, TOKEN, OTHER_TOKEN) == []


# The keyring itself.

def test_locked_keyring_without_a_person_is_told(serving, keyring, registry):
    put(keyring, registry.index)
    keyring.lock()
    done = take_over(serving, registry, "--json")
    assert done.returncode == 4
    assert json.loads(done.stdout)["error"]["code"] == "keyring-locked"
    keyring.unlock()
    assert told(serving, registry)[1][registry.index]["result"] == "stored"


def test_locked_keyring_whose_question_cannot_be_shown_is_denied(serving, keyring, registry):
    put(keyring, registry.index)
    keyring.lock()
    terminal = serving.terminal("import", "--from", "keyring", **network(registry))
    assert terminal.ends() == 5, terminal.seen


def test_keyring_that_stands_still_is_told_in_time(serving, keyring, registry):
    put(keyring, registry.index)
    with keyring.frozen():
        done = take_over(serving, registry, "--json")
    assert json.loads(done.stdout)["error"]["code"] == "keyring-timeout"
    assert done.returncode == 1


def test_without_a_keyring_it_is_told(serving, registry):
    done = take_over(serving, registry, "--json")
    assert json.loads(done.stdout)["error"]["code"] == "keyring-unreachable"


def put_away(keyring, url: str, token: str) -> None:
    """Into a second collection, which is locked then."""
    with keyring.connected() as bus:
        def interface(path, name):
            return dbus.Interface(bus.get_object(SECRETS, path), name)

        service = interface("/org/freedesktop/secrets", "org.freedesktop.Secret.Service")
        _, session = service.OpenSession("plain", dbus.String("", variant_level=1))
        # Without asking a person for the collection's password.
        collection = interface(
            "/org/freedesktop/secrets", "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface"
        ).CreateWithMasterPassword(
            {"org.freedesktop.Secret.Collection.Label": dbus.String("second")},
            dbus_secret(session, b"password"))
        interface(collection, "org.freedesktop.Secret.Collection").CreateItem(
            {"org.freedesktop.Secret.Item.Label": dbus.String("x"),
             "org.freedesktop.Secret.Item.Attributes": dbus.Dictionary(
                 {"xdg:schema": CARGOS, "url": url}, signature="ss")},
            dbus_secret(session, token.encode()), False)
        service.Lock([collection])


def test_item_in_a_locked_collection_is_told_and_the_others_go_on(
        serving, keyring, registry, other):
    put(keyring, registry.index)
    put_away(keyring, other.index, OTHER_TOKEN)
    listed = {token["url"]: token for token in serving.ask(IMPORT)["Ok"]["tokens"]}
    assert {url: token["locked"] for url, token in listed.items()} == {
        registry.index: False, other.index: True}
    status, tokens, _ = told(serving, registry, "--wipe")
    assert status == 9 and tokens[registry.index]["wiped"] is True
    assert (tokens[other.index]["result"], tokens[other.index]["code"]) == (
        "refused", "keyring-locked")


@needs_keepassxc
def test_keepassxc_is_imported_from_as_well(open_desk, registry):
    keepassxc = KeePassXC(open_desk).start()
    try:
        cargo_stores(open_desk, keepassxc, registry)
        status, tokens, _ = told(open_desk, registry, "--wipe")
        assert (status, tokens[registry.index]["wiped"]) == (0, True)
        assert take_over(open_desk, registry).stdout.startswith("There is no token")
        assert token_of(open_desk, registry.index) == TOKEN
    finally:
        open_desk.stop()
        keepassxc.stop()


@NEEDS_ROOT
@pytest.mark.parametrize("behaviour", ["broken_find", "half_a_find", "garbage",
                                       "crash_after_task"])
def test_wrong_worker_lists_nothing_and_the_agent_lives_on(
        desk, keyring, tree: Tree, registry, behaviour):
    put(keyring, registry.index)
    desk.start()
    tree.misbehave("worker-keyring", behaviour)
    assert code(desk.ask(IMPORT)) == "worker-failed"
    tree.heal("worker-keyring")
    assert code(desk.ask(IMPORT)) == "ok"


# Removing.

def test_wipe_removes_what_is_stored_and_says_so(serving, keyring, registry):
    put(keyring, registry.index)
    done = take_over(serving, registry, "--wipe")
    assert done.returncode == 0 and "Removed 1 token from the keyring.\n" in done.stdout
    assert kept(keyring) == {}
    assert not scan.disk_traces(serving.home / ".local/state", TOKEN)


@pytest.mark.parametrize("change", ["another-token", "no-account", "several"])
def test_wipe_leaves_what_is_not_what_is_stored(serving, keyring, registry, change):
    put(keyring, registry.index)
    assert told(serving, registry)[0] == 0
    wipe = IMPORT | {"wipe": registry.index}
    if change == "another-token":
        with keyring.items(CARGOS) as [item]:
            item.set_secret(OTHER_TOKEN.encode())
    elif change == "several":
        put(keyring, registry.index)
    else:
        wipe["account"] = "another"
    expected = {"another-token": "token-differs", "several": "token-ambiguous",
                "no-account": "account-unknown"}[change]
    assert code(serving.ask(wipe)) == expected
    with keyring.items(CARGOS) as items:
        assert len(items) == (2 if change == "several" else 1)
    assert serving.audit()[-1]["refusal"] == expected


def test_wipe_of_what_somebody_logs_in_to_again_meanwhile_is_partly(
        open_desk, keyring, registry, other):
    """Between the login and the removal: the second registry's question is the time for it."""
    first, second = sorted([registry, other], key=lambda r: r.index)
    open_desk.login(second, "an-older-token", "--no-check", "--api", second.api)
    put(keyring, first.index)
    put(keyring, second.index, OTHER_TOKEN)
    terminal = open_desk.terminal(
        "import", "--from", "keyring", "--wipe", "--replace", **network(registry))
    terminal.sees("stored as account 'default'")
    terminal.sees(APPROVE)
    with keyring.items(CARGOS, url=first.index) as [item]:
        item.set_secret(b"a-newer-token")
    terminal.types(PASSPHRASE)
    terminal.sees("is in the keyring still: the keyring holds another token")
    terminal.sees("Removed 1 token from the keyring.")
    assert terminal.ends() == 9, terminal.seen
    assert kept(keyring) == {first.index: b"a-newer-token"}
    assert token_of(open_desk, first.index) == TOKEN


def test_wipe_needs_an_open_store(open_desk, keyring, registry):
    put(keyring, registry.index)
    assert told(open_desk, registry)[0] == 0
    open_desk.succeed("lock")
    assert code(open_desk.ask(IMPORT | {"wipe": registry.index})) == "locked"
    assert code(open_desk.ask(IMPORT | {"wipe": "x y"})) == "bad-url"
    assert len(kept(keyring)) == 1


WIPE = enumerators("agent/work/frame.h", "keyring_errand")["KEYRING_CARGO_WIPE"]


def test_worker_removes_only_the_very_token_that_it_is_told(desk, keyring):
    """The last look, right before: cargo may have stored another one since the agent compared."""
    url = "https://corp.example/i"

    def wipe() -> str:
        task = {"KEYRING_ERRAND": WIPE, "CARGO_URL": url, "TOKEN": TOKEN}
        return ask_worker("keyring", task, env={"XDG_RUNTIME_DIR": str(desk.runtime)}).refusal

    put(keyring, url, OTHER_TOKEN)
    put(keyring, "https://corp.example/other")
    assert wipe() == "token-differs" and len(kept(keyring)) == 2
    with keyring.items(CARGOS, url=url) as [item]:
        item.set_secret(TOKEN.encode())
    assert wipe() == "none" and list(kept(keyring)) == ["https://corp.example/other"]
    assert wipe() == "none"


# The kind.

def test_list_has_no_secret_in_it(serving, keyring, registry):
    put(keyring, registry.index)
    answer = serving.ask(IMPORT)
    assert answer["Ok"] == {"kind": "import", "more": False, "tokens": [
        {"url": registry.index, "items": 1, "locked": False, "odd": False}]}
    assert not scan.traces(json.dumps(answer), TOKEN)


def test_more_than_can_be_listed_is_said(serving, keyring):
    for n in range(101):
        put(keyring, f"https://corp.example/{n:03}")
    answer = serving.ask(IMPORT)["Ok"]
    assert len(answer["tokens"]) == 100 and answer["more"] is True
    status, tokens, answer = told(serving, None, "--dry-run")
    assert status == 9 and "more tokens" in answer["problems"][0]


@pytest.mark.parametrize("members", [
    {"from": "file"}, {"from": None}, {"from": 1}, {"from": "keyring", "wipe": 1}])
def test_odd_words_are_refused(serving, keyring, members):
    assert code(serving.ask({"v": 1, "kind": "import"} | members)) == "bad-request"
