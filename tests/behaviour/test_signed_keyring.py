"""The key of an account lies sealed in the desktop's keyring as well, where no program reads it."""

import pytest

from desk import PASSPHRASE, code
from play import accounts
from signed_play import APPROVE, Asked, Signer, SigningRegistry, key_traces, outcome

pytestmark = pytest.mark.release
YES = {APPROVE: PASSPHRASE, "[y/N] ": "y"}


@pytest.fixture(params=["--with-passphrase", "--no-passphrase"])
def signer(request, desk, keyring, tmp_path, certificate):
    with SigningRegistry(tmp_path / "registry", certificate) as registry:
        desk.start()
        given = PASSPHRASE + "\n" if request.param == "--with-passphrase" else None
        desk.succeed("init", "--store", "keyring", request.param, given=given)
        yield Signer(desk, registry, registry.verifier)


def test_key_in_the_keyring_signs_for_the_next_agent_too(signer, keyring):
    desk = signer.desk
    level = desk.status()["level"]
    signer.crate("0.1.0")
    signer.log_in()
    desk.stop()
    with keyring.items() as items:
        sealed = b"".join(item.raw() for item in items)
    assert sealed and key_traces(sealed, signer.key) == []
    desk.start()
    if level == 2:
        desk.unlock()
    asked = Asked(desk, signer.request(
        "yank", releases=[{"name": signer.crate_name, "vers": "0.1.0"}]), YES)
    assert outcome(asked.answer) == ("done", None)
    assert (APPROVE in asked.seen) == (level == 2)
    assert code(signer.change("rotate")) == "ok"
    assert [told["type"] for told in accounts(desk)] == ["asymmetric"]
