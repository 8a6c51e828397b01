"""
The desk of an ordinary user whose session has a real `systemd --user` (tests/fake/user-systemd),
with everything installed in /usr/local as `meson install` does it. What runs there sees processes
by other numbers than we do: `proc` has its /proc.
"""

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

import desk
from desk import PATIENCE, build_directory
from ordinary import CONNECT, USER, Stage, UserDesk, _line_of
from procfs import children

SCRIPT = Path(__file__).resolve().parents[1] / "fake/user-systemd"
ENTER = ("#!/bin/sh\n"
         "exec /usr/bin/nsenter --target \"$(cat {leader})\" --mount --pid --cgroup --ipc -- "
         "/usr/bin/setpriv --reuid {uid} --regid {uid} --clear-groups -- "
         "/usr/bin/env -C \"$PWD\" {program} \"$@\"\n")
SERVICE, SOCKET = "cpub-agent.service", "cpub-agent.socket"


class ManagedDesk(UserDesk):
    def __init__(self, stage: Stage):
        self.installed = stage.install()
        super().__init__(stage, Path("/usr/local"))
        self.shell = self._become("sh-inside", Path("/bin/sh"))
        self.settings = self.home / ".config/systemd/user/cpub-agent.service.d/test.conf"
        self.manager = subprocess.Popen(
            [SCRIPT, str(USER), self.home, self.runtime, self.installed],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            self._find_leader()
        except BaseException:
            self.end()
            raise

    def _find_leader(self) -> None:
        if self.manager.stdout.readline() != "ready\n":
            _, why = self.manager.communicate(timeout=PATIENCE)
            assert self.manager.returncode == 77, why
            pytest.skip(why.strip())
        [unshare] = children(self.manager.pid)
        [leader] = children(unshare)
        self._leader_file().write_text(str(leader))
        self.root = Path(f"/proc/{leader}/root")
        self.wait(lambda: self.systemctl("is-system-running") in ("running", "degraded"),
                  "the manager to be up")

    def _leader_file(self) -> Path:
        return self.directory / "leader"

    def _become(self, name: str, program: Path) -> Path:
        script = self.programs / name
        script.write_text(ENTER.format(leader=self._leader_file(), uid=self.uid, program=program))
        script.chmod(0o755)
        return script

    def end(self) -> None:
        """Ends the session with everything in it."""
        for terminal in self.terminals:
            terminal.close(force=True)
        self.manager.terminate()
        self.manager.communicate(timeout=PATIENCE)

    # What the user does.

    def inside(self, script: str, *arguments) -> subprocess.CompletedProcess:
        """A shell's line, as the user in that session."""
        return subprocess.run(
            [self.shell, "-c", script, "sh", *map(str, arguments)], env=self.environment,
            cwd=self.home, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=desk.CARGO_PATIENCE)

    def systemctl(self, *words: str) -> str:
        return self.inside('systemctl --user "$@"', *words).stdout.strip()

    def must(self, *words: str) -> None:
        done = self.inside('systemctl --user "$@"', *words)
        assert done.returncode == 0, f"{words}: {done.stderr}\n{self.journal_text()}"

    def shows(self, what: str, unit: str = SERVICE) -> str:
        return self.systemctl("show", "--value", f"--property={what}", unit)

    def is_active(self, unit: str = SERVICE) -> bool:
        return self.shows("ActiveState", unit) == "active"

    def configure(self, text: str) -> None:
        """Settings of the user's own for the service, as `systemctl edit` makes them."""
        self.settings.parent.mkdir(parents=True, exist_ok=True)
        self.settings.write_text(text)
        self.give(self.home / ".config")
        self.must("daemon-reload")

    def journal(self, *words: str) -> list[dict]:
        done = self.inside('journalctl --user -o json -u cpub-agent "$@"', *words)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def journal_text(self) -> str:
        return "\n".join(str(entry.get("MESSAGE")) for entry in self.journal())

    def proc(self, pid: int | str) -> Path:
        """The process's folder in the session's own /proc."""
        return self.root / f"proc/{pid}"

    def children(self, pid: int | str) -> list[str]:
        return (self.proc(pid) / f"task/{pid}/children").read_text().split()

    def processes(self) -> set[str]:
        """What is in the service's cgroup."""
        folder = self.shows("ControlGroup")
        group = self.root / f"sys/fs/cgroup{folder}/cgroup.procs"
        if not folder or not group.exists():
            return set()
        # Numbers of other namespaces read 0: count names instead.
        return {Path(f"/proc/{pid}/comm").read_text().strip() for pid in group.read_text().split()}

    # What a desk does.

    def line(self):
        """A connection made by the user from within."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            done = subprocess.run(
                [self.shell, "-c", '/usr/bin/python3 -c "$1" "$2"', "sh", CONNECT, self.socket],
                env=self.environment, cwd="/", stdout=theirs, stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE, timeout=PATIENCE)
            assert done.returncode == 0, done.stderr
            _, [fd], _, _ = socket.recv_fds(ours, 1, 1)
        return _line_of(socket.socket(fileno=fd))

    def make_vault(self) -> None:
        """An empty one that opens quickly."""
        environment = self.environment | {"PATH": "/usr/bin:/bin"}
        subprocess.run([build_directory() / "tests/make-vault", "0"], env=environment, check=True,
                       input=desk.PASSPHRASE + "\n", text=True)
        self.give(self.home / ".local")

    def start_over(self) -> "ManagedDesk":
        """As after a first log-in: nothing stored, nothing set, both units stopped."""
        for terminal in self.terminals:
            terminal.close(force=True)
        self.terminals.clear()
        self.inside(f"systemctl --user disable --now {SOCKET}; systemctl --user stop {SERVICE}")
        for path in (self.home / ".local", self.settings.parent, self.socket.parent):
            shutil.rmtree(path, ignore_errors=True)
        self.inside("systemctl --user daemon-reload && systemctl --user reset-failed")
        return self
