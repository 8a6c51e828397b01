"""Where an agent and its clients live: long paths, no home, a home that takes nothing, a race."""

import json
import os
import shutil
import signal
import subprocess

import pytest

import procfs
from desk import PASSPHRASE, PATIENCE, code, get
from play import CRATES_IO, ask_provider, needs_mount
from test_agent_connections import NEEDS_ROOT, is_served_quickly

ROUNDS = 100


@NEEDS_ROOT
def test_two_clients_that_start_at_once_get_one_agent_a_hundred_times(desk):
    for n in range(ROUNDS):
        # One of each kind; every other time over the socket of an agent that was killed.
        clients = [subprocess.Popen(
            words, env=desk.environment, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
            for words in ([desk.program, "--json", "status"], [desk.provider, "--cargo-plugin"])]
        line = json.dumps(get(CRATES_IO)) + "\n"
        (status, _), (answers, _) = [c.communicate(line, timeout=PATIENCE) for c in clients]
        assert [c.returncode for c in clients] == [0, 0], (n, status, answers)
        assert code(json.loads(answers.splitlines()[1])) == "not-found", (n, answers)
        pid = json.loads(status)["pid"]
        desk.wait(lambda: procfs.n_agents(desk.runtime) == 1, "the agent too many to leave")
        assert desk.pid() == pid
        os.kill(pid, signal.SIGKILL if n % 2 else signal.SIGTERM)
        desk.wait(lambda: procfs.n_agents(desk.runtime) == 0, "the agent to be gone")


@pytest.mark.parametrize("how", ["runtime", "variable", "state"])
def test_path_of_more_than_a_socket_address_holds_works(desk, how):
    long = desk.directory / ("x" * 120) / ("y" * 30)
    long.mkdir(parents=True, mode=0o700)
    if how == "runtime":
        desk.runtime = long
        desk.environment["XDG_RUNTIME_DIR"] = str(long)
        desk.socket = long / "cpub-agent/agent.sock"
    elif how == "state":
        del desk.environment["XDG_RUNTIME_DIR"]
        desk.environment["XDG_STATE_HOME"] = str(long)
    else:
        desk.socket = long / "own.sock"
        desk.environment["CPUB_AGENT_SOCK"] = str(desk.socket)
        desk.start(f"--socket={desk.socket}")
    assert len(str(long)) > 150
    status = json.loads(desk.succeed("--json", "status"))
    assert status["state"] == "absent"
    assert code(ask_provider(desk, get(CRATES_IO))) == "not-found"
    if not desk.agent:
        os.kill(status["pid"], signal.SIGTERM)
        desk.wait(lambda: not os.path.exists(f"/proc/{status['pid']}"), "the agent to leave")
    else:  # Python cannot connect to it.
        desk.agent.terminate()
        assert desk.agent.wait(PATIENCE) == 0
        desk.agent = None
    shutil.rmtree(long)


def error_of(done) -> tuple[int, str]:
    return done.returncode, json.loads(done.stdout)["error"]["code"]


@pytest.mark.parametrize("home", [None, "", "relative"])
def test_agent_without_a_home_says_what_is_missing_and_clients_that_none_runs(desk, home):
    desk.environment.pop("HOME")
    if home is not None:
        desk.environment["HOME"] = home
    daemon = subprocess.run([desk.daemon], env=desk.environment, capture_output=True, text=True,
                            timeout=PATIENCE, stdin=subprocess.DEVNULL)
    assert daemon.returncode == 1
    assert "HOME is not set to an absolute path" in daemon.stderr
    done = desk.run("--json", "status", cwd=desk.directory)
    assert error_of(done) == (3, "agent-unreachable")
    # A cargo that asks is never told "not found" of a store that nobody could look for.
    assert code(ask_provider(desk, get(CRATES_IO))) == "agent-unreachable"


def test_agent_without_a_home_may_keep_its_store_in_memory(desk):
    del desk.environment["HOME"]
    desk.start("--store=memory")
    assert desk.status()["state"] == "unlocked"


def test_agent_with_neither_home_nor_runtime_directory_is_unreachable(desk):
    del desk.environment["HOME"], desk.environment["XDG_RUNTIME_DIR"]
    assert error_of(desk.run("--json", "status")) == (3, "agent-unreachable")
    assert code(ask_provider(desk, get(CRATES_IO))) == "agent-unreachable"


@needs_mount
def test_home_that_takes_nothing_is_told_and_leaves_nothing_behind(desk):
    """Read-only for root too: a mount of the agent's own."""
    script = desk.directory / "cpub-agentd"
    script.write_text('#!/bin/sh\nexec unshare --mount --propagation private sh -c \'mount --bind '
                      f'"{desk.home}" "{desk.home}" && mount -o remount,bind,ro "{desk.home}" && '
                      f'exec "{desk.daemon}" "$@"\' sh "$@"\n')
    script.chmod(0o755)
    desk.daemon = script
    desk.start()
    assert desk.status()["state"] == "absent"
    done = desk.run("--json", "init", "--with-passphrase", given=PASSPHRASE + "\n")
    assert error_of(done) == (1, "store-failed")
    assert desk.status()["state"] == "absent"
    assert list(desk.home.iterdir()) == [desk.cargo_home]
    assert is_served_quickly(desk)
