"""Accounts that sign, as a person makes and changes them: the command line and the real agent."""

import json

import pytest

from desk import PASSPHRASE
from play import APPROVE, LOG_IN
from registry import Registry
from test_readme import blocks
from verify import Verifier, key_id

# Of RFC 3231's sample key.
SECRET = "k3.secret.fNYVuMvBgOlljt9TDohnaYLblghqaHoQquVZwgR6X12cBFHZLFsaU3q7X3k1Zn36"
PUBLIC = "k3.public.AmDwjlyf8jAV3gm5Z7Kz9xAOcsKslt_Vwp5v-emjFzBHLCtcANzTaVEghTNEMj9PkQ"
DO_IT = "Do it? [y/N] "


@pytest.fixture
def serving(desk):
    """A desk with an agent and an empty store."""
    desk.start()
    desk.init()
    return desk


def signing_registry(tmp_path, certificate, **options):
    """A registry that knows the sample key, until another is registered there."""
    registry = Registry(tmp_path / "signing", tls=certificate,
                        verify=lambda *words: registry.verifier(*words), **options)
    registry.verifier = Verifier(PUBLIC, registry.index)
    return registry


@pytest.fixture
def signing(tmp_path, certificate):
    with signing_registry(tmp_path, certificate) as registry:
        yield registry


@pytest.fixture
def closed(tmp_path, certificate):
    """It wants a token for every read."""
    with signing_registry(tmp_path, certificate, auth_required=True) as registry:
        yield registry


def configure(desk, registry) -> None:
    (desk.cargo_home / "config.toml").write_text(
        f'[registries.local]\nindex = "{registry.index}"\n[http]\ncainfo = "{registry.ca}"\n')


def person(desk, *words: str, prompt: str, answer: str) -> str:
    """What somebody at a terminal sees who answers that question."""
    terminal = desk.terminal(*words)
    terminal.answers(prompt, answer)
    assert terminal.ends() == 0, terminal.seen
    return terminal.seen.replace("\r", "")


def log_in(desk, *words: str) -> str:
    return person(desk, "login", "--asymmetric", "--registry", "local", *words,
                  prompt=LOG_IN, answer="y")


def shown(desk, *words: str) -> dict:
    return json.loads(desk.succeed("key", "show", "--registry", "local", "--json", *words))


def the_account(desk) -> dict:
    [account] = json.loads(desk.succeed("list", "--json"))["accounts"]
    return account


def test_login_makes_a_key_and_shows_what_to_register(serving, signing):
    configure(serving, signing)
    said = log_in(serving, "--subject", "me", "--footer-key", "kid")
    account = the_account(serving)
    assert account["type"] == "asymmetric" and account["subject"] == "me"
    assert account["footer-key"] == "kid" and account["pid"] == key_id(account["public"])
    assert (f"Logged in to registry 'local' ({account['index']}), account 'default': requests "
            "are signed.\nRegister this key at the registry:\n"
            f"  {account['public']}\nIts id is {account['pid']}.\n") in said
    key = shown(serving)
    assert (key["public"], key["pid"], key["next-public"]) == (
        account["public"], account["pid"], None)
    assert f"signs ({account['pid']})" in serving.succeed("list")


def test_login_asks_what_the_readme_shows(serving, signing):
    configure(serving, signing)
    shown, _ = blocks("Signed requests")
    [answered_at] = [i for i, line in enumerate(shown) if line.endswith("[y/N] y")]
    said = log_in(serving).replace("\a", "")
    asked = said.split("Logged in to registry")[0].splitlines()

    def shape(lines):
        """Rows by what they are called; all else as it stands. The CA is this test's own."""
        return [line.split()[0] if line.startswith("  ") else line for line in lines
                if line and not line.startswith("  CA ")]

    assert shape(asked) == shape(shown[1:answered_at + 1])
    assert "  signs     with a key that is made now" in {*asked} & {*shown}


def test_login_takes_a_key_of_ones_own_and_nobody_sees_it(serving, closed):
    configure(serving, closed)
    done = serving.run("login", "--asymmetric", "--with-token", "--registry", "local",
                       given=SECRET + "\n")
    assert done.returncode == 0, done.stderr
    assert f"The registry knows this key:\n  {PUBLIC}\n" in done.stdout
    assert "  checked    the registry accepts it\n" in done.stdout
    assert the_account(serving)["public"] == PUBLIC
    seen = done.stdout + done.stderr + serving.log.read_text() + json.dumps(serving.audit())
    assert SECRET.removeprefix("k3.secret.") not in seen


def test_made_key_is_registered_and_trusted_then(serving, closed):
    configure(serving, closed)
    said = log_in(serving)
    assert said.endswith("The registry does not know it yet. When it does: "
                         "cpub-agent trust --registry local\n")
    account = the_account(serving)
    assert (account["api"], account["readable"]) == (None, True)
    closed.verifier.register(account["public"])
    person(serving, "trust", "--registry", "local", prompt=APPROVE, answer=PASSPHRASE)
    assert the_account(serving)["api"] == closed.api


def test_key_is_rotated_in_two_steps(serving, closed):
    configure(serving, closed)
    serving.succeed("login", "--asymmetric", "--with-token", "--registry", "local", given=SECRET)
    said = person(serving, "key", "rotate", "--registry", "local", prompt=DO_IT, answer="y")
    key = shown(serving)
    assert key["public"] == PUBLIC and key["next-pid"] == key_id(key["next-public"])
    assert f"  {key['next-public']}\nIts id is {key['next-pid']}.\n" in said
    assert said.endswith("Register it, then: cpub-agent key rotate --finish --registry local\n")
    again = serving.succeed("key", "rotate", "--registry", "local")
    assert "already" in again and key["next-public"] in again

    # The registry does not know it yet.
    early = serving.terminal("key", "rotate", "--finish", "--registry", "local")
    assert early.ends() == 6 and shown(serving) == key
    closed.verifier.register(key["next-public"])
    said = person(serving, "key", "rotate", "--finish", "--registry", "local",
                  prompt=APPROVE, answer=PASSPHRASE)
    assert "The new key signs now for account 'default' at" in said
    assert shown(serving)["public"] == key["next-public"]
    assert shown(serving)["next-public"] is None


def test_what_the_tokens_claim_is_changed_and_the_key_stays(serving, signing):
    configure(serving, signing)
    log_in(serving, "--subject", "me")
    key = shown(serving)
    said = person(serving, "key", "set", "--subject", "you", "--footer-key", "kid", "--registry",
                  "local", prompt=APPROVE, answer=PASSPHRASE)
    assert "Changed what the tokens of account 'default' at" in said and key["public"] in said
    assert "  subject    you\n  footer     names the key as 'kid'\n" in said
    assert shown(serving) == key | {"subject": "you", "footer-key": "kid"}
    person(serving, "key", "set", "--no-subject", "--registry", "local",
           prompt=APPROVE, answer=PASSPHRASE)
    assert shown(serving) == key | {"subject": None, "footer-key": "kid"}
    assert serving.run("key", "set", "--footer-key", "kip", "--registry", "local").returncode == 4


def test_next_key_can_be_forgotten(serving, signing):
    configure(serving, signing)
    log_in(serving)
    key = shown(serving)
    person(serving, "key", "rotate", "--registry", "local", prompt=DO_IT, answer="y")
    said = person(serving, "key", "rotate", "--cancel", "--registry", "local",
                  prompt=DO_IT, answer="y")
    assert key["public"] in said
    assert shown(serving) == key
    assert serving.run("key", "rotate", "--cancel", "--registry", "local").returncode == 2


def test_a_made_key_needs_a_person(serving, signing):
    configure(serving, signing)
    done = serving.run("login", "--asymmetric", "--registry", "local")
    assert done.returncode == 4
    assert json.loads(serving.succeed("list", "--json"))["accounts"] == []


def test_what_is_no_key_is_refused(serving, signing):
    configure(serving, signing)
    for text in ("k3.secret.x", SECRET[:-1], "a token", "-----BEGIN EC PRIVATE KEY-----\n"):
        done = serving.run("login", "--asymmetric", "--with-token", "--registry", "local",
                           given=text)
        assert done.returncode == 2 and "no private key of the curve P-384" in done.stderr
        assert text not in done.stderr
