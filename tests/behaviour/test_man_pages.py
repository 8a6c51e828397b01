"""The man pages say what the programs do: verbs, options, variables, refusals, examples."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from desk import build_directory
from test_protocol_text import constant, is_alike, kinds, prepare, refusals, source

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "cpub-agent": "client/cpub/cpub-agent.1",
    "cargo-credential-cpub": "client/provider/cargo-credential-cpub.1",
    "cpub-agentd": "agent/cpub-agentd.8",
    "cpub-agent-protocol": "protocol/cpub-agent-protocol.7",
}
VERB_FILES = sorted((ROOT / "client/cpub").glob("verb_*.c"))
VERBS = sorted(path.stem.removeprefix("verb_") for path in VERB_FILES)
# Names that are made of a registry's name, and what the pages call them.
MADE = {"CARGO_REGISTRIES_NAME_INDEX", "CARGO_REGISTRIES_NAME_TOKEN",
        "CARGO_REGISTRIES_NAME_SECRET_KEY",
        "CARGO_REGISTRIES_NAME_CREDENTIAL_PROVIDER", "CARGO_REGISTRY_CREDENTIAL_PROVIDER",
        "CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS"}


# Reading a page.

def parts(text: str, macro: str) -> dict[str, str]:
    """Heading -> what stands below it, of `.Sh` or `.Ss`."""
    pieces = re.split(rf"^\.{macro} (.+)\n", text, flags=re.M)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def page(name: str) -> dict[str, str]:
    return parts(source(PAGES[name]).replace("\\\n", ""), "Sh")


def items(text: str) -> list[str]:
    """The heads of a section's lists."""
    return re.findall(r"^\.It (.+)$", text, flags=re.M)


def option_items(text: str) -> dict[str, bool]:
    """Long option -> whether a text follows it; letters are kept as they are."""
    found = {}
    for head in items(text):
        if not head.startswith("Fl "):
            continue
        words = head.replace("Ns = Ns ", "").split()
        names = [word.removeprefix("-") for word in words[1:] if word not in (",", "Fl", "|")]
        has_text = bool({"Ar", "Cm"} & set(words))
        for name in names[:names.index("Ar") if "Ar" in names
                          else names.index("Cm") if "Cm" in names else None]:
            found[name] = has_text
    return found


def variables(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z_]{4,}", " ".join(
        head for head in items(text) if head.startswith("Ev "))))


def examples(name: str) -> list[str]:
    """The literal blocks of EXAMPLES, as they are shown."""
    blocks = re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", page(name)["EXAMPLES"],
                        flags=re.M | re.S)
    assert blocks and all(blocks)
    return [block.replace("\\e", "\\") for block in blocks]


# Reading the programs.

def help_of(*words: str) -> str:
    done = subprocess.run([build_directory() / words[0], *words[1:], "--help"],
                          capture_output=True, text=True, timeout=30, check=True)
    return done.stdout


def help_options(text: str) -> dict[str, bool]:
    """The same as option_items, of a help text."""
    found = {}
    for letter, name, argument in re.findall(
            r"^ {2,6}(?:-(\w), )?--([a-z-]+)[ =]?([A-Z]+|[a-z|]+)? ", text, flags=re.M):
        found[name] = bool(argument)
        if letter:
            found[letter] = bool(argument)
    return found


def verb_help(verb: str) -> str:
    return help_of("bin/cpub-agent", verb).split("\nOptions of every verb:")[0]


def table_options(path: str) -> dict[str, bool]:
    """What the table of options in that file takes."""
    found = {}
    for name, letter, kind in re.findall(
            r"^\t\{\"([a-z-]+)\", ('\w'|0), OPTION_(\w+), offsetof", source(path), flags=re.M):
        found[name] = kind != "FLAG"
        if letter != "0":
            found[letter.strip("'")] = kind != "FLAG"
    return found


def read_variables(*folders: str) -> set[str]:
    """The environment variables that the code there reads by name."""
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.c"))]
    assert files
    found = set()
    for path in files:
        text = path.read_text()
        found |= set(re.findall(r'(?:getenv|environment_directory)\("(\w+)"\)', text))
        for names in re.findall(r"const char \*const (?:https|http|kept_variables|"
                                r"ask_environment)\[\] = \{(.*?)\}", text, flags=re.S):
            found |= set(re.findall(r'"(\w+)"', names))
    return found


# Each page.

@pytest.mark.parametrize("name", PAGES)
def test_page_has_its_name_and_renders_without_a_warning(name):
    path = ROOT / PAGES[name]
    section = path.suffix[1:]
    assert f"\n.Dt {name.upper()} {section}\n" in path.read_text()
    assert re.fullmatch(rf"\.Nm {name}\n\.Nd [^\n.]+\n", page(name)["NAME"])
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path], capture_output=True,
                          text=True, timeout=30)
    assert (lint.returncode, lint.stdout, lint.stderr) == (0, "", "")
    shown = subprocess.run(["man", "--warnings=w", "-l", path], capture_output=True, text=True,
                           timeout=30, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8",
                                            "MANWIDTH": "100", "MANPAGER": "cat"})
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"{name.upper()}({section})" in shown.stdout


def test_pages_name_no_page_that_is_not_there():
    ours = {(name, Path(path).suffix[1:]) for name, path in PAGES.items()}
    for name, path in PAGES.items():
        named = set(re.findall(r"^\.Xr (\S+) (\d)", source(path), flags=re.M))
        assert named & ours, name
        assert {n for n, _ in named - ours} <= {
            "cargo", "ssh", "socat", "systemd-logind", "systemd.exec", "systemd.socket"}, name


def test_pages_are_installed_where_man_finds_them(tmp_path):
    subprocess.run(["meson", "install", "-C", build_directory(), "--no-rebuild", "--quiet",
                    "--tags", "man", "--destdir", tmp_path], check=True, capture_output=True,
                   timeout=60)
    [root] = {path.parents[1] for path in tmp_path.rglob("man?/*") if path.is_file()}
    for name, path in PAGES.items():
        where = subprocess.run(["man", "-M", root, "-w", name], capture_output=True, text=True,
                               timeout=30).stdout.strip()
        assert Path(where) == root / f"man{path[-1]}" / Path(path).name
        assert Path(where).read_bytes() == (ROOT / path).read_bytes()
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == len(PAGES)


# cpub-agent(1).

def test_every_verb_is_on_the_page_in_the_order_of_the_help_and_no_other():
    told = re.findall(r"^  ([a-z]+)  +[A-Z]", help_of("bin/cpub-agent"), flags=re.M)
    assert list(parts(page("cpub-agent")["VERBS"], "Ss")) == told
    assert sorted(told) == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_a_verb_is_in_its_help_and_on_the_page_and_no_other(verb):
    taken = table_options(f"client/cpub/verb_{verb}.c")
    section = parts(page("cpub-agent")["VERBS"], "Ss")[verb]
    assert help_options(verb_help(verb)) == taken
    assert option_items(section) == taken
    synopsis = section.split(".Pp")[0]
    usage = verb_help(verb).split("\n\n")[0]
    longs = {name for name in taken if len(name) > 1}
    assert set(re.findall(r"Fl -([a-z-]+)", synopsis)) == longs
    assert set(re.findall(r"--([a-z-]+)", usage)) == longs
    assert f".Nm\n.Cm {verb}" in synopsis


def test_every_global_option_is_in_the_help_and_on_the_page_and_no_other():
    taken = table_options("client/cpub/options.c")
    assert help_options(help_of("bin/cpub-agent")) == taken
    assert option_items(page("cpub-agent")["OPTIONS"]) == taken


def test_every_finding_of_doctor_is_on_the_page():
    told = re.findall(r"^  (D\d\d)  ", verb_help("doctor"), flags=re.M)
    section = parts(page("cpub-agent")["VERBS"], "Ss")["doctor"]
    assert told and [head.removeprefix("Sy ") for head in items(section)] == told


def test_every_refusal_is_on_the_page_with_its_exit_status_and_no_other():
    rows = [re.fullmatch(r"Sy ([a-z-]+) Pq (\d+)", head).groups()
            for head in items(page("cpub-agent")["DIAGNOSTICS"])]
    assert len(rows) == len(set(rows))
    assert {code: int(status) for code, status in rows} == refusals()


@pytest.mark.parametrize("name", ["cpub-agent", "cargo-credential-cpub", "cpub-agentd"])
def test_every_exit_status_is_on_the_page_and_no_other(name):
    told = [int(head.removeprefix("Sy ")) for head in items(page(name)["EXIT STATUS"])]
    known = {int(number) for number in re.findall(
        r"EXIT_[A-Z]+ = (\d+)", source("protocol/refusal.h"))}
    assert told == sorted(known if name == "cpub-agent" else {0, 1, 2})


def test_every_variable_that_the_client_reads_is_on_the_page_and_no_other():
    told = variables(page("cpub-agent")["ENVIRONMENT"])
    read = read_variables("client/cpub") | read_variables("protocol") | {"NO_COLOR", "TERM"}
    assert read - told == set()
    # doctor only looks whether the first are set; the last is told not to reach the agent.
    assert told - read == MADE | {
        "CARGO_REGISTRY_TOKEN", "CARGO_REGISTRY_SECRET_KEY", "CPUB_ASKPASS"}


def test_every_variable_of_the_provider_and_the_daemon_is_on_its_page():
    passed_on = read_variables("client") & {
        "XDG_DATA_HOME", "LANG", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY"}
    text = page("cargo-credential-cpub")["ENVIRONMENT"]
    assert read_variables("protocol") <= variables(text)
    assert len(passed_on) == 5 and all(
        re.search(rf"^\.Ev {name}( ,)?$", text, flags=re.M) for name in passed_on)

    text = page("cpub-agentd")["ENVIRONMENT"]
    assert {"CPUB_ASKPASS", "JOURNAL_STREAM", "DISPLAY"} <= read_variables("agent")
    for name in read_variables("agent", "protocol") | {"SSH_ASKPASS_PROMPT"}:
        assert re.search(rf"\b{name}\b", text), name


@pytest.mark.parametrize("block", examples("cpub-agent"))
def test_commands_of_the_examples_are_understood(block, tmp_path):
    """Up to where they would do something: `--help` ends them there."""
    for name in ("token.txt", "passphrase.txt"):
        (tmp_path / name).write_text("\n")
    for command in block.replace("\\\n", " ").splitlines():
        if command.startswith("cargo "):
            continue
        done = subprocess.run(
            ["/bin/sh", "-c", command.replace("cpub-agent ", "cpub-agent --help ", 1)],
            env={"PATH": f"{build_directory()}/bin:/usr/bin:/bin"}, cwd=tmp_path,
            capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        assert done.stdout.startswith(f"Usage: cpub-agent {verb_of(command)}"), command


def verb_of(command: str) -> str:
    return next(word for word in shlex.split(command)[1:] if not word.startswith("-"))


# The provider, the daemon, the protocol.

def test_every_option_of_provider_and_daemon_is_in_the_help_and_on_the_page_and_no_other():
    for name, program in (("cargo-credential-cpub", "bin/cargo-credential-cpub"),
                          ("cpub-agentd", "libexec/cpub-agent/cpub-agentd")):
        told = help_options(help_of(program))
        assert told and option_items(page(name)["OPTIONS"]) == told
    longs = re.findall(r'\{"([a-z-]+)", (required|no)_argument', source("agent/main.c"))
    assert {name for name in told if len(name) > 1} == {name for name, _ in longs}
    assert all(told[name] == (how == "required") for name, how in longs)


def test_numbers_of_the_daemon_are_those_of_the_code():
    text = page("cpub-agentd")["OPTIONS"]
    for option, name in (("lock-after", "LOCK_AFTER_DEFAULT"), ("idle-exit", "EXIT_AFTER_DEFAULT")):
        [told] = re.findall(rf"-{option}.*?(\d+) by default", text, flags=re.S)[:1]
        assert int(told) * 10**6 == constant(name, "agent/main.c")
    assert "to 7 days;" in text.replace("\n", " ") and "7 * 24 * 3600" in source("agent/main.c")


def test_fields_of_the_journal_on_the_page_are_those_that_are_sent():
    sent = set(re.findall(r'journal_add\(&\w+, "(CPUB_\w+)"', source("agent/audit.c")))
    text = page("cpub-agentd")["FILES"]
    assert sent and set(re.findall(r"CPUB_[A-Z]+", text)) == sent
    [number] = re.findall(r'MESSAGE_ID "(\w{32})"', source("agent/audit.c"))
    assert f"\n{number} .\n" in text


def test_workers_of_the_daemons_page_are_those_that_it_starts():
    started = [name for path in (ROOT / "agent").glob("*.c") for name in re.findall(
        r'\[WORKER_\w+\] = \{"(worker-[a-z]+)"', path.read_text())]
    told = [head.removeprefix("Nm ") for head in items(page("cpub-agentd")["DESCRIPTION"])]
    assert started and sorted(told) == sorted(set(started))


def test_example_of_the_provider_says_what_it_says(desk):
    [block] = examples("cargo-credential-cpub")
    command, said = block.splitlines()
    done = subprocess.run(["/bin/sh", "-c", command.removeprefix("$ ")], capture_output=True,
                          text=True, timeout=30,
                          env=desk.environment | {"PATH": f"{desk.build}/bin:/usr/bin:/bin"})
    assert (done.returncode, done.stdout, done.stderr) == (0, said + "\n", "")


def test_kinds_and_refusals_of_the_protocols_page_are_those_of_the_code():
    sections = parts(page("cpub-agent-protocol")["DESCRIPTION"], "Ss")
    assert [head.removeprefix("Sy ") for head in items(sections["Kinds"])] == kinds()
    told = {}
    for status, text in re.findall(r"^\.It (\d+)\n(.*?)(?=^\.It|^\.El)", sections["Refusals"],
                                   flags=re.M | re.S):
        told |= {code: int(status) for code in re.findall(r"^\.Sy (\S+)", text, flags=re.M)}
    assert told == refusals()


def unfold(block: str) -> list[dict]:
    """The objects of a block whose lines are folded at blanks and between members."""
    decoder, text, found = json.JSONDecoder(), block.replace("\n", " ").strip(), []
    while text:
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:].strip()
    return found


def test_examples_of_the_protocols_page_are_answered_so(desk):
    by_hand, *talks = examples("cpub-agent-protocol")
    prepare(desk, "get")
    command, greeting = by_hand.splitlines()
    done = subprocess.run(["/bin/sh", "-c", command.removeprefix("$ ")], input="",
                          env=desk.environment, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, greeting + "\n"), done.stderr
    assert len(talks) == 3
    for request, documented in map(unfold, talks):
        answer = desk.ask(request)
        assert is_alike(answer, documented), f"{answer}\nis not like\n{documented}"
        if request["kind"] != "status":
            assert answer == documented
