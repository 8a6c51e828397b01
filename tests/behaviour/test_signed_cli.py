"""Signed requests as a person comes to them: what the command line says next is all it takes."""

import json
import re
import shlex
import subprocess

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from crate import write_crate
from desk import PASSPHRASE
from signed_play import APPROVE, LOG_IN, key_id, key_traces, public, signer, workshop

__all__ = ["signer", "workshop"]  # Fixtures.

pytestmark = pytest.mark.release  # Starts cargo.

PUBLIC = re.compile(r"k3\.public\.[\w-]{66}")


@pytest.fixture
def person(signer):
    """At a registry that wants all reads signed, and is called `local`."""
    signer.registry.announce(auth_required=True)
    signer.desk.set_up_cargo(signer.registry, "--account", signer.account)
    signer.crate("0.1.0")
    return signer


def which(signer) -> tuple[str, ...]:
    return ("--registry", "local", "--account", signer.account)


def run(signer, *words: str, answers: dict[str, str], status: int = 0) -> str:
    """On a terminal, where each question comes once; what was seen."""
    terminal = signer.desk.terminal(*words)
    for prompt, answer in answers.items():
        terminal.answers(prompt, answer)
    assert terminal.ends() == status, terminal.seen
    assert "k3.secret." not in terminal.seen
    return terminal.seen.replace("\r", "")


def said_to_run(text: str, verb: str) -> list[str]:
    """The command that a person is told, as words of cpub-agent."""
    (line,) = re.findall(rf"cpub-agent ({verb} .*)$", text, re.M)
    return shlex.split(line)


def builds(signer, name: str) -> bool:
    folder = write_crate(signer.desk.home / f"{signer.account}-{name}", name,
                         deps={signer.crate_name: "0.1.0"})
    return signer.desk.cargo("build", cwd=folder).returncode == 0


def test_made_key_is_registered_trusted_used_and_changed_as_it_is_said(person):
    seen = run(person, "login", "--asymmetric", *which(person), answers={LOG_IN: "y"})
    (made,) = set(PUBLIC.findall(seen))
    assert key_id(made) in seen and not builds(person, "early")
    person.verifier.register(made)
    run(person, *said_to_run(seen, "trust"), answers={APPROVE: PASSPHRASE})
    assert builds(person, "user")

    seen = run(person, "key", "rotate", *which(person), answers={"[y/N] ": "y"})
    (following,) = set(PUBLIC.findall(seen)) - {made}
    finish = said_to_run(seen, "key rotate --finish")
    assert "goes on signing" in seen and builds(person, "meanwhile")
    # It is tried before anybody is asked.
    assert "does not take what this key signs" in run(person, *finish, answers={}, status=6)
    person.verifier.register(following)
    seen = run(person, *finish, answers={APPROVE: PASSPHRASE})
    assert following in seen and "Remove it at the registry" in seen and builds(person, "then")

    shown = person.desk.succeed("key", "show", *which(person))
    assert PUBLIC.findall(shown) == [following]
    assert f"signs ({key_id(following)})" in person.desk.succeed("list")
    told = json.loads(person.desk.succeed("--json", "key", "show", *which(person)))
    assert (told["public"], told["next-public"]) == (following, None)


def test_key_of_openssl_is_taken_from_standard_input(person):
    made = subprocess.run(["openssl", "ecparam", "-name", "secp384r1", "-genkey"], check=True,
                          capture_output=True, text=True).stdout
    key = load_pem_private_key(made[made.index("-----BEGIN EC PRIVATE"):].encode(), None)
    person.keys.append(key)
    person.verifier.register(public(key))
    done = person.desk.run("login", "--asymmetric", "--with-token", *which(person), given=made)
    assert done.returncode == 0, done.stderr
    assert public(key) in done.stdout and key_traces(done.stdout + done.stderr, key) == []
    assert builds(person, "user")


def test_bad_key_on_standard_input_is_refused_and_not_repeated(person):
    made = subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"],
                          check=True, capture_output=True, text=True).stdout
    done = person.desk.run("login", "--asymmetric", "--with-token", *which(person), given=made)
    assert done.returncode == 2 and person.stored() == []
    assert made.splitlines()[1] not in done.stdout + done.stderr
    assert "P-384" in done.stderr


def test_next_key_is_forgotten_and_nothing_is_left_to_finish(person):
    seen = run(person, "login", "--asymmetric", *which(person), answers={LOG_IN: "y"})
    (made,) = set(PUBLIC.findall(seen))
    run(person, "key", "rotate", *which(person), answers={"[y/N] ": "y"})
    seen = run(person, "key", "rotate", "--cancel", *which(person), answers={"[y/N] ": "y"})
    assert PUBLIC.findall(seen)[-1] == made
    done = person.desk.run("--json", "key", "rotate", "--finish", *which(person))
    assert json.loads(done.stdout)["error"]["code"] == "no-next-key" and done.returncode == 2


def test_revoke_says_what_to_do_instead(person):
    person.log_in()
    done = person.desk.run("revoke", *which(person))
    assert done.returncode == 2 and "public key" in done.stderr and "logout" in done.stderr
    assert len(person.stored()) == 1
