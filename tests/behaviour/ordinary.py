"""
A desk of an ordinary user: everything there runs under a bare uid that no account has, in a
folder of its own, with a copy of the build and a toolchain that this user may read.

Only root can set that up. The desk's own methods work unchanged: the programs that they start are
small scripts that change the user and become the real program, with the same pid.
"""

import os
import shutil
import socket
import stat
import subprocess
import tempfile
from pathlib import Path

import desk
from desk import Desk, Line

USER = 2000
OTHER = 2001
CARGO_MIN = (1, 74)  # the first with credential providers

BECOME = ("#!/bin/sh\n"
          "exec /usr/bin/setpriv --reuid {uid} --regid {uid} --clear-groups -- {program} \"$@\"\n")

# Connects as whoever runs it, and hands the connection to its standard output, which is a socket.
CONNECT = """
import socket, sys
here = socket.socket(socket.AF_UNIX)
here.settimeout(30)
here.connect(sys.argv[1])
socket.send_fds(socket.socket(fileno=1), [b"."], [here.fileno()])
"""


def as_user(uid: int, script: str, *arguments, **how) -> subprocess.CompletedProcess:
    """Runs a Python program as that user."""
    return subprocess.run(
        ["/usr/bin/setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--",
         "/usr/bin/python3", "-c", script, *map(str, arguments)],
        **{"capture_output": True, "text": True, "timeout": desk.PATIENCE, "cwd": "/"} | how)


class Stage:
    """A folder that everybody may read: copies of the build, and a toolchain."""

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="ordinary-", dir="/tmp"))
        self.directory.chmod(0o755)
        self.n_desks = 0
        self.toolchain = self._find_toolchain()

    def remove(self) -> None:
        shutil.rmtree(self.directory)

    def copy_build(self) -> Path:
        """bin and libexec as they were built, readable."""
        target = self.directory / "built"
        if not target.exists():
            ignore = shutil.ignore_patterns("*.p")
            for part in ("bin", "libexec"):
                shutil.copytree(desk.build_directory() / part, target / part, ignore=ignore)
            _open_up(target)
        return target

    def install(self) -> Path:
        """What `meson install` makes, with the modes that it gives, owned by root."""
        target = self.directory / "installed"
        if not target.exists():
            subprocess.run(
                ["meson", "install", "-C", desk.build_directory(), "--no-rebuild", "--quiet",
                 "--destdir", target], check=True, capture_output=True, text=True)
        [program] = target.rglob("bin/cpub-agent")
        for folder in program.parents:
            if folder == self.directory:
                break
            folder.chmod(0o755)
        return program.parent.parent

    def _find_toolchain(self) -> Path:
        """A bin/ with cargo and rustc that the user can run; copied if there is none."""
        if _cargo_version("/usr/bin/cargo") >= CARGO_MIN and Path("/usr/bin/rustc").exists():
            return Path("/usr/bin")
        done = subprocess.run(["rustc", "--print", "sysroot"], check=True, capture_output=True,
                              text=True)
        sysroot = Path(done.stdout.strip())
        if _cargo_version(sysroot / "bin/cargo") >= CARGO_MIN:
            return sysroot / "bin"
        copy = self.directory / "toolchain"
        for part in ("bin/cargo", "bin/rustc", *_below(sysroot, "lib/*.so*"),
                     *_below(sysroot, "lib/rustlib/*-linux-*")):
            (copy / part).parent.mkdir(parents=True, exist_ok=True)
            # Links are quick; they do not reach over file systems.
            for how in ("-al", "-a"):
                if subprocess.run(["cp", how, sysroot / part, copy / part],
                                  stderr=subprocess.DEVNULL).returncode == 0:
                    break
                _remove(copy / part)
        assert _cargo_version(copy / "bin/cargo") >= CARGO_MIN, "the copy of cargo does not run"
        return copy / "bin"


class UserDesk(Desk):
    """A desk of the user, with the build that lies in `build`."""

    def __init__(self, stage: Stage, build: Path, uid: int = USER):
        stage.n_desks += 1
        directory = stage.directory / f"desk-{stage.n_desks}"
        super().__init__(directory)
        self.uid = uid
        self.build = build
        self.programs = directory / "become"
        self.programs.mkdir()
        for path in (directory, self.programs):
            path.chmod(0o755)
        self.program = self._become("cpub-agent", build / "bin/cpub-agent")
        self.daemon = self._become("cpub-agentd", build / "libexec/cpub-agent/cpub-agentd")
        self._become("cargo", stage.toolchain / "cargo")
        self.provider = build / "bin/cargo-credential-cpub"  # cargo, who runs it, is the user
        for path in (self.directory, self.home, self.runtime, self.cargo_home):
            os.chown(path, uid, uid)
        self.environment["PATH"] = f"{self.programs}:{stage.toolchain}:/usr/bin:/bin"
        for name in ("RUSTUP_HOME", "RUSTUP_TOOLCHAIN"):
            self.environment.pop(name, None)

    def _become(self, name: str, program: Path) -> Path:
        script = self.programs / name
        script.write_text(BECOME.format(uid=self.uid, program=program))
        script.chmod(0o755)
        return script

    def init(self) -> None:
        self.init_slowly()  # What lies in this build alone is the user's to run.

    def line(self) -> Line:
        """A connection made by the user: the kernel remembers who connected."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            done = as_user(self.uid, CONNECT, self.socket, stdout=theirs, capture_output=False,
                           stderr=subprocess.PIPE)
            assert done.returncode == 0, done.stderr
            _, [fd], _, _ = socket.recv_fds(ours, 1, 1)
        return _line_of(socket.socket(fileno=fd))

    def give(self, path: Path) -> Path:
        """Makes a folder that the test has written the user's."""
        for folder, _, names in os.walk(path):
            for name in (".", *names):
                os.chown(Path(folder, name), self.uid, self.uid, follow_symlinks=False)
        return path


def _line_of(connection: socket.socket) -> Line:
    line = Line.__new__(Line)
    line.socket = connection
    line.socket.settimeout(desk.PATIENCE)
    line.waiting = b""
    line.greeting = line.receive()
    return line


def _cargo_version(cargo) -> tuple[int, ...]:
    """As the user sees it; () if the user cannot run it."""
    script = "import subprocess, sys; subprocess.run([sys.argv[1], '--version'], check=True)"
    done = as_user(USER, script, cargo, env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"})
    if done.returncode != 0:
        return ()
    return tuple(int(number) for number in done.stdout.split()[1].split("-")[0].split(".")[:2])


def _below(folder: Path, pattern: str) -> list[Path]:
    return [path.relative_to(folder) for path in folder.glob(pattern)]


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _open_up(folder: Path) -> None:
    """Readable for all, and executable what is so for the owner."""
    for path in (folder, *folder.rglob("*")):
        is_program = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        path.chmod(0o755 if is_program else 0o644)
