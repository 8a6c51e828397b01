"""
The real, stable cargo, which knows nothing of signed requests, and cpub-agent's own acts, at a
registry that wants each request signed, the reads too, and knows a public key alone.
"""

import json
import threading

import pytest

from crate import write_crate
from desk import PASSPHRASE, Desk
from signed_play import (
    APPROVE, Signer, SigningRegistry, act, key_id, key_traces, public, signer, workshop,
)
from test_cargo import BUILD_SCRIPT

__all__ = ["signer", "workshop"]  # Fixtures.

pytestmark = pytest.mark.release  # Starts cargo, and compiles.


@pytest.fixture
def closed(signer):
    """Logged in there, and cargo set up for that account."""
    signer.registry.announce(auth_required=True)
    signer.log_in()
    signer.desk.set_up_cargo(signer.registry, "--account", signer.account)
    return signer


def acts(signer) -> list[dict]:
    """What was let in, in order, without the reads."""
    claims = [claims for claims, _ in signer.verifier.admitted]
    assert all(claims.keys() == {"iat"} for claims in claims if "mutation" not in claims)
    return [{name: value for name, value in told.items() if name != "iat"}
            for told in claims if "mutation" in told]


def expect_all_signed(signer) -> None:
    """All came signed and were let in, but for cargo's first look at the configuration, and for
    the owners, for whom the agent asks as anybody may before it signs."""
    entries = signer.requests(f"/(config.json|new|{signer.crate_name}.*)$")
    ours = [entry for entry in entries if "/owners" not in entry["path"]]
    assert {entry["path"] for entry in ours if not entry["token"]} <= {"/index/config.json"}
    assert signer.verifier.refused == []
    assert not {entry["status"] for entry in entries if entry["token"]} & {401, 403}
    expected = {"url": signer.registry.index, "kip": key_id(public(signer.key))}
    assert all(footer == expected for _, footer in signer.verifier.admitted)


def approved(signer, *words: str, cwd=None) -> str:
    """A program on a terminal to its end, approved once; what was seen."""
    terminal = signer.desk.terminal(*words, cwd=cwd)
    terminal.answers(APPROVE, PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    assert terminal.seen.count(APPROVE) == 1 and key_traces(terminal.seen, signer.key) == []
    return terminal.seen


def library(signer, name: str, version: str = "0.1.0", **more):
    return write_crate(signer.desk.home / f"{name}-{version}", name, version, **more)


def test_stable_cargo_builds_publishes_yanks_and_asks_for_owners(closed):
    base, name, desk = closed.crate("0.1.0"), closed.crate_name + "-new", closed.desk
    user = library(closed, "user", deps={base: "0.1.0"})
    done = desk.cargo("build", cwd=user)
    assert done.returncode == 0, done.stderr
    assert closed.requests("download") and acts(closed) == []

    words = ("--registry", "local")
    folder = library(closed, name, build=BUILD_SCRIPT, deps={base: "0.1.0"})
    approved(closed, "cargo", "publish", "--allow-dirty", *words, cwd=folder)
    approved(closed, "cargo", "yank", f"{name}@0.1.0", *words)
    assert closed.registry.crates[name, "0.1.0"].yanked
    approved(closed, "cargo", "yank", "--undo", f"{name}@0.1.0", *words)
    assert not closed.registry.crates[name, "0.1.0"].yanked
    assert "alice" in approved(closed, "cargo", "owner", "--list", name, *words)
    approved(closed, "cargo", "owner", "--add", "bob", name, *words)
    cksum = closed.registry.crates[name, "0.1.0"].cksum
    owners = act("owners", name=name)
    assert acts(closed) == [act("publish", name=name, cksum=cksum), act("yank", name=name),
                            act("unyank", name=name), owners, owners]
    expect_all_signed(closed)


def test_agent_itself_publishes_yanks_and_changes_owners(closed):
    base, name = closed.crate("0.1.0"), closed.crate_name + "-new"
    which = ("--registry", "local", "--account", closed.account)
    folder = library(closed, name, deps={base: "0.1.0"})
    seen = approved(closed, "publish", "--allow-dirty", *which, cwd=folder)
    cksum = closed.registry.crates[name, "0.1.0"].cksum
    assert cksum in seen and f"Published {name} 0.1.0." in seen
    approved(closed, "yank", f"{name}@0.1.0", *which)
    assert closed.registry.crates[name, "0.1.0"].yanked
    approved(closed, "unyank", f"{name}@0.1.0", *which)
    assert not closed.registry.crates[name, "0.1.0"].yanked
    assert "alice" in approved(closed, "owner", name, "--list", *which)
    approved(closed, "owner", name, "--add", "bob", *which)
    owners = act("owners", name=name)
    assert acts(closed) == [act("publish", name=name, cksum=cksum), act("yank", name=name),
                            act("unyank", name=name), owners, owners]
    expect_all_signed(closed)


def test_subject_and_kid_go_along_with_all_that_cargo_does(signer):
    signer.registry.announce(auth_required=True)
    signer.verifier.reset(subject="alice", footer_key="kid")
    signer.log_in(subject="alice", footer_key="kid")
    signer.desk.set_up_cargo(signer.registry, "--account", signer.account)
    name = signer.crate_name
    folder = library(signer, name)
    approved(signer, "cargo", "publish", "--allow-dirty", "--no-verify", "--registry", "local",
             cwd=folder)
    mutations = [claims for claims, _ in signer.verifier.admitted if "mutation" in claims]
    assert [claims["sub"] for claims in mutations] == ["alice"] and signer.verifier.refused == []


def test_crates_of_a_workspace_are_signed_each_for_itself_after_one_approval(closed):
    root, names = closed.desk.home / "signed-workspace", [f"{closed.crate_name}-{n}" for n in "ab"]
    root.mkdir()
    (root / "Cargo.toml").write_text(
        f'[workspace]\nmembers = {json.dumps(names)}\nresolver = "2"\n')
    for name in names:
        write_crate(root / name, name)
    approved(closed, "publish", "--registry", "local", "--account", closed.account, "--workspace",
             "--allow-dirty", "--no-verify", cwd=root)
    crates = closed.registry.crates
    assert sorted(acts(closed), key=str) == [
        act("publish", name=name, cksum=crates[name, "0.1.0"].cksum) for name in names]
    expect_all_signed(closed)


def test_two_cargos_at_once_get_a_token_each(closed):
    base = closed.crate("0.1.0")
    folders = [library(closed, f"user-{n}", deps={base: "0.1.0"}) for n in "ab"]
    done = {}

    def build(folder):
        # With caches of their own, or one would wait for the other. The configuration in the
        # person's home counts for both.
        done[folder] = closed.desk.cargo("build", cwd=folder, CARGO_HOME=str(folder / "cargo-home"))
    threads = [threading.Thread(target=build, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [done[folder].returncode for folder in folders] == [0, 0], [
        done[folder].stderr for folder in folders]
    tokens = {entry["token"] for entry in closed.requests("download")}
    assert len(tokens) == 2 and None not in tokens
    expect_all_signed(closed)


def test_registry_that_knows_another_key_takes_nothing(closed):
    closed.crate("0.1.0")
    user = library(closed, "stranger", deps={closed.crate_name: "0.1.0"})
    closed.verifier.register("k3.public.AmDwjlyf8jAV3gm5Z7Kz9xAOcsKslt_Vwp5v-emjFzBHLCtcANzTaVEghT"
                             "NEMj9PkQ")
    done = closed.desk.cargo("build", cwd=user)
    assert done.returncode == 101 and set(closed.verifier.refused) == {"signature"}
    assert closed.requests("download") == []


def test_account_that_signs_lives_on_after_a_restart(tmp_path, certificate):
    desk = Desk(tmp_path / "desk")
    with SigningRegistry(tmp_path / "registry", certificate) as registry:
        try:
            desk.start()
            desk.init()
            signer = Signer(desk, registry, registry.verifier)
            registry.announce(auth_required=True)
            signer.log_in()
            desk.stop()
            desk.start()
            desk.unlock()
            assert registry.verifier(signer.token("read"), {})
            assert registry.verifier(signer.token("yank"), act("yank"))
        finally:
            desk.stop()
