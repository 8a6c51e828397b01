"""
What `login` looks at, shows, asks and refuses before it stores a token; the registry is real, and
the token goes nowhere but into the store.
"""

import os
import socket

import pytest

from certificate import Certificate
from desk import PASSPHRASE, PATIENCE, TOKEN
from play import (
    APPROVE, CANCEL, CRATES_IO, LOG_IN, OTHER_TOKEN, TOKEN_FOR, accounts, ends, index_config,
    listener, log_in, login_under_way, network, project, refused, terminal_login, token_of,
    was_called, with_token,
)
from registry import Registry

HOST = "Type the index's host to go on (^C cancels): "
CONFIG = "GET /index/config.json"


@pytest.fixture
def elsewhere(tmp_path, certificate):
    """A second origin that the client trusts as well."""
    with Registry(tmp_path / "elsewhere", tls=certificate) as r:
        yield r


@pytest.fixture(autouse=True)
def nothing_leaks(open_desk):
    """No secret in what the agent writes, whatever the test did."""
    yield
    for path in (open_desk.log, open_desk.state / "audit.jsonl", open_desk.vault):
        content = path.read_bytes() if path.exists() else b""
        for secret in (TOKEN, OTHER_TOKEN, PASSPHRASE):
            assert secret.encode() not in content, path


# What is shown, and y/N.

def test_login_shows_what_it_pins_then_asks_then_takes_the_token(open_desk, registry):
    terminal = terminal_login(open_desk, registry)
    question = terminal.answers(LOG_IN, "y")
    for row in (f"  index     {registry.index.rstrip('/')}", f"  api       {registry.api}",
                f"  dl        {registry.api}/api/v1/crates", "  account   default"):
        assert row in [line.rstrip() for line in question.splitlines()]
    assert "ANOTHER HOST" not in question
    assert f"Token for localhost:{registry.port} " in terminal.answers(TOKEN_FOR, TOKEN)
    ends(terminal, 0)
    (account,) = accounts(open_desk)
    assert account["api"] == registry.api and account["dl"] == f"{registry.api}/api/v1/crates"
    assert [e["path"] for e in registry.requests()] == ["/index/config.json"]
    assert registry.requests()[0]["token"] is None and registry.violations == []
    assert token_of(open_desk, registry.index) == TOKEN


@pytest.mark.parametrize("answer", ["n\n", "\n", "yess\n", CANCEL], ids=repr)
def test_login_without_a_yes_stores_nothing_and_asks_for_no_token(open_desk, registry, answer):
    terminal = terminal_login(open_desk, registry)
    terminal.sees(LOG_IN)
    terminal.send(answer)
    ends(terminal, 5)
    assert "Token for" not in terminal.seen
    assert accounts(open_desk) == []


def test_login_without_a_terminal_or_a_token_is_refused(open_desk, registry):
    refused(log_in(open_desk, registry, given=None), "needs-terminal", 4)
    ends(terminal_login(open_desk, registry, "--no-input"), 4)
    assert accounts(open_desk) == [] and registry.requests() == []


# Where the name comes from.

def test_token_given_is_the_yes_for_an_index_or_a_name_of_the_users_own(open_desk, registry):
    assert with_token(open_desk, registry).returncode == 0
    (open_desk.cargo_home / "config.toml").write_text(index_config(registry))
    done = with_token(open_desk, registry, "--registry", "local", "--account", "second")
    assert done.returncode == 0, done.stderr
    assert {a["account"] for a in accounts(open_desk)} == {"default", "second"}


def test_token_given_is_no_yes_for_a_name_of_the_project(open_desk, registry, elsewhere):
    # The project's file wins over the user's own, as for cargo.
    (open_desk.cargo_home / "config.toml").write_text(index_config(registry))
    folder = project(open_desk, index_config(elsewhere))
    done = with_token(open_desk, registry, "--registry", "local", cwd=folder)
    assert str(folder / ".cargo/config.toml") in refused(done, "name-untrusted", 5)
    assert accounts(open_desk) == []


def test_token_given_is_no_yes_for_a_name_of_the_environment(open_desk, registry):
    done = with_token(open_desk, registry, "--registry", "local",
                      CARGO_REGISTRIES_LOCAL_INDEX=registry.index)
    assert "CARGO_REGISTRIES_LOCAL_INDEX" in refused(done, "name-untrusted", 5)
    assert accounts(open_desk) == []


@pytest.mark.parametrize("origin", ["project", "environment"])
def test_host_has_to_be_typed_for_a_name_that_is_not_the_users_own(open_desk, registry, origin):
    folder, environment = None, {}
    if origin == "project":
        folder = project(open_desk, index_config(registry))
    else:
        environment = {"CARGO_REGISTRIES_LOCAL_INDEX": registry.index}

    def start():
        return terminal_login(open_desk, registry, "--registry", "local", cwd=folder, **environment)

    for wrong in ("y", "", "elsewhere.example", "LOCALHOST", CANCEL):
        terminal = start()
        terminal.sees(HOST)
        terminal.send(wrong if wrong == CANCEL else wrong + "\n")
        ends(terminal, 5)
        assert "Token for" not in terminal.seen
    assert accounts(open_desk) == []

    terminal = start()
    question = terminal.answers(HOST, f"localhost:{registry.port}")
    assert ("PROJECT's file" if origin == "project" else "ENVIRONMENT variable") in question
    assert f"  index     {registry.index.rstrip('/')}" in question
    terminal.answers(TOKEN_FOR, TOKEN)
    ends(terminal, 0)
    assert LOG_IN not in terminal.seen
    assert len(accounts(open_desk)) == 1


def test_name_of_the_project_without_a_terminal_needs_one(open_desk, registry):
    words = ("--registry", "local")
    folder = project(open_desk, index_config(registry))
    refused(log_in(open_desk, registry, *words, given=None, cwd=folder), "needs-terminal", 4)


# The API.

def test_api_on_another_host_needs_a_person_or_the_api_option(open_desk, registry, elsewhere):
    registry.announce(api=elsewhere.api)
    assert elsewhere.api in refused(with_token(open_desk, registry), "api-elsewhere", 5)
    for api in (registry.api, "https://third.example"):
        refused(with_token(open_desk, registry, "--api", api), "api-elsewhere", 5)
    refused(with_token(open_desk, registry, "--api", "elsewhere"), "bad-url", 2)
    assert accounts(open_desk) == []

    done = with_token(open_desk, registry, "--api", elsewhere.api)
    assert done.returncode == 0, done.stderr
    assert accounts(open_desk)[0]["api"] == elsewhere.api
    assert elsewhere.requests() == []  # Nothing is sent there by a login.


@pytest.mark.parametrize("answer", ["y", "n"])
def test_api_on_another_host_is_shown_as_that_and_asked(open_desk, registry, elsewhere, answer):
    registry.announce(api=elsewhere.api)
    terminal = terminal_login(open_desk, registry)
    question = terminal.answers(LOG_IN, answer)
    assert f"  api       {elsewhere.api}   (on ANOTHER HOST than the index)" in question
    if answer == "y":
        assert f"localhost:{elsewhere.port}" in terminal.answers(TOKEN_FOR, TOKEN)
    ends(terminal, 0 if answer == "y" else 5)
    assert [a["api"] for a in accounts(open_desk)] == [elsewhere.api] * (answer == "y")


def test_crates_io_has_one_api_and_another_is_refused(open_desk):
    refused(with_token(open_desk, None, "--index", CRATES_IO, "--api", "https://evil.example"),
            "api-elsewhere", 5)
    assert accounts(open_desk) == []
    assert with_token(open_desk, None, "--index", CRATES_IO).returncode == 0
    assert accounts(open_desk)[0]["api"] == "https://crates.io"


def test_git_index_needs_the_api_and_is_not_asked_for_it(open_desk, registry):
    index = f"https://localhost:{registry.port}/git/index"
    refused(with_token(open_desk, registry, "--index", index), "needs-api", 2)
    plain = ("--api", f"http://127.0.0.1:{registry.port}")
    refused(with_token(open_desk, registry, "--index", index, *plain), "plain-http", 5)
    assert accounts(open_desk) == []
    done = with_token(open_desk, registry, "--index", index, "--api", registry.api)
    assert done.returncode == 0, done.stderr
    assert accounts(open_desk)[0]["api"] == registry.api and registry.requests() == []


# An existing account.

def test_replacing_a_token_asks_the_passphrase(open_desk, registry):
    with_token(open_desk, registry)
    terminal = terminal_login(open_desk, registry)
    assert "replace the token of this account?" in terminal.answers(APPROVE, PASSPHRASE)
    terminal.answers(TOKEN_FOR, OTHER_TOKEN)
    ends(terminal, 0)
    assert LOG_IN not in terminal.seen and OTHER_TOKEN not in terminal.seen
    assert token_of(open_desk, registry.index) == OTHER_TOKEN
    assert len(accounts(open_desk)) == 1


def test_old_token_stays_unless_the_passphrase_is_right(open_desk, registry):
    with_token(open_desk, registry)
    refused(with_token(open_desk, registry, given=OTHER_TOKEN + "\n"), "account-exists", 1)
    done = with_token(open_desk, registry, "--replace", given=OTHER_TOKEN + "\n")
    refused(done, "needs-terminal", 4)

    terminal = terminal_login(open_desk, registry)
    for _ in range(3):
        terminal.answers(APPROVE, "not-the-passphrase")
    ends(terminal, 10)

    # Nor is a token in the pipe a yes.
    terminal = open_desk.terminal(
        "/bin/sh", "-c", 'echo "$T" | "$0" login --with-token --replace --index "$1"',
        open_desk.program, registry.index, **network(registry), T=OTHER_TOKEN)
    terminal.sees(APPROVE)
    terminal.send(CANCEL)
    ends(terminal, 5)
    assert "Token for" not in terminal.seen
    assert token_of(open_desk, registry.index) == TOKEN


# The token.

@pytest.mark.parametrize("given", [
    "\n", "\r\n", "x" * 1025 + "\n", "x" * 100_000, "abc\tdef\n", "abc\x01\n", "abc\x1b[2J\n",
    "abc\0def\n", "t\u00f6ken\n", "abc\rdef\n",
], ids=lambda given: ascii(given[:12]))
def test_token_that_is_no_line_of_printable_ascii_is_refused(open_desk, registry, given):
    refused(with_token(open_desk, registry, given=given), "bad-token", 2)
    assert accounts(open_desk) == []


@pytest.mark.parametrize("given, token", [
    (TOKEN, TOKEN), (TOKEN + "\r\n", TOKEN), (f"{TOKEN}\n{OTHER_TOKEN}\n", TOKEN),
    ("x" * 1024 + "\n", "x" * 1024), (" a b \n", " a b "),
], ids=["no newline", "CR LF", "two lines", "longest", "spaces"])
def test_token_is_the_first_line_less_its_end(open_desk, registry, given, token):
    done = with_token(open_desk, registry, given=given)
    assert done.returncode == 0, done.stderr
    assert token_of(open_desk, registry.index) == token


def test_empty_input_is_a_mistake_in_the_command(open_desk, registry):
    refused(with_token(open_desk, registry, given=""), "usage", 2)
    terminal = terminal_login(open_desk, registry)
    terminal.answers(LOG_IN, "y")
    terminal.answers(TOKEN_FOR, "")
    ends(terminal, 2)
    assert accounts(open_desk) == []


# CA and proxy.

def test_ca_and_proxy_are_shown_and_sealed_with_the_account(open_desk, registry):
    proxy = "http://proxy.example:3128"
    terminal = terminal_login(open_desk, registry, "--index", CRATES_IO, CARGO_HTTP_PROXY=proxy)
    question = terminal.answers(LOG_IN, "y")
    size = os.stat(registry.ca).st_size
    assert f"  CA        {registry.ca} ({size} bytes, sealed with the account)" in question
    assert f"  proxy     {proxy} (sealed with the account)" in question
    terminal.answers(TOKEN_FOR, TOKEN)
    ends(terminal, 0)
    (account,) = accounts(open_desk)
    assert account["private-ca"] is True and account["proxy"] == proxy
    vault = open_desk.vault.read_bytes()
    assert b"CERTIFICATE" not in vault and b"proxy.example" not in vault
    assert b"crates.io" not in vault


def test_index_is_asked_through_the_proxy(open_desk, registry):
    with listener() as proxy:
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        with login_under_way(open_desk, registry, https_proxy=address) as login:
            proxy.settimeout(PATIENCE)
            connection, _ = proxy.accept()
            with connection:
                connection.settimeout(PATIENCE)
                assert connection.recv(4096).startswith(b"CONNECT localhost:%d " % registry.port)
            assert login.wait(PATIENCE) == 7
    assert registry.requests() == [] and accounts(open_desk) == []


def test_project_chooses_neither_proxy_nor_ca(open_desk, registry, tmp_path):
    other = Certificate.make(tmp_path / "other-tls")
    with listener() as proxy:
        folder = project(open_desk, f'[http]\nproxy = "http://127.0.0.1:{proxy.getsockname()[1]}"\n'
                                    f'cainfo = "{other.ca}"\n')
        done = with_token(open_desk, registry, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "ignoring http.proxy in" in done.stderr and "http.cainfo in" in done.stderr
        assert not was_called(proxy)
    assert accounts(open_desk)[0]["proxy"] is None


# The network.

def test_plain_http_needs_the_option_and_nothing_is_sent_without_it(open_desk):
    with listener() as server:
        index = f"sparse+http://127.0.0.1:{server.getsockname()[1]}/index/"
        refused(with_token(open_desk, None, "--index", index), "plain-http", 5)
        assert not was_called(server)
    assert accounts(open_desk) == []


def test_plain_http_to_this_machine_works_with_the_option(open_desk, tmp_path):
    with Registry(tmp_path / "plain") as plain:
        done = with_token(open_desk, plain, "--allow-http")
        assert done.returncode == 0, done.stderr
        assert accounts(open_desk)[0]["plain-http"] is True
        plain.announce(api="http://registry.example")
        done = with_token(open_desk, plain, "--allow-http", "--account", "second")
        refused(done, "index-invalid", 6)
    assert len(accounts(open_desk)) == 1


@pytest.mark.parametrize("host", ["registry.example", "192.0.2.1", "[2001:db8::1]"])
def test_plain_http_leaves_this_machine_never(open_desk, host):
    with listener() as proxy:  # All that leaves would have to go through it.
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        done = with_token(open_desk, None, "--index", f"sparse+http://{host}/index/",
                          "--allow-http", CARGO_HTTP_PROXY=address)
        refused(done, "plain-http", 5)
        assert not was_called(proxy)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_refused_and_not_followed(open_desk, registry, elsewhere, status):
    target = f"{elsewhere.api}/index/config.json"
    registry.inject(CONFIG, status=status, redirect=target)
    assert target in refused(with_token(open_desk, registry), "redirect", 7)
    assert elsewhere.requests() == [] and elsewhere.handshake_failures == []
    assert len(registry.requests()) == 1 and accounts(open_desk) == []


def test_certificate_of_an_unknown_ca_is_refused(open_desk, registry, tmp_path):
    other = Certificate.make(tmp_path / "other-tls")
    for ca in ({}, {"CARGO_HTTP_CAINFO": str(other.ca)}):
        done = with_token(open_desk, None, "--index", registry.index, **ca)
        refused(done, "tls", 7)
    assert len(registry.handshake_failures) == 2 and registry.requests() == []
    assert accounts(open_desk) == []


def test_certificate_for_another_name_is_refused(open_desk, tmp_path):
    strange = Certificate.make(tmp_path / "strange-tls", names=("registry.example",))
    with Registry(tmp_path / "strange", tls=strange) as r:
        refused(with_token(open_desk, r), "tls", 7)
        assert r.requests() == []


def test_index_that_is_down_is_a_network_failure(open_desk):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    refused(with_token(open_desk, None, "--index", f"sparse+https://127.0.0.1:{port}/index/"),
            "network", 7)


GOOD = '{"dl":"https://localhost/d","api":"https://localhost"'


@pytest.mark.parametrize("rule, code, status", [
    ({"body": "<html>hello</html>"}, "index-invalid", 6),
    ({"body": b"\xff\xfe"}, "index-invalid", 6),
    ({"body": ""}, "index-invalid", 6),
    ({"body": "[]"}, "index-invalid", 6),
    ({"body": GOOD + "} trailing"}, "index-invalid", 6),
    ({"body": GOOD + ',"api":"https://evil.example"}'}, "index-invalid", 6),
    ({"body": GOOD + ',"auth-required":"no"}'}, "index-invalid", 6),
    ({"body": '{"dl":"https://localhost/d"}'}, "index-invalid", 6),
    ({"body": '{"dl":"https://localhost/d","api":null}'}, "index-invalid", 6),
    ({"body": '{"api":"http://localhost"}'}, "index-invalid", 6),
    ({"body": '{"api":"https://user@localhost"}'}, "index-invalid", 6),
    ({"huge": 10_000_000}, "index-invalid", 6),
    ({"status": 404}, "index-refused", 6),
    ({"status": 500}, "index-refused", 6),
    ({"cut": -1}, "network", 7),
    ({"cut": 10}, "network", 7),
], ids=lambda x: ascii(x)[:48] if isinstance(x, dict) else "")
def test_bad_answer_of_the_index_is_refused_by_name(open_desk, registry, rule, code, status):
    registry.inject(CONFIG, **rule)
    refused(with_token(open_desk, registry), code, status)
    assert len(registry.requests()) == 1 and accounts(open_desk) == []


def test_index_that_never_answers_is_given_up_and_nobody_else_waits(open_desk, registry):
    rule = registry.inject(CONFIG, hang=True)
    with login_under_way(open_desk, registry) as login:
        assert rule.reached.wait(PATIENCE)
        assert accounts(open_desk) == [] and login.poll() is None
        assert login.wait(2 * PATIENCE) == 7
        assert '"network-timeout"' in login.stdout.read()
    assert accounts(open_desk) == []
