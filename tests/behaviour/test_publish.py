"""`cpub-agent publish`: the real cargo, the real agent, a real registry over TLS."""

import json
import os
import re
import signal
import subprocess
from datetime import datetime, timedelta, timezone
from hashlib import sha256

import pytest

from closed_play import READ_TOKEN, closed, closed_desk, digest, put_crate
from crate import pack, write_crate
from desk import PASSPHRASE, TOKEN
from play import APPROVE, UNLOCK
from procfs import children
from publish_play import (BECOME_PYTHON, NEEDS_WORKSPACES, approve, commit, left_behind, packaged,
                          publish, received, start, uploads, workspace)

__all__ = ["closed", "closed_desk"]  # Fixtures.

pytestmark = pytest.mark.release  # Starts cargo, and compiles.

BUILD = 'fn main() { println!("cargo:rerun-if-changed=build.rs"); }\n'


def test_publish_sends_exactly_what_was_approved_and_cargo_can_build_on_it(ready_desk, registry):
    desk = ready_desk
    folder = write_crate(desk.home / "demo", "demo", build=BUILD)
    terminal = start(desk, folder)
    before = terminal.answers(APPROVE, PASSPHRASE)
    assert "Compiling" not in before
    assert terminal.ends() == 0, terminal.seen

    published = registry.crates["demo", "0.1.0"]
    assert f"sha256    {published.cksum}" in before
    assert "Compiling demo" in terminal.seen and "Published demo 0.1.0." in terminal.seen
    assert re.search(r"\[[=> ]+\] +\d+%", terminal.seen)
    assert "belongs to who publishes it first" in terminal.seen
    assert left_behind(folder) == []
    assert received(registry, "demo") == packaged(desk, folder, "demo")
    assert sha256(received(registry, "demo")).hexdigest() == published.cksum
    assert registry.violations == []
    assert TOKEN not in terminal.seen and PASSPHRASE not in terminal.seen

    user = write_crate(desk.home / "user", "user", deps={"demo": "0.1.0"}, is_program=True,
                       source="fn main() { assert_eq!(demo::answer(), 42); }\n")
    done = desk.cargo("run", cwd=user)
    assert done.returncode == 0, done.stderr


@NEEDS_WORKSPACES
def test_publish_of_a_workspace_goes_in_the_order_of_need_with_one_passphrase(
        ready_desk, registry):
    folder = workspace(ready_desk.home / "ws")
    commit(folder)
    terminal = ready_desk.terminal("publish", "--registry", "local", "--workspace", cwd=folder)
    before = terminal.answers(APPROVE, PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    assert terminal.seen.count(APPROVE) == 1

    names = ["zeta", "lib-b", "app"]
    assert [name for name, _ in registry.crates] == names
    for name in names:
        assert registry.crates[name, "0.1.0"].cksum in before
        assert f"Published {name} 0.1.0." in terminal.seen
    assert "All 3 crates are at sparse+" in terminal.seen
    assert left_behind(folder) == []
    # What one needs was seen in the index before it went up.
    order = [entry["path"] for entry in registry.requests("(PUT /api/v1/crates/new|GET /index/ze/ta/)")]
    up = [at for at, path in enumerate(order) if path.endswith("new")]
    assert any("ze/ta" in path for path in order[up[0]:up[1]])
    assert registry.violations == []


def test_dry_run_does_all_but_ask_and_send(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo", build=BUILD)
    done = ready_desk.run("publish", "--registry", "local", "--allow-dirty", "--dry-run", "--json",
                          cwd=folder)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    [crate] = told["crates"]
    assert (told["schema"], told["dry-run"], "error" in told) == (1, True, False)
    assert (crate["name"], crate["vers"], crate["outcome"]) == ("demo", "0.1.0", "not-sent")
    assert (crate["verified"], crate["first"]) == (True, True)
    assert crate["cksum"] == sha256(packaged(ready_desk, folder, "demo")).hexdigest()
    assert (folder / "target/package/demo-0.1.0.crate").exists()
    assert uploads(registry) == 0
    assert left_behind(folder) == []


def test_json_is_one_document_with_all_that_came_of_it(ready_desk, registry):
    registry.announce(warnings=["mind the gap"])
    folder = write_crate(ready_desk.home / "demo", "demo")
    terminal = approve(ready_desk, folder, "--json", "--no-verify")
    assert terminal.ends() == 0, terminal.seen
    assert "%" not in terminal.seen
    [line] = [line for line in terminal.seen.splitlines() if line.startswith("{")]
    told = json.loads(line)
    [crate] = told["crates"]
    assert (told["kind"], told["index"], told["dry-run"]) == ("publish", registry.index, False)
    assert crate["cksum"] == registry.crates["demo", "0.1.0"].cksum
    assert (crate["outcome"], crate["indexed"], crate["verified"]) == ("done", True, False)
    assert crate["registry-warnings"] == ["mind the gap"]
    assert (crate["code"], crate["detail"], crate["hint"], crate["retry-after"]) == (None,) * 4


def test_a_locked_store_is_opened_and_the_publish_approved_by_one_passphrase(
        ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo")
    ready_desk.succeed("lock")
    terminal = start(ready_desk, folder, "--no-verify", "--quiet",
                     CARGO_TARGET_DIR=str(ready_desk.directory / "not/there/yet"))
    terminal.sees("Passphrase to ")
    terminal.answers("): ", PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    assert terminal.seen.count("Passphrase to ") == 1
    assert uploads(registry) == 1
    assert list((ready_desk.directory / "not/there").iterdir()) == []


def test_a_registry_that_wants_a_token_for_reads_gets_that_one_from_our_provider(
        closed_desk, closed):
    """Though cargo's files name none: while cargo packages, where the vault is locked."""
    desk = closed_desk
    put_crate(closed, "base")
    desk.succeed("login", "--index", closed.index, "--for", "read", "--with-token",
                 given=READ_TOKEN + "\n", CARGO_HTTP_CAINFO=closed.ca)
    desk.succeed("lock")
    own = desk.cargo_home / "config.toml"
    own.write_text(re.sub(r"credential-provider = .*\n", "", own.read_text()))
    folder = write_crate(desk.home / "demo", "demo", deps={"base": "0.1"})
    at = len(closed.requests())
    terminal = start(desk, folder)
    terminal.answers(UNLOCK, PASSPHRASE)
    before = terminal.answers(APPROVE, PASSPHRASE)
    assert "Packaging demo" in before
    assert terminal.ends() == 0, terminal.seen
    sent = {entry["path"]: entry["token"] for entry in closed.requests()[at:] if entry["token"]}
    assert sent.pop("/api/v1/crates/new") == digest(TOKEN)
    assert set(sent.values()) == {digest(READ_TOKEN)}


def test_without_a_terminal_nobody_can_agree(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo", build=BUILD)
    done = ready_desk.run("publish", "--registry", "local", "--allow-dirty", "--json", cwd=folder)
    assert done.returncode == 4
    told = json.loads(done.stdout)
    assert (told["error"]["code"], told["crates"][0]["outcome"]) == ("needs-terminal", "not-sent")
    assert "Compiling" not in done.stderr
    assert uploads(registry) == 0


def test_the_lockfile_that_is_made_holds_what_was_approved(ready_desk, registry):
    """A version that comes up at the registry meanwhile is not what was approved."""
    desk = ready_desk

    def publish_dependency(version):
        file = desk.home / "base.crate"
        file.write_bytes(pack("base", version))
        terminal = desk.terminal("publish", "--registry", "local", str(file))
        terminal.answers(APPROVE, PASSPHRASE)
        assert terminal.ends() == 0, terminal.seen

    publish_dependency("0.1.0")
    folder = write_crate(desk.home / "demo", "demo", deps={"base": "0.1"})
    terminal = start(desk, folder)
    terminal.sees(APPROVE)
    publish_dependency("0.1.1")
    terminal.types(PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    assert b'"0.1.0"' in subprocess.run(
        ["tar", "-xzO", "demo-0.1.0/Cargo.lock"], input=received(registry, "demo"),
        capture_output=True, check=True).stdout.split(b'"base"')[1]


def test_a_lockfile_that_is_there_stays_as_it_is(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo")
    assert ready_desk.cargo("generate-lockfile", cwd=folder).returncode == 0
    lockfile = folder / "Cargo.lock"
    before = lockfile.read_bytes(), lockfile.stat()
    seen = publish(ready_desk, folder, "--no-verify")
    assert "Cargo.lock" not in seen
    after = lockfile.read_bytes(), lockfile.stat()
    assert (after[0], after[1].st_ino, after[1].st_mtime_ns) == (
        before[0], before[1].st_ino, before[1].st_mtime_ns)


def test_a_crate_that_does_not_build_is_not_sent_and_nothing_stays_behind(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo", source="not rust\n")
    seen = publish(ready_desk, folder, status=1)
    assert "does not build" in seen and "nothing was sent" in seen
    assert uploads(registry) == 0
    assert left_behind(folder) == []


def test_what_is_not_committed_is_not_published_unless_told(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo")
    commit(folder)
    (folder / "src/lib.rs").write_text("pub fn other() {}\n")
    terminal = ready_desk.terminal("publish", "--registry", "local", cwd=folder)
    assert terminal.ends() == 1
    assert "not yet committed" in terminal.seen and APPROVE not in terminal.seen
    assert left_behind(folder) == [] and not (folder / "target").exists()
    publish(ready_desk, folder, "--no-verify")
    assert uploads(registry) == 1


def test_a_crate_file_is_sent_as_it_is(ready_desk, registry):
    home = ready_desk.home
    crate = pack("demo", files={"src/extra.rs": "// not as cargo would pack it\n"})
    (home / "demo.crate").write_bytes(crate)
    terminal = ready_desk.terminal("publish", "--registry", "local", "demo.crate")
    before = terminal.answers(APPROVE, PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    assert "no build tries it" in before
    assert received(registry, "demo") == crate


def test_only_a_regular_file_by_its_own_name_is_taken(ready_desk, registry):
    home = ready_desk.home
    (home / "real.crate").write_bytes(pack("demo"))
    (home / "link.crate").symlink_to("real.crate")
    os.mkfifo(home / "pipe.crate")
    (home / "folder.crate").mkdir()
    for name, status, why in (("link", 8, "a link"), ("pipe", 8, "no regular file"),
                              ("folder", 8, "no regular file"), ("none", 2, "No such file")):
        done = ready_desk.run("publish", "--registry", "local", f"{name}.crate")
        assert (done.returncode, why in done.stderr) == (status, True), done.stderr
    assert uploads(registry) == 0


@NEEDS_WORKSPACES
def test_stopped_half_way_it_tells_what_is_up_and_resumes(ready_desk, registry):
    folder = workspace(ready_desk.home / "ws")
    # The first is taken, the second is not.
    registry.inject("PUT /api/v1/crates/new", times=1)
    registry.rate_limit("PUT /api/v1/crates/new",
                        datetime.now(timezone.utc) + timedelta(minutes=7), "published too much")
    seen = publish(ready_desk, folder, "--workspace", "--no-verify", status=9)
    assert "up: zeta 0.1.0" in seen
    assert "not up: lib-b 0.1.0" in seen and "not up: app 0.1.0" in seen
    assert "You have published too much" in seen and "try again: after " in seen
    again = ("cpub-agent publish --registry local --allow-dirty --workspace --no-verify --resume")
    assert f"`{again}`" in seen
    assert list(registry.crates) == [("zeta", "0.1.0")]

    seen = publish(ready_desk, folder, "--workspace", "--no-verify", "--resume")
    assert "zeta 0.1.0 is there already." in seen
    assert [name for name, _ in registry.crates] == ["zeta", "lib-b", "app"]
    assert uploads(registry) == 4


def test_a_refusal_has_its_own_exit_code_and_the_registrys_words(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo")
    registry.inject("PUT /api/v1/crates/new", status=403,
                    body={"errors": [{"detail": "this token does not have the required permissions to perform this action"}]})
    seen = publish(ready_desk, folder, "--no-verify", status=6)
    assert "required permissions" in seen
    assert "--resume" not in seen
    assert registry.crates == {}


def test_a_version_that_is_there_is_refused_before_anybody_is_asked(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo")
    publish(ready_desk, folder, "--no-verify")
    terminal = start(ready_desk, folder)
    assert terminal.ends() == 8
    assert "raise the version" in terminal.seen and APPROVE not in terminal.seen
    terminal = start(ready_desk, folder, "--resume")
    terminal.answers(APPROVE, PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    assert "demo 0.1.0 is there already." in terminal.seen
    assert uploads(registry) == 1


def test_a_build_of_other_sources_than_were_approved_is_not_sent(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo")
    terminal = start(ready_desk, folder)
    terminal.sees(APPROVE)
    (folder / "src/lib.rs").write_text("pub fn other() {}\n")
    terminal.types(PASSPHRASE)
    assert terminal.ends() == 8
    assert "what the build packaged is not what was approved" in terminal.seen
    assert "src/lib.rs" in terminal.seen.split("not what was approved")[1]
    assert uploads(registry) == 0
    assert left_behind(folder) == []


def test_no_is_no(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo", build=BUILD)
    terminal = start(ready_desk, folder)
    terminal.sees(APPROVE)
    terminal.send("\x03")
    assert terminal.ends() == 5
    assert "said no" in terminal.seen and "Compiling" not in terminal.seen
    assert uploads(registry) == 0
    assert left_behind(folder) == []


def test_a_late_index_is_a_warning(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo")
    terminal = approve(ready_desk, folder, "--no-verify", "--no-wait")
    assert terminal.ends() == 0, terminal.seen
    assert registry.requests("GET /index/de/mo/demo")[-1]["status"] == 404


def test_an_agent_that_dies_in_the_middle_leaves_it_unknown_and_says_so(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo")
    rule = registry.inject("PUT /api/v1/crates/new", hang=True)
    terminal = approve(ready_desk, folder, "--no-verify")
    rule.reached.wait(30)
    ready_desk.agent.kill()
    assert terminal.ends() == 3, terminal.seen
    rule.release()
    ready_desk.agent.wait()
    ready_desk.agent = None
    assert "not known: demo 0.1.0; look with `cpub-agent check demo@0.1.0 --registry local`" in (
        terminal.seen)
    assert left_behind(folder) == []


SLEEP = """
import os, pathlib, time
pathlib.Path(os.environ["ORDERS"]).write_text(str(os.getpid()))
time.sleep(600)
"""


@pytest.fixture
def sleeper(ready_desk):
    """A crate whose build does not end, its variables, and where the build script leaves its pid."""
    program, mark = ready_desk.directory / "sleep.py", ready_desk.directory / "pid"
    program.write_text(SLEEP)
    folder = write_crate(ready_desk.home / "demo", "demo", build=BECOME_PYTHON)
    return folder, {"STRANGER": str(program), "ORDERS": str(mark)}, mark


def wait_for_build(desk, mark) -> int:
    desk.wait(lambda: mark.exists() and mark.read_text(), "the build script")
    return int(mark.read_text())


def test_a_stop_during_the_build_ends_all_and_leaves_nothing(ready_desk, registry, sleeper):
    folder, environment, mark = sleeper
    terminal = approve(ready_desk, folder, **environment)
    pid = wait_for_build(ready_desk, mark)
    terminal.send("\x03")
    assert terminal.ends() == -signal.SIGINT, terminal.seen
    assert "stopped before the end" in terminal.seen
    assert left_behind(folder) == []
    ready_desk.wait(lambda: not os.path.exists(f"/proc/{pid}"), "the build script to end")
    assert uploads(registry) == 0
    assert children(ready_desk.agent.pid) == {}


def test_a_stop_where_no_terminal_hangs_up_on_the_build_ends_it_too(ready_desk, sleeper):
    folder, environment, mark = sleeper
    with subprocess.Popen(
            [ready_desk.program, "publish", "--registry", "local", "--allow-dirty", "--dry-run"],
            env=ready_desk.environment | environment, cwd=folder, stderr=subprocess.PIPE, text=True,
            stdin=subprocess.DEVNULL, start_new_session=True) as client:
        pid = wait_for_build(ready_desk, mark)
        client.terminate()
        assert "stopped before the end" in client.stderr.read()
        assert client.wait(30) == -signal.SIGTERM
    assert left_behind(folder) == []
    assert not os.path.exists(f"/proc/{pid}")


def test_a_stop_during_the_upload_says_that_nobody_knows(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo")
    rule = registry.inject("PUT /api/v1/crates/new", hang=True)
    terminal = approve(ready_desk, folder, "--no-verify")
    rule.reached.wait(30)
    terminal.send("\x03")
    terminal.sees("not known: demo 0.1.0")
    terminal.wait()
    assert terminal.signalstatus == signal.SIGINT
    assert left_behind(folder) == []
    rule.release()


def test_the_terminal_is_as_it_was_after_a_stop_at_the_question(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo")
    terminal = ready_desk.terminal(
        "/bin/sh", "-c", '"$0" publish --registry local --allow-dirty; stty -a | tr "\\n" " "',
        str(ready_desk.program), cwd=folder)
    terminal.sees(APPROVE)
    [client] = children(terminal.pid)
    os.kill(client, signal.SIGTERM)
    assert terminal.ends() == 0
    assert " echo " in terminal.seen and " icanon " in terminal.seen, terminal.seen
    assert left_behind(folder) == []


@NEEDS_WORKSPACES
def test_packages_that_a_manifest_keeps_here_are_not_published(ready_desk, registry):
    folder = workspace(ready_desk.home / "ws")
    done = ready_desk.run("publish", "--registry", "local", "--allow-dirty", "-p", "private",
                          cwd=folder)
    assert done.returncode == 8 and "publish = false" in done.stderr
    elsewhere = write_crate(ready_desk.home / "other", "other", package='publish = ["elsewhere"]')
    done = ready_desk.run("publish", "--registry", "local", "--allow-dirty", cwd=elsewhere)
    assert done.returncode == 1 and "not listed in the `package.publish`" in done.stderr
    done = ready_desk.run("publish", "--registry", "local", "--allow-dirty", cwd=folder / "private")
    assert done.returncode == 1 and "publish = false" in done.stderr
    assert left_behind(folder) == []


@NEEDS_WORKSPACES
def test_what_is_packaged_is_what_the_words_choose(ready_desk, registry):
    folder = workspace(ready_desk.home / "ws")

    def names(*words, **how):
        done = ready_desk.run("publish", "--allow-dirty", "--no-verify", "--dry-run", "--json",
                              *words, **how)
        assert done.returncode == 0, done.stderr
        assert left_behind(folder) == []
        return [crate["name"] for crate in json.loads(done.stdout)["crates"]]

    there = ("--manifest-path", str(folder / "Cargo.toml"), "--index", registry.index)
    assert names(*there, "--workspace", "--exclude", "app") == ["zeta", "lib-b"]
    assert names(*there) == ["zeta", "lib-b", "app"]
    local = ("--registry", "local")
    assert names(*local, "-p", "lib-b", "-pzeta", cwd=folder) == ["zeta", "lib-b"]
    assert names(*local, cwd=folder / "zeta/src") == ["zeta"]


def test_a_larger_file_than_is_said_is_not_taken(ready_desk):
    folder = write_crate(ready_desk.home / "demo", "demo")
    done = ready_desk.run("publish", "--registry", "local", "--allow-dirty", "--max-size", "0K",
                          cwd=folder)
    assert done.returncode == 2
    (folder / "noise").write_bytes(os.urandom(4096))
    done = ready_desk.run("publish", "--registry", "local", "--allow-dirty", "--dry-run",
                          "--no-verify", "--json", "--max-size", "2KiB", cwd=folder)
    assert done.returncode == 8
    assert json.loads(done.stdout)["error"]["code"] == "crate-too-large"


def test_features_are_those_of_the_build(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo", tail="[features]\nright = []\n",
                         source='#[cfg(not(feature = "right"))]\ncompile_error!("wrong");\n')
    words = ("publish", "--registry", "local", "--allow-dirty", "--dry-run")
    assert ready_desk.run(*words, cwd=folder).returncode == 1
    assert ready_desk.run(*words, "-F", "right", cwd=folder).returncode == 0
    assert ready_desk.run(*words, "--all-features", cwd=folder).returncode == 0


def test_the_manifest_names_the_registry_where_nobody_else_does(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo", package='publish = ["local"]')
    done = ready_desk.run("publish", "--allow-dirty", "--dry-run", "--no-verify", "--json",
                          cwd=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["index"] == registry.index


@pytest.mark.parametrize("words, hint", [
    (["--token", TOKEN], "cpub-agent login"),
    (["--token=" + TOKEN], "cpub-agent login"),
    (["a.crate", "b.crate"], "one crate file"),
    (["a.crate", "--no-verify"], "no option for packaging"),
    (["--workspace", "-p", "a"], "exclude each other"),
    (["--exclude", "a"], "goes with --workspace"),
    (["--max-size", "10X"], "--max-size takes"),
    (["--max-size", "5G"], "--max-size takes"),
    (["-p"], "missing behind '-p'"),
])
def test_wrong_words_are_usage_errors(desk, words, hint):
    done = desk.run("publish", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert hint in done.stderr and TOKEN not in done.stderr
