"""
A private key that somebody takes for a token is sent nowhere, though the index wants a token, and
stored nowhere, by whichever way it comes.
"""

import json
import os

import pytest

from desk import PASSPHRASE, code
from import_play import configure, keep, take_over
from play import LOG_IN, TOKEN_FOR
from signed_play import APPROVE, Asked, key_traces, paserk, pem, piped, signer, workshop

__all__ = ["signer", "workshop"]  # Fixtures.

FORMS = {
    "paserk": paserk,
    "another version": lambda key: paserk(key).replace("k3.", "k4."),
    "upper case": lambda key: paserk(key).replace("k3.secret", "K3.SECRET"),
    "PEM": lambda key: pem(key).decode(),
    "behind a scheme": lambda key: "Bearer " + paserk(key),
    "a line of PEM": lambda key: pem(key).decode().replace("\n", " "),
}
ONE_LINE = [form for form in FORMS if form != "PEM"]


@pytest.fixture
def closed(signer):
    """Where a token would be shown to the index at once, and as such even taken."""
    signer.registry.announce(auth_required=True)
    return signer


def goes_nowhere(signer, answer: dict) -> None:
    assert code(answer) == "token-is-key"
    assert key_traces(json.dumps(answer), signer.key) == []
    assert [entry for entry in signer.requests() if entry["token"]] == []
    assert signer.verifier.refused == [] and signer.stored() == []


@pytest.mark.parametrize("form", ONE_LINE)
def test_key_in_the_request_is_no_token(closed, form):
    """As any program may send it."""
    request = closed.token_request(FORMS[form](closed.key))
    goes_nowhere(closed, closed.desk.ask(request))


@pytest.mark.parametrize("form", FORMS)
def test_key_in_the_pipe_is_no_token(closed, form):
    given = FORMS[form](closed.key)
    goes_nowhere(closed, piped(closed.desk, closed.token_request(None), given))


@pytest.mark.parametrize("form", ONE_LINE)
def test_key_that_is_typed_is_no_token(closed, form):
    typed = FORMS[form](closed.key)
    asked = Asked(closed.desk, closed.token_request(None), {LOG_IN: "y", TOKEN_FOR: typed})
    assert key_traces(asked.seen, closed.key) == []
    goes_nowhere(closed, asked.answer)


@pytest.mark.parametrize("form", ONE_LINE)
def test_key_in_a_file_is_no_token(closed, tmp_path, form):
    path = tmp_path / "credentials.toml"
    path.write_text(f'[registries.corp]\ntoken = "{FORMS[form](closed.key)}"\n')
    request = closed.token_request(None, secret_in_file="registries.corp.token")
    with open(path, "rb") as file:
        goes_nowhere(closed, closed.desk.ask(request, [file.fileno()]))


def test_key_in_cargos_own_file_is_not_taken_over(closed):
    """And stays where it is, for the person to look at."""
    configure(closed.desk, corp=closed.registry)
    text = f'[registries.corp]\ntoken = "{paserk(closed.key)}"\n'
    path = keep(closed.desk, text)
    done = take_over(closed.desk, closed.registry, "--account", closed.account, "--wipe")
    assert done.returncode == 2 and "login --asymmetric" in done.stderr + done.stdout
    assert key_traces(done.stdout + done.stderr, closed.key) == [] and path.read_text() == text
    assert [entry for entry in closed.requests() if entry["token"]] == closed.stored() == []
    os.unlink(path)


@pytest.mark.parametrize("is_of_cargo", [False, True])
def test_key_over_a_token_by_mistake_leaves_the_token(signer, is_of_cargo):
    """`cargo login` tells no CA: it goes by the one that the passphrase has confirmed."""
    assert code(signer.desk.ask(signer.token_request())) == "ok"
    assert code(signer.ask(signer.token_request(replace=True)).answer) == "ok"
    before, key = signer.stored(), paserk(signer.key)
    signer.registry.announce(auth_required=True)
    request = signer.request("login", token=key) if is_of_cargo else (
        signer.token_request(None, replace=True))
    asked = Asked(signer.desk, request, {APPROVE: PASSPHRASE, TOKEN_FOR: key})
    assert code(asked.answer) == "token-is-key" and APPROVE in asked.seen
    assert signer.stored() == before
    assert [entry for entry in signer.requests() if entry["token"]] == []


@pytest.mark.parametrize("token", ["my-k3.secret.token", "v3.public.AAAA.AAAA", "k3.public.AAAA",
                                   "not-----BEGIN PRIVATE KEY-----"])
def test_token_that_has_such_words_in_it_is_one(signer, token):
    assert code(signer.desk.ask(signer.token_request(token))) == "ok"
    assert signer.stored()[0]["type"] == "bearer"
