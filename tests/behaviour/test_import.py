"""`import --from cargo`: each token of cargo's own files is stored, or it is said why not."""

import hashlib
import json
import os
import socket

import pytest

from desk import PASSPHRASE, TOKEN
from import_play import (  # noqa: F401 - a fixture is among them
    MINE, configure, keep, serving, take_over, told,
)
from play import (
    APPROVE, CRATES_IO, OTHER_TOKEN, UNLOCK, accounts, ends, index_config, network, project,
    refused, token_of,
)
from registry import Registry


@pytest.fixture
def other(tmp_path, certificate):
    """A second registry, which accepts the other token."""
    with Registry(tmp_path / "other", tls=certificate, tokens={OTHER_TOKEN}) as r:
        yield r


@pytest.fixture(autouse=True)
def nothing_leaks(desk):
    """No secret in what the agent writes, whatever the test did."""
    yield
    for path in (desk.log, desk.state / "audit.jsonl", desk.vault):
        content = path.read_bytes() if path.exists() else b""
        for secret in (TOKEN, OTHER_TOKEN, PASSPHRASE):
            assert secret.encode() not in content, path


def test_import_stores_every_token_and_leaves_the_file(open_desk, registry, other):
    text = f"# mine\n{MINE}\n[registries.other]\ntoken = '{OTHER_TOKEN}'\n"
    path = keep(open_desk, text)
    configure(open_desk, local=registry, other=other)
    done = take_over(open_desk, registry)
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(path) in done.stdout and "  local      stored as account 'default'\n" in done.stdout
    assert "--wipe" in done.stdout and TOKEN not in done.stdout + done.stderr
    assert token_of(open_desk, registry.index) == TOKEN
    assert token_of(open_desk, other.index) == OTHER_TOKEN
    assert path.read_text() == text
    assert {entry["token"] for entry in registry.requests() + other.requests()} == {None}


def test_import_takes_crates_io_under_each_of_its_names(open_desk):
    for key, text in (("registry.token", f'[registry]\ntoken = "{TOKEN}"\n'),
                      ("token", f'token = "{TOKEN}"\n'),
                      ("registries.crates-io.token",
                       f'[registries.crates-io]\ntoken = "{TOKEN}"\n')):
        keep(open_desk, text)
        status, tokens, _ = told(open_desk, None, "--no-check", "--account", key.split(".")[0])
        assert status == 0 and list(tokens) == [key]
        assert tokens[key]["result"] == "stored" and tokens[key]["index"] == CRATES_IO
        assert tokens[key]["name"] == "crates-io"
    assert token_of(open_desk, CRATES_IO, "registries") == TOKEN


def test_import_of_what_is_stored_already_says_so(serving, registry):
    keep(serving, MINE)
    configure(serving, local=registry)
    assert told(serving, registry)[1]["registries.local.token"]["result"] == "stored"
    status, tokens, _ = told(serving, registry)
    assert status == 0 and tokens["registries.local.token"]["result"] == "unchanged"
    assert "was stored already" in take_over(serving, registry).stdout


def test_import_does_not_touch_another_token_without_replace(open_desk, registry):
    keep(open_desk, MINE)
    configure(open_desk, local=registry)
    open_desk.login(registry, OTHER_TOKEN)
    status, tokens, _ = told(open_desk, registry)
    token = tokens["registries.local.token"]
    assert (status, token["result"], token["code"]) == (1, "refused", "account-exists")
    assert token_of(open_desk, registry.index) == OTHER_TOKEN

    terminal = open_desk.terminal(
        "import", "--from", "cargo", "--replace", **network(registry))
    terminal.answers(APPROVE, PASSPHRASE)
    terminal.sees("replaced the token of account 'default'")
    ends(terminal, 0)
    assert token_of(open_desk, registry.index) == TOKEN


def test_import_asks_for_the_passphrase_once_where_the_store_is_locked(open_desk, registry, other):
    keep(open_desk, f'{MINE}[registries.other]\ntoken = "{OTHER_TOKEN}"\n')
    configure(open_desk, local=registry, other=other)
    open_desk.succeed("lock")
    status, tokens, _ = told(open_desk, registry)
    results = [(token["result"], token["code"]) for token in tokens.values()]
    assert (status, results) == (4, [("refused", "locked"), ("skipped", "skipped")])
    terminal = open_desk.terminal("import", "--from", "cargo", **network(registry))
    terminal.answers(UNLOCK, PASSPHRASE)
    ends(terminal, 0)
    assert len(accounts(open_desk)) == 2


def test_import_without_a_store_says_what_to_do(desk, registry):
    keep(desk, MINE)
    configure(desk, local=registry)
    done = take_over(desk, registry)
    assert done.returncode == 4 and "cpub-agent init" in done.stdout
    assert told(desk, registry)[1]["registries.local.token"]["code"] == "no-store"


# Whose word a name is.

@pytest.mark.parametrize("where", ["project", "environment"])
def test_import_leaves_a_token_whose_registry_somebody_else_names(serving, registry, where):
    keep(serving, MINE)
    folder = project(serving, index_config(registry) if where == "project" else "")
    more = {"CARGO_REGISTRIES_LOCAL_INDEX": registry.index} if where == "environment" else {}
    status, tokens, _ = told(serving, registry, cwd=folder, **more)
    token = tokens["registries.local.token"]
    assert (status, token["result"], token["code"]) == (5, "skipped", "name-untrusted")
    named = ".cargo/config.toml" if where == "project" else "CARGO_REGISTRIES_LOCAL_INDEX"
    assert named in token["message"] and f"--index {registry.index}" in token["message"]
    assert accounts(serving) == [] and registry.requests() == []


@pytest.mark.parametrize("where", ["project", "environment"])
def test_import_heeds_the_users_own_file_and_no_other(serving, registry, other, where):
    """A project that gives the name another URL would have the token sent there."""
    keep(serving, MINE)
    configure(serving, local=registry)
    folder = project(serving, index_config(other) if where == "project" else "")
    more = {"CARGO_REGISTRIES_LOCAL_INDEX": other.index} if where == "environment" else {}
    assert told(serving, registry, cwd=folder, **more)[0] == 0
    assert [a["index"] + "/" for a in accounts(serving)] == [registry.index]
    assert other.requests() == []


def test_import_says_that_nobody_knows_a_registry(serving, registry):
    keep(serving, f'{MINE}[registries.lost]\ntoken = "{OTHER_TOKEN}"\n')
    configure(serving, local=registry)
    status, tokens, _ = told(serving, registry)
    assert status == 9 and tokens["registries.local.token"]["result"] == "stored"
    lost = tokens["registries.lost.token"]
    assert lost["result"] == "skipped" and "no registry 'lost'" in lost["message"]
    assert lost["index"] is None


def test_import_leaves_keys_that_sign(serving, registry):
    keep(serving, '[registries.local]\nsecret-key = "k3.secret.x"\nsecret-key-subject = "me"\n'
                  '[registries."my corp"]\nsecret-key = "k3.secret.x"\n')
    configure(serving, local=registry)
    done = take_over(serving, registry)
    assert done.returncode == 1
    for words in ("", " --with-token"):
        login = f"`cpub-agent login --asymmetric{words} --registry"
        assert f"{login} local --subject me`" in done.stdout
        assert f"{login} 'my corp'`" in done.stdout
    assert accounts(serving) == [] and "k3.secret" not in done.stdout


# What is wrong.

@pytest.mark.parametrize("value", ['""', '"a\\tb"', f'"{"x" * 1025}"', '"t\u00f6ken"'])
def test_import_refuses_a_token_that_could_not_be_sent(serving, registry, value):
    keep(serving, f"[registries.local]\ntoken = {value}\n")
    configure(serving, local=registry)
    status, tokens, _ = told(serving, registry)
    assert (status, tokens["registries.local.token"]["code"]) == (2, "bad-token")
    assert accounts(serving) == []


def test_import_refuses_a_broken_file_and_quotes_none_of_it(serving, registry):
    path = keep(serving, f'[registries.local]\ntoken = "{TOKEN}\n')
    said = refused(take_over(serving, registry, "--json"), "file-invalid", 1)
    assert f"{path}: line 2 is not valid TOML" in said and TOKEN not in said


@pytest.mark.parametrize("what", ["fifo", "directory", "socket", "not-ours"])
def test_import_opens_regular_files_of_ours_only(serving, registry, what):
    path = serving.cargo_home / "credentials.toml"
    with socket.socket(socket.AF_UNIX) as server:
        if what == "fifo":
            os.mkfifo(path)
        elif what == "directory":
            path.mkdir()
        elif what == "socket":
            server.bind(str(path))
        else:
            if os.geteuid() != 0:
                pytest.skip("only root can give a file away")
            os.chown(keep(serving, MINE), 2000, 2000)
        assert str(path) in refused(take_over(serving, registry, "--json"), "configuration", 2)


def test_import_without_a_file_or_a_token_does_nothing(desk, registry):
    assert "There is no token" in desk.succeed("import", "--from", "cargo")
    assert not desk.socket.exists(), "nobody had to be started"
    keep(desk, "[registry]\n")
    assert told(desk, registry)[:2] == (0, {})


def test_import_of_a_registry_that_cannot_be_reached_is_partly(serving, registry):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"sparse+https://localhost:{closed.getsockname()[1]}/index/"
    keep(serving, f'[registries.gone]\ntoken = "{OTHER_TOKEN}"\n{MINE}')
    (serving.cargo_home / "config.toml").write_text(
        f'[registries.gone]\nindex = "{url}"\n{index_config(registry)}')
    status, tokens, _ = told(serving, registry)
    assert status == 9
    assert tokens["registries.gone.token"]["code"] == "network"
    assert tokens["registries.local.token"]["result"] == "stored"


@pytest.mark.parametrize("words", [
    (), ("--from", "vault"), ("--from", "cargo", "--wipe", "--dry-run"),
    ("--from", "cargo", "--account", "-"), ("--from", "cargo", "--token", "x")], ids=str)
def test_import_is_strict_about_its_words(serving, words):
    keep(serving, MINE)
    refused(serving.run("--json", "import", *words), "usage", 2)


# Two files.

def test_import_takes_the_file_first_that_cargo_uses(open_desk, registry):
    keep(open_desk, MINE.replace(TOKEN, OTHER_TOKEN))
    keep(open_desk, MINE, "credentials")
    configure(open_desk, local=registry)
    done = take_over(open_desk, registry, "--json", "--replace")
    first, second = json.loads(done.stdout)["tokens"]
    assert first["file"].endswith("credentials") and first["result"] == "stored"
    assert second["file"].endswith("credentials.toml") and second["result"] == "refused"
    assert "imported before it" in second["message"] and done.returncode == 9
    assert token_of(open_desk, registry.index) == TOKEN


def test_cargo_itself_uses_that_file(serving, registry):
    """The rule that the order above stands on."""
    keep(serving, MINE.replace(TOKEN, OTHER_TOKEN))
    keep(serving, MINE, "credentials")
    (serving.cargo_home / "config.toml").write_text(
        f'[registry]\nglobal-credential-providers = ["cargo:token"]\n{index_config(registry)}'
        f'[http]\ncainfo = "{registry.ca}"\n')
    done = serving.cargo("owner", "--list", "demo", "--registry", "local")
    assert "Using" in done.stderr, done.stderr
    used = {entry["token"] for entry in registry.requests()} - {None}
    assert used == {f"sha256:{hashlib.sha256(TOKEN.encode()).hexdigest()[:12]}"}


def test_import_takes_a_linked_pair_as_one_file(serving, registry):
    """Old cargos know only `credentials`, so people link it to the other."""
    keep(serving, MINE)
    (serving.cargo_home / "credentials").symlink_to("credentials.toml")
    configure(serving, local=registry)
    done = take_over(serving, registry, "--json")
    (token,) = json.loads(done.stdout)["tokens"]
    assert done.returncode == 0 and token["file"].endswith("credentials.toml")


# Only looking.

def test_dry_run_tells_what_there_is_and_changes_nothing(desk, registry):
    path = keep(desk, f'{MINE}[registries]\nlost.token = "{OTHER_TOKEN}"\n'
                      f'[registry]\ntoken = "{OTHER_TOKEN}"\n')
    before = path.read_bytes(), path.stat()
    configure(desk, local=registry)
    done = take_over(desk, registry, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"  local      line 2, {registry.index}\n" in done.stdout
    assert "  crates-io  line 6, crates.io\n" in done.stdout
    assert "  lost       skipped: no registry 'lost'" in done.stdout
    assert TOKEN not in done.stdout and OTHER_TOKEN not in done.stdout
    status, tokens, _ = told(desk, registry, "--dry-run")
    assert status == 0 and tokens["registries.local.token"]["result"] == "found"
    assert tokens["registries.lost.token"]["removable"] is False
    assert path.read_bytes() == before[0] and path.stat().st_ctime_ns == before[1].st_ctime_ns
    assert registry.requests() == [] and desk.status()["state"] == "absent"


def test_import_asks_where_the_api_is_on_another_host(serving, registry, other):
    registry.announce(api=other.api)
    keep(serving, MINE)
    configure(serving, local=registry)
    assert told(serving, registry)[1]["registries.local.token"]["code"] == "api-elsewhere"
    assert accounts(serving) == []
