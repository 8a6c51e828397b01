"""
What README.md and SECURITY.md say is so: the quick start is run as it stands there, by a newcomer
with the real cargo, and each file that is named is there.
"""

import re
from pathlib import Path

import pexpect
import pytest

from crate import write_crate
from desk import CARGO_PATIENCE, PASSPHRASE, TOKEN
from play import APPROVE, LOG_IN, UNLOCK, accounts

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
SECURITY = (ROOT / "SECURITY.md").read_text()
NAME = "corp"  # What the README calls a registry of one's own.
INSTALLED = "/usr/local/bin/cargo-credential-cpub"
# All that anybody may be asked on the way, and what a person types.
ANSWERS = {
    "New passphrase (^C cancels): ": PASSPHRASE,
    "The same again: ": PASSPHRASE,
    UNLOCK: PASSPHRASE,
    APPROVE: PASSPHRASE,
    LOG_IN: "y",
    "(not shown, ^C cancels): ": TOKEN,
}


# Reading.

def blocks(section: str) -> list[list[str]]:
    """The indented blocks of a section of the README, without their indent."""
    text = README.split(f"\n## {section}\n")[1].split("\n## ")[0]
    found, is_inside = [], False
    for line in text.splitlines():
        if line.startswith("    "):
            if not is_inside:
                found.append([])
            found[-1].append(line[4:])
        is_inside = line.startswith("    ") or (is_inside and not line)
    return found


def commands(start: str) -> list[str]:
    """The block of the quick start whose first line begins so."""
    [block] = [block for block in blocks("Quick start") if block[0].startswith(start)]
    return [line for line in block if line]


def sample() -> list[str]:
    """The block that shows a publish."""
    [block] = [block for block in blocks("Quick start") if block[0].startswith("$ ")]
    return block


# Doing.

@pytest.fixture
def newcomer(desk, registry):
    """A home with a crate in it, and a registry of the README's name in cargo's configuration; our
    programs are in the path, as when they are installed."""
    desk.environment["PATH"] = f"{desk.build}/bin:{desk.environment['PATH']}"
    (desk.cargo_home / "config.toml").write_text(
        f'[registries.{NAME}]\nindex = "{registry.index}"\n\n[http]\ncainfo = "{registry.ca}"\n')
    write_crate(desk.home / "demo", "demo", package=f'publish = ["{NAME}"]')
    return desk


def do(desk, command: str) -> str:
    """Runs it in the crate, on a terminal, and answers what is asked. Returns what was seen."""
    terminal = desk.terminal("/bin/sh", "-c", command, cwd=desk.home / "demo")
    prompts = list(ANSWERS)
    n_answers = 0
    while (which := terminal.expect_exact([pexpect.EOF, *prompts], timeout=CARGO_PATIENCE)) > 0:
        terminal.seen += terminal.before + terminal.after
        n_answers += 1
        assert n_answers < 10, terminal.seen
        terminal.types(ANSWERS[prompts[which - 1]])
    terminal.seen += terminal.before
    terminal.close()
    assert terminal.exitstatus == 0, f"{command}\n{terminal.seen}"
    for secret in (TOKEN, PASSPHRASE):
        assert secret not in terminal.seen
    return terminal.seen.replace("\r", "").replace("\a", "")


# Cargo's own lines, but for the two that show when we ask: they come and go with its versions.
CARGO_SAYS = ("Updating", "Packaging", "Packaged", "Verifying", "Finished", "Uploading",
              "Published", "Blocking", "note:", "help:", "warning:", "See")
ROWS = ("Compiling", "Uploaded", "registry", "account", "crate", "sha256", "history", "asked")


def shape(text: str) -> list[str]:
    """What is said during a publish, less what differs from one to the next."""
    lines = [line.split() for line in text.splitlines()]
    return [words[0] if words[0] in ROWS else " ".join(words)
            for words in lines if words and words[0] not in CARGO_SAYS]


def test_quick_start_takes_a_newcomer_from_a_credentials_file_to_a_publish(newcomer, registry):
    credentials = newcomer.cargo_home / "credentials.toml"
    credentials.write_text(f'[registry]\ntoken = "{TOKEN}"\n\n'
                           f'[registries.{NAME}]\ntoken = "{TOKEN}"\n')
    lines = commands("cpub-agent init")
    assert lines[-1] == "cargo publish" and len(lines) >= 4
    for line in lines:
        do(newcomer, line)

    assert ("demo", "0.1.0") in registry.crates
    assert registry.violations == []
    assert TOKEN not in credentials.read_text()
    assert {account["index"] for account in accounts(newcomer)} == {
        "https://github.com/rust-lang/crates.io-index", registry.index.rstrip("/")}

    # And again, with the vault locked: what the README shows of it.
    newcomer.succeed("lock")
    write_crate(newcomer.home / "demo", "demo", "0.1.1", package=f'publish = ["{NAME}"]')
    command, *shown = sample()
    seen = do(newcomer, command.removeprefix("$ "))
    assert shape(seen) == shape("\n".join(shown))
    assert "  history   last version 0.1.0\n" in seen and "  history   last version 0.1.0" in shown


def test_quick_start_without_a_token_logs_in_instead(newcomer, registry):
    imported = commands("cpub-agent init")
    [place] = [i for i, line in enumerate(imported) if "import" in line]
    logins = commands("cpub-agent login")
    for line in [*imported[:place], *logins, *imported[place + 1:]]:
        do(newcomer, line)
    assert ("demo", "0.1.0") in registry.crates
    assert len(accounts(newcomer)) == len(logins) == 2


@pytest.mark.parametrize("block", [b for b in blocks("Quick start") if b[0].startswith("[")])
def test_lines_for_cargos_configuration_make_cargo_ask_the_agent(newcomer, registry, block):
    config = newcomer.cargo_home / "config.toml"
    lines = "\n".join(block).replace(INSTALLED, str(newcomer.provider))
    assert str(newcomer.provider) in lines
    before, table = config.read_text(), block[0]
    config.write_text(before.replace(table, lines) if table in before else f"{before}\n{lines}\n")
    newcomer.init()
    do(newcomer, f"cpub-agent login --registry {NAME}")
    do(newcomer, "cargo publish")
    assert ("demo", "0.1.0") in registry.crates
    # D06 would say that an entry can be replaced.
    checked = newcomer.run("setup", "cargo", "--check").stdout
    assert "D06" not in checked and f"cargo asks cargo-credential-cpub for {NAME}" in checked


# What is named.

def test_install_shows_what_the_build_takes():
    [block] = blocks("Install")
    assert [line.split()[0] for line in block] == ["meson", "ninja", "sudo"]
    assert "-Dbuildtype=release" in block[0]
    for line in blocks("See it work")[0]:
        if line.startswith("tests/"):
            assert (ROOT / line.split()[0]).is_file(), line


@pytest.mark.parametrize("text", [README, SECURITY], ids=["README", "SECURITY"])
def test_files_that_are_named_are_there(text):
    tests = set(re.findall(r"`(test_\w+\.py)`", text))
    paths = set(re.findall(r"`((?:tests|protocol)/[\w./-]+)`", text))
    links = set(re.findall(r"\]\(([\w./-]+)\)", text))
    assert paths | links
    assert [name for name in tests if not (ROOT / "tests/behaviour" / name).is_file()] == []
    assert [name for name in paths | links if not (ROOT / name).exists()] == []


def test_every_promise_names_a_test_that_proves_it_or_says_that_there_is_none():
    table = SECURITY.split("\n## The promises\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    head, rule, *promises = rows
    assert head == ["promise", "proved by"] and set(rule) == {"---"}
    assert [int(n) for n in re.findall(r"^\*\*(\d)\. ", "\n".join(p[0] for p in promises),
                                       flags=re.M)] == list(range(1, 10))
    for promise, proof in promises:
        assert re.search(r"`test_\w+\.py`", proof) or "not promised" in promise, promise


def test_libraries_of_the_readme_are_those_that_the_build_asks_for():
    asked = set(re.findall(r"dependency\('([^']+)'", (ROOT / "meson.build").read_text()))
    told = {row.split("|")[1].strip() for row in README.split("\n## Libraries")[1].splitlines()
            if row.startswith("| ")}
    names = {"libcjson": "cJSON", "libsecret-1": "libsecret", "tomlplusplus": "toml++"}
    assert {names.get(name, name) for name in asked} <= told


def test_workers_of_the_drawing_are_those_that_the_agent_starts():
    started = {name for path in (ROOT / "agent").glob("*.c") for name in re.findall(
        r'\[WORKER_\w+\] = \{"(worker-[a-z]+)"', path.read_text())}
    [drawing] = [block for block in blocks("How it works") if "cpub-agentd" in "\n".join(block)]
    assert started and set(re.findall(r"worker-[a-z]+", "\n".join(drawing))) == started
