"""What was agreed to holds only while what it was agreed about is still so."""

import json

from desk import PASSPHRASE, code
from play import APPROVE, lent_pty

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
