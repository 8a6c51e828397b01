"""worker-import: what it finds in a file of cargo's, what it takes out, what it keeps to itself."""

import os
import secrets
import struct

import pytest

from worker_program import FIELD, REFUSAL, Worker, ask_worker, decode, encode

pytestmark = pytest.mark.both  # Only the release build has the sandbox.

TOKEN = "cio" + secrets.token_hex(16)
FOUND = range(FIELD["FOUND"], FIELD["FOUND"] + 100)


class Import:
    """One life of the worker with a file of that content."""

    def __init__(self, tmp_path, content, key=None, flags=os.O_RDONLY):
        path = tmp_path / "credentials.toml"
        self.content = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(self.content)
        fd = os.open(path, flags)
        with Worker("import") as worker:
            worker.start({} if key is None else {"TOML_KEY": key}, [fd])
            kind, self.fields = self.receive(worker)
            assert kind == "a" and worker.receive() == (None, {}) and worker.wait() == 0
            assert worker.stderr() == ""
        os.close(fd)

    @staticmethod
    def receive(worker):
        """A frame with tags that have no name of their own: decode() knows names only."""
        frame = worker.socket.recv(1 << 18)
        fields, at = {}, 1
        while at < len(frame):
            tag, size = struct.unpack_from("<BI", frame, at)
            fields[tag] = frame[at + 5:at + 5 + size]
            at += 5 + size
        return chr(frame[0]), fields

    @property
    def refusal(self):
        return REFUSAL[struct.unpack("<Q", self.fields.get(FIELD["REFUSAL"], bytes(8)))[0]]

    @property
    def detail(self):
        return self.fields.get(FIELD["DETAIL"], b"").decode()

    @property
    def found(self) -> dict[str, dict]:
        """By key; numbers are numbers."""
        texts = ("TOML_KEY", "REGISTRY")
        finds = [decode(value) for tag, value in self.fields.items() if tag in FOUND]
        finds = [{name: value.decode() if name in texts else struct.unpack("<Q", value)[0]
                  for name, value in find.items()} for find in finds]
        return {find["TOML_KEY"]: find for find in finds}

    def simple(self) -> dict[str, bool]:
        return {key: bool(find["IS_SIMPLE"]) for key, find in self.found.items()}

    def line(self, key) -> bytes:
        return self.content[self.found[key]["START"]:self.found[key]["END"]]


PLAIN = f"""\
# mine
[registry]
token = "{TOKEN}"  # crates.io

[registries.corp]
index = "sparse+https://corp.example/"
token = '{TOKEN}x'
[registries.signed]
secret-key = "k3.secret.x"
"""


def test_import_tells_where_each_token_stands_and_no_token(tmp_path):
    done = Import(tmp_path, PLAIN)
    assert done.refusal == "none"
    assert done.simple() == {"registry.token": True, "registries.corp.token": True,
                             "registries.signed.secret-key": True}
    assert done.found["registry.token"] | {"START": 0, "END": 0} == {
        "TOML_KEY": "registry.token", "REGISTRY": "crates-io", "LINE": 3, "START": 0, "END": 0,
        "IS_SIMPLE": 1, "IS_ASYMMETRIC": 0}
    assert done.line("registry.token") == f'token = "{TOKEN}"  # crates.io\n'.encode()
    assert done.line("registries.corp.token") == f"token = '{TOKEN}x'\n".encode()
    assert done.found["registries.corp.token"]["REGISTRY"] == "corp"
    assert done.found["registries.signed.secret-key"]["IS_ASYMMETRIC"] == 1
    assert TOKEN.encode()[:12] not in b"".join(done.fields.values())


# (file, key, is simple); TOKEN stands for the token.
FORMS = {
    "old-layout": ('token = "TOKEN"\n[registries.a]\nindex = "x"\n', "token", True),
    "no-newline-at-the-end": ('[registry]\ntoken="TOKEN"', "registry.token", True),
    "crlf": ('[registry]\r\ntoken = "TOKEN"\r\n\r\n', "registry.token", True),
    "byte-order-mark": ('\ufeff[registry]\ntoken = "TOKEN"\n', "registry.token", True),
    "byte-order-mark-on-its-line": ('\ufefftoken = "TOKEN"\n', "token", False),
    "indented": (' \t[registry] # x\n\ttoken\t=\t"TOKEN" \t# y\n', "registry.token", True),
    "text-before": ('[registry]\nabout = """\n# \u00e4\n"""\ntoken = "TOKEN"\n', "registry.token",
                    True),
    "inline-table": ('registry = { token = "TOKEN" }\n', "registry.token", False),
    "dotted-key": ('registry.token = "TOKEN"\n', "registry.token", False),
    "dotted-in-table": ('[registries]\ncorp.token = "TOKEN"\n', "registries.corp.token", False),
    "inline-in-table": ('[registries]\ncorp = {token = "TOKEN"}\n', "registries.corp.token", False),
    "multi-line": ('[registry]\ntoken = """\\\n  TOKEN"""\n', "registry.token", False),
    "multi-line-literal": ("[registry]\ntoken = '''TOKEN'''\n", "registry.token", False),
    "quoted-key": ('[registry]\n"token" = "TOKEN"\n', "registry.token", False),
    "escape": ('[registry]\ntoken = "\\u0054OKEN"\n', "registry.token", False),
    "spaced-header": ('[ registry ]\ntoken = "TOKEN"\n', "registry.token", False),
    "quoted-header": ('[registries."my.corp"]\ntoken = "TOKEN"\n', 'registries."my.corp".token',
                      True),
    # A piece of a string that reads as the entry, on the line where the entry is.
    "looks-like-it": ('registry = { x = """\n token = "TOKEN" # """, token = "TOKEN" }\n',
                      "registry.token", False),
}


@pytest.mark.parametrize("form", FORMS)
def test_import_knows_which_line_is_the_entry_alone(tmp_path, form):
    text, key, is_simple = FORMS[form]
    done = Import(tmp_path, text.replace("TOKEN", TOKEN))
    assert done.refusal == "none"
    assert done.simple() == {key: is_simple}
    if is_simple:
        rest = done.content.replace(done.line(key), b"")
        assert len(rest) == len(done.content) - len(done.line(key))
        assert Import(tmp_path, rest).found == {}
        assert Import(tmp_path, rest).refusal == "none"


@pytest.mark.parametrize("form", [form for form in FORMS if form != "escape"])
def test_import_takes_the_one_token_that_is_asked_for(tmp_path, form):
    text, key, _ = FORMS[form]
    done = Import(tmp_path, text.replace("TOKEN", TOKEN), key)
    assert done.fields == {FIELD["SECRET"]: TOKEN.encode()}


@pytest.mark.parametrize("key", ["registry", "registry.index", "registries.none.token", "x",
                                 "registries.a.token", "", "...", '"', "registries.b.token"])
def test_import_refuses_a_key_that_holds_no_token(tmp_path, key):
    text = "[registries.a]\ntoken = 1\n[registries.b]\ntoken = \"a\\u0000b\"\n[registry]\n"
    assert Import(tmp_path, text, key).refusal == "no-token-in-file"


def test_import_tells_of_a_token_that_is_no_text(tmp_path):
    assert Import(tmp_path, "[registries.a]\ntoken = 1\n").simple() == {"registries.a.token": False}


@pytest.mark.parametrize("token", ["", "x" * 1025, "t\u00f6ken", "a\\tb", "a\\nb", "\\u007f"])
def test_import_takes_no_token_that_could_not_be_sent(tmp_path, token):
    done = Import(tmp_path, f'[registry]\ntoken = "{token}"\n', "registry.token")
    assert done.refusal == "bad-token"
    assert set(done.fields) == {FIELD["REFUSAL"]}


@pytest.mark.parametrize("content, line", [
    (f'[registry]\ntoken = "{TOKEN}', 2), (f"[registry]\ntoken = {TOKEN}\n", 2),
    (f"{TOKEN}", 1), (b"a = \"\xff\"\n", 1), (f"[registry]\n[registry]\n# {TOKEN}\n", 2),
    (f'token = "{TOKEN}" "{TOKEN}"\n', 1), (f'a."{TOKEN}" = 1\na."{TOKEN}" = 2\n', 2),
], ids=["open-string", "bare", "word", "no-text", "table-twice", "two-values", "key-twice"])
@pytest.mark.parametrize("key", [None, "registry.token"])
def test_import_names_the_line_of_broken_toml_and_quotes_none_of_it(tmp_path, content, line, key):
    done = Import(tmp_path, content, key)
    assert done.refusal == "file-invalid"
    assert done.detail == f"line {line} is not valid TOML"


def test_import_finds_nothing_in_an_empty_file(tmp_path):
    assert Import(tmp_path, "").fields == {}
    assert Import(tmp_path, "", "registry.token").refusal == "no-token-in-file"


def test_import_refuses_a_file_that_is_too_long(tmp_path):
    text = "[registry]\ntoken = \"x\"\n"
    limit = 256 * 1024
    assert Import(tmp_path, text.ljust(limit, "\n")).simple() == {"registry.token": True}
    assert Import(tmp_path, text.ljust(limit + 1, "\n")).refusal == "file-invalid"


def test_import_refuses_more_tokens_than_an_answer_holds(tmp_path):
    def table(n):
        return "".join(f"[registries.r{i}]\ntoken = 'x'\n" for i in range(n))

    assert len(Import(tmp_path, table(100)).found) == 100
    done = Import(tmp_path, table(101))
    assert (done.refusal, done.detail) == ("file-invalid", "there are too many tokens in it")
    name = "x" * 200_000
    done = Import(tmp_path, f"[registries.{name}]\ntoken = 'x'\n")
    assert done.refusal == "file-invalid"


@pytest.mark.parametrize("what", ["pipe", "directory", "none", "two"])
def test_import_reads_regular_files_only(tmp_path, what):
    fds = {"pipe": lambda: os.pipe(), "directory": lambda: [os.open("/", os.O_RDONLY)],
           "none": list, "two": lambda: [os.open(__file__, os.O_RDONLY) for _ in range(2)]}[what]()
    lent = fds[:1] if what == "pipe" else fds
    assert ask_worker("import", {}, lent).refusal == (
        "internal" if what in ("none", "two") else "file-invalid")
    for fd in fds:
        os.close(fd)


def test_import_reads_from_the_start_wherever_the_descriptor_stands(tmp_path):
    path = tmp_path / "credentials"
    path.write_text(PLAIN)
    fd = os.open(path, os.O_RDONLY)
    os.lseek(fd, 20, os.SEEK_SET)
    with Worker("import") as worker:
        assert worker.receive() == ("r", {})
        worker.send(b"t" + encode({"TOML_KEY": "registry.token"}), [fd])
        assert worker.answer().fields == {"SECRET": TOKEN.encode()}
    assert os.lseek(fd, 0, os.SEEK_CUR) == 20
    os.close(fd)
