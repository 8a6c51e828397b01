"""What /proc tells of a process. The agent is not dumpable, so much of it only root may read."""

import contextlib
import os
from pathlib import Path


def environment(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_bytes().rstrip(b"\0").split(b"\0")
    return dict(pair.decode().split("=", 1) for pair in pairs if pair)


def descriptors(pid: int) -> dict[int, str]:
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            pass  # Closed meanwhile.
    return found


def n_descriptors(pid: int) -> int:
    """Without timers: the agent's loop makes one for each clock at its first use, and keeps it."""
    return len([what for what in descriptors(pid).values() if what != "anon_inode:[timerfd]"])


def stat(pid: int) -> list[str]:
    """The fields behind the name, from the state on: proc(5) counts them from 3."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def state(pid: int) -> str:
    return stat(pid)[0]


def session(pid: int) -> int:
    return int(stat(pid)[3])


def terminal(pid: int) -> int:
    """The device of the controlling terminal, 0 for none."""
    return int(stat(pid)[4])


def cpu_seconds(pid: int) -> float:
    user, system = stat(pid)[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


WATCHER = "worker-watch"  # The one that stays while the store is open.


def children(pid: int) -> dict[int, str]:
    """The children by pid, with their names, but for worker-watch; zombies are among them."""
    return {child: name for child, name in all_children(pid).items() if name != WATCHER}


def watchers(pid: int) -> list[int]:
    """Every worker-watch of an agent; a zombie is one."""
    return [child for child, name in all_children(pid).items() if name == WATCHER]


def all_children(pid: int) -> dict[int, str]:
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            found[int(child)] = Path(f"/proc/{child}/comm").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            pass  # Reaped meanwhile.
    return found


def n_agents(runtime: Path) -> int:
    """How many agents run for that runtime directory."""
    n = 0
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            if Path(f"/proc/{entry}/comm").read_text().strip() != "cpub-agentd":
                continue
            if environment(int(entry)).get("XDG_RUNTIME_DIR") == str(runtime):
                n += state(int(entry)) != "Z"
        except (FileNotFoundError, ProcessLookupError, ValueError):
            pass
    return n


@contextlib.contextmanager
def nothing_left(desk, patience: int = 10):
    """What came and went left no child of the agent, not even a dead one, and no descriptor."""
    def n_open():
        # Each answer is a turn of the loop, in which what came before has its end.
        with desk.line() as line:
            return min(n_descriptors(desk.agent.pid) for _ in range(10)
                       if line.ask({"v": 1, "kind": "status"}))

    desk.wait(lambda: not children(desk.agent.pid), "earlier workers to be gone")
    before = n_open()
    yield
    desk.wait(lambda: not children(desk.agent.pid), "the workers to be gone", patience)
    desk.wait(lambda: n_open() <= before, "the agent to close what it had open", patience)
    assert desk.agent.poll() is None
