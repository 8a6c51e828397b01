"""What was agreed to holds only while what it was agreed about is still so."""

import json

from desk import PASSPHRASE, code, publish
from play import APPROVE, lent_pty, log_out

NEW = "New passphrase (^C cancels): "
AGAIN = "The same again: "
PASSWD = {"v": 1, "kind": "passwd"}


def test_passphrase_that_was_changed_meanwhile_changes_nothing_any_more(open_desk):
    with lent_pty() as slow, lent_pty() as fast, open_desk.line() as one, open_desk.line() as two:
        one.send(PASSWD, [slow.lent])
        slow.answers(APPROVE, PASSPHRASE)
        slow.sees(NEW)
        two.send(PASSWD, [fast.lent])
        fast.answers(APPROVE, PASSPHRASE)
        fast.answers(NEW, "the-newest-one")
        fast.answers(AGAIN, "the-newest-one")
        assert code(json.loads(two.receive())) == "ok"
        slow.types("an-older-one")
        slow.answers(AGAIN, "an-older-one")
        assert code(json.loads(one.receive())) == "wrong-passphrase"
    open_desk.succeed("lock")
    open_desk.succeed("unlock", "--with-passphrase", given="the-newest-one\n")


def test_account_that_went_during_the_question_is_unknown(ready_desk, registry):
    with lent_pty() as terminal, ready_desk.line() as line:
        line.send(publish(registry.index), [terminal.lent])
        terminal.sees(APPROVE)
        log_out(ready_desk, registry.index)
        terminal.types(PASSPHRASE)
        assert code(json.loads(line.receive())) == "account-unknown"
    assert ready_desk.audit()[-1]["refusal"] == "account-unknown"


def test_release_is_announced_only_when_it_happens(ready_desk, registry):
    with lent_pty() as terminal:
        with ready_desk.line() as line:
            line.send(publish(registry.index, "one"), [terminal.lent])
            terminal.answers(APPROVE, PASSPHRASE)
            assert code(json.loads(line.receive())) == "ok"
        registry.announce(api="https://elsewhere.example")
        assert code(ready_desk.ask(publish(registry.index, "two"))) == "origin-changed"
        assert "releasing" not in terminal.shown()
        registry.announce(api=registry.api)
        assert code(ready_desk.ask(publish(registry.index, "two"))) == "ok"
        terminal.sees("covered by your approval, releasing the token for two 0.1.0")
