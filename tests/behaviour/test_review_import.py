"""`import` over files that are odd, or hostile: no token is lost, and no name in them plays tricks."""

from import_play import keep, take_over


def test_name_in_a_file_sends_nothing_to_the_terminal(open_desk):
    keep(open_desk, '[registries."\\u001b]0;mine\\u0007\\u202e"]\ntoken = "x"\n')
    for words in (["--dry-run"], []):
        done = take_over(open_desk, None, *words)
        assert "?]0;mine??" in done.stdout
        assert "\x1b" not in done.stdout + done.stderr and "\u202e" not in done.stdout
