"""`key`: an account's key is shown, and changed for another; at each moment one signs."""

import json

import pytest

from desk import PASSPHRASE, code
from signed_play import APPROVE, Asked, act, key_id, outcome, public, signer, workshop

__all__ = ["signer", "workshop"]  # Fixtures.

TOLD = {"kind", "index", "account", "for", "type", "subject", "footer-key", "public", "pid",
        "next-public", "next-pid", "changed"}


@pytest.fixture
def ready(signer):
    signer.crate("0.1.0")
    signer.log_in()
    return signer


def keys(told: dict) -> tuple[str, str | None]:
    """The ids are those of the keys."""
    assert told["pid"] == key_id(told["public"])
    assert told["next-pid"] == (key_id(told["next-public"]) if told["next-public"] else None)
    return told["public"], told["next-public"]


def show(signer, **more) -> dict:
    """Nobody is asked."""
    answer = signer.desk.ask(signer.request("key", **more))
    assert code(answer) == "ok" and "k3.secret" not in json.dumps(answer)
    return answer["Ok"]


def test_key_is_shown_without_a_question(ready):
    for more in ({}, {"change": "show"}):
        told = show(ready, **more)
        assert told.keys() == TOLD and keys(told) == (public(ready.key), None)
        assert (told["account"], told["for"], told["changed"]) == (ready.account, "all", False)
        assert told["index"] == ready.stored()[0]["index"]


def test_key_for_reads_is_shown_by_itself(signer):
    signer.registry.announce(auth_required=True)
    signer.verifier.reset(subject="ci", footer_key="kid")
    signer.log_in(subject="ci", footer_key="kid", **{"for": "read"})
    told = show(signer, **{"for": "read"})
    assert (told["for"], told["subject"], told["footer-key"]) == ("read", "ci", "kid")
    assert code(signer.desk.ask(signer.request("key"))) == "account-unknown"


def test_next_key_is_made_beside_the_one_that_signs_on(ready):
    asked = Asked(ready.desk, ready.request("key", change="rotate"), {"[y/N] ": "y"})
    told = asked.answer["Ok"]
    assert len(asked.questions) == 1 and told["changed"] is True
    ours, following = keys(told)
    assert ours == public(ready.key) != following and following.startswith("k3.public.")
    assert ready.verifier(ready.token("yank"), act("yank"))
    (stored,) = ready.stored()
    assert keys(stored) == (ours, following)


def test_next_key_that_is_there_is_shown_and_not_made_again(ready):
    first = ready.change("rotate")["Ok"]
    again = ready.desk.ask(ready.request("key", change="rotate"))["Ok"]  # No question.
    assert keys(again) == keys(first) and again["changed"] is False


def test_next_key_takes_the_place_of_the_first(ready):
    following = ready.change("rotate")["Ok"]["next-public"]
    asked = ready.ask(ready.request("key", change="finish"))
    assert APPROVE in asked.seen and asked.answer["Ok"]["changed"] is True
    assert keys(asked.answer["Ok"]) == (following, None)
    token = ready.token("yank")
    assert not ready.verifier(token, act("yank")) and ready.verifier.refused == ["signature"]
    ready.verifier.register(following)
    assert ready.verifier(ready.token("yank"), act("yank"))
    assert keys(show(ready)) == (following, None) and len(ready.stored()) == 1


def test_registry_that_knows_the_next_key_alone_takes_nothing_before_and_all_after(ready):
    told = ready.change("rotate")["Ok"]
    ready.verifier.register(told["next-public"])
    assert outcome(ready.yank("0.1.0")) == ("refused", "key-unknown")
    assert code(ready.change("finish")) == "ok"
    assert outcome(ready.yank("0.1.0")) == ("done", None)
    assert ready.verifier.refused == ["signature"]
    assert ready.verifier.admitted[-1][1]["kip"] == told["next-pid"]


def test_next_key_is_tried_first_where_all_reads_are_signed(signer):
    signer.registry.announce(auth_required=True)
    signer.log_in()
    told = signer.change("rotate")["Ok"]
    assert code(signer.change("finish")) == "key-unknown"
    assert keys(show(signer)) == keys(told), "nothing has changed"
    assert signer.verifier(signer.token("read"), {})
    signer.verifier.register(told["next-public"])
    assert code(signer.change("finish")) == "ok"
    assert signer.verifier(signer.token("read"), {})
    assert keys(show(signer)) == (told["next-public"], None)


def test_next_key_is_forgotten_where_that_is_wanted(ready):
    first = ready.change("rotate")["Ok"]["next-public"]
    asked = Asked(ready.desk, ready.request("key", change="cancel"), {"[y/N] ": "y"})
    assert len(asked.questions) == 1 and asked.answer["Ok"]["changed"] is True
    assert keys(asked.answer["Ok"]) == (public(ready.key), None) == keys(show(ready))
    assert ready.change("rotate")["Ok"]["next-public"] != first


@pytest.mark.parametrize("change", ["finish", "cancel"])
def test_without_a_next_key_there_is_nothing_to_do(ready, change):
    assert code(ready.desk.ask(ready.request("key", change=change))) == "no-next-key"


def test_each_change_needs_its_agreement(ready):
    def ask(change, answers):
        return code(Asked(ready.desk, ready.request("key", change=change), answers).answer)
    assert code(ready.desk.ask(ready.request("key", change="rotate"))) == "needs-terminal"
    assert ask("rotate", {"[y/N] ": "n"}) == "denied"
    assert keys(show(ready)) == (public(ready.key), None)
    told = ready.change("rotate")["Ok"]
    for change, answers in (("finish", {APPROVE: "\x03"}), ("cancel", {"[y/N] ": "n"})):
        assert code(ready.desk.ask(ready.request("key", change=change))) == "needs-terminal"
        assert ask(change, answers) == "denied"
        assert keys(show(ready)) == keys(told)


def test_account_with_a_token_has_no_key(signer):
    request = signer.login_request() | {"token": "a token of the tests"}
    del request["asymmetric"]
    assert code(signer.desk.ask(request)) == "ok"
    for change in ("show", "rotate", "finish", "cancel"):
        assert code(signer.desk.ask(signer.request("key", change=change))) == "no-key"


@pytest.mark.parametrize("more", [{"change": "erase"}, {"change": 1}, {"for": "write"}])
def test_change_that_is_none_is_refused(ready, more):
    assert code(ready.desk.ask(ready.request("key") | more)) == "bad-request"


def test_both_keys_outlive_a_lock(ready):
    told = ready.change("rotate")["Ok"]
    ready.desk.succeed("lock")
    assert code(ready.desk.ask(ready.request("key"))) == "locked"
    ready.desk.unlock()
    assert keys(show(ready)) == keys(told)
    assert ready.verifier(ready.token("yank"), act("yank"))


def test_replacing_the_key_forgets_the_next_one(ready):
    ready.change("rotate")
    asked = ready.ask(ready.login_request(replace=True))
    assert code(asked.answer) == "ok" and show(ready)["next-public"] is None


def test_both_keys_outlive_a_new_passphrase(ready):
    """Which seals every record anew."""
    following = ready.change("rotate")["Ok"]["next-pid"]
    asked = Asked(ready.desk, {"v": 1, "kind": "passwd"}, {
        APPROVE: PASSPHRASE, "New passphrase": PASSPHRASE, "The same again": PASSPHRASE})
    assert code(asked.answer) == "ok"
    assert outcome(ready.yank("0.1.0")) == ("done", None)
    assert ready.change("finish")["Ok"]["pid"] == following
