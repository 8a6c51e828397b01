"""
One person's desk: a home of their own, an agent, terminals to type on, the real cargo.

Nothing here sleeps and hopes: waiting is always for something that will be seen, with a limit.
"""

import array
import json
import os
import random
import signal
import socket
import string
import subprocess
import time
from pathlib import Path

import pexpect

# Fresh for each run, so that a search of memory or disk finds only what this run left; the same in
# all processes of one run (pytest-xdist), where tests are named by what they are given.
_ALNUM = string.ascii_letters + string.digits
_RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID")
_CHOICE = random.Random(_RUN) if _RUN else random.SystemRandom()
TOKEN = "cio" + "".join(_CHOICE.choice(_ALNUM) for _ in range(32))
PASSPHRASE = "correct-horse-" + "".join(_CHOICE.choice(_ALNUM) for _ in range(16))

PATIENCE = 30  # seconds for one thing to happen
CARGO_PATIENCE = 120
SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"
GREETING = b'{"v":[1]}\n'
PLACEHOLDER = "cpub-placeholder-not-a-token"
KEPT = ("PATH", "LANG", "RUSTUP_TOOLCHAIN", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")


def build_directory() -> Path:
    build = os.environ.get("CPUB_BUILD")
    assert build, "set CPUB_BUILD to the build folder with bin/ and libexec/cpub-agent/"
    return Path(build).resolve()


# Of the clients' runs these are searched for leaks as well: the search doubles what a start costs.
SEARCHED_FOR_LEAKS = ("test_cli_", "test_bad_luck_client", "test_login.py", "test_provider_relay")


def client_asan_options() -> dict[str, str]:
    options = os.environ.get("ASAN_OPTIONS")
    test = os.environ.get("PYTEST_CURRENT_TEST", "")
    if not options or any(name in test for name in SEARCHED_FOR_LEAKS):
        return {}
    return {"ASAN_OPTIONS": options.replace("detect_leaks=1", "detect_leaks=0")}


def is_sanitized() -> bool:
    return os.environ.get("CPUB_SANITIZED") == "1"


class Terminal(pexpect.spawn):
    """A program on a pseudo-terminal of its own, and what a person sees and types there."""

    def __init__(self, argv, *, cwd, env):
        super().__init__(str(argv[0]), [str(a) for a in argv[1:]], cwd=str(cwd), env=env,
                         timeout=PATIENCE, encoding="utf-8", echo=True, dimensions=(50, 200))
        # pexpect waits before each line that it sends; our prompts flush input first, then ask.
        self.delaybeforesend = None
        self.seen = ""

    def sees(self, text: str, timeout=CARGO_PATIENCE) -> str:
        """Waits for the text; returns what came before it."""
        self.expect_exact(text, timeout=timeout)
        self.seen += self.before + self.after
        return self.before

    def types(self, text: str) -> None:
        self.sendline(text)

    def answers(self, prompt: str, text: str) -> str:
        before = self.sees(prompt)
        self.types(text)
        return before

    def ends(self, timeout=CARGO_PATIENCE) -> int:
        """Waits for the end; returns the exit status."""
        self.expect(pexpect.EOF, timeout=timeout)
        self.seen += self.before
        self.close()
        return self.exitstatus if self.exitstatus is not None else -self.signalstatus


class Line:
    """A connection of our own to the agent's socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(path))
        self.waiting = b""
        self.greeting = self.receive()

    def send(self, line, fds=()) -> None:
        if isinstance(line, dict):
            line = json.dumps(line)
        if isinstance(line, str):
            line = line.encode() + b"\n"
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([line], rights)

    def receive(self) -> bytes:
        """The next line, or b"" when the agent has closed."""
        while b"\n" not in self.waiting:
            try:
                some = self.socket.recv(65536)
            except ConnectionResetError:
                some = b""
            if not some:
                return b""
            self.waiting += some
        line, self.waiting = self.waiting.split(b"\n", 1)
        return line + b"\n"

    def ask(self, line, fds=()) -> dict:
        self.send(line, fds)
        return json.loads(self.receive())

    def close(self) -> None:
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def get(index: str, operation: str = "read", **more) -> dict:
    """The request that cargo's `get` is."""
    registry = {"index-url": index, **more.pop("registry", {})}
    return {"v": 1, "registry": registry, "kind": "get", "operation": operation, **more}


def publish(index: str, crate: str = "demo", version: str = "0.1.0", **more) -> dict:
    return get(index, "publish", name=crate, vers=version, cksum="0f" * 32, **more)


def code(answer: dict) -> str:
    """The stable name of a refusal; "ok" if it is none."""
    if "Ok" in answer:
        return "ok"
    return answer["Err"].get("code", answer["Err"]["kind"])


class Desk:
    def __init__(self, directory: Path):
        self.directory = Path(directory)
        self.home = self.directory / "home"
        self.runtime = self.directory / "run"
        self.cargo_home = self.home / ".cargo"
        for path in (self.home, self.runtime, self.cargo_home):
            path.mkdir(mode=0o700, parents=True)
        self.build = build_directory()
        self.program = self.build / "bin/cpub-agent"
        self.provider = self.build / "bin/cargo-credential-cpub"
        self.daemon = self.build / "libexec/cpub-agent/cpub-agentd"
        self.socket = self.runtime / "cpub-agent/agent.sock"
        self.state = self.home / ".local/state/cpub-agent"
        self.vault = self.home / ".local/share/cpub-agent/vault"
        self.log = self.directory / "agent.log"
        self.agent = None
        self.terminals = []
        self.environment = {name: os.environ[name] for name in KEPT if name in os.environ} | {
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "CARGO_HOME": str(self.cargo_home),
            "CARGO_TERM_COLOR": "never",
            "CARGO_NET_RETRY": "0",
            "TERM": "dumb",
            "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(Path("~/.rustup").expanduser())),
        } | client_asan_options()
        # The agent's own memory is searched in every test.
        self.agent_environment = {name: os.environ[name] for name in ("ASAN_OPTIONS",)
                                  if name in os.environ}

    # The agent.

    def start(self, *options: str, system_ca: str | None = None, **environment: str) -> "Desk":
        """Starts the agent in the foreground of nothing, with its log in a file. system_ca: a CA
        that the whole machine trusts, as this agent sees it (root only: a mount of its own)."""
        ready, theirs = os.pipe()
        wrap = [] if not system_ca else [
            "unshare", "--mount", "--propagation", "private", "sh", "-c",
            f'mount --bind "$0" {SYSTEM_CAS} && exec "$@"', system_ca]
        with open(self.log, "ab") as log:
            self.agent = subprocess.Popen(
                [*wrap, self.daemon, "--verbose", f"--ready-fd={theirs}", *options],
                env=self.environment | self.agent_environment | environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[theirs], start_new_session=True)
        os.close(theirs)
        with open(ready, "rb") as end:
            assert end.read(1) == b"R", self.log.read_text()
        return self

    def stop(self) -> None:
        """Ends whatever agent serves here."""
        for terminal in self.terminals:
            terminal.close(force=True)
        if self.agent:
            self.agent.terminate()
            assert self.agent.wait(PATIENCE) == 0, self.log.read_text()
            self.agent = None
        elif self.socket.exists():
            try:
                with self.line() as line:
                    pid = line.ask({"v": 1, "kind": "status"})["Ok"]["pid"]
            except OSError:
                return
            os.kill(pid, signal.SIGTERM)
            self.wait(lambda: not self.socket.exists(), "the agent to leave")

    @staticmethod
    def wait(is_true, what: str, patience=PATIENCE) -> None:
        until = time.monotonic() + patience
        while not is_true():
            assert time.monotonic() < until, f"waited in vain for {what}"
            time.sleep(0.01)

    def pid(self) -> int:
        return self.status()["pid"]

    def status(self) -> dict:
        with self.line() as line:
            return line.ask({"v": 1, "kind": "status"})["Ok"]

    def line(self) -> Line:
        return Line(self.socket)

    def ask(self, request, fds=()) -> dict:
        with self.line() as line:
            return line.ask(request, fds)

    def audit(self) -> list[dict]:
        path = self.state / "audit.jsonl"
        return [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []

    # The command line.

    def run(self, *words: str, given: str | None = None, cwd=None, **environment: str):
        """cpub-agent without a terminal; `given` is its standard input."""
        return subprocess.run(
            [self.program, *words], env=self.environment | environment, cwd=cwd or self.home,
            input=None if given is None else given, stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True, text=True, timeout=CARGO_PATIENCE, start_new_session=True)

    def succeed(self, *words: str, given: str | None = None, cwd=None, **environment: str) -> str:
        done = self.run(*words, given=given, cwd=cwd, **environment)
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def terminal(self, *argv, cwd=None, **environment: str) -> Terminal:
        """Any program on a terminal; cpub-agent's words if the first is none of a path."""
        argv = [self.program, *argv] if not str(argv[0]).startswith(("/", "cargo")) else argv
        terminal = Terminal(argv, cwd=cwd or self.home, env=self.environment | environment)
        self.terminals.append(terminal)
        return terminal

    def init(self) -> None:
        """An empty vault, unlocked: as if it came with a backup, and with the cheapest Argon2id
        there is, since nearly every test waits for that. The agent's own is `init_slowly`."""
        subprocess.run([build_directory() / "tests/make-vault", "0"], env=self.environment,
                       input=PASSPHRASE + "\n", text=True, check=True)
        self.unlock()

    def init_slowly(self) -> None:
        self.succeed("init", "--store", "vault", "--with-passphrase", given=PASSPHRASE + "\n")

    def unlock(self) -> None:
        self.succeed("unlock", "--with-passphrase", given=PASSPHRASE + "\n")

    def login(self, registry, token: str = TOKEN, *words: str) -> str:
        """Stores a token for the registry without a terminal."""
        network = {"CARGO_HTTP_CAINFO": registry.ca} if registry.ca else {}
        return self.succeed("login", "--index", registry.index, "--with-token", *words,
                            given=token + "\n", **network)

    def login_in_person(self, registry, token: str = TOKEN, *words: str) -> None:
        """The same by somebody at a terminal, who answers y."""
        self._login_typed(registry, token, "Log in there? [y/N] ", "y", *words)

    def confirm_login(self, registry, token: str = TOKEN, *words: str) -> None:
        """Once more, over an account that is there: with the passphrase, which confirms its CA."""
        prompt = "Passphrase to approve (^C denies): "
        self._login_typed(registry, token, prompt, PASSPHRASE, *words)

    def _login_typed(self, registry, token: str, prompt: str, answer: str, *words: str) -> None:
        network = {"CARGO_HTTP_CAINFO": registry.ca} if registry.ca else {}
        terminal = self.terminal("login", "--index", registry.index, *words, **network)
        terminal.answers(prompt, answer)
        terminal.answers("(not shown, ^C cancels): ", token)
        assert terminal.ends() == 0, terminal.seen

    # cargo.

    def set_up_cargo(self, registry, *arguments: str) -> None:
        """The registry under the name `local`, with our provider."""
        provider = json.dumps([str(self.provider), *arguments])
        ca = f'[http]\ncainfo = "{registry.ca}"\n' if registry.ca else ""
        (self.cargo_home / "config.toml").write_text(
            f'[registries.local]\nindex = "{registry.index}"\ncredential-provider = {provider}\n'
            f'{ca}')

    def cargo(self, *words: str, cwd=None, given: str | None = None, **environment: str):
        """cargo without a terminal."""
        return subprocess.run(
            ["cargo", *words], env=self.environment | environment, cwd=cwd or self.home,
            input=given, stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True, text=True, timeout=CARGO_PATIENCE, start_new_session=True)
