"""The kind `import`, and which lent files the agent takes."""

import contextlib
import fcntl
import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fake"))

import procfs  # noqa: E402
from desk import TOKEN, code  # noqa: E402
from import_play import keep  # noqa: E402
from play import CRATES_IO  # noqa: E402
from scan import disk_traces, traces  # noqa: E402
from test_agent_connections import NEEDS_ROOT, STATUS, refused_and_closed  # noqa: E402
from test_agent_workers import tree  # noqa: E402, F401 - a fixture
from tree import Tree  # noqa: E402

IMPORT = {"v": 1, "kind": "import"}
LOGIN = {"v": 1, "kind": "login", "registry": {"index-url": CRATES_IO}, "url-source": "given"}
TEXT = f'[registry]\ntoken = "{TOKEN}"\n\n[registries.corp]\nsecret-key = "k3.secret.x"\n'


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "credentials.toml"
    path.write_text(TEXT)
    return path


@contextlib.contextmanager
def lent(*paths, flags=os.O_RDONLY):
    fds = [os.open(path, flags) for path in paths]
    try:
        yield fds
    finally:
        for fd in fds:
            os.close(fd)


def test_import_lists_the_tokens_of_a_lent_file_and_no_value(desk, file):
    desk.start()
    with lent(file) as fds:
        line = json.dumps(desk.ask(IMPORT, fds))
    tokens = {token.pop("key"): token for token in json.loads(line)["Ok"]["tokens"]}
    assert tokens == {
        "registry.token": {"name": "crates-io", "type": "bearer", "line": 2, "start": 11,
                           "end": TEXT.index("\n\n") + 1, "simple": True},
        "registries.corp.secret-key": {
            "name": "corp", "type": "asymmetric", "line": 5,
            "start": TEXT.index("secret-key"), "end": len(TEXT), "simple": True}}
    assert not traces(line, TOKEN) and "k3.secret" not in line
    assert not disk_traces(desk.directory, TOKEN), "the agent wrote a token"


def test_import_works_in_every_state_of_the_store(open_desk, file):
    for state in ("unlocked", "locked"):
        assert open_desk.status()["state"] == state
        with lent(file) as fds:
            assert len(open_desk.ask(IMPORT, fds)["Ok"]["tokens"]) == 2
        open_desk.succeed("lock")


def test_import_tells_what_is_wrong_with_the_file_and_quotes_none_of_it(desk, file):
    file.write_text(f"\ntoken = {TOKEN}\n")
    desk.start()
    with lent(file) as fds:
        answer = desk.ask(IMPORT, fds)
    assert code(answer) == "file-invalid"
    assert answer["Err"]["caused-by"] == ["line 2 is not valid TOML"]


def test_import_without_a_file_is_refused_and_the_connection_goes_on(desk, file):
    desk.start()
    with desk.line() as line:
        assert code(line.ask(IMPORT)) == "bad-descriptor"
        with lent(file) as fds:
            assert code(line.ask(IMPORT, fds)) == "ok"
        assert code(line.ask(IMPORT)) == "bad-descriptor"  # It was for one request.


@NEEDS_ROOT
@pytest.mark.parametrize("what", ["another-kind", "login-without-a-key", "two", "to-write",
                                  "to-read-and-write", "path-only"])
def test_file_that_the_request_does_not_take_ends_the_connection(desk, file, what):
    request = {"another-kind": STATUS, "login-without-a-key": LOGIN}.get(what, IMPORT)
    flags = {"to-write": os.O_WRONLY, "to-read-and-write": os.O_RDWR,
             "path-only": os.O_PATH}.get(what, os.O_RDONLY)
    desk.start()
    with procfs.nothing_left(desk), lent(*[file] * (2 if what == "two" else 1), flags=flags) as fds:
        with desk.line() as line:
            line.send(request, fds)
            refused_and_closed(line, "bad-descriptor")


@NEEDS_ROOT
def test_lent_file_is_closed_with_its_request(desk, file):
    desk.start()
    with desk.line() as line, lent(file) as fds:
        assert code(line.ask(IMPORT, fds)) == "ok"
        assert str(file) not in procfs.descriptors(desk.pid()).values()
    with procfs.nothing_left(desk), lent(file) as fds:  # A line that never ends.
        pid = desk.agent.pid
        with desk.line() as line:
            before = procfs.n_descriptors(pid)
            line.send(b'{"v":1,', fds)
            # It is kept on its way between two sockets, so that no worker inherits it.
            desk.wait(lambda: procfs.n_descriptors(pid) == before + 2, "the file")
            assert str(file) not in procfs.descriptors(desk.pid()).values()
            assert is_open_elsewhere(file, fds)
    desk.wait(lambda: not is_open_elsewhere(file, []), "the end of it")


def is_open_elsewhere(file, fds) -> bool:
    """The kernel gives a lease for writing to the only one who has a file open (fcntl(2))."""
    for fd in fds:
        os.close(fd)
    fds.clear()
    with open(file, "rb+") as own:
        try:
            fcntl.fcntl(own, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError:
            return True
        return False


@NEEDS_ROOT
@pytest.mark.parametrize("behaviour", ["broken_find", "half_a_find", "garbage",
                                       "crash_after_task"])
def test_wrong_worker_lists_nothing_and_the_agent_lives_on(desk, tree: Tree, file, behaviour):
    desk.start()
    with procfs.nothing_left(desk), lent(file) as fds:
        tree.misbehave("worker-import", behaviour)
        assert code(desk.ask(IMPORT, fds)) == "worker-failed"
        tree.heal("worker-import")
        assert code(desk.ask(IMPORT, fds)) == "ok"


@NEEDS_ROOT
def test_client_that_leaves_ends_the_worker(desk, tree: Tree, file):
    desk.start()
    with procfs.nothing_left(desk), lent(file) as fds:
        tree.misbehave("worker-import", "hang")
        with desk.line() as line:
            line.send(IMPORT, fds)
            desk.wait(lambda: procfs.children(desk.pid()), "the worker")


@NEEDS_ROOT
def test_file_that_nobody_can_read_is_told_before_the_client_gives_up(desk, tree: Tree, file):
    """A network that is gone, played by a worker that hangs; others are served meanwhile."""
    desk.start()
    keep(desk, TEXT)
    tree.misbehave("worker-import", "hang")
    with procfs.nothing_left(desk), lent(file) as fds, desk.line() as line:
        line.send(IMPORT, fds)
        assert desk.status()["state"] == "absent"
        assert code(json.loads(line.receive())) == "worker-timeout"
        assert desk.run("import", "--from", "cargo", "--dry-run").returncode == 1
