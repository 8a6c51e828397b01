"""What a test plays around `cpub-agent publish`: a person who publishes, and strangers' code in the
crate, which runs as its build script."""

import json
import subprocess
from pathlib import Path

import pytest

from crate import write_crate
from desk import PASSPHRASE, TOKEN, Terminal
from play import APPROVE
from registry import Registry
from test_cargo import cargo_version

# The build script becomes this Python program: its parent is cargo, whose parent is the client.
BECOME_PYTHON = """
use std::os::unix::process::CommandExt;
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let program = std::env::var("STRANGER").unwrap();
    panic!("{}", std::process::Command::new("/usr/bin/python3").arg(program).exec());
}
"""
# What each of these programs may use. It leaves a report; the build goes on if it ends well.
STRANGER = """
import ctypes, json, os, pathlib, signal, socket, sys, time
orders = json.loads(os.environ["ORDERS"])

def report(found):
    path = pathlib.Path(orders["report"])
    path.with_suffix(".new").write_text(json.dumps(found))
    path.with_suffix(".new").rename(path)

def client():
    "The first cpub-agent above us."
    pid = os.getppid()
    while pathlib.Path(f"/proc/{pid}/comm").read_text() != "cpub-agent\\n":
        pid = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    return pid
"""


class Stranger:
    """A crate whose build script is the program, and the words for publishing it."""

    def __init__(self, desk, program: str, name: str = "demo", **orders):
        self.report = desk.directory / "stranger.json"
        self.program = desk.directory / "stranger.py"
        self.program.write_text(STRANGER + program)
        self.folder = write_crate(desk.home / name, name, build=BECOME_PYTHON)
        orders = {"report": str(self.report), "folder": str(self.folder),
                  "socket": str(desk.socket)} | orders
        self.environment = {"STRANGER": str(self.program), "ORDERS": json.dumps(orders)}

    def found(self):
        return json.loads(self.report.read_text())


def start(desk, folder: Path, *words: str, **environment: str) -> Terminal:
    return desk.terminal("publish", "--registry", "local", "--allow-dirty", *words, cwd=folder,
                         **environment)


def approve(desk, folder: Path, *words: str, **environment: str) -> Terminal:
    """Up to the passphrase, which is given."""
    terminal = start(desk, folder, *words, **environment)
    terminal.answers(APPROVE, PASSPHRASE)
    return terminal


def publish(desk, folder: Path, *words: str, status: int = 0, **environment: str) -> str:
    """To the end, with one passphrase; all that was seen."""
    terminal = approve(desk, folder, *words, **environment)
    assert terminal.ends() == status, terminal.seen
    assert terminal.seen.count(APPROVE) == 1
    assert TOKEN not in terminal.seen and PASSPHRASE not in terminal.seen
    return terminal.seen


def uploads(registry: Registry) -> int:
    return len(registry.requests("PUT /api/v1/crates/new"))


def received(registry: Registry, name: str, version: str = "0.1.0") -> bytes:
    """Byte for byte."""
    return registry.crates[name, version].file.read_bytes()


NEEDS_WORKSPACES = pytest.mark.skipif(
    cargo_version() < (1, 90), reason="this cargo packages no crates that need each other (< 1.90)")


def packaged(desk, folder: Path, name: str, version: str = "0.1.0") -> bytes:
    """What cargo itself makes of it, in a folder of its own."""
    target = desk.directory / "packaged"
    registry = [] if cargo_version() < (1, 90) else ["--registry", "local"]  # As the client does.
    done = desk.cargo("package", "--no-verify", "--allow-dirty", "--target-dir", str(target),
                      *registry, cwd=folder)
    assert done.returncode == 0, done.stderr
    return (target / f"package/{name}-{version}.crate").read_bytes()


def left_behind(folder: Path) -> list[Path]:
    """What a publish has put into the project and not taken away."""
    return [path for path in (folder / "Cargo.lock", *folder.glob("target/cpub-publish-*"))
            if path.exists()]


def commit(folder: Path) -> None:
    def git(*words):
        subprocess.run(["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@b", *words],
                       check=True, capture_output=True)
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "all")


def workspace(folder: Path) -> Path:
    """`app` needs `lib-b`, which needs `zeta`; `private` stays here."""
    def member(name, needs=None, package=""):
        deps = {needs: {"path": f"../{needs}", "version": "0.1.0", "registry": "local"}} if needs else {}
        source = "pub fn answer() -> u32 {\n    %s\n}\n" % (
            f"{needs.replace('-', '_')}::answer()" if needs else "42")
        write_crate(folder / name, name, deps=deps, package=package, source=source)
    member("app", "lib-b")
    member("lib-b", "zeta")
    member("zeta")
    member("private", package="publish = false")
    (folder / "Cargo.toml").write_text(
        '[workspace]\nmembers = ["app", "lib-b", "zeta", "private"]\nresolver = "2"\n')
    return folder
