"""
`import --from keyring`: what cargo's own provider put into a real keyring is stored, and nothing
leaves the keyring that is not stored.
"""

import pytest

import scan
from desk import PASSPHRASE, TOKEN, code
from import_keyring_play import (  # noqa: F401 - fixtures are among them
    IMPORT, cargo_stores, kept, nothing_leaks, other, put, take_over, told,
)
from import_play import configure, serving  # noqa: F401 - a fixture is among them
from keyring import CARGOS, KeePassXC, needs_gnome_keyring, needs_keepassxc
from play import (
    APPROVE, CRATES_IO, OTHER_TOKEN, UNLOCK, accounts, ends, network, token_of,
)

pytestmark = [needs_gnome_keyring, pytest.mark.usefixtures("nothing_leaks")]


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
