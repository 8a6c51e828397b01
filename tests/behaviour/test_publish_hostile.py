"""
Nothing but what was approved goes up, whatever strangers' code does; and none of it runs before.

The stranger is the build script of the crate that is published, a file of the project's own
configuration, or something that lies in its target folder.
"""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from crate import pack, write_crate
from desk import PASSPHRASE, TOKEN, code, get
from ordinary import USER, UserDesk
from play import APPROVE
from publish_play import (Stranger, approve, commit, left_behind, packaged, publish, received, start,
                          uploads)
from scan import traces
from test_cargo import cargo_version
from test_users import stage, user_registry

__all__ = ["stage", "user_registry"]  # Fixtures.

pytestmark = pytest.mark.release


def program(folder: Path, name: str, then: str = "exit 1") -> tuple[Path, Path]:
    """A program that leaves a mark when it runs, and does that."""
    mark, path = folder / f"{name}-ran", folder / name
    path.write_text(f'#!/bin/sh\ntouch "{mark}"\n{then}\n')
    path.chmod(0o755)
    return path, mark


def configure(folder: Path, text: str) -> Path:
    file = folder / ".cargo/config.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


# Before anything is approved.

@pytest.mark.parametrize("text", [
    'registries.local.credential-provider = "{0}"',
    'registries.local.credential-provider = ["{0}", "--account", "x"]',
    'registries.another.credential-provider = "{0}"\nregistries.another.index = "https://h/i"',
    'registry.credential-provider = "{0}"',
    'registry.global-credential-providers = ["cargo:token", "{0}"]',
    'registry.global-credential-providers = ["cargo:token-from-stdout {0}"]',
    '[credential-alias]\nmine = "{0}"',
    '[credential-alias]\n"{1}" = "{0}"',
    'include = [{{ path = "more.toml" }}]',
    # Variables for the rustc whose version is asked, rustup's stand-in for it, and a shell.
    '[env]\nLD_PRELOAD = {{ value = "pre.so", relative = true }}',
    '[env]\nPATH = {{ value = "{0}", force = true }}',
    'env.HOME.value = "{0}"\nenv.HOME.force = true',
    '[env]\nRUSTUP_TOOLCHAIN = "{0}"',
    '[env]\nRUSTC_WRAPPER = "{0}"',
    '[env]\nBASH_ENV = "{0}"',
    '[env]\nGIT_SSH_COMMAND = "{0}"',
    '[env]\nPYTHONSTARTUP = "{0}"',
    '[env]\nMISE_CONFIG_FILE = "{0}"',
    # How the token for reads would travel.
    '[http]\nproxy = "http://h:1"',
    '[http]\ncainfo = "ca.pem"',
    # What some later cargo may run.
    '[starter]\nprogram = "{0}"',
])
def test_what_could_run_a_program_of_the_projects_is_refused_and_does_not_run(desk, text):
    foreign, mark = program(desk.directory, "foreign")
    folder = write_crate(desk.home / "demo", "demo")
    file = configure(folder, text.format(foreign, desk.provider) + "\n")
    if "include" in text:
        file = folder / ".cargo/more.toml"
        file.write_text(f'registry.credential-provider = "{foreign}"\n')
    done = desk.run("publish", "--allow-dirty", "--no-verify", cwd=folder)
    assert done.returncode == 5, done.stderr
    assert f"'{file}'" in done.stderr
    assert not mark.exists()
    assert not (folder / "target").exists() and left_behind(folder) == []


def test_our_own_provider_in_the_project_is_none_of_a_strangers(ready_desk, registry):
    """As a text in both files: cargo does not mix texts and lists."""
    own = ready_desk.cargo_home / "config.toml"
    own.write_text(re.sub(r'(credential-provider = )\["(.*?)"\]', r'\1"\2"', own.read_text()))
    folder = write_crate(ready_desk.home / "demo", "demo")
    configure(folder, f'registries.local.credential-provider = "{ready_desk.provider}"\n'
                      'registry.global-credential-providers = ["cargo:token"]\n')
    publish(ready_desk, folder, "--no-verify")
    assert uploads(registry) == 1


def test_a_toolchain_of_the_projects_own_is_refused_and_does_not_run(desk):
    folder = write_crate(desk.home / "demo", "demo")
    (desk.directory / "evil/bin").mkdir(parents=True)
    _, mark = program(desk.directory / "evil/bin", "cargo")
    named = f'[toolchain]\npath = "{desk.directory}/evil"\n'
    for name, text in (
            ("rust-toolchain.toml", named),
            ("rust-toolchain.toml", named + "#" * 70000 + "\n"),
            ("rust-toolchain.toml", named.replace("path", "channel")),
            ("rust-toolchain.toml", named + "a = nan\n[broken\n"),
            ("rust-toolchain", named),
            ("rust-toolchain", f"{desk.directory}/evil\n"),
            ("rust-toolchain", "stable\nanother\n")):
        file = folder / name
        file.write_text(text)
        done = desk.run("publish", "--allow-dirty", cwd=folder / "src", RUSTUP_TOOLCHAIN="")
        assert done.returncode == 5 and f"'{file}'" in done.stderr, text[:80]
        assert not mark.exists()
        file.unlink()


def test_harmless_configuration_of_the_project_is_none_of_a_strangers(ready_desk, registry):
    """Nor does rustc run before the approval, where the project sets any variable for it."""
    desk = ready_desk
    folder = write_crate(desk.home / "demo", "demo")
    manifest = folder / "Cargo.toml"
    # Resolver 3 asks rustc for its version where no rust-version is given.
    manifest.write_text(manifest.read_text().replace('"2021"', '"2024"'))
    configure(folder, 'paths = []\n[env]\nCARGO_WORKSPACE_DIR = { value = "", relative = true }\n'
                      'RUSTC_BOOTSTRAP = "1"\nRUST_LOG = { value = "off", force = true }\n'
                      'GIT_HASH = "a"\nENV = "dev"\nPYTHONHASHSEED = "0"\n[bench]\nx = 1\n'
                      '[alias]\npackage = "run"\nmine = "test"\n[build]\njobs = 2\n'
                      '[profile.dev]\ndebug = 0\n[net]\nretry = 1\n[term]\nverbose = false\n'
                      '[http]\nmultiplexing = false\n[unstable]\n[target.x86_64-x]\nrunner = "no"\n')
    (folder / "rust-toolchain.toml").write_text('[toolchain]\nchannel = "stable"\n')
    own, asked = program(desk.directory, "own", 'exec rustc "$@"')
    done = desk.run("publish", "--registry", "local", "--allow-dirty", "--no-verify", "--dry-run",
                    cwd=folder, RUSTC=str(own))
    assert done.returncode == 0, done.stderr
    assert not asked.exists()


def test_no_wrapper_compiler_or_linker_of_the_project_runs_before_the_approval(
        ready_desk, registry):
    desk = ready_desk
    folder = write_crate(desk.home / "demo", "demo", build="fn main() {}\n", is_program=True,
                         source="fn main() {}\n")
    manifest = folder / "Cargo.toml"
    # Resolver 3 asks rustc for its version, by way of the wrappers, where no rust-version is given.
    manifest.write_text(manifest.read_text().replace('"2021"', '"2024"'))
    wrapper, wrapped = program(desk.directory, "wrapper", 'exec "$@"')
    inner, wrapped_inside = program(desk.directory, "inner", 'exec "$@"')
    rustc, compiled = program(desk.directory, "rustc", 'exec rustc "$@"')
    linker, linked = program(desk.directory, "linker", 'exec cc "$@"')
    marks = [wrapped, wrapped_inside, compiled, linked]
    configure(folder, f'[build]\nrustc-wrapper = "{wrapper}"\nrustc-workspace-wrapper = "{inner}"\n'
                      f'rustc = "{rustc}"\n[target.\'cfg(all())\']\nlinker = "{linker}"\n')

    terminal = start(desk, folder)
    terminal.sees(APPROVE)
    assert [mark for mark in marks if mark.exists()] == []
    terminal.types(PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    assert all(mark.exists() for mark in marks)  # Now it is a build like any other.
    assert uploads(registry) == 1


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@b",
                    "-c", "protocol.file.allow=always", *words], check=True, capture_output=True)


def filtered(desk, name: str = "demo") -> Path:
    """A committed crate whose source goes through a filter, and looks touched."""
    folder = write_crate(desk.home / name, name)
    (folder / ".gitattributes").write_text("*.rs filter=evil\n")
    commit(folder)
    os.utime(folder / "src/lib.rs", (1, 1))
    return folder


def refuses_filter(desk, folder: Path, mark: Path, file: Path) -> None:
    for words in ((), ("--allow-dirty",)):
        done = desk.run("publish", "--registry", "local", "--dry-run", "--no-verify", *words,
                        cwd=folder)
        assert not mark.exists()
        assert done.returncode == 5 and f"'{file}'" in done.stderr, done.stderr


@pytest.mark.parametrize("text", [
    '[filter "evil"]\n\tclean = {0}\n',
    '[filter "evil"]\n\tprocess = {0}\n\trequired\n',
    '[core][FILTER "evil"]clean={0}\n',
    '[filter.evil]\nclean={0}\n',
    '[filter "evil"]\n\trequired = x\\\n\n\tclean = {0}\n',
    '[include]\n\tpath = a\\\n\n\tpath = evil\n',
    '[include]\n\tpath = "ev"il\n',
    '[include]\n\tpath = config\n',  # Itself, without end.
    '[include] path = evil\n',
    '[includeIf.gitdir:/]\n\tpath = evil\n',
    '[lfs "extension.evil"]\n\tclean = {0}\n',
])
def test_no_filter_of_the_projects_repository_runs_before_the_approval(desk, registry, text):
    desk.set_up_cargo(registry)
    clean, mark = program(desk.directory, "clean", "exec cat")
    folder = filtered(desk)
    config = folder / ".git/config"
    (folder / ".git/evil").write_text(f'[filter "evil"]\n\tclean = {clean}\n')
    config.write_text(config.read_text() + text.format(clean))
    refuses_filter(desk, folder, mark, config)


@pytest.mark.parametrize(("text", "place"), [
    ('[include]\n\tpath = evil\n', ".git/evil"),
    ('[includeIf "gitdir:/no/such"]\n\tpath = there\n\tpath = ../sub/evil\n', "sub/evil"),
    ('[include]\n\tpath = ~/evil\n', "../evil"),
    ('[include]\n\tpath = one\n', ".git/evil"),
])
def test_what_an_include_brings_is_looked_at_like_the_file_itself(
        ready_desk, registry, text, place):
    desk = ready_desk
    clean, mark = program(desk.directory, "clean", "exec cat")
    folder = filtered(desk)
    (folder / ".git/one").write_text('[INCLUDE]\n\tPATH = evil\n')
    file, config = folder / place, folder / ".git/config"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f'[filter "evil"]\n\tclean = {clean}\n')
    config.write_text(config.read_text() + text)
    done = desk.run("publish", "--registry", "local", "--dry-run", "--allow-dirty", "--no-verify",
                    cwd=folder)
    assert not mark.exists()
    assert done.returncode == 5 and "sets the filter 'evil'" in done.stderr, done.stderr
    # As CI leaves them behind: with a token, or with nothing there any more.
    file.write_text('[http "https://h/"]\n\textraheader = AUTHORIZATION: basic x\n')
    done = desk.run("publish", "--registry", "local", "--dry-run", "--allow-dirty", "--no-verify",
                    cwd=folder)
    assert done.returncode == 0, done.stderr


def test_no_filter_of_a_repository_that_came_with_a_clone_runs(desk, registry):
    """The package's folder is a repository itself, laid out without a `.git`."""
    desk.set_up_cargo(registry)
    clean, mark = program(desk.directory, "clean", "exec cat")
    inner = filtered(desk, "inner")
    (inner / ".git").rename(desk.home / "bare")
    for name in ("HEAD", "config", "index", "objects", "refs"):
        (desk.home / "bare" / name).rename(inner / name)
    config = inner / "config"
    config.write_text(config.read_text().replace("bare = false", "bare = false\n\tworktree = .") +
                      f'[filter "evil"]\n\tclean = {clean}\n')
    outer = desk.home / "outer"
    outer.mkdir()
    inner.rename(outer / "inner")
    commit(outer)
    git(desk.home, "clone", "-q", str(outer), "cloned")
    os.utime(desk.home / "cloned/inner/src/lib.rs", (1, 1))
    refuses_filter(desk, desk.home / "cloned/inner", mark, desk.home / "cloned/inner")


def test_no_filter_of_a_nested_or_shared_repository_runs(desk, registry):
    desk.set_up_cargo(registry)
    clean, mark = program(desk.directory, "clean", "exec cat")
    text = f'[filter "evil"]\n\tclean = {clean}\n'
    other, folder = filtered(desk, "other"), filtered(desk)
    git(folder, "submodule", "add", "-q", str(other), "deep/sub")
    git(folder, "commit", "-qm", "submodule")
    worktree = desk.home / "worktree"
    git(folder, "config", "extensions.worktreeConfig", "true")
    git(folder, "worktree", "add", "-q", str(worktree), "-b", "another")
    for place, file in ((folder, folder / ".git/modules/deep/sub/config"),
                        (worktree, folder / ".git/worktrees/worktree/config.worktree"),
                        (worktree, folder / ".git/config")):
        before = file.read_text() if file.exists() else ""
        file.write_text(before + text)
        done = desk.run("publish", "--registry", "local", "--dry-run", "--no-verify", cwd=place)
        assert done.returncode == 5 and os.path.realpath(file) in [
            os.path.realpath(word) for word in done.stderr.split("'")], done.stderr
        file.write_text(before)
    assert not mark.exists()


@pytest.mark.parametrize(("damage", "status"), [
    ("", 0),
    ("rm -r .git/refs", 5),
    ("echo ref: refs/heads/.invalid > .git/HEAD", 5),
    ("echo > .git/HEAD", 5),
    ("mv .git/objects a && touch .git/objects", 5),
    ("mv .git 'b ' && echo 'gitdir: b ' > .git", 5),
])
def test_what_is_above_the_packages_own_repository_does_not_count(
        ready_desk, registry, damage, status):
    """Unless some git may not take that one for a repository, and go on."""
    desk = ready_desk
    clean, mark = program(desk.directory, "clean", "exec cat")
    folder = filtered(desk)
    git(desk.home, "init", "-q")
    with open(desk.home / ".git/config", "a", encoding="utf-8") as file:
        file.write(f'[filter "evil"]\n\tclean = {clean}\n')
    subprocess.run(damage, shell=True, cwd=folder, check=True)
    done = desk.run("publish", "--registry", "local", "--dry-run", "--allow-dirty", "--no-verify",
                    cwd=folder)
    assert done.returncode == status, done.stderr
    assert not mark.exists()


def test_what_all_members_of_a_workspace_share_is_looked_at_once(ready_desk, registry):
    """Else so many are more than are looked at in all."""
    folder = ready_desk.home / "all"
    for n in range(101):
        write_crate(folder / f"m{n}", f"m{n}")
    (folder / "Cargo.toml").write_text('[workspace]\nmembers = ["m*"]\nresolver = "2"\n')
    commit(folder)
    modules = folder / ".git/modules/sub"
    modules.mkdir(parents=True)
    for n in range(20000):
        os.close(os.open(modules / str(n), os.O_CREAT))
    done = ready_desk.run("publish", "--registry", "local", "--dry-run", "--allow-dirty",
                          "--no-verify", "-p", "m0", cwd=folder)
    assert done.returncode == 0, done.stderr


def test_a_worktree_inside_a_bare_repository_is_published(ready_desk, registry):
    desk = ready_desk
    commit(write_crate(desk.home / "demo", "demo"))
    git(desk.home, "clone", "-q", "--bare", "demo", "bare")
    git(desk.home / "bare", "worktree", "add", "-q", "tree")
    for place, status in (("bare/tree", 0), ("bare/new", 5)):
        folder = desk.home / place
        if status:
            write_crate(folder, "new")
        done = desk.run("publish", "--registry", "local", "--dry-run", "--allow-dirty",
                        "--no-verify", cwd=folder)
        assert done.returncode == status, done.stderr


@pytest.mark.skipif(cargo_version() < (1, 90), reason="this cargo runs no filters of git (< 1.90)")
def test_a_filter_that_is_the_persons_own_may_stand_in_the_repository_too(ready_desk, registry):
    desk = ready_desk
    clean, mark = program(desk.directory, "clean", "exec cat")
    folder = filtered(desk)
    text = f'[filter "evil"]\n\tclean = {clean}\n'
    lfs = '[filter "lfs"]\n\tclean = git-lfs clean -- %f\n\trequired = true\n[lfs]\n\tx = y\n'
    with open(folder / ".git/config", "a", encoding="utf-8") as file:
        file.write(text + lfs)
    (desk.home / ".gitconfig").write_text(text)
    done = desk.run("publish", "--registry", "local", "--dry-run", "--no-verify", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert mark.exists()


def test_what_lay_in_the_target_folder_is_not_taken_for_what_cargo_packaged(ready_desk, registry):
    desk = ready_desk
    folder = write_crate(desk.home / "demo", "demo")
    lying = folder / "target/package"
    lying.mkdir(parents=True)
    (lying / "demo-0.1.0.crate").write_bytes(pack("demo", files={"src/evil.rs": "evil"}))
    (lying / "evil-0.1.0.crate").write_bytes(pack("evil"))
    seen = publish(desk, folder, "--no-verify")
    assert "evil" not in seen
    assert list(registry.crates) == [("demo", "0.1.0")]
    assert received(registry, "demo") == packaged(desk, folder, "demo")


# While the build runs.

REPLACE = """
target = pathlib.Path(orders["folder"]) / "target"
other = pathlib.Path(orders["other"]).read_bytes()
found = sorted(str(path) for path in target.rglob("*.crate"))
for path in [*found, target / "package/demo-0.1.0.crate"]:
    pathlib.Path(path).unlink(missing_ok=True)
    with open(path, "wb") as file:
        file.write(other)
report(found)
"""


def test_a_build_script_that_replaces_every_crate_file_gets_none_of_them_sent(
        ready_desk, registry):
    """cargo may put its own in place again, as 1.95 does: then it is the same, and that is sent."""
    other = ready_desk.directory / "other.crate"
    other.write_bytes(pack("demo", files={"src/evil.rs": "evil"}))
    stranger = Stranger(ready_desk, REPLACE, other=str(other))
    as_it_was = packaged(ready_desk, stranger.folder, "demo")
    terminal = approve(ready_desk, stranger.folder, **stranger.environment)
    status = terminal.ends()
    # It finds that of the build alone: the other is gone once it is sealed.
    assert len(stranger.found()) > 0
    assert not any("cpub-publish-" in path for path in stranger.found())
    if status == 0:
        assert received(registry, "demo") == as_it_was
    else:
        assert (status, uploads(registry)) == (8, 0)
    assert left_behind(stranger.folder) == []


EDIT = """
folder = pathlib.Path(orders["folder"])
(folder / "src/lib.rs").write_text("pub fn evil() {}\\n")
(folder / "Cargo.toml").write_text((folder / "Cargo.toml").read_text().replace("0.1.0", "6.6.6"))
report({})
"""


def test_a_build_script_that_edits_the_sources_changes_nothing_of_what_is_sent(
        ready_desk, registry):
    stranger = Stranger(ready_desk, EDIT)
    as_it_was = packaged(ready_desk, stranger.folder, "demo")
    publish(ready_desk, stranger.folder, **stranger.environment)
    assert stranger.found() == {}
    assert list(registry.crates) == [("demo", "0.1.0")]
    assert received(registry, "demo") == as_it_was


ASK = """
import array
crate = os.open(orders["crate"], os.O_RDONLY)

def talk(*requests):
    "On one connection; the first takes the file along."
    line, said = socket.socket(socket.AF_UNIX), []
    line.settimeout(30)
    line.connect(orders["socket"])
    file = line.makefile("rb")
    file.readline()
    for at, request in enumerate(requests):
        socket.send_fds(line, [json.dumps(request).encode() + b"\\n"],
                        [crate] if request["kind"] in ("seal", "verify") else [])
        said.append(json.loads(file.readline()))
    return said

there = {"index-url": orders["index"]}
own = {"name": "evil", "vers": "0.1.0"}
its = {"name": "demo", "vers": "0.1.0"}
# A socket of the client's would be as good as the approval: none came along.
inherited = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
             if os.path.exists(f"/proc/self/fd/{fd}")]
report({
    "publish": talk({"v": 1, "kind": "seal", "registry": there},
                    {"v": 1, "kind": "propose"}, {"v": 1, "kind": "publish", **own},
                    {"v": 1, "kind": "publish", **its}),
    "token": talk({"v": 1, "kind": "get", "operation": "publish", "registry": there, **its,
                   "cksum": "0f" * 32}),
    "inherited": [name for name in inherited if "/tty" in name or "pts" in name],
    "environment": {name: value for name, value in os.environ.items() if "TOKEN" in name},
})
"""


def test_a_build_script_that_asks_the_agent_gets_neither_token_nor_publish(ready_desk, registry):
    evil = ready_desk.directory / "evil.crate"
    evil.write_bytes(pack("evil"))
    stranger = Stranger(ready_desk, ASK, crate=str(evil), index=registry.index)
    as_it_was = packaged(ready_desk, stranger.folder, "demo")
    publish(ready_desk, stranger.folder, CARGO_REGISTRY_TOKEN=TOKEN,
            CARGO_REGISTRIES_LOCAL_TOKEN=TOKEN, **stranger.environment)
    found = stranger.found()
    assert [code(answer) for answer in found["publish"]] == [
        "ok", "needs-terminal", "not-approved", "not-sealed"]
    assert [code(answer) for answer in found["token"]] == ["needs-terminal"]
    assert found["inherited"] == [] and found["environment"] == {}
    assert traces(stranger.report.read_text(), TOKEN, PASSPHRASE) == []
    assert list(registry.crates) == [("demo", "0.1.0")]
    assert received(registry, "demo") == as_it_was


KILL = """
report({})
os.kill(client(), signal.SIGKILL)
"""


def test_a_build_script_that_kills_the_client_gets_nothing_sent(ready_desk, registry):
    stranger = Stranger(ready_desk, KILL)
    terminal = approve(ready_desk, stranger.folder, **stranger.environment)
    assert terminal.ends() == -signal.SIGKILL
    assert stranger.found() == {}
    assert uploads(registry) == 0
    # The approval went with the connection.
    terminal = start(ready_desk, stranger.folder, "--no-verify")
    terminal.sees(APPROVE)
    terminal.send("\x03")
    assert terminal.ends() == 5


TRACE = """
PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206
libc, pid, found = ctypes.CDLL(None, use_errno=True), client(), {}
for name, request in (("attach", PTRACE_ATTACH), ("seize", PTRACE_SEIZE)):
    found[name] = libc.ptrace(request, pid, None, None)
for name in ("mem", "environ", "fd"):
    try:
        path = f"/proc/{pid}/{name}"
        found[name] = len(os.listdir(path)) if name == "fd" else len(open(path, "rb").read(1)) + 1
    except OSError as error:
        found[name] = -1
# Its connection to the agent would do as well.
SYS_pidfd_open, SYS_pidfd_getfd = 434, 438
fd = libc.syscall(SYS_pidfd_open, pid, 0)
found["getfd"] = max(libc.syscall(SYS_pidfd_getfd, fd, n, 0) for n in range(3, 32))
report(found)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_build_script_can_neither_trace_the_client_nor_take_its_connection(
        stage, user_registry):
    desk = UserDesk(stage, stage.copy_build())
    try:
        ca = desk.home / "ca.pem"
        ca.write_bytes(Path(user_registry.ca).read_bytes())
        desk.start()
        desk.init()
        desk.succeed("login", "--index", user_registry.index, "--with-token", given=TOKEN + "\n",
                     CARGO_HTTP_CAINFO=str(ca))
        desk.set_up_cargo(user_registry)
        config = desk.cargo_home / "config.toml"
        config.write_text(config.read_text().replace(user_registry.ca, str(ca)))
        stranger = Stranger(desk, TRACE)
        desk.give(stranger.folder)
        os.chown(desk.directory, USER, USER)  # Where it leaves its report.
        publish(desk, stranger.folder, CARGO=str(stage.toolchain / "cargo"), **stranger.environment)
        found = stranger.found()
        assert found == dict.fromkeys(("attach", "seize", "mem", "environ", "fd", "getfd"), -1)
        assert list(user_registry.crates) == [("demo", "0.1.0")]
    finally:
        desk.stop()
