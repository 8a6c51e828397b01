"""What a publish leaves in the project: nothing of its own, and all that is not."""

import os
import signal
import stat

import pytest

from crate import write_crate
from desk import PASSPHRASE, TOKEN
from play import APPROVE
from publish_play import Stranger, approve, left_behind, publish, start, uploads

pytestmark = pytest.mark.release

TRY = ("publish", "--registry", "local", "--allow-dirty", "--no-verify", "--dry-run")


def test_a_lockfile_that_came_in_place_of_the_made_one_stays(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo")
    terminal = start(ready_desk, folder, "--no-verify")
    terminal.sees(APPROVE)
    lockfile = folder / "Cargo.lock"
    lockfile.unlink()
    lockfile.write_text("# Mine.\nversion = 4\n")
    terminal.types(PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    assert lockfile.read_text().startswith("# Mine.") and "Cargo.lock is no longer" in terminal.seen


def test_what_a_killed_run_left_the_next_one_removes_but_for_the_lockfile(ready_desk, registry):
    """Which somebody may have committed meanwhile, just as it is."""
    folder = write_crate(ready_desk.home / "demo", "demo")
    terminal = start(ready_desk, folder, "--no-verify")
    terminal.sees(APPROVE)
    busy = start(ready_desk, folder, "--no-verify")  # One that goes on is left alone.
    busy.sees(APPROVE)
    terminal.kill(signal.SIGKILL)
    assert len(left_behind(folder)) == 3
    done = ready_desk.run(*TRY, cwd=folder)
    assert done.returncode == 0
    assert f"'{folder}/Cargo.lock' was made by a publish that was killed" in done.stderr
    [lockfile, going_on] = left_behind(folder)
    busy.types(PASSPHRASE)
    assert busy.ends() == 0, busy.seen
    assert left_behind(folder) == [lockfile] and not going_on.exists()


def test_a_lockfile_that_is_another_by_now_is_not_told_of(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo")
    terminal = start(ready_desk, folder, "--no-verify")
    terminal.sees(APPROVE)
    terminal.kill(signal.SIGKILL)
    # With the same words in it, but written again.
    lockfile = folder / "Cargo.lock"
    lockfile.write_text(lockfile.read_text())
    done = ready_desk.run(*TRY, cwd=folder)
    assert done.returncode == 0 and "was killed" not in done.stderr
    assert left_behind(folder) == [lockfile]


def test_nothing_outside_is_removed_by_what_a_project_brings_along(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo")
    outside, target = ready_desk.home / "outside", folder / "target"
    for place in (outside, target / "cpub-publish-folder", target):
        place.mkdir(parents=True, exist_ok=True)
    (outside / "in-use").write_text("")
    (outside / "kept").write_text("")
    (target / "cpub-publish-aaaaaa").symlink_to(outside)
    (target / "cpub-publish-folder/link").symlink_to(outside)
    (target / "cpub-publish-folder/in-use").write_text(f"1 2 3 4\n{outside}/kept")
    assert ready_desk.run(*TRY, cwd=folder).returncode == 0
    assert (outside / "kept").exists() and (target / "cpub-publish-aaaaaa").is_symlink()
    assert not (target / "cpub-publish-folder").exists()


def test_a_target_folder_is_made_as_cargo_makes_it(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo")
    before = os.umask(0o022)
    try:
        publish(ready_desk, folder)
    finally:
        os.umask(before)
    target = folder / "target"
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    assert (target / "CACHEDIR.TAG").read_text().startswith(
        "Signature: 8a477f597d28d172789f06886806bc55\n")
    assert stat.S_IMODE((target / "CACHEDIR.TAG").stat().st_mode) == 0o644
    assert left_behind(folder) == []


LOOK = """
folder = pathlib.Path(orders["folder"])
report({
    "copies": [str(path) for path in folder.glob("target/cpub-publish-*/**/*.crate")],
    "tokens": sorted(name for name, value in os.environ.items() if value == orders["token"]),
})
"""


def test_a_build_finds_neither_what_it_is_compared_with_nor_the_registrys_token(
        ready_desk, registry):
    stranger = Stranger(ready_desk, LOOK, token="t" * 20)
    names = ("CARGO_REGISTRY_TOKEN", "CARGO_REGISTRIES_OTHER_NAME_TOKEN",
             "CARGO_REGISTRIES_X_SECRET_KEY", "CARGO_REGISTRIES_LOCAL_TOKEN",
             "CARGO_REGISTRIES_BY_FILE_TOKEN")
    others = ["CARGO_REGISTRIES_CORP_FILE_SECRET_KEY", "CARGO_REGISTRIES_CORP_TOKEN"]
    with open(ready_desk.cargo_home / "config.toml", "a", encoding="utf-8") as file:
        file.write(f'[registries.by-file]\nindex = "{registry.index}"\n'
                   '[registries.corp-file]\nindex = "sparse+https://corp.example/"\n')
    terminal = ready_desk.terminal(
        "publish", "--index", registry.index, "--allow-dirty", cwd=stranger.folder,
        CARGO_REGISTRIES_OTHER_NAME_INDEX=registry.index, **stranger.environment,
        CARGO_REGISTRIES_CORP_INDEX="sparse+https://corp.example/index/",
        **dict.fromkeys((*names, *others), "t" * 20))
    terminal.answers(APPROVE, PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    assert stranger.found() == {"copies": [], "tokens": others}
    assert TOKEN not in stranger.report.read_text()


# They fill the folder, and do not end with the build.
FILL = """
[folder] = pathlib.Path(orders["folder"]).glob("target/cpub-publish-*")
for n in range(3):
    if os.fork() == 0:
        os.setsid()
        os.closerange(0, 100)
        end = time.monotonic() + 15
        while time.monotonic() < end:
            for i in range(10000):
                try:
                    os.mkdir(f"{folder}/{n}-{i}")
                except FileExistsError:
                    pass
                except OSError:
                    os._exit(0)
        os._exit(0)
while len(os.listdir(folder)) < 20000:
    time.sleep(0.01)
report([])
"""


def test_a_folder_that_is_filled_without_end_does_not_hold_the_end_up(ready_desk, registry):
    stranger = Stranger(ready_desk, FILL)
    terminal = approve(ready_desk, stranger.folder, **stranger.environment)
    assert terminal.ends() == 0, terminal.seen
    assert uploads(registry) == 1


def test_whatever_a_manifest_keeps_for_other_programs_is_no_obstacle(ready_desk, registry):
    odd = "\n".join([
        "n = 9223372036854775807", "least = -9223372036854775808", "f = 1e100",
        "deep = " + "[" * 12 + "]" * 12, 'text = "}\\\\\\"],"', "empty = {}"])
    # Of the workspace nothing gets into the crate.
    worse = "\n".join([odd, "huge = 1e308", "low = 1e-320", "deeper = " + "[" * 70 + "]" * 70,
                       r'nul = "a\u0000b"', r'"k\u0000" = 1', '"k" = 2'])
    folder = write_crate(ready_desk.home / "demo", "demo", tail=(
        f"[package.metadata.x]\n{odd}\n[workspace.metadata.x]\n{worse}\n"))
    done = ready_desk.run(*TRY, cwd=folder)
    assert done.returncode == 0, done.stderr
