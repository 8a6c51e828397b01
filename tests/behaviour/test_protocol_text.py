"""PROTOCOL.md says what the code does: names, numbers, examples and the vault's layout."""

import ast
import hashlib
import json
import os
import re
import select
import time
from pathlib import Path

import pytest

from crate import pack
from desk import PASSPHRASE, PATIENCE, PLACEHOLDER, TOKEN

ROOT = Path(__file__).resolve().parents[2]
PROTOCOL = (ROOT / "protocol/PROTOCOL.md").read_text()
CRATES_IO = "https://github.com/rust-lang/crates.io-index"


def source(path: str) -> str:
    return (ROOT / path).read_text()


# Reading the page.

def split_sections() -> dict[str, str]:
    """Heading -> the text below it, up to the next heading of any depth."""
    parts = re.split(r"^#+ (.+)\n", PROTOCOL, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


SECTIONS = split_sections()


def section(start: str) -> str:
    found = [text for heading, text in SECTIONS.items() if heading.startswith(start)]
    assert len(found) == 1, start
    return found[0]


def table(text: str, first_column: str) -> list[list[str]]:
    """The rows of the one table whose first column has that name."""
    rows = []
    is_inside = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and cells[0] == first_column:
            assert not rows, f"two tables begin with {first_column}"
            is_inside = True
        elif not line.startswith("|"):
            is_inside = False
        elif is_inside and not cells[0].startswith("---"):
            rows.append(cells)
    assert rows, f"no table begins with {first_column}"
    return rows


def quoted(text: str) -> set[str]:
    """What stands in backticks and is one word."""
    return set(re.findall(r"`([^`\s]+)`", re.sub(r"```.*?```", "", text, flags=re.S)))


def name(cell: str) -> str:
    return re.match(r"`([^`]+)`", cell)[1]


def find_examples() -> list:
    """(request line, answer line) of each pair of fences, named by its section."""
    examples = []
    for heading, text in SECTIONS.items():
        fences = re.findall(r"^```json\n(.*?)^```$", text, flags=re.M | re.S)
        assert len(fences) % 2 == 0, heading
        for request, answer in zip(fences[::2], fences[1::2], strict=True):
            assert request.count("\n") == answer.count("\n") == 1, heading
            test = "-".join(filter(None, (re.sub(r"\W+", "", heading),
                                          json.loads(request).get("operation"),
                                          json.loads(request)["kind"])))
            examples.append(pytest.param(heading, request.strip(), answer.strip(), id=test))
    return examples


EXAMPLES = find_examples()
# These need a registry that answers: test_publish.py and test_revoke.py.
ELSEWHERE = ("await", "revoke")
ANSWERED = [pytest.param(*example.values[1:], id=example.id) for example in EXAMPLES
            if json.loads(example.values[1])["kind"] not in ELSEWHERE]


# Reading the code.

def kinds() -> list[str]:
    return re.findall(r'\[KIND_\w+\] = \{"([a-z-]+)"', source("protocol/kind.c"))


def refusals() -> dict[str, int]:
    """Name -> exit code."""
    codes = dict(re.findall(r"(EXIT_\w+) = (\d+)", source("protocol/refusal.h")))
    rows = re.findall(
        r'\[(REFUSAL_\w+)\] = \{"([a-z-]+)", (EXIT_\w+),', source("protocol/refusal.c"))
    named = re.findall(r"^\t(REFUSAL_\w+)", source("protocol/refusal.h"), flags=re.M)
    assert [row[0] for row in rows] == named, "the regular expression misses rows"
    return {row[1]: int(codes[row[2]]) for row in rows if row[0] != "REFUSAL_NONE"}


def request_members() -> set[str]:
    """Every member that a request is read for."""
    text = "".join(source(f"protocol/request_{part}.c") for part in ("read", "release", "sign"))
    calls = r'(?:take_\w+|copy_text|json_get_\w+|json_member)\(\w+, "([a-z-]+)"'
    return set(re.findall(calls, text)) | set(re.findall(r'\{"([a-z-]+)", &request->', text))


def string_literals() -> set[str]:
    folders = ("protocol", "agent", "client")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.[ch]")]
    return {s for f in files for s in re.findall(r'"((?:[^"\\\n]|\\.)*)"', f.read_text())}


def arithmetic(node) -> int:
    if isinstance(node, ast.BinOp):
        left, right = arithmetic(node.left), arithmetic(node.right)
        return left * right if isinstance(node.op, ast.Mult) else left << right
    assert isinstance(node, ast.Constant), ast.dump(node)
    return node.value


def constant(constant_name: str, path: str) -> int:
    """The value of a #define of products of numbers."""
    found = re.search(rf"^#define {constant_name} (.+)$", source(path), flags=re.M)
    assert found, f"{path} defines no {constant_name}"
    value = found[1]
    value = re.sub(r"\((?:uint64_t|size_t)\)", "", value)
    value = value.replace("USEC_PER_SEC", "1000000").replace("USEC_PER_MSEC", "1000")
    return arithmetic(ast.parse(value, mode="eval").body)


# Names and numbers.

def test_every_kind_has_its_row_and_its_section_with_an_example():
    rows = [name(row[0]) for row in table(section("2. Requests"), "kind")]
    assert rows == kinds()
    for kind in kinds():
        assert f"`{kind}`" in SECTIONS
        assert kind in [json.loads(e.values[1])["kind"] for e in EXAMPLES
                        if e.values[0] == f"`{kind}`"]


def test_every_operation_of_get_is_named():
    operations = re.findall(r'\[OPERATION_\w+\] = "([a-z-]+)"', source("protocol/kind.c"))
    rows = {name(row[0]): row[1] for row in table(SECTIONS["`get`"], "member")}
    assert len(operations) == 5
    assert quoted(rows["operation"].split(";")[0]) == set(operations)


def test_every_refusal_has_its_row_with_the_same_exit_code_and_there_are_no_others():
    rows = table(section("5. Refusals"), "code")
    assert len(rows) == len({row[0] for row in rows})
    assert {name(row[0]): int(row[1]) for row in rows} == refusals()


def test_no_name_on_the_page_is_unknown_to_the_code():
    names = {n for n in quoted(PROTOCOL) if re.fullmatch(r"[a-z]+(-[a-z]+)+", n)}
    assert len(names) > len(refusals())
    assert names - string_literals() == set()
    codes = re.findall(r'"code":"([^"]+)"', PROTOCOL)
    assert codes and set(codes) <= set(refusals())


def test_every_member_of_a_request_is_explained_and_no_other():
    explained = set()
    with_table = ("get", "login", "seal", "propose", "publish", "yank", "owner", "revoke", "check",
                  "key")
    for text in (section("2. Requests"), *(SECTIONS[f"`{kind}`"] for kind in with_table)):
        for row in table(text, "member"):
            explained |= {n.split(".")[-1] for n in quoted(row[0])}
    for kind in ("logout", "init", "move", "import"):
        explained |= request_members() & quoted(SECTIONS[f"`{kind}`"])
    assert explained == request_members()
    sources = re.findall(r'\[URL_SOURCE_\w+\] = "([a-z]+)"', source("protocol/request.c"))
    assert len(sources) == 5 and set(sources) <= quoted(SECTIONS["`login`"])


def member_names(value) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {n for v in value.values() for n in member_names(v)}
    if isinstance(value, list):
        return {n for v in value for n in member_names(v)}
    return set()


@pytest.mark.parametrize("heading,request_line,answer_line", EXAMPLES)
def test_every_member_of_an_example_is_explained_in_its_section(heading, request_line, answer_line):
    explained = quoted(SECTIONS[heading]) | {
        n.split(".")[-1] for n in quoted(section("2. Requests"))} | {"Ok", "Err"}
    used = member_names(json.loads(request_line)) | member_names(json.loads(answer_line))
    assert used - explained == set()


def test_limits_and_deadlines_are_those_of_the_code():
    units = {"KiB": 1024, "MiB": 1024**2, "ms": 10**3, "s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6,
             "": 1}
    rows = table(section("1.2"), "what")
    assert len(rows) >= 14
    for row in rows:
        number, unit = re.fullmatch(r"(\d+) ?(\w*)", row[1]).groups()
        constant_name, path = re.fullmatch(r"`(\w+)` \((\S+)\)", row[2]).groups()
        assert constant(constant_name, path) == int(number) * units[unit], row


def test_the_approval_table_is_that_of_the_code():
    words = {"FREE": "free", "YES_NO": "y/N", "PASSPHRASE": "passphrase", "REFUSED": "refused"}
    code = {act: [words[c.strip().removeprefix("APPROVAL_")] for c in cells.split(",")]
            for act, cells in re.findall(r"\[(ACT_\w+)\] = \{(.+?)\}",
                                         source("agent/rule/approval.c"))}
    rows = table(section("4. What approval"), "act")
    assert {name(row[0]): row[1:] for row in rows} == code
    assert len(code) == 6


def test_the_fields_of_frames_are_those_of_the_code():
    body = re.search(r"enum field \{(.+?)\n\};", source("agent/work/frame.h"), flags=re.S)[1]
    fields, value = {}, 0
    for field, number in re.findall(r"^\t(FIELD_\w+)(?: = (\d+))?,", body, flags=re.M):
        value = int(number) if number else value + 1
        fields[field] = value
    rows = table(section("A.1"), "tag")
    assert {name(row[1]): int(row[0]) for row in rows} == fields


# The examples, with a running agent.

class Paper:
    """A terminal of our own: what the agent writes on it, and one word typed at its prompt."""

    def __init__(self):
        self.ours, self.lent = os.openpty()
        self.seen = ""

    def answer(self, prompt: str, text: str) -> None:
        until = time.monotonic() + PATIENCE
        while prompt not in self.seen:
            ready, _, _ = select.select([self.ours], [], [], max(0, until - time.monotonic()))
            assert ready, f"waited in vain for {prompt!r}, saw {self.seen!r}"
            self.seen += os.read(self.ours, 4096).decode()
        os.write(self.ours, text.encode() + b"\r")

    def close(self) -> None:
        os.close(self.ours)
        os.close(self.lent)


@pytest.fixture
def paper():
    paper = Paper()
    yield paper
    paper.close()


def secret_in_pipe(text: str) -> int:
    end, theirs = os.pipe()
    os.write(theirs, text.encode() + b"\n")
    os.close(theirs)
    return end


def prepare(desk, kind: str) -> None:
    """The state in which the page shows that kind."""
    desk.start()
    if kind == "init":
        return
    desk.init()
    if kind == "key":
        key = secret_in_pipe(SECRET_KEY)
        assert "Ok" in desk.ask({"v": 1, "registry": {"index-url": CRATES_IO}, "kind": "login",
                                 "url-source": "given", "asymmetric": True, "secret-in-pipe": True,
                                 "no-check": True},
                                [key])
        os.close(key)
        return
    desk.succeed("login", "--with-token", given=TOKEN + "\n")
    if kind == "unlock":
        desk.succeed("lock")


# RFC 3231's own.
SECRET_KEY = "k3.secret.fNYVuMvBgOlljt9TDohnaYLblghqaHoQquVZwgR6X12cBFHZLFsaU3q7X3k1Zn36"
APPROVE = ("Passphrase to approve (^C denies): ", PASSPHRASE)
# Nothing is missing in it that crates.io or its publishing guide wants.
MANIFEST = """[package]
name = "demo"
version = "0.1.0"
description = "A crate for a test."
license = "MIT"
homepage = "https://demo.example"
repository = "https://demo.example/git"
documentation = "https://demo.example/doc"
readme = "README.md"
keywords = ["demo"]
categories = ["wasm"]

[dependencies.serde]
version = "1.0"
"""


def crate_file(desk) -> int:
    path = desk.home / "demo-0.1.0.crate"
    path.write_bytes(pack("demo", manifest=MANIFEST, files={"README.md": "# demo\n"}))
    return os.open(path, os.O_RDONLY)


def go_before(desk, connection, paper, kind: str) -> None:
    """What has to have happened on the same connection."""
    steps = ["seal", "propose", kind] if kind == "publish" else ["seal", kind]
    if kind not in ("propose", "verify", "publish"):
        return
    for step in steps[:-1]:
        request = {"v": 1, "registry": {"index-url": CRATES_IO}, "kind": step}
        fds = [crate_file(desk)] if step == "seal" else [paper.lent]
        connection.send(request, fds)
        if step == "propose":
            paper.answer(*APPROVE)
            paper.seen = ""
        else:
            os.close(fds[0])
        assert "Ok" in json.loads(connection.receive()), step


def converse(desk, paper, line: str) -> dict:
    """Sends the line as it stands, lends what it needs, types what a person would."""
    request = json.loads(line)
    prepare(desk, request["kind"])
    typed = []
    if request["kind"] == "logout":
        typed = [("Remove? [y/N] ", "y")]
    elif request["kind"] == "passwd":
        typed = [("Passphrase to approve (^C denies): ", PASSPHRASE),
                 ("New passphrase (^C cancels): ", "another"), ("The same again: ", "another")]
    elif request["kind"] == "get" and request["operation"] != "read":
        typed = [APPROVE]
    elif request["kind"] in ("propose", "yank", "unyank", "owner"):
        typed = [APPROVE]
    fds = [paper.lent] if typed else []
    if request["kind"] in ("seal", "verify"):
        fds.append(crate_file(desk))
    if request["kind"] == "import":
        credentials = desk.cargo_home / "credentials.toml"
        credentials.write_text(f'[registries.corp]\ntoken = "{TOKEN}"\n')
        fds.append(os.open(credentials, os.O_RDONLY))
    if request.get("secret-in-pipe"):
        fds.append(secret_in_pipe(TOKEN if request["kind"] == "login" else PASSPHRASE))
    with desk.line() as connection:
        go_before(desk, connection, paper, request["kind"])
        connection.send(line, fds)
        for prompt, text in typed:
            paper.answer(prompt, text)
        answer = json.loads(connection.receive())
    for fd in fds[1:] if typed else fds:
        os.close(fd)
    return answer


def is_alike(a, b) -> bool:
    """The same names and types, whatever the values; null stands for "not there"."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(is_alike(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(is_alike, a, b))
    return a is None or b is None or type(a) is type(b)


@pytest.mark.parametrize("request_line,answer_line", ANSWERED)
def test_every_example_is_answered_as_the_page_says(desk, paper, request_line, answer_line):
    answer, documented = converse(desk, paper, request_line), json.loads(answer_line)
    assert is_alike(answer, documented), f"{answer}\nis not like\n{documented}"
    if "Err" in documented:
        assert answer == documented
        return
    assert answer["Ok"]["kind"] == documented["Ok"]["kind"]
    if "token" in answer["Ok"]:
        is_read = json.loads(request_line)["operation"] == "read"
        assert answer["Ok"]["token"] == (PLACEHOLDER if is_read else TOKEN)
        assert documented["Ok"]["token"] == PLACEHOLDER or not is_read
        del answer["Ok"]["token"], documented["Ok"]["token"]
        assert answer == documented
    for word in ("was", "state", "account", "index", "api", "dl", "replaced", "store", "level",
                 "tokens", "type", "public"):
        assert answer["Ok"].get(word) == documented["Ok"].get(word), word


def test_the_greeting_is_the_one_on_the_page(desk):
    desk.start()
    with desk.line() as line:
        assert f"`{line.greeting.decode().strip()}`" in section("1. The connection")


# The vault's layout, read as appendix A says.

class Reader:
    def __init__(self, data: bytes):
        self.data = data

    def take(self, size: int) -> bytes:
        assert len(self.data) >= size
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def fields(self) -> dict[int, bytes]:
        found = {}
        while self.data:
            tag = self.take(1)[0]
            assert tag not in found
            found[tag] = self.take(self.u32())
        return found


def test_a_vault_is_laid_out_as_the_page_says(desk):
    desk.start()
    desk.init_slowly()
    desk.succeed("login", "--with-token", given=TOKEN + "\n")
    data = desk.vault.read_bytes()
    assert data[-32:] == hashlib.blake2b(data[:-32], digest_size=32).digest()
    reader = Reader(data[:-32])
    assert reader.take(17) == b"cpub-agent vault\n"
    assert reader.u32() == 1
    header = Reader(reader.take(reader.u32())).fields()
    assert int.from_bytes(header[1], "little") == 1
    assert {tag: len(value) for tag, value in header.items()} == {
        1: 8, 2: 16, 3: 32, 32: 16, 33: 8, 34: 8, 35: 24, 36: 48}
    assert int.from_bytes(header[33], "little") == 3
    assert int.from_bytes(header[34], "little") == 256 * 1024**2
    records = {}
    for _ in range(reader.u32()):
        identity = reader.take(16)
        records[identity] = reader.take(reader.u32())
    assert reader.data == b""

    manifest = records.pop(bytes(16))
    assert manifest[:32] == bytes(32)
    # Three fields: 5 bytes before each, two numbers, one hash; then the seal's 16.
    assert len(manifest) == 32 + 24 + (5 + 8) + (5 + 8) + (5 + 32) + 16
    (record,) = records.values()
    salted = {"key": header[3], "digest_size": 16}
    assert record[:16] == hashlib.blake2b(CRATES_IO.encode(), **salted).digest()
    assert record[16:32] == hashlib.blake2b(CRATES_IO.encode() + b"\0default", **salted).digest()
    assert TOKEN.encode() not in data and CRATES_IO.encode() not in data
    chosen = (desk.state / "store").read_text().split("\n")
    assert chosen[0] == "store vault" and re.fullmatch(r"generation \d+", chosen[1])
