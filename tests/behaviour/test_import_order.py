"""`import` over files that are odd, or hostile: no token is lost, and no name in them plays tricks."""

import pexpect

from desk import PASSPHRASE, TOKEN
from import_play import configure, keep, take_over, told
from play import APPROVE, OTHER_TOKEN, network, token_of


def test_two_names_of_one_registry_lose_no_token(open_desk, registry):
    registry.accept_token(OTHER_TOKEN)
    configure(open_desk, one=registry, two=registry)
    path = keep(open_desk, f'[registries.one]\ntoken = "{TOKEN}"\n'
                           f'[registries.two]\ntoken = "{OTHER_TOKEN}"\n')
    terminal = open_desk.terminal("import", "--from", "cargo", "--replace", "--wipe",
                                  **network(registry))
    if terminal.expect_exact([APPROVE, pexpect.EOF]) == 0:
        terminal.types(PASSPHRASE)  # A person agrees to what is asked.
    terminal.ends()
    stored = token_of(open_desk, registry.index)
    left = path.read_text()
    for token in (TOKEN, OTHER_TOKEN):
        assert (token == stored) != (token in left), "it is neither stored nor in the file"


def test_two_names_of_one_registry_are_told_apart_without_a_question(open_desk, registry):
    configure(open_desk, one=registry, two=registry)
    keep(open_desk, f'[registries.one]\ntoken = "{TOKEN}"\n'
                    f'[registries.two]\ntoken = "{OTHER_TOKEN}"\n')
    status, tokens, _ = told(open_desk, registry, "--replace")
    assert status == 9
    assert tokens["registries.one.token"]["result"] == "stored"
    two = tokens["registries.two.token"]
    assert (two["result"], two["code"]) == ("refused", "account-exists")
    assert token_of(open_desk, registry.index) == TOKEN


def test_name_in_a_file_sends_nothing_to_the_terminal(open_desk):
    keep(open_desk, '[registries."\\u001b]0;mine\\u0007\\u202e"]\ntoken = "x"\n')
    for words in (["--dry-run"], []):
        done = take_over(open_desk, None, *words)
        assert "?]0;mine??" in done.stdout
        assert "\x1b" not in done.stdout + done.stderr and "\u202e" not in done.stdout
