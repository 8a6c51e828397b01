"""The agent over workers that lie, stall and die. The fakes are in tests/fake."""

import json
import os
import select
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fake"))

import procfs  # noqa: E402
from desk import PASSPHRASE, PATIENCE, TOKEN, code, publish  # noqa: E402
from play import APPROVE, CRATES_IO, lent_pty  # noqa: E402
from tree import Tree  # noqa: E402

NET_DEADLINE = 32
INSTALLED = "/usr/local/libexec/cpub-agent"  # Compiled in.
# Longer than the grace between the polite end and the other, much shorter than a deadline.
SOON = 10
NEEDS_ROOT = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root may look into a hardened agent")
pytestmark = NEEDS_ROOT

# What any worker can do wrong, whatever its task.
WRONG = [
    "crash_before_ready", "crash_after_task", "exit_before_ready", "exit_with_failure",
    "exit_after_task", "close_and_stay", "stop_itself", "answer_before_ready", "answer_twice",
    "ready_twice", "progress_before_ready", "progress_after_answer", "progress_and_no_answer",
    "send_a_task", "unknown_type", "garbage", "fields_cut", "field_twice", "unknown_refusal",
    "refusal_of_one_byte", "empty_frame", "oversize", "send_a_descriptor",
    "send_many_descriptors"]


@pytest.fixture
def tree(desk, tmp_path):
    """The desk's programs are copies, so that one may be swapped."""
    tree = Tree(desk.build, tmp_path / "tree")
    desk.program = tree.bin / "cpub-agent"
    desk.provider = tree.bin / "cargo-credential-cpub"
    desk.daemon = tree.libexec / "cpub-agentd"
    return tree


@pytest.fixture
def serving(desk, tree):
    desk.start()
    desk.init()
    return desk


def ask_unlock(desk) -> dict:
    """`unlock` with a passphrase from a pipe: worker-read and worker-kdf have the tasks."""
    reader, writer = os.pipe()
    os.write(writer, PASSPHRASE.encode() + b"\n")
    os.close(writer)
    try:
        return desk.ask({"v": 1, "kind": "unlock", "secret-in-pipe": True}, [reader])
    finally:
        os.close(reader)


def login(index: str) -> dict:
    return {"v": 1, "kind": "login", "registry": {"index-url": index}, "token": TOKEN,
            "url-source": "given", "allow-http": True}


def refusal_of(desk, worker: str) -> str:
    """What the person gets whose request needs that worker."""
    if worker in ("worker-kdf", "worker-read"):
        return code(ask_unlock(desk))
    if worker == "worker-net":
        return code(desk.ask(login("sparse+https://index.example.com/")))
    with lent_pty() as terminal:
        return code(desk.ask({"v": 1, "kind": "unlock"}, [terminal.lent]))


def refuses(desk, tree, worker: str, behaviour: str) -> None:
    with procfs.nothing_left(desk):
        tree.misbehave(worker, behaviour)
        begin = time.monotonic()
        assert refusal_of(desk, worker) == "worker-failed"
        assert time.monotonic() - begin < SOON


@pytest.mark.parametrize("behaviour", WRONG)
def test_wrong_worker_is_a_refusal_and_the_agent_lives_on(desk, tree, behaviour):
    # The store in memory is open and takes no time to make; the other workers: see below.
    desk.start("--store=memory")
    nobody_there = login("sparse+https://127.0.0.1:1/")
    assert code(desk.ask(nobody_there)) == "network"  # The log is open from now on.
    refuses(desk, tree, "worker-net", behaviour)
    assert desk.status()["accounts"] == 0
    tree.heal("worker-net")
    assert code(desk.ask(nobody_there)) == "network"


@pytest.mark.parametrize("worker", ["worker-kdf", "worker-ask", "worker-read"])
def test_wrong_worker_unlocks_nothing_and_the_agent_lives_on(serving, tree, worker):
    serving.succeed("lock")
    for behaviour in WRONG:
        refuses(serving, tree, worker, behaviour)
        assert serving.status()["state"] == "locked"
    tree.heal(worker)
    assert code(ask_unlock(serving)) == "ok"


def test_answer_without_a_right_line_is_no_passphrase(serving, tree):
    serving.succeed("lock")
    with procfs.nothing_left(serving):
        for behaviour in ("empty_answer", "long_line"):
            tree.misbehave("worker-read", behaviour)
            assert refusal_of(serving, "worker-read") == "worker-failed"
        assert serving.status()["state"] == "locked"


@pytest.mark.parametrize("behaviour", ["empty_answer", "short_key", "long_key"])
def test_answer_without_a_right_key_unlocks_nothing(serving, tree, behaviour):
    serving.succeed("lock")
    with procfs.nothing_left(serving):
        tree.misbehave("worker-kdf", behaviour)
        assert refusal_of(serving, "worker-kdf") == "worker-failed"
        assert serving.status()["state"] == "locked"


def test_answer_without_an_api_stores_nothing(serving, tree):
    with procfs.nothing_left(serving):
        tree.misbehave("worker-net", "empty_answer")
        assert refusal_of(serving, "worker-net") == "index-invalid"
        assert serving.status()["accounts"] == 0


def test_question_without_an_answer_is_no_yes(serving, tree):
    serving.succeed("login", "--index", CRATES_IO, "--with-token", given=TOKEN + "\n")
    with procfs.nothing_left(serving), lent_pty() as terminal:
        tree.misbehave("worker-ask", "empty_answer")
        answer = serving.ask(publish(CRATES_IO), [terminal.lent])
        assert code(answer) == "worker-failed"
        assert TOKEN not in json.dumps(answer)


@pytest.mark.parametrize("worker", ["worker-kdf", "worker-net", "worker-ask", "worker-read"])
def test_missing_worker_is_a_refusal_and_the_agent_lives_on(serving, tree, worker):
    if worker != "worker-net":
        serving.succeed("lock")
    with procfs.nothing_left(serving):
        tree.remove(worker)
        assert refusal_of(serving, worker) == "worker-failed"
        tree.heal(worker)
        (tree.libexec / worker).chmod(0o644)
        assert refusal_of(serving, worker) == "worker-failed"
    tree.heal(worker)
    assert code(ask_unlock(serving)) == "ok"


@pytest.mark.skipif(Path(INSTALLED).exists(), reason=f"those of {INSTALLED} would stand in")
def test_agent_without_programs_beside_it_says_so(desk, tree):
    for worker in ("worker-kdf", "worker-net", "worker-ask"):
        tree.remove(worker)
    desk.start()
    done = desk.run("--json", "init", "--with-passphrase", given=PASSPHRASE + "\n")
    assert json.loads(done.stdout)["error"]["code"] == "worker-failed"
    assert desk.status()["state"] == "absent"


def is_ignoring(pid: int, number: int) -> bool:
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        (ignored,) = (line.split()[1] for line in status if line.startswith("SigIgn:"))
    return bool(int(ignored, 16) >> (number - 1) & 1)


def become_stubborn(desk, known=()) -> int:
    """Waits for one more worker, and for it to be as stubborn as it shall be; its pid."""
    def others():
        return set(procfs.children(desk.agent.pid)) - set(known)

    desk.wait(others, "the worker")
    (worker,) = others()
    desk.wait(lambda: is_ignoring(worker, signal.SIGTERM), "it to be stubborn")
    return worker


def test_worker_that_hangs_is_ended_at_its_deadline_and_others_are_served_meanwhile(
        serving, tree):
    with procfs.nothing_left(serving), serving.line() as one, serving.line() as two:
        begin = time.monotonic()
        # One never says a word, the other all but its end.
        for line, behaviour in ((one, "hang"), (two, "answer_and_stay")):
            tree.misbehave("worker-net", behaviour)
            known = procfs.children(serving.agent.pid)
            line.send(login(f"sparse+https://{behaviour.replace('_', '-')}.example.com/"))
            become_stubborn(serving, known)
        while not select.select([one.socket, two.socket], [], [], 0.2)[0]:
            asked = time.monotonic()
            assert serving.status()["state"] == "unlocked"
            assert time.monotonic() - asked < 1
            assert asked - begin < NET_DEADLINE + 10
        for line in (one, two):
            assert code(json.loads(line.receive())) == "network-timeout"
        assert time.monotonic() - begin > NET_DEADLINE - 2
        assert serving.status()["accounts"] == 0


@pytest.mark.parametrize("how", ["leave", "lock", "stop"])
def test_stubborn_worker_goes_with_its_request(serving, tree, how):
    tree.misbehave("worker-net", "hang")
    line = serving.line()
    line.send(login("sparse+https://index.example.com/"))
    worker = become_stubborn(serving)
    if how == "leave":
        line.close()
    elif how == "lock":
        serving.succeed("lock")
        assert code(json.loads(line.receive())) == "locked"
    else:
        serving.agent.terminate()
        assert serving.agent.wait(SOON) == 0
        serving.agent = None
    serving.wait(lambda: not os.path.exists(f"/proc/{worker}"), "the worker to be gone", SOON)
    line.close()


def test_derivations_wait_for_their_turn_and_go_on_after_a_bad_one(serving, tree):
    serving.succeed("lock")
    results = []
    with procfs.nothing_left(serving):
        tree.misbehave("worker-kdf", "close_and_stay")
        threads = [threading.Thread(target=lambda: results.append(code(ask_unlock(serving))))
                   for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert results == ["worker-failed"] * 4


def test_real_worker_holds_only_its_own_descriptors(serving):
    with lent_pty() as terminal, serving.line() as line:
        serving.succeed("login", "--index", CRATES_IO, "--with-token", given=TOKEN + "\n")
        line.send(publish(CRATES_IO), [terminal.lent])
        terminal.sees(APPROVE)
        (worker,) = procfs.children(serving.agent.pid)
        descriptors = procfs.descriptors(worker)
        assert [descriptors[n] for n in (0, 1)] == ["/dev/null"] * 2
        assert descriptors[2] == str(serving.log)
        assert descriptors[3].startswith("socket:")
        assert [what for n, what in descriptors.items() if n > 3] == [os.ttyname(terminal.lent)]
        assert procfs.environment(worker).keys() <= {
            "HOME", "LANG", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR",
            "DBUS_SESSION_BUS_ADDRESS"}
        assert procfs.session(worker) == worker
