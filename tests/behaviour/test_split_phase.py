"""
While strangers' build scripts run, cargo holds no token. Where the registry wants one for every
read it holds that of `login --for read`, and the publish token only if that was agreed to.

The stranger here is the build script of the crate that is published: during the verify build it
searches the memory of cargo, which is its parent, and every environment that it can read. What it
looks for it reads from a file outside of the crate, so that the packaged source is no false hit.
"""

import json
import os
import secrets
from pathlib import Path

import pytest

from closed_play import READ_TOKEN, closed, closed_desk
from crate import write_crate
from desk import PASSPHRASE, TOKEN
from play import with_token
from test_cargo import APPROVE, UNLOCK

__all__ = ["closed", "closed_desk"]  # Fixtures.

YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
pytestmark = [
    pytest.mark.both,
    pytest.mark.skipif(
        os.geteuid() != 0 and YAMA.exists() and YAMA.read_text().strip() != "0",
        reason="the kernel keeps a user's programs from each other's memory (ptrace_scope)"),
]

# Stands for a token in the environment, in the control only.
MARK = secrets.token_hex(16)

# Only std. Optimised, because it looks at all of cargo's memory.
OPTIMISED = "[profile.dev.build-override]\nopt-level = 3\n"
SPY = r"""
use std::fs;
use std::os::unix::fs::FileExt;

const CHUNK: usize = 1 << 22;

fn count(bytes: &[u8], needle: &[u8]) -> usize {
    let mut n = 0;
    let mut at = 0;
    while at + needle.len() <= bytes.len() {
        if bytes[at] == needle[0] && &bytes[at..at + needle.len()] == needle {
            n += 1;
            at += needle.len();
        } else {
            at += 1;
        }
    }
    n
}

fn stat(pid: u32) -> (String, u32) {
    let text = fs::read_to_string(format!("/proc/{}/stat", pid)).unwrap();
    let (before, after) = text.rsplit_once(')').unwrap();
    let name = before.split_once('(').unwrap().1.to_string();
    (name, after.split_whitespace().nth(1).unwrap().parse().unwrap())
}

/* The bytes seen, and the copies of each needle, in every readable mapping. */
fn scan(pid: u32, needles: &[String]) -> (usize, Vec<usize>) {
    let memory = fs::File::open(format!("/proc/{}/mem", pid)).unwrap();
    let mut seen = 0;
    let mut copies = vec![0; needles.len()];
    let mut buffer = vec![0u8; CHUNK];
    for line in fs::read_to_string(format!("/proc/{}/maps", pid)).unwrap().lines() {
        let mut words = line.split_whitespace();
        let (start, end) = words.next().unwrap().split_once('-').unwrap();
        if !words.next().unwrap().starts_with('r') {
            continue;
        }
        let mut at = u64::from_str_radix(start, 16).unwrap();
        let end = u64::from_str_radix(end, 16).unwrap();
        while at < end {
            let size = CHUNK.min((end - at) as usize);
            let n = memory.read_at(&mut buffer[..size], at).unwrap_or(0);
            for (i, needle) in needles.iter().enumerate() {
                copies[i] += count(&buffer[..n], needle.as_bytes());
            }
            seen += n;
            at += if n == CHUNK { n as u64 - 256 } else { n.max(4096) as u64 };
        }
    }
    (seen, copies)
}

fn environment(pid: u32, needles: &[String]) -> usize {
    let bytes = fs::read(format!("/proc/{}/environ", pid)).unwrap();
    needles.iter().map(|needle| count(&bytes, needle.as_bytes())).sum()
}

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let needles: Vec<String> = fs::read_to_string(std::env::var("SPY_NEEDLES").unwrap())
        .unwrap().lines().map(String::from).collect();
    let mut in_environment = environment(std::process::id(), &needles);
    let mut found = Vec::new();
    /* From the parent up to the last cargo above us. */
    let mut pid = stat(std::process::id()).1;
    loop {
        let (name, parent) = stat(pid);
        if name != "cargo" {
            break;
        }
        let (seen, copies) = scan(pid, &needles);
        in_environment += environment(pid, &needles);
        found.push(format!("{{\"seen\":{},\"copies\":{:?}}}", seen, copies));
        pid = parent;
    }
    let report = format!("{{\"cargo\":[{}],\"environment\":{}}}\n", found.join(","),
        in_environment);
    fs::write(std::env::var("SPY_REPORT").unwrap(), report).unwrap();
}
"""

# Any other provider: the token at the first call, and cargo may keep it.
PLAIN_PROVIDER = """#!/usr/bin/python3
import json, pathlib, sys
print('{"v":[1]}', flush=True)
for line in sys.stdin:
    with open(pathlib.Path(__file__).parent / "needles") as file:
        answer = {"kind": "get", "token": file.readline().strip(), "cache": "session",
                  "operation_independent": True}
    print(json.dumps({"Ok": answer}), flush=True)
"""


class Spied:
    """A publish of a crate whose build script is the spy."""

    def __init__(self, desk, needles=(TOKEN, PASSPHRASE, MARK), **environment):
        self.needles = desk.directory / "needles"
        self.needles.write_text("".join(f"{needle}\n" for needle in needles))
        self.report = desk.directory / "report.json"
        folder = write_crate(desk.home / "demo", "demo", build=SPY, tail=OPTIMISED)
        self.terminal = desk.terminal(
            "cargo", "publish", "--registry", "local", "--allow-dirty", cwd=folder,
            SPY_NEEDLES=str(self.needles), SPY_REPORT=str(self.report), **environment)

    def found(self) -> dict:
        """What the spy wrote. It ran, and it saw the whole of a cargo."""
        found = json.loads(self.report.read_text())
        assert found["cargo"] and all(cargo["seen"] > 4 << 20 for cargo in found["cargo"])
        return found


def copies(found: dict) -> list[int]:
    """Of each needle, in all cargos together."""
    return [sum(numbers) for numbers in zip(*(cargo["copies"] for cargo in found["cargo"]))]


def test_build_script_finds_no_token_in_cargo_while_it_runs(ready_desk, registry):
    spied = Spied(ready_desk)
    before = spied.terminal.answers(APPROVE, PASSPHRASE)
    assert "Compiling demo" in before
    # The spy has run, and the person has not typed anything yet.
    found = spied.found()
    assert copies(found) == [0, 0, 0]
    assert found["environment"] == 0
    assert spied.terminal.ends() == 0, spied.terminal.seen
    assert ("demo", "0.1.0") in registry.crates


def test_build_script_finds_nothing_either_when_the_person_has_just_unlocked(ready_desk, registry):
    """The passphrase goes from the terminal to the agent's worker, never through cargo."""
    ready_desk.succeed("lock")
    spied = Spied(ready_desk)
    assert "Compiling" not in spied.terminal.answers(UNLOCK, PASSPHRASE)
    spied.terminal.answers(APPROVE, PASSPHRASE)
    found = spied.found()
    assert copies(found) == [0, 0, 0]
    assert found["environment"] == 0
    assert spied.terminal.ends() == 0, spied.terminal.seen
    assert ("demo", "0.1.0") in registry.crates


def test_build_script_finds_the_token_of_a_provider_that_always_answers(desk, registry):
    """The control: the same spy sees what any other provider leaves in cargo."""
    desk.provider = desk.directory / "provider"
    desk.provider.write_text(PLAIN_PROVIDER)
    desk.provider.chmod(0o700)
    desk.set_up_cargo(registry)
    spied = Spied(desk, SOME_NAME=MARK)
    assert spied.terminal.ends() == 0, spied.terminal.seen
    found = spied.found()
    assert copies(found)[0] >= 1
    assert copies(found)[1] == 0
    # And what lies in an environment: cargo's, and by that the spy's own.
    assert copies(found)[2] >= 1
    assert found["environment"] == 2
    assert ("demo", "0.1.0") in registry.crates


def test_build_script_finds_the_credential_for_reads_and_not_the_publish_token(open_desk, closed):
    """Where reads want a token the boundary is this: what reads, and never what publishes."""
    done = with_token(open_desk, closed, "--for", "read", given=READ_TOKEN + "\n")
    assert done.returncode == 0, done.stderr
    open_desk.login(closed)
    open_desk.set_up_cargo(closed)
    spied = Spied(open_desk, (TOKEN, PASSPHRASE, READ_TOKEN))
    assert "Compiling demo" in spied.terminal.answers(APPROVE, PASSPHRASE)
    found = spied.found()
    assert copies(found)[:2] == [0, 0]
    assert copies(found)[2] >= 1  # Which shows that the spy would have seen the others.
    assert found["environment"] == 0
    assert spied.terminal.ends() == 0, spied.terminal.seen
    assert ("demo", "0.1.0") in closed.crates


def test_build_script_finds_the_publish_token_where_the_person_agreed_to_that(closed_desk, closed):
    """As the question at login says. The passphrase stays out of cargo all the same."""
    spied = Spied(closed_desk)
    spied.terminal.answers(APPROVE, PASSPHRASE)
    found = spied.found()
    assert copies(found)[0] >= 1 and copies(found)[1] == 0
    assert spied.terminal.ends() == 0, spied.terminal.seen
