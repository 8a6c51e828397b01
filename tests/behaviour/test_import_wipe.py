"""
`import --wipe`: what is stored leaves the file, every other byte stays, and nothing is taken out
that is not stored.
"""

import contextlib
import fcntl
import hashlib
import os
import stat
import struct
import subprocess
from pathlib import Path

import pytest

import scan
from desk import PASSPHRASE, PATIENCE, TOKEN
from import_play import (  # noqa: F401 - a fixture is among them
    MINE, configure, keep, serving, take_over, told,
)
from ordinary import Stage, UserDesk
from play import OTHER_TOKEN, accounts, ends, index_config, listener, network
from registry import Registry

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can do this")


@pytest.fixture
def other(tmp_path, certificate):
    with Registry(tmp_path / "other", tls=certificate, tokens={OTHER_TOKEN}) as r:
        yield r


@contextlib.contextmanager
def held(path):
    """The file itself, whatever its name leads to later."""
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


def content(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


def leftovers(desk) -> list[str]:
    """What lies in CARGO_HOME beside what belongs there."""
    return sorted(set(os.listdir(desk.cargo_home)) - {"config.toml"})


# (before, after) of the file; TOKEN stands for the token.
FORMS = {
    "alone": ('[registries.local]\ntoken = "TOKEN"\n', "[registries.local]\n"),
    "among": ('# head\n\n[registries.local] # mine\nindex = "x"\n  token = \'TOKEN\' # old\n'
              '# below\n\n[net]\nretry = 2\n',
              '# head\n\n[registries.local] # mine\nindex = "x"\n# below\n\n[net]\nretry = 2\n'),
    "crlf": ('[registries.local]\r\ntoken = "TOKEN"\r\n\r\n# x\r\n',
             "[registries.local]\r\n\r\n# x\r\n"),
    "no-newline-at-the-end": ('[registries.local]\ntoken="TOKEN"', "[registries.local]\n"),
    "byte-order-mark": ('\ufeff[registries.local]\ntoken = "TOKEN"\n',
                        "\ufeff[registries.local]\n"),
    "text-of-many-bytes": ('# \u00e4\u20ac\U0001f980\n[registries.local]\ntoken = "TOKEN"\n#',
                           "# \u00e4\u20ac\U0001f980\n[registries.local]\n#"),
    "long": ("# x\n" * 50_000 + '[registries.local]\ntoken = "TOKEN"\n' + "# y\n" * 10_000,
             "# x\n" * 50_000 + "[registries.local]\n" + "# y\n" * 10_000),
}


@pytest.mark.parametrize("form", FORMS)
def test_wipe_takes_out_the_line_and_no_other_byte(serving, registry, form):
    before, after = FORMS[form]
    path = keep(serving, before.replace("TOKEN", TOKEN))
    configure(serving, local=registry)
    with held(path) as old:
        size = os.fstat(old).st_size
        status, tokens, answer = told(serving, registry, "--wipe")
        assert (status, answer["problems"]) == (0, [])
        assert tokens["registries.local.token"]["wiped"] is True
        assert path.read_bytes() == after.encode()
        assert content(old) == bytes(size), "the old bytes are there still"
    assert leftovers(serving) == ["credentials.toml"]
    assert not scan.disk_traces(serving.cargo_home, TOKEN)
    assert len(accounts(serving)) == 1


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_wipe_keeps_mode_and_owner(serving, registry, mode):
    path = keep(serving, MINE)
    path.chmod(mode)
    if os.geteuid() == 0:
        os.chown(path, 0, 2000)
    before = path.stat()
    configure(serving, local=registry)
    assert told(serving, registry, "--wipe")[0] == 0
    after = path.stat()
    assert stat.S_IMODE(after.st_mode) == mode
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino


def test_wipe_says_what_it_cannot_reach(serving, registry):
    keep(serving, MINE)
    configure(serving, local=registry)
    done = take_over(serving, registry, "--wipe")
    assert done.returncode == 0
    assert "Removed 1 token and overwrote what held it." in done.stdout
    assert "SSDs, snapshots and backups" in done.stdout and "revoke the old token" in done.stdout


def test_wipe_removes_only_what_is_stored(serving, registry, other):
    """One refused, one skipped, one stored; the line in the middle goes."""
    text = ('[registries.lost]\ntoken = "aaaa"\n[registries.local]\ntoken = "%s"\n'
            '[registries.other]\ntoken = "t\u00f6ken"\nindex = "x"\n')
    path = keep(serving, text % TOKEN)
    configure(serving, local=registry, other=other)
    status, tokens, _ = told(serving, registry, "--wipe")
    assert status == 9
    assert [tokens[f"registries.{name}.token"]["wiped"] for name in ("lost", "local", "other")] == [
        False, True, False]
    assert path.read_text() == (text % TOKEN).replace(f'token = "{TOKEN}"\n', "")


def test_wipe_removes_what_was_stored_before(serving, registry):
    path = keep(serving, MINE)
    configure(serving, local=registry)
    assert told(serving, registry)[0] == 0 and TOKEN in path.read_text()
    status, tokens, _ = told(serving, registry, "--wipe")
    assert status == 0 and tokens["registries.local.token"]["result"] == "unchanged"
    assert path.read_text() == "[registries.local]\n"


def test_wipe_leaves_a_token_that_differs_from_the_stored_one(serving, registry):
    path = keep(serving, MINE)
    configure(serving, local=registry)
    serving.login(registry, OTHER_TOKEN)
    assert told(serving, registry, "--wipe")[0] == 1
    assert path.read_text() == MINE


def test_wipe_cleans_both_files(serving, registry, other):
    one = keep(serving, MINE, "credentials")
    two = keep(serving, f'{MINE}[registries.other]\ntoken = "{OTHER_TOKEN}"\n')
    configure(serving, local=registry, other=other)
    assert take_over(serving, registry, "--wipe").returncode == 0
    assert one.read_text() == "[registries.local]\n"
    assert two.read_text() == "[registries.local]\n[registries.other]\n"
    assert not scan.disk_traces(serving.cargo_home, TOKEN, OTHER_TOKEN)


# What cannot be taken out.

@pytest.mark.parametrize("text, line", [
    ('registries = { local = { token = "%s" } }\n', 1),
    ('\n[registries]\nlocal.token = "%s"\n', 3),
    ('[registries.local]\ntoken = """\\\n%s"""\n', 2),
    ('[registries.local]\n"token" = "%s"\n', 2),
], ids=["inline", "dotted", "multi-line", "quoted-key"])
def test_wipe_names_the_line_that_has_to_go_by_hand(serving, registry, text, line):
    path = keep(serving, text % TOKEN)
    before = path.read_bytes(), path.stat().st_ino
    configure(serving, local=registry)
    done = take_over(serving, registry, "--wipe")
    assert done.returncode == 9
    assert f"Delete by hand: {path}:{line} registries.local.token\n" in done.stdout
    assert (path.read_bytes(), path.stat().st_ino) == before
    assert len(accounts(serving)) == 1


def test_line_to_go_by_hand_is_where_it_is_after_the_others_went(serving, registry, other):
    path = keep(serving, f'{MINE}[registries]\nother.token = "{OTHER_TOKEN}"\n')
    configure(serving, local=registry, other=other)
    done = take_over(serving, registry, "--wipe")
    assert done.returncode == 9
    assert f"Delete by hand: {path}:3 registries.other.token\n" in done.stdout
    assert path.read_text().splitlines()[2] == f'other.token = "{OTHER_TOKEN}"'


def spoil_link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def spoil_hard_link(path):
    os.link(path, path.with_name("elsewhere"))


def spoil_access_list(path):
    """Another user may read it. A version, then entries of tag, rights, id (acl(5))."""
    entries = [(0x1, 6, -1), (0x2, 4, 2000), (0x4, 0, -1), (0x10, 4, -1), (0x20, 0, -1)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    os.setxattr(path, "system.posix_acl_access", acl)


@pytest.mark.parametrize("spoil, why", [
    (spoil_link, "a link to another file"), (spoil_hard_link, "it has other names"),
    (spoil_access_list, "an access list")], ids=["link", "hard-link", "access-list"])
def test_wipe_leaves_a_file_that_it_cannot_replace(serving, registry, spoil, why):
    path = keep(serving, MINE)
    spoil(path)
    configure(serving, local=registry)
    names = leftovers(serving)
    done = take_over(serving, registry, "--wipe")
    assert done.returncode == 9 and why in done.stderr, done.stderr
    assert f"Delete by hand: {path}:2 registries.local.token\n" in done.stdout
    assert path.read_text() == MINE and leftovers(serving) == names
    status, _, answer = told(serving, registry, "--wipe")
    assert status == 9 and why in answer["problems"][0]


def test_wipe_leaves_a_file_that_cargo_is_writing(serving, registry):
    path = keep(serving, MINE)
    configure(serving, local=registry)
    with held(path) as fd:
        fcntl.flock(fd, fcntl.LOCK_EX)
        done = take_over(serving, registry, "--wipe")
    assert done.returncode == 9 and "another program is at it" in done.stderr
    assert path.read_text() == MINE and leftovers(serving) == ["credentials.toml"]


def change_append(path):
    with open(path, "a", encoding="utf-8") as file:
        file.write("# more\n")


def change_in_place(path):
    """The same size and, put back, the same time of change: the inode's own time tells."""
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    with open(path, "r+", encoding="utf-8") as file:
        file.write("#")
    os.utime(path, ns=times)


def change_replace(path):
    beside = path.with_name("beside")
    beside.write_bytes(path.read_bytes())
    beside.rename(path)


def change_remove(path):
    path.unlink()


@contextlib.contextmanager
def held_import(desk, registry):
    """An import on a terminal that has stored the token of `local`, and gets no word from the
    registry of the next; with what lets it go on."""
    with listener() as server:
        url = f"sparse+https://localhost:{server.getsockname()[1]}/index/"
        (desk.cargo_home / "config.toml").write_text(
            f'{index_config(registry)}[registries.silent]\nindex = "{url}"\n')
        terminal = desk.terminal("import", "--from", "cargo", "--wipe", **network(registry))
        terminal.sees("stored as account")
        server.settimeout(PATIENCE)
        connection, _ = server.accept()
        yield terminal, connection.close
        connection.close()


@pytest.mark.parametrize("change", [change_append, change_in_place, change_replace, change_remove],
                         ids=["append", "in-place", "replace", "remove"])
def test_wipe_leaves_a_file_that_has_changed_since_it_was_listed(
        serving, registry, change):
    path = keep(serving, f'{MINE}[registries.silent]\ntoken = "{OTHER_TOKEN}"\n')
    with held_import(serving, registry) as (terminal, let_go):
        change(path)
        after = path.read_bytes() if path.exists() else None
        let_go()
        terminal.sees("was left as it is")
        ends(terminal, 9)
    assert (path.read_bytes() if path.exists() else None) == after
    assert leftovers(serving) == ["credentials.toml"] * (after is not None)


def test_wipe_replaces_what_a_killed_run_left(serving, registry):
    path = keep(serving, MINE)
    keep(serving, f"{MINE}# of a run before\n", "credentials.toml.cpub-new")
    configure(serving, local=registry)
    assert told(serving, registry, "--wipe")[0] == 0
    assert path.read_text() == "[registries.local]\n"
    assert leftovers(serving) == ["credentials.toml"]


@NEEDS_ROOT
def test_wipe_that_cannot_write_leaves_the_file_and_nothing_beside_it(serving, registry, tmp_path):
    """A full disk, played by a file system of one page too few."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,mode=700", "tmpfs", disk], check=True)
    try:
        serving.cargo_home = disk
        serving.environment["CARGO_HOME"] = str(disk)
        path = keep(serving, MINE + "# x\n" * 2000)
        configure(serving, local=registry)
        before = path.read_bytes()
        done = take_over(serving, registry, "--wipe")
        assert done.returncode == 9 and "No space left" in done.stderr, done.stdout + done.stderr
        assert path.read_bytes() == before and leftovers(serving) == ["credentials.toml"]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_real_cargo_reads_the_wiped_file(serving, registry, other):
    """The token that stays is there for cargo as before; the one that went is not."""
    path = keep(serving, f'{MINE}[registries.other]\ntoken = "{OTHER_TOKEN}"\n')
    configure(serving, local=registry)
    assert told(serving, registry, "--wipe")[0] == 9  # Nobody names `other` yet.
    assert path.read_text() == f'[registries.local]\n[registries.other]\ntoken = "{OTHER_TOKEN}"\n'
    (serving.cargo_home / "config.toml").write_text(
        '[registry]\nglobal-credential-providers = ["cargo:token"]\n'
        f'{index_config(registry)}{index_config(other, "other")}[http]\ncainfo = "{registry.ca}"\n')
    serving.cargo("owner", "--list", "demo", "--registry", "other")
    digest = f"sha256:{hashlib.sha256(OTHER_TOKEN.encode()).hexdigest()[:12]}"
    assert digest in {entry["token"] for entry in other.requests()}
    done = serving.cargo("owner", "--list", "demo", "--registry", "local")
    assert "no token found" in done.stderr, done.stderr


# What the program that does all this holds of a token: nothing.

@pytest.mark.release
@scan.needs_root
def test_client_holds_no_token_while_it_imports_and_wipes(open_desk, registry):
    path = keep(open_desk, f'{MINE}[registries.silent]\ntoken = "{OTHER_TOKEN}"\n')
    with held_import(open_desk, registry) as (terminal, let_go):
        assert scan.memory_size(terminal.pid) > 1 << 20
        assert scan.memory_traces(terminal.pid, TOKEN, OTHER_TOKEN) == []
        with scan.Stepped(terminal.pid) as client:
            let_go()
            client.run_to("Removed 1 token")  # The last that it says.
            assert TOKEN not in path.read_text()
            assert scan.memory_traces(terminal.pid, TOKEN, OTHER_TOKEN) == []
        ends(terminal, 9)
    open_desk.wait(lambda: not scan.children(open_desk.pid(), "worker-import"), "the workers")
    assert not scan.disk_traces(open_desk.directory, TOKEN, PASSPHRASE)


@pytest.fixture
def stage():
    stage = Stage()
    yield stage
    stage.remove()


@pytest.mark.release
@NEEDS_ROOT
def test_ordinary_user_imports_and_wipes_what_may_be_written(stage, certificate):
    desk = UserDesk(stage, stage.copy_build())
    try:
        desk.start("--store=memory")
        with Registry(stage.directory / "registry", tls=certificate, tokens={TOKEN}) as registry:
            path = keep(desk, MINE)
            configure(desk, local=registry)
            ca = desk.home / "ca.pem"  # One that this user may read.
            ca.write_bytes(Path(registry.ca).read_bytes())
            desk.give(desk.home)
            path.chmod(0o400)
            done = take_over(desk, registry, "--wipe", CARGO_HTTP_CAINFO=str(ca))
            assert done.returncode == 9 and "Permission denied" in done.stderr, done.stdout
            assert path.read_text() == MINE
            path.chmod(0o600)
            assert told(desk, registry, "--wipe", CARGO_HTTP_CAINFO=str(ca))[0] == 0
            assert path.read_text() == "[registries.local]\n"
            assert path.stat().st_uid == desk.uid and leftovers(desk) == ["credentials.toml"]
    finally:
        desk.stop()
