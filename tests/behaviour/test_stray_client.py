"""
A program that asks the agent itself gets nothing that a person did not approve.

The stray program is the build script of the crate that is published, in the middle of a real
`cargo publish`. It has a pseudo-terminal of its own, lends it to the agent, and types there
whatever is asked, but for the passphrase, which it does not know.
"""

import json
import secrets
from pathlib import Path

import pytest

from crate import write_crate
from desk import PASSPHRASE, PLACEHOLDER, TOKEN, get, publish
from registry import Registry
from scan import disk_traces, traces
from test_cargo import APPROVE

pytestmark = pytest.mark.both

# Becomes the Python program, with the build script's pid: its parent is cargo.
BUILD_SCRIPT = """
use std::os::unix::process::CommandExt;
fn main() {
    let program = std::env::var("STRAY_PROGRAM").unwrap();
    panic!("{}", std::process::Command::new("/usr/bin/python3").arg(program).exec());
}
"""

TALK = """
import ctypes, json, os, pty, re, select, signal, socket, sys, time, tty
orders = json.loads(os.environ["STRAY_ORDERS"])
LIMIT = 60

def report(found):
    with open(orders["report"] + ".new", "w") as file:
        json.dump(found, file)
    os.rename(orders["report"] + ".new", orders["report"])

def connect():
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(LIMIT)
    line.connect(orders["socket"])
    assert line.recv(64) == b'{"v":[1]}\\n'
    return line

def ask(request, host=None, is_lent=False):
    "Everything that the agent says, on the socket and on our terminal, and what we typed there."
    line, said, seen, typed = connect(), b"", b"", []
    # Three times wrong is the end of a question; once is enough for the others.
    guesses = ["y", host, "yes"] if request.get("operation") == "publish" else ["y", "\\x03"]
    master, slave = pty.openpty()
    tty.setraw(slave)
    fds = [slave] if is_lent else []
    socket.send_fds(line, [json.dumps(request).encode() + b"\\n"], fds)
    begin, until = 0, time.monotonic() + LIMIT
    while not said.endswith(b"\\n"):
        ready, _, _ = select.select([line, master], [], [], max(until - time.monotonic(), 0))
        assert ready, ("no answer", said, seen)
        if line in ready:
            some = line.recv(65536)
            if not some:
                break
            said += some
        if master in ready:
            seen += os.read(master, 65536)
            question = seen[begin:].rsplit(b"\\n", 1)[-1]
            if re.search(rb"(: |\\] )$", question):
                begin = len(seen)
                answer = ("y" if b"[y/N]" in question else host if b"index's host" in question
                          else orders["token"] if b"Token for" in question else guesses.pop(0))
                typed.append(answer)
                os.write(master, answer.encode() + b"\\r")
    for fd in (master, slave):
        os.close(fd)
    line.close()
    return {"said": said.decode(), "seen": seen.decode(), "typed": typed}
"""

# Asks each of its orders, once with a terminal and once without.
ASK_ALL = TALK + """
report({name: [ask(request, orders["host"], is_lent) for is_lent in (True, False)]
        for name, request in orders["requests"].items()})
"""

# Stays behind while cargo goes on, and asks once the person has approved.
STAY = TALK + """
CLONE_PARENT, SYS_clone = 0x8000, {"x86_64": 56, "aarch64": 220}[os.uname().machine]
if orders["is_child_of_cargo"]:
    # The new process has our own parent: cargo.
    is_new = ctypes.CDLL(None).syscall(SYS_clone, CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0) == 0
else:
    is_new = os.fork() == 0
if not is_new:
    os._exit(0)
if not orders["is_child_of_cargo"] and (child := os.fork()) > 0:
    # A parent that lives, like any shell, but is not the one that was approved.
    os.closerange(0, 3)
    os._exit(os.waitpid(child, 0)[1])
for fd in range(3):  # cargo waits for the end of its pipes
    os.dup2(os.open("/dev/null", os.O_RDWR), fd)

def grants():
    return json.loads(ask({"v": 1, "kind": "status"})["said"])["Ok"]["grants"]

until = time.monotonic() + LIMIT
try:
    while grants() == 0:
        assert time.monotonic() < until, "nobody approved"
        time.sleep(0.01)
    report({name: [ask(request, orders["host"])]
            for name, request in orders["requests"].items()} | {"parent": os.getppid()})
except BaseException as error:
    report({"error": repr(error)})
os._exit(0)
"""


class Stray:
    """A publish whose build script is the stray program with these requests."""

    def __init__(self, desk, program: str, requests: dict[str, dict], **orders):
        self.report = desk.directory / "stray.json"
        self.program = desk.directory / "stray.py"
        self.program.write_text(program)
        # Not the person's: one of its own.
        self.token = "cioSTRAY" + secrets.token_hex(12)
        orders = {"host": "localhost", "token": self.token, "requests": requests,
                  "socket": str(desk.socket), "report": str(self.report)} | orders
        folder = write_crate(desk.home / "demo", "demo", build=BUILD_SCRIPT)
        self.terminal = desk.terminal(
            "cargo", "publish", "--registry", "local", "--allow-dirty", cwd=folder,
            STRAY_PROGRAM=str(self.program), STRAY_ORDERS=json.dumps(orders))

    def found(self) -> dict:
        text = self.report.read_text()
        assert traces(text, TOKEN, PASSPHRASE) == []
        found = json.loads(text)
        assert "error" not in found, found
        return found


def said(answer: dict) -> str:
    """The stable name of what the agent said; an answer that is none is a failure."""
    reply = json.loads(answer["said"])
    return "ok" if "Ok" in reply else reply["Err"].get("code", reply["Err"]["kind"])


def canonical(index: str) -> str:
    return index.rstrip("/")


def mutations(registry) -> dict[str, dict]:
    """What a stray would like to have done."""
    index = registry.index
    login = {"v": 1, "registry": {"index-url": index}, "kind": "login",
             "ca-pem": Path(registry.ca).read_text()}
    stray = {"token": "cioSTRAY0123456789012345678901"}
    yank = {"name": "demo", "vers": "0.1.0"}
    return {
        "publish": publish(index),
        "publish as another account": publish(index, account="work", args=["--account", "work"]),
        "yank": get(index, "yank", **yank),
        "unyank": get(index, "unyank", **yank),
        "owners": get(index, "owners", name="demo"),
        "login again": login,
        "login again, own token": login | stray,
        "login again, own token, as the command line": login | stray | {
            "url-source": "given", "replace": True},
        "login again, own token, not to replace": login | stray | {"url-source": "given"},
        "login again, from a project": login | {"url-source": "project", "url-file": "x"},
        "login to another API": login | stray | {"account": "stray", "url-source": "given",
                                                 "api": "https://localhost:1"},
        "init": {"v": 1, "kind": "init", "store": "vault"},
    }


# With a terminal, and without.
REFUSED = {
    "publish": ["wrong-passphrase", "needs-terminal"],
    "publish as another account": ["account-unknown", "account-unknown"],
    "yank": ["denied", "needs-terminal"],
    "unyank": ["denied", "needs-terminal"],
    "owners": ["denied", "needs-terminal"],
    "login again": ["denied", "needs-terminal"],
    "login again, own token": ["denied", "needs-terminal"],
    "login again, own token, as the command line": ["denied", "needs-terminal"],
    "login again, own token, not to replace": ["account-exists", "account-exists"],
    "login again, from a project": ["denied", "needs-terminal"],
    "login to another API": ["api-elsewhere", "api-elsewhere"],
    "init": ["store-exists", "store-exists"],
}


def test_build_script_that_asks_the_agent_gets_nothing_and_changes_nothing(agreed_desk, registry):
    desk, index = agreed_desk, registry.index
    vault = desk.vault.read_bytes()
    reads = {
        "read": get(index),
        "read after a 401": get(index, registry={
            "headers": ['WWW-Authenticate: Cargo login_url="https://localhost/me"']}),
        "list": {"v": 1, "kind": "list"},
        "status": {"v": 1, "kind": "status"},
        "unlock": {"v": 1, "kind": "unlock"},
    }
    host = f"localhost:{registry.port}"
    stray = Stray(desk, ASK_ALL, reads | mutations(registry), host=host)
    stray.terminal.sees(APPROVE)
    found = stray.found()

    assert {name: [said(answer) for answer in found[name]] for name in REFUSED} == REFUSED
    for answer in found["read"]:
        assert json.loads(answer["said"])["Ok"]["token"] == PLACEHOLDER
    assert [said(answer) for answer in found["read after a 401"]] == 2 * ["read-auth-not-agreed"]
    assert json.loads(found["unlock"][0]["said"])["Ok"]["was"] == "unlocked"
    # It was asked, it did answer, and what it answered was not enough.
    assert found["publish"][0]["typed"] == ["y", host, "yes"]
    assert "crate     demo 0.1.0" in found["publish"][0]["seen"]
    assert f"<- cargo[{stray.terminal.pid}]" in found["publish"][0]["seen"]
    assert found["yank"][0]["typed"] == ["y", "\x03"]
    assert found["login again, from a project"][0]["typed"] == [host, "y", "\x03"]
    assert desk.vault.read_bytes() == vault
    refused = {(entry["op"], entry.get("refusal")) for entry in desk.audit()}
    assert {("publish", "wrong-passphrase"), ("yank", "denied"), ("owners", "needs-terminal"),
            ("login", "denied"), ("login", "api-elsewhere")} <= refused
    assert registry.requests("(PUT|DELETE) ") == []

    # And the person publishes all the same: the refused ones were not theirs.
    stray.terminal.types(PASSPHRASE)
    assert stray.terminal.ends() == 0, stray.terminal.seen
    assert ("demo", "0.1.0") in registry.crates
    assert registry.violations == []
    assert disk_traces(desk.directory, TOKEN, PASSPHRASE) == []


def test_build_script_that_logs_in_elsewhere_or_out_gets_no_token_and_is_logged(
        ready_desk, registry, certificate, tmp_path):
    """What y/N guards is no secret: its own token, and removing what it cannot read."""
    desk, index = ready_desk, registry.index
    with Registry(tmp_path / "other", tls=certificate) as other:
        login = {"v": 1, "registry": {"index-url": other.index}, "kind": "login",
                 "url-source": "given", "ca-pem": Path(other.ca).read_text()}
        stray = Stray(desk, ASK_ALL, {
            "login": login | {"account": "typed"},
            "logout": {"v": 1, "kind": "logout", "registry": {"index-url": index}},
            "publish": publish(index),
            "read": get(index),
        })
        # No account is left that cargo could publish with.
        assert stray.terminal.ends() != 0
        found = stray.found()
        assert other.requests("(PUT|DELETE) ") == [], "and nobody is told of its token"
    assert [said(answer) for answer in found["login"]] == ["ok", "needs-terminal"]
    assert found["login"][0]["typed"] == ["y", stray.token]
    assert [said(answer) for answer in found["logout"]] == ["ok", "not-found"]
    assert [said(answer) for answer in found["publish"] + found["read"]] == 4 * ["not-found"]
    done = [(entry["op"], entry["registry"], entry["account"]) for entry in desk.audit()
            if entry["decision"] == "done" and "account" in entry]
    assert done == [("login", canonical(index), "default"),
                    ("login", canonical(other.index), "typed"),
                    ("logout", canonical(index), "default")]
    assert registry.crates == {}


@pytest.mark.parametrize("is_child_of_cargo", [True, False])
def test_stray_that_stays_cannot_have_an_approved_release_again(
        ready_desk, registry, is_child_of_cargo):
    desk, index = ready_desk, registry.index
    upload = registry.inject("PUT /api/v1/crates/new", hang=True)  # cargo waits for it
    stray = Stray(desk, STAY, {"same": publish(index), "other": publish(index, "other")},
                  is_child_of_cargo=is_child_of_cargo)
    stray.terminal.answers(APPROVE, PASSPHRASE)
    desk.wait(stray.report.exists, "the stray to have asked")
    found = stray.found()
    assert (found["parent"] == stray.terminal.pid) is is_child_of_cargo
    assert upload.reached.wait(30)
    if is_child_of_cargo:
        assert said(found["same"][0]) == "release-repeated"
        stray.terminal.sees("ALARM: demo 0.1.0 at ")
    else:
        assert said(found["same"][0]) == "needs-terminal"
    # The approval is of that cargo run alone, and over once it was abused.
    assert said(found["other"][0]) == "needs-terminal"
    assert desk.status()["grants"] == (0 if is_child_of_cargo else 1)
    upload.release()
    assert stray.terminal.ends() == 0, stray.terminal.seen
    assert ("ALARM" in stray.terminal.seen) is is_child_of_cargo
    assert set(registry.crates) == {("demo", "0.1.0")}
    refused = [entry["refusal"] for entry in desk.audit()
               if entry["op"] == "publish" and entry["decision"] == "refused"]
    assert refused == [said(found["same"][0]), "needs-terminal"]
