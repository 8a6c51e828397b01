"""Publishing with a cargo that has no `package --registry`, or has it and refuses it."""

import pytest

from crate import write_crate
from publish_play import workspace

pytestmark = pytest.mark.release

WORDS = ("publish", "--registry", "local", "--allow-dirty", "--no-verify", "--dry-run")
# As 1.82 and 1.85 say it.
HELPS = {
    "absent": "Options:\n      --message-format <FMT>  Error format\n",
    "unstable": ("Options:\n      --index <INDEX>            Registry index URL to prepare the "
                 "package for (unstable)\n      --registry <REGISTRY>      Registry to prepare the "
                 "package for (unstable)\n      --message-format <FMT>     Error format\n"),
    # On a terminal of 80 columns.
    "unstable, in lines": ("Options:\n      --registry <REGISTRY>\n          Registry to prepare the "
                           "package for\n          (unstable)\n      --message-format <FMT>\n"
                           "          Error format\n"),
}


@pytest.fixture(params=HELPS)
def old_cargo(request, ready_desk):
    """The real one, with the words and the refusal of an older one in front."""
    help_text = ready_desk.directory / "help"
    help_text.write_text(HELPS[request.param])
    program = ready_desk.directory / "cargo"
    program.write_text(f"""#!/bin/sh
if [ "$1 $2" = "package -h" ]; then exec cat "{help_text}"; fi
if [ "$1" = package ]; then
	for word; do case $word in --registry*|--index*)
		echo "error: the \\`--registry\\` flag is unstable" >&2; exit 101;; esac; done
fi
exec cargo "$@"
""")
    program.chmod(0o755)
    return str(program)


def test_crate_is_packaged_without_the_option(ready_desk, registry, old_cargo):
    folder = write_crate(ready_desk.home / "demo", "demo")
    done = ready_desk.run(*WORDS, cwd=folder, CARGO=old_cargo)
    assert done.returncode == 0, done.stderr
    assert registry.crates == {}


def test_crates_that_need_each_other_are_published_one_by_one(ready_desk, old_cargo):
    folder = workspace(ready_desk.home / "work")
    done = ready_desk.run(*WORDS, "--workspace", cwd=folder, CARGO=old_cargo)
    assert done.returncode == 1
    assert "publish them one by one with `-p`, or update cargo" in done.stderr
