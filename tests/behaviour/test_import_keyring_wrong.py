"""`import --from keyring`, and what is wrong: the items, the keyring, the worker, the request."""

import json
import sys
from pathlib import Path

import dbus
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fake"))

import scan  # noqa: E402
from desk import TOKEN, code  # noqa: E402
from import_keyring_play import (  # noqa: E402, F401 - fixtures are among them
    IMPORT, kept, nothing_leaks, other, put, take_over, told,
)
from import_play import serving  # noqa: E402, F401 - a fixture
from keyring import CARGOS, SECRETS, dbus_secret, needs_gnome_keyring  # noqa: E402
from play import OTHER_TOKEN, accounts, network  # noqa: E402
from test_agent_connections import NEEDS_ROOT  # noqa: E402
from test_agent_workers import tree  # noqa: E402, F401 - a fixture
from tree import Tree  # noqa: E402
from worker_program import ask_worker, enumerators  # noqa: E402

pytestmark = [
    needs_gnome_keyring, pytest.mark.release, pytest.mark.usefixtures("nothing_leaks")]

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
    odd = "sparse+https://x.example/ "
    assert code(serving.ask(login | {"secret-in-keyring": odd})) == "bad-url"
    assert accounts(serving) == [] and other.requests() == []
    # With and without the slash at the end it is the same registry.
    login["registry"]["index-url"] = registry.index.rstrip("/")
    assert code(serving.ask(login)) == "ok"


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


# The worker and the kind.

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
