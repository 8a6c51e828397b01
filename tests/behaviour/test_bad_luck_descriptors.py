"""An agent that runs out of descriptors, and those who come then."""

import procfs
from desk import GREETING
from test_agent_connections import (  # noqa: F401 - the fixture is found by name
    NEEDS_ROOT, STATUS, free_descriptors, running,
)

pytestmark = NEEDS_ROOT


def test_client_that_takes_the_last_descriptor_is_served(running):
    running.pid()  # Its loop has turned: what only the start needed is closed.
    pidfd = "anon_inode:[pidfd]"
    running.wait(lambda: pidfd not in procfs.descriptors(running.agent.pid).values(),
                 "that connection to be closed")
    with free_descriptors(running.agent.pid, 2):  # A socket and a pidfd.
        with running.line() as line:
            assert line.greeting == GREETING
            assert line.ask(STATUS)["Ok"]["kind"] == "status"
            # The next one takes its place, and is served in turn.
            with running.line() as next_one:
                assert next_one.ask(STATUS)["Ok"]["kind"] == "status"
                assert line.receive() == b""
