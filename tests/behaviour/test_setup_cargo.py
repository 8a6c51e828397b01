"""`setup cargo`: one entry into the user's own configuration, and every other byte as it was."""

import json
import os
import shutil

import pytest

from desk import TOKEN

LIST = "global-credential-providers"
FAKE = """#!/bin/sh
echo '{"v":[1]}'
read line
basename "$0" >> "$FAKE_LOG"
echo '{"Err":{"kind":"not-found"}}'
"""


@pytest.fixture
def entry(desk):
    return f"{desk.provider} --account default"


def config(desk):
    return desk.cargo_home / "config.toml"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def set_up(desk, *words, **more):
    return json.loads(desk.succeed("--json", "setup", "cargo", *words, **more))


def attempts(desk, *words, cwd=None, **environment):
    """What the real cargo would ask, in its order: nobody has a credential."""
    done = desk.cargo("-v", "logout", *words, cwd=cwd,
                      CPUB_AGENT_SOCK=str(desk.runtime / "nobody"), **environment)
    return [line.split(None, 1)[1].rsplit(" logout ", 1)[0]
            for line in done.stderr.splitlines() if line.strip().startswith("Credential ")]


def add_fake(folder, name):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(FAKE)
    path.chmod(0o755)
    return path


# What is there, and what it becomes: @ stands for our entry.
EDITS = {
    "absent": (None, '[registry]\n{L} = ["cargo:token", "@"]\n'),
    "empty": ("", '[registry]\n{L} = ["cargo:token", "@"]\n'),
    "other tables": ("[http]\nmultiplexing = true # why\n",
                     '[http]\nmultiplexing = true # why\n\n[registry]\n{L} = ["cargo:token", "@"]\n'),
    "no newline at the end": ("[http]\ndebug = true",
                              '[http]\ndebug = true\n\n[registry]\n{L} = ["cargo:token", "@"]\n'),
    "table without the list": ('[registry] # mine\nquiet = true\n\n[http]\ndebug = true\n',
                               '[registry] # mine\n{L} = ["cargo:token", "@"]\nquiet = true\n\n'
                               '[http]\ndebug = true\n'),
    "a list": ('[registry]\n{L} = ["cargo:token"] # old\n',
               '[registry]\n{L} = ["cargo:token", "@"] # old\n'),
    "a list without cargo:token": ("[registry]\n{L} = ['cargo:libsecret']\n",
                                   "[registry]\n{L} = ['cargo:libsecret', \"@\"]\n"),
    "an empty list": ("[registry]\n{L} = []\n", '[registry]\n{L} = ["cargo:token", "@"]\n'),
    "several lines": ('[registry]\n{L} = [\n  "cargo:token",\n  "x",\n]\n[http]\n',
                      '[registry]\n{L} = [\n  "cargo:token",\n  "x",\n  "@",\n]\n[http]\n'),
    "ours without arguments": ('[registry]\n{L} = ["cargo:token", "cargo-credential-cpub"]\n',
                               '[registry]\n{L} = ["cargo:token", "@"]\n'),
    "ours first": ('[registry]\n{L} = ["/old/cargo-credential-cpub", "cargo:token"]\n',
                   '[registry]\n{L} = ["cargo:token", "@"]\n'),
    "ours alone": ('[registry]\n{L} = ["cargo-credential-cpub"]\n', '[registry]\n{L} = ["@"]\n'),
    "a table that looks alike": ("[registry-2]\na = '''\n[registry]\n'''\n",
                                 "[registry-2]\na = '''\n[registry]\n'''\n\n"
                                 '[registry]\n{L} = ["cargo:token", "@"]\n'),
    "line ends of elsewhere": ('[registry]\r\n{L} = [ "cargo:token" ]\r\n[http]\r\n',
                               '[registry]\r\n{L} = [ "cargo:token", "@" ]\r\n[http]\r\n'),
}


@pytest.mark.parametrize("name", EDITS)
def test_setup_changes_the_list_and_no_other_byte(desk, entry, name):
    before, after = EDITS[name]
    if before is not None:
        write(config(desk), before.replace("{L}", LIST)).chmod(0o640)
    done = set_up(desk)

    wanted = after.replace("{L}", LIST).replace("@", entry).encode()
    assert config(desk).read_bytes() == wanted
    assert done == {"schema": 1, "file": str(config(desk)), "entry": entry, "changed": True,
                    "backup": before is not None}
    if before is not None:
        assert config(desk).stat().st_mode & 0o777 == 0o640
    assert attempts(desk)[0] == entry  # And the real cargo reads it so.

    assert set_up(desk)["changed"] is False
    assert config(desk).read_bytes() == wanted
    assert json.loads(desk.succeed("--json", "setup", "cargo", "--check"))["uses"] is True

    desk.succeed("setup", "cargo", "--undo")
    left = {path.name for path in desk.cargo_home.iterdir() if path.name.startswith("config")}
    if before is None:
        assert left == set()
    else:
        assert left == {"config.toml"}
        assert config(desk).read_bytes() == before.replace("{L}", LIST).encode()
        assert config(desk).stat().st_mode & 0o777 == 0o640


UNTOUCHED = {
    "inline table": 'registry = { default = "a" }\n',
    "dotted": 'registry.global-credential-providers = ["cargo:token"]\n',
    "quoted table": '["registry"]\nglobal-credential-providers = ["cargo:token"]\n',
    "quoted key": '[registry]\n"global-credential-providers" = ["cargo:token"]\n',
    "comment inside": '[registry]\nglobal-credential-providers = [\n"cargo:token", # me\n]\n',
}


@pytest.mark.parametrize("name", UNTOUCHED)
def test_setup_leaves_handwriting_alone_and_shows_the_lines(desk, entry, name):
    write(config(desk), UNTOUCHED[name])
    done = desk.run("setup", "cargo")
    assert done.returncode == 1
    assert f"'{config(desk)}' was not touched" in done.stderr
    assert "[registry]\n" in done.stdout and f'"{entry}"]' in done.stdout
    assert config(desk).read_text() == UNTOUCHED[name]
    assert [path.name for path in desk.cargo_home.iterdir()] == ["config.toml"]

    done = desk.run("--json", "setup", "cargo")
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "configuration" and entry in error["detail"]


def test_setup_refuses_a_file_that_is_no_toml(desk):
    write(config(desk), "[registry\n")
    done = desk.run("setup", "cargo")
    assert done.returncode == 2 and "is not valid TOML: line 1" in done.stderr
    assert config(desk).read_text() == "[registry\n"


def same(path):
    status = os.lstat(path)
    return status.st_ino, status.st_mode, status.st_uid, status.st_mtime_ns


def link(desk):
    other = write(desk.home / "dotfiles/config.toml", "")
    config(desk).symlink_to(other)
    return "it is a symlink"


def hard_link(desk):
    os.link(write(desk.home / "other.toml", ""), config(desk))
    return "another name"


def loose_file(desk):
    write(config(desk), "").chmod(0o666)
    return "others may write"


def loose_folder(desk):
    write(config(desk), "")
    desk.cargo_home.chmod(0o777)
    return "others may write"


def foreign_file(desk):
    os.chown(write(config(desk), ""), 2000, 2000)
    return "belongs to somebody else"


def fifo(desk):
    os.mkfifo(config(desk))
    return "is no regular file"


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


@pytest.mark.parametrize("make", [link, hard_link, loose_file, loose_folder,
                                  pytest.param(foreign_file, marks=needs_root)])
def test_setup_does_not_touch_a_file_that_is_not_plainly_ours(desk, make):
    why = make(desk)
    before = same(config(desk))
    done = desk.run("setup", "cargo")
    assert done.returncode == 1 and why in done.stderr and "[registry]" in done.stdout
    assert same(config(desk)) == before
    assert config(desk).read_text() == ""


def test_setup_does_not_wait_for_a_fifo(desk):
    fifo(desk)
    done = desk.run("setup", "cargo")
    assert done.returncode in (1, 2) and "cannot be read" in done.stderr


def test_setup_uses_the_old_name_where_cargo_does(desk, entry):
    old = write(desk.cargo_home / "config", "[http]\ndebug = false\n")
    write(config(desk), "# not read\n")
    assert set_up(desk)["file"] == str(old)
    assert config(desk).read_text() == "# not read\n"
    assert attempts(desk)[0] == entry
    desk.succeed("setup", "cargo", "--undo")
    assert old.read_text() == "[http]\ndebug = false\n"


def test_setup_makes_the_folder_and_counts_what_is_included(desk, entry):
    desk.cargo_home.rmdir()
    assert set_up(desk)["changed"] is True
    assert desk.cargo_home.stat().st_mode & 0o777 == 0o700

    # An included list is put before ours, so cargo:token would be one too many.
    write(desk.cargo_home / "more.toml", f'[registry]\n{LIST} = ["cargo:libsecret"]\n')
    write(config(desk), 'include = ["more.toml"]\n')
    set_up(desk)
    assert config(desk).read_text().endswith(f'[registry]\n{LIST} = ["{entry}"]\n')
    assert attempts(desk)[0] == entry


def test_setup_keeps_one_backup_of_the_file_before_us(desk, entry):
    write(config(desk), "# mine\n")
    set_up(desk)
    set_up(desk, "--account", "work")
    backup = desk.cargo_home / "config.toml.cpub-backup"
    assert backup.read_text() == "# mine\n"
    assert f'"{desk.provider} --account work"' in config(desk).read_text()
    assert entry not in config(desk).read_text()
    desk.succeed("setup", "cargo", "--undo")
    assert config(desk).read_text() == "# mine\n" and not backup.exists()


@pytest.mark.parametrize("old, new", [
    ("# one", "# two"), ("debug = true", "debug = 1234"), ("true\n", "true\n# more\n")])
def test_undo_after_a_change_takes_out_our_entry_only(desk, entry, old, new):
    text = f'# one\n[registry]\n{LIST} = ["cargo:token"]\n[http]\ndebug = true\n'
    write(config(desk), text)
    set_up(desk)
    write(config(desk), config(desk).read_text().replace(old, new))
    desk.succeed("setup", "cargo", "--undo")
    assert config(desk).read_text() == text.replace(old, new)
    assert "nothing to undo" in desk.succeed("setup", "cargo", "--undo")


def test_setup_copies_no_token_into_a_backup_and_undo_still_works(desk, entry):
    text = f'[registry]\n{LIST} = ["cargo:token"]\ntoken = "{TOKEN}"\n'
    write(config(desk), text)
    assert set_up(desk)["backup"] is False
    assert [path.name for path in desk.cargo_home.iterdir()] == ["config.toml"]
    assert config(desk).read_text() == text.replace('"]', f'", "{entry}"]')
    desk.succeed("setup", "cargo", "--undo")
    assert config(desk).read_text() == text


def test_setup_keeps_the_mode_whatever_the_umask(desk):
    write(config(desk), "# mine\n").chmod(0o644)
    before = os.umask(0o077)
    try:
        set_up(desk)
    finally:
        os.umask(before)
    for name in ("config.toml", "config.toml.cpub-backup"):
        assert (desk.cargo_home / name).stat().st_mode & 0o777 == 0o644


def test_a_leftover_of_an_interrupted_setup_is_in_nobodys_way(desk, entry):
    write(desk.cargo_home / "config.toml.cpub-new", "half")
    set_up(desk)
    assert [path.name for path in desk.cargo_home.iterdir()] == ["config.toml"]
    assert entry in config(desk).read_text()


def test_setup_refuses_a_path_that_the_list_cannot_hold(desk):
    folder = desk.directory / "two words"
    shutil.copytree(desk.build / "bin", folder / "bin", ignore=shutil.ignore_patterns("*.p"))
    desk.program = folder / "bin/cpub-agent"
    done = desk.run("setup", "cargo")
    assert done.returncode == 1
    assert "cannot hold a path with spaces" in done.stderr and "credential-provider = [" in done.stderr
    assert not config(desk).exists()


def test_setup_needs_its_provider_beside_it(desk):
    folder = desk.directory / "alone"
    folder.mkdir()
    desk.program = shutil.copy(desk.program, folder)
    done = desk.run("setup", "cargo")
    assert done.returncode == 1 and "install both again" in done.stderr


@pytest.mark.parametrize("words", [(), ("rustup",), ("cargo", "cargo"), ("cargo", "--check", "--undo"),
                                   ("cargo", "--undo", "--account", "a"),
                                   ("cargo", "--account", "two words")])
def test_setup_takes_no_other_words(desk, words):
    assert desk.run("setup", *words).returncode == 2
    assert not config(desk).exists()


# A checked-out project tries to put itself in our place.

ALIASES = {
    "by path": "[credential-alias]\n\"{provider}\" = ['{evil}']\n",
    "by the whole entry": "[credential-alias]\n\"{provider} --account default\" = ['{evil}']\n",
    "by name": "[credential-alias]\ncargo-credential-cpub = ['{evil}']\n",
}


@pytest.mark.parametrize("name", ALIASES)
def test_a_projects_alias_does_not_replace_our_entry(desk, entry, name):
    set_up(desk)
    log = desk.directory / "log"
    evil = add_fake(desk.directory / "evil", "evil")
    project = desk.home / "project"
    write(project / ".cargo/config.toml",
          ALIASES[name].format(provider=desk.provider, evil=evil))
    assert attempts(desk, cwd=project, FAKE_LOG=str(log))[0] == entry
    assert not log.exists()
    assert json.loads(desk.succeed("--json", "setup", "cargo", "--check", cwd=project))["uses"]


def test_a_bare_entry_is_replaced_and_check_says_so(desk):
    """The reason for the argument: without it the same alias works."""
    log = desk.directory / "log"
    evil = add_fake(desk.directory / "evil", "evil")
    project = desk.home / "project"
    write(config(desk), f'[registry]\n{LIST} = ["cargo:token", "{desk.provider}"]\n')
    write(project / ".cargo/config.toml",
          ALIASES["by path"].format(provider=desk.provider, evil=evil))
    assert attempts(desk, cwd=project, FAKE_LOG=str(log))[0] == str(evil)
    assert log.read_text() == "evil\n"
    done = desk.run("--json", "setup", "cargo", "--check", cwd=project)
    assert done.returncode == 1
    [finding] = json.loads(done.stdout)["findings"]
    assert finding["id"] == "D02" and str(project / ".cargo/config.toml") in finding["text"]


def test_setup_says_what_stands_against_it_in_this_folder(desk):
    project = desk.home / "project"
    write(project / ".cargo/config.toml", f'[registry]\n{LIST} = ["/evil"]\n')
    done = desk.run("setup", "cargo", cwd=project)
    assert done.returncode == 0
    assert "D02" in done.stderr and "'/evil'" in done.stderr


def test_cargo_publishes_through_what_setup_wrote(open_desk, registry):
    from crate import write_crate
    from desk import PASSPHRASE
    from test_cargo import APPROVE

    open_desk.login(registry)
    write(config(open_desk), f'[registries.local]\nindex = "{registry.index}"\n'
                             f'[http]\ncainfo = "{registry.ca}"\n')
    set_up(open_desk)
    folder = write_crate(open_desk.home / "demo", "demo")
    terminal = open_desk.terminal("cargo", "publish", "--registry", "local", "--allow-dirty", cwd=folder)
    terminal.answers(APPROVE, PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    assert ("demo", "0.1.0") in registry.crates
