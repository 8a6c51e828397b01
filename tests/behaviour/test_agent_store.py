"""The vault loose, damaged, gone, full, shared; and the log that cannot be kept."""

import contextlib
import hashlib
import json
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from desk import PASSPHRASE, TOKEN, Desk, code, get, publish
from play import APPROVE, CRATES_IO, OTHER_TOKEN, lent_pty, needs_mount, token_of

GIT = "https://git.example.com/index"


def log_in(desk, *words: str, token: str = TOKEN):
    """Into crates.io, which needs no network, unless the words say where."""
    where = () if "--index" in words else ("--index", CRATES_IO)
    return desk.run("--json", "login", *where, "--with-token", *words, given=token + "\n")


def error(done) -> str:
    assert done.returncode != 0, done.stdout
    return json.loads(done.stdout)["error"]["code"]


def unlock(desk, passphrase: str = PASSPHRASE):
    return desk.run("--json", "unlock", "--with-passphrase", given=passphrase + "\n")


def accounts(desk) -> set[str]:
    answer = json.loads(desk.succeed("--json", "list"))
    return {account["account"] for account in answer["accounts"]}


def leftovers(desk) -> list[str]:
    return sorted(path.name for path in desk.vault.parent.iterdir()
                  if path.name not in ("vault", "vault.lock"))


@pytest.fixture(scope="module")
def kept_home(tmp_path_factory):
    """The files of a vault with one account."""
    desk = Desk(tmp_path_factory.mktemp("kept") / "desk").start()
    try:
        desk.init()
        assert log_in(desk).returncode == 0
    finally:
        desk.stop()
    return desk.home


@pytest.fixture
def kept(desk, kept_home):
    """A vault with one account, and nobody who has it open."""
    shutil.copytree(kept_home, desk.home, dirs_exist_ok=True, symlinks=True)
    return desk


# What is wrong with the file.

def loosen(vault):
    vault.chmod(0o644)


def loosen_directory(vault):
    vault.parent.chmod(0o755)


def give_away(vault):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(vault, 12345, 12345)


def link(vault):
    vault.rename(vault.with_name("elsewhere"))
    vault.symlink_to("elsewhere")


def link_to_nowhere(vault):
    vault.unlink()
    vault.symlink_to("nowhere")


def make_directory(vault):
    vault.unlink()
    vault.mkdir(mode=0o700)


def make_fifo(vault):
    vault.unlink()
    os.mkfifo(vault, 0o600)


def truncate(vault):
    os.truncate(vault, vault.stat().st_size - 1)


def halve(vault):
    os.truncate(vault, vault.stat().st_size // 2)


def empty(vault):
    os.truncate(vault, 0)


def lengthen(vault):
    with open(vault, "ab") as file:
        file.write(b"\0")


def grow_huge(vault):
    os.truncate(vault, 1 << 33)


def flip(where):
    def flip_there(vault):
        content = bytearray(vault.read_bytes())
        content[where(len(content))] ^= 1
        vault.write_bytes(content)
    return flip_there


def forge(change):
    """The checksum is made true again: what a forger does."""
    def forge_there(vault):
        content = bytearray(vault.read_bytes())
        change(content)
        content[-32:] = hashlib.blake2b(content[:-32], digest_size=32).digest()
        vault.write_bytes(content)
    return forge_there


def newer_format(content):
    struct.pack_into("<I", content, 17, 2)


def header_number(wanted: int, value: int):
    """A number of the header, by its tag (PROTOCOL.md A.2)."""
    def change(content):
        at = 25
        while content[at] != wanted:
            at += 5 + struct.unpack_from("<I", content, at + 1)[0]
        struct.pack_into("<IQ", content, at + 1, 8, value)
    return change


def remove(vault):
    vault.unlink()


def remove_directory(vault):
    shutil.rmtree(vault.parent)


WRONG = {
    "world-readable": (loosen, "store-loose", "loose"),
    "loose-directory": (loosen_directory, "store-loose", "loose"),
    "foreign": (give_away, "store-loose", "loose"),
    "symlink": (link, "store-loose", "loose"),
    "dangling-symlink": (link_to_nowhere, "store-loose", "loose"),
    "directory": (make_directory, "store-loose", "loose"),
    "fifo": (make_fifo, "store-loose", "loose"),
    "truncated": (truncate, "store-damaged", "damaged"),
    "halved": (halve, "store-damaged", "damaged"),
    "empty": (empty, "store-damaged", "damaged"),
    "longer": (lengthen, "store-damaged", "damaged"),
    "huge": (grow_huge, "store-damaged", "damaged"),
    "first-byte": (flip(lambda n: 0), "store-damaged", "damaged"),
    "format": (flip(lambda n: 18), "store-damaged", "damaged"),
    "salt": (flip(lambda n: 40), "store-damaged", "damaged"),
    "middle": (flip(lambda n: n // 2), "store-damaged", "damaged"),
    "last-byte": (flip(lambda n: n - 1), "store-damaged", "damaged"),
    "newer": (forge(newer_format), "store-newer", "newer"),
    "newer-header": (forge(header_number(1, 2)), "store-newer", "newer"),
    "argon2-of-1-tib": (forge(header_number(34, 1 << 40)), "store-damaged", "damaged"),
    "argon2-of-1-gib-and-more": (
        forge(header_number(34, (1 << 30) + 1)), "store-damaged", "damaged"),
    "argon2-of-11-passes": (forge(header_number(33, 11)), "store-damaged", "damaged"),
    "gone": (remove, "store-gone", "gone"),
    "directory-gone": (remove_directory, "store-gone", "gone"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_store_in_a_bad_state_is_told_and_never_taken_for_no_token(kept, wrong):
    spoil, refusal, state = WRONG[wrong]
    spoil(kept.vault)
    kept.start()
    with lent_pty() as terminal:
        for request in (get(CRATES_IO), publish(CRATES_IO), get(GIT),
                        {"v": 1, "kind": "logout", "registry": {"index-url": CRATES_IO}},
                        {"v": 1, "kind": "login", "registry": {"index-url": CRATES_IO},
                         "token": OTHER_TOKEN},
                        {"v": 1, "kind": "list"}, {"v": 1, "kind": "unlock"},
                        {"v": 1, "kind": "init"}):
            assert code(kept.ask(request, [terminal.lent])) == refusal
        assert terminal.shown() == ""  # Nobody was asked anything.
    assert kept.status()["state"] == state
    for done in (unlock(kept), kept.run("--json", "list"), log_in(kept)):
        assert (done.returncode, error(done)) == (10, refusal)


def test_store_that_is_mended_is_used_without_a_new_start(kept):
    whole = kept.vault.read_bytes()
    halve(kept.vault)
    kept.start()
    assert error(unlock(kept)) == "store-damaged"
    kept.vault.write_bytes(whole)
    assert unlock(kept).returncode == 0
    assert token_of(kept, CRATES_IO) == TOKEN


def test_damage_that_comes_while_the_store_is_locked_is_seen_at_unlock(kept):
    kept.start()
    assert kept.status()["state"] == "locked"
    flip(lambda n: n // 2)(kept.vault)
    assert error(unlock(kept)) == "store-damaged"
    assert kept.status()["state"] == "damaged"


def test_wrong_passphrase_is_told_apart_from_damage(kept):
    kept.start()
    done = unlock(kept, "wrong")
    assert (done.returncode, error(done)) == (10, "wrong-passphrase")
    assert kept.status()["state"] == "locked"
    assert unlock(kept).returncode == 0


def test_older_vault_than_the_one_seen_last_is_told(kept):
    old = kept.vault.read_bytes()
    kept.start()
    assert unlock(kept).returncode == 0
    assert log_in(kept, "--account", "second").returncode == 0
    kept.stop()
    kept.vault.write_bytes(old)
    kept.start()
    done = unlock(kept)
    assert (done.returncode, error(done)) == (10, "store-older")
    assert kept.status()["state"] == "locked"


def test_what_a_crash_left_beside_the_vault_is_cleared(kept):
    beside = kept.vault.with_name("vault.new")
    beside.write_bytes(b"half of it")
    kept.start()
    assert kept.status()["state"] == "locked"
    assert not beside.exists()
    assert unlock(kept).returncode == 0
    assert token_of(kept, CRATES_IO) == TOKEN


# A disk that takes nothing.

def start_on_small_disk(kept, tmp_path, *options: str) -> Path:
    """The agent has the vault on a disk of 64 KiB of its own; the path is how others see it."""
    folder = kept.vault.parent
    real = kept.daemon
    kept.daemon = tmp_path / "cpub-agentd"
    kept.daemon.write_text(
        f'#!/bin/sh\ncp -a "{folder}" "{tmp_path}/copy" &&\n'
        f'mount -t tmpfs -o size=64k,mode=700 tmpfs "{folder}" &&\n'
        f'cp -a "{tmp_path}/copy/." "{folder}" &&\n'
        f'mount -o {",".join(("remount", "size=64k", *options))} "{folder}" &&\n'
        f'exec "{real}" "$@"\n')
    kept.daemon.chmod(0o755)
    own = kept.daemon.with_name("in-its-own-mounts")
    own.write_text(f'#!/bin/sh\nexec unshare --mount --propagation private "{kept.daemon}" "$@"\n')
    own.chmod(0o755)
    kept.daemon = own
    kept.start()
    kept.unlock()
    seen = Path(f"/proc/{kept.agent.pid}/root{folder}")
    assert os.statvfs(seen).f_blocks * os.statvfs(seen).f_frsize == 64 << 10
    return seen


@pytest.fixture
def small_disk(kept, tmp_path):
    return start_on_small_disk(kept, tmp_path)


@needs_mount
def test_full_disk_is_told_and_leaves_the_old_vault_whole(kept, small_disk):
    whole = (small_disk / "vault").read_bytes()
    with contextlib.suppress(OSError), open(small_disk / "filler", "wb", buffering=0) as filler:
        while True:
            filler.write(b"x" * 512)
    done = log_in(kept, "--account", "second")
    assert (done.returncode, error(done)) == (1, "store-failed")
    assert (small_disk / "vault").read_bytes() == whole
    assert not (small_disk / "vault.new").exists()
    assert accounts(kept) == {"default"}
    assert token_of(kept, CRATES_IO) == TOKEN
    # There is room again.
    (small_disk / "filler").unlink()
    assert log_in(kept, "--account", "second").returncode == 0
    assert accounts(kept) == {"default", "second"}


@needs_mount
def test_read_only_disk_is_told_at_the_first_change_and_not_before(kept, tmp_path):
    seen = start_on_small_disk(kept, tmp_path, "ro")
    assert os.statvfs(seen).f_flag & os.ST_RDONLY
    whole = (seen / "vault").read_bytes()
    for done in (log_in(kept, "--account", "second"), log_in(kept, "--account", "third")):
        assert (done.returncode, error(done)) == (1, "store-failed")
    assert (seen / "vault").read_bytes() == whole
    assert accounts(kept) == {"default"}
    assert token_of(kept, CRATES_IO) == TOKEN
    # It can be written again.
    subprocess.run(["nsenter", f"--target={kept.agent.pid}", "--mount", "mount", "-o",
                    "remount,rw", kept.vault.parent], check=True)
    assert log_in(kept, "--account", "second").returncode == 0
    assert accounts(kept) == {"default", "second"}


def test_limit_on_the_size_of_files_is_as_good_as_a_full_disk(kept, tmp_path):
    whole = kept.vault.read_bytes()
    real = kept.daemon
    kept.daemon = tmp_path / "cpub-agentd"
    # In blocks of 512 bytes: enough for the log, too little for a vault with a large CA.
    kept.daemon.write_text(f'#!/bin/sh\nulimit -f 32\nexec "{real}" "$@"\n')
    kept.daemon.chmod(0o755)
    kept.start()
    kept.unlock()
    answer = kept.ask({"v": 1, "kind": "login", "registry": {"index-url": CRATES_IO},
                       "account": "second", "token": OTHER_TOKEN, "url-source": "given",
                       "ca-pem": "x" * 20000})
    assert code(answer) == "store-failed"
    assert kept.vault.read_bytes() == whole and leftovers(kept) == []
    assert accounts(kept) == {"default"}


# An audit log that cannot be written.

def directory_in_its_place(desk):
    (desk.state / "audit.jsonl").unlink()
    (desk.state / "audit.jsonl").mkdir()


def link_in_its_place(desk):
    (desk.state / "audit.jsonl").unlink()
    (desk.state / "audit.jsonl").symlink_to(desk.home / "elsewhere")


def log_that_others_read(desk):
    (desk.state / "audit.jsonl").unlink()
    (desk.state / "audit.jsonl").touch()
    (desk.state / "audit.jsonl").chmod(0o644)


def state_that_others_read(desk):
    (desk.state / "audit.jsonl").unlink()
    desk.state.chmod(0o755)


def fifo_in_its_place(desk):
    (desk.state / "audit.jsonl").unlink()
    os.mkfifo(desk.state / "audit.jsonl", 0o600)


@pytest.mark.parametrize("spoil", [
    directory_in_its_place, link_in_its_place, log_that_others_read, state_that_others_read,
    fifo_in_its_place], ids=lambda spoil: spoil.__name__.replace("_", "-"))
def test_no_token_leaves_where_the_audit_log_cannot_be_written(open_desk, spoil):
    assert log_in(open_desk).returncode == 0
    spoil(open_desk)
    for request in (publish(CRATES_IO), get(CRATES_IO, "yank", name="demo", vers="0.1.0")):
        with lent_pty() as terminal, open_desk.line() as line:
            line.send(request, [terminal.lent])
            terminal.answers(APPROVE, PASSPHRASE)
            answer = json.loads(line.receive())
            assert code(answer) == "audit-failed"
            assert TOKEN not in json.dumps(answer)
    assert not (open_desk.home / "elsewhere").exists()


def test_audit_log_that_was_removed_is_begun_again(open_desk):
    assert log_in(open_desk).returncode == 0
    (open_desk.state / "audit.jsonl").unlink()
    assert token_of(open_desk, CRATES_IO) == TOKEN
    assert [(entry["op"], entry["decision"]) for entry in open_desk.audit()] == [
        ("owners", "done")]


# The store that is gone with its agent.

def test_store_in_memory_needs_no_init_and_releases_nothing_without_a_grant(desk):
    desk.start("--store=memory")
    status = desk.status()
    assert (status["state"], status["store"], status["accounts"]) == ("unlocked", "memory", 0)
    done = desk.run("--json", "init", "--with-passphrase", given=PASSPHRASE + "\n")
    assert json.loads(done.stdout)["error"]["code"] == "store-exists"
    assert log_in(desk).returncode == 0
    assert desk.status()["accounts"] == 1
    for request in (publish(CRATES_IO), get(CRATES_IO, "owners", name="demo"),
                    get(CRATES_IO, "yank", name="demo", vers="0.1.0")):
        with lent_pty() as terminal:
            answer = desk.ask(request, [terminal.lent])
            assert code(answer) == "not-granted"
            assert TOKEN not in json.dumps(answer)
            assert APPROVE not in terminal.shown()
    assert not desk.vault.exists()
    assert not (desk.state / "store").exists()
