"""The real cargo against a real registry over TLS, with a person at the terminal."""

import subprocess

import pytest

from crate import write_crate
from desk import PASSPHRASE, TOKEN
from play import needs_mount

pytestmark = pytest.mark.both  # The release build has the sandboxes.

APPROVE = "Passphrase to approve (^C denies): "
UNLOCK = "Passphrase to unlock cpub-agent (^C cancels): "
BUILD_SCRIPT = 'fn main() { println!("cargo:rerun-if-changed=build.rs"); }\n'


def cargo_version() -> tuple[int, int]:
    words = subprocess.run(["cargo", "--version"], capture_output=True, text=True, check=True)
    major, minor = words.stdout.split()[1].split(".")[:2]
    return int(major), int(minor)


def publish_demo(desk, name="demo", version="0.1.0", **crate):
    """Publishes a crate with a build script as a person does, and returns the terminal."""
    folder = write_crate(desk.home / f"{name}-{version}", name, version, build=BUILD_SCRIPT, **crate)
    terminal = desk.terminal("cargo", "publish", "--registry", "local", "--allow-dirty", cwd=folder)
    terminal.answers(APPROVE, PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    return terminal


def test_cargo_publish_sends_what_a_person_approved(ready_desk, registry):
    terminal = publish_demo(ready_desk)

    published = registry.crates["demo", "0.1.0"]
    assert f"sha256    {published.cksum}" in terminal.seen
    assert "crate     demo 0.1.0" in terminal.seen
    assert registry.index.rstrip("/") in terminal.seen
    assert registry.violations == []
    assert TOKEN not in terminal.seen and PASSPHRASE not in terminal.seen


def test_cargo_publish_unlocks_before_the_build_and_approves_after_it(ready_desk, registry):
    ready_desk.succeed("lock")
    folder = write_crate(ready_desk.home / "demo", "demo", build=BUILD_SCRIPT)
    terminal = ready_desk.terminal(
        "cargo", "publish", "--registry", "local", "--allow-dirty", cwd=folder)
    before = terminal.answers(UNLOCK, PASSPHRASE)
    assert "Compiling" not in before
    between = terminal.answers(APPROVE, PASSPHRASE)
    assert "Compiling demo" in between
    assert terminal.ends() == 0, terminal.seen
    assert ("demo", "0.1.0") in registry.crates


def test_denied_publish_sends_nothing(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo")
    terminal = ready_desk.terminal(
        "cargo", "publish", "--registry", "local", "--allow-dirty", cwd=folder)
    terminal.sees(APPROVE)
    terminal.send("\x03")
    assert terminal.ends() == 101
    assert "said no" in terminal.seen
    assert registry.crates == {}
    assert registry.requests("PUT /api/v1/crates/new") == []


def test_wrong_passphrase_is_asked_again_and_then_refused(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo")
    terminal = ready_desk.terminal(
        "cargo", "publish", "--registry", "local", "--allow-dirty", cwd=folder)
    for _ in range(3):
        terminal.answers(APPROVE, "not-the-passphrase")
    assert terminal.ends() == 101
    assert "the passphrase is wrong" in terminal.seen
    assert registry.crates == {}


def test_yank_undo_and_owners_each_ask_once(ready_desk, registry):
    publish_demo(ready_desk)

    def act(*words):
        terminal = ready_desk.terminal("cargo", *words, "--registry", "local")
        before = terminal.answers(APPROVE, PASSPHRASE)
        assert terminal.ends() == 0, terminal.seen
        assert terminal.seen.count(APPROVE) == 1
        return before

    assert "approve yank?" in act("yank", "demo@0.1.0")
    assert registry.crates["demo", "0.1.0"].yanked
    assert "approve un-yank?" in act("yank", "--undo", "demo@0.1.0")
    assert not registry.crates["demo", "0.1.0"].yanked
    assert "listing or changing owners?" in act("owner", "--list", "demo")
    act("owner", "--add", "bob", "demo")
    assert len(registry.requests("PUT /api/v1/crates/demo/owners")) == 1
    assert registry.violations == []


def test_building_a_dependent_crate_needs_no_token(ready_desk, registry):
    publish_demo(ready_desk)
    ready_desk.succeed("lock")
    folder = write_crate(ready_desk.home / "user", "user", deps={"demo": "0.1.0"})
    done = ready_desk.cargo("build", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert registry.violations == []


@pytest.fixture
def trusting_desk(desk, registry):
    """A desk on a machine whose administrator has installed the registry's CA: `cargo login` tells
    us nothing of http.cainfo."""
    desk.start(system_ca=registry.ca)
    desk.init()
    desk.set_up_cargo(registry)
    return desk


@needs_mount
def test_cargo_login_asks_the_person_and_the_agent_reads_the_token(trusting_desk, registry):
    open_desk = trusting_desk
    terminal = open_desk.terminal("cargo", "login", "--registry", "local")
    before = terminal.answers("Log in there? [y/N] ", "y")
    assert registry.index.rstrip("/") in before
    assert "cargo does not say which file" in before
    terminal.answers("Token for localhost", TOKEN)
    assert terminal.ends() == 0, terminal.seen
    assert TOKEN not in terminal.seen
    assert open_desk.status()["accounts"] == 1
    publish_demo(open_desk)
    assert ("demo", "0.1.0") in registry.crates


@needs_mount
def test_cargo_login_takes_a_piped_token_as_the_yes_without_a_terminal(trusting_desk, registry):
    done = trusting_desk.cargo("login", "--registry", "local", given=TOKEN + "\n")
    assert done.returncode == 0, done.stderr
    assert trusting_desk.status()["accounts"] == 1
    publish_demo(trusting_desk)
    assert ("demo", "0.1.0") in registry.crates


def test_cargo_login_over_an_account_asks_the_passphrase_and_keeps_its_ca(agreed_desk, registry):
    newer = TOKEN[:-1] + ("a" if TOKEN[-1] != "a" else "b")
    registry.accept_token(newer)
    registry.revoke_token(TOKEN)
    terminal = agreed_desk.terminal("cargo", "login", "--registry", "local")
    before = terminal.answers(APPROVE, PASSPHRASE)
    assert "replace the token of this account?" in before
    assert "as sealed with this account" in before
    terminal.answers("Token for localhost", newer)
    assert terminal.ends() == 0, terminal.seen
    publish_demo(agreed_desk)
    assert ("demo", "0.1.0") in registry.crates


@pytest.mark.parametrize("is_answered", [False, True])
def test_ca_that_no_passphrase_confirmed_is_not_kept_for_a_login_of_cargos(
        open_desk, registry, is_answered):
    """A program can store an account with a CA of its own, and answer y itself."""
    if is_answered:
        open_desk.login_in_person(registry)
    else:
        open_desk.login(registry)
    open_desk.set_up_cargo(registry)
    terminal = open_desk.terminal("cargo", "login", "--registry", "local")
    assert terminal.ends() == 101
    assert "not one that this machine trusts" in terminal.seen and APPROVE not in terminal.seen


def test_a_private_ca_that_cargo_does_not_tell_is_a_tls_refusal(open_desk, registry):
    open_desk.set_up_cargo(registry)
    done = open_desk.cargo("login", "--registry", "local", given=TOKEN + "\n")
    assert done.returncode == 101
    assert "log in again" in done.stderr
    assert open_desk.status()["accounts"] == 0


def test_cargo_logout_removes_the_account(ready_desk, registry):
    terminal = ready_desk.terminal("cargo", "logout", "--registry", "local")
    terminal.answers("Remove? [y/N] ", "y")
    assert terminal.ends() == 0, terminal.seen
    assert ready_desk.status()["accounts"] == 0
    done = ready_desk.cargo("logout", "--registry", "local")
    assert done.returncode == 0
    assert "not currently logged in" in done.stderr


@pytest.mark.skipif(cargo_version() < (1, 90), reason="this cargo publishes no workspaces (< 1.90)")
def test_workspace_publish_asks_once(ready_desk, registry):
    root = ready_desk.home / "workspace"
    root.mkdir()
    (root / "Cargo.toml").write_text('[workspace]\nmembers = ["one", "two"]\nresolver = "2"\n')
    write_crate(root / "one", "one", build=BUILD_SCRIPT)
    write_crate(root / "two", "two", build=BUILD_SCRIPT,
                deps={"one": {"version": "0.1.0", "path": "../one", "registry": "local"}})
    terminal = ready_desk.terminal(
        "cargo", "publish", "--workspace", "--registry", "local", "--allow-dirty", cwd=root)
    terminal.answers(APPROVE, PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    assert terminal.seen.count(APPROVE) == 1
    assert "covered by your approval, releasing the token for two 0.1.0" in terminal.seen
    assert {("one", "0.1.0"), ("two", "0.1.0")} == set(registry.crates)
    assert ready_desk.status()["grants"] == 0  # That cargo has ended.


def test_publish_in_the_background_does_not_touch_the_terminal(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo")
    script = ("set -m; cargo publish --registry local --allow-dirty & "
              "wait $!; echo \"status $?\"; stty -a | grep -ow -e -echo -e echo")
    terminal = ready_desk.terminal("/bin/bash", "-c", script, cwd=folder)
    assert terminal.ends() == 0
    assert "status 101" in terminal.seen
    assert "there is no terminal to ask on" in terminal.seen
    assert APPROVE not in terminal.seen
    assert terminal.seen.splitlines()[-1].strip() == "echo"
    assert registry.crates == {}
