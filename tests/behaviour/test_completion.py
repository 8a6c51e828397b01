"""Completion: what a shell offers is what the command line takes."""

import re
import shutil
import subprocess


def offered(desk, *words: str) -> list[str]:
    """What bash offers for the last word."""
    quoted = " ".join(f"'{word}'" for word in words)
    script = (f'eval "$({desk.program} completion bash)"; COMP_WORDS=(cpub-agent {quoted}); '
              f'COMP_CWORD={len(words)}; _cpub_agent; printf "%s\\n" "${{COMPREPLY[@]}}"')
    done = subprocess.run(["bash", "-c", script], env=desk.environment, capture_output=True,
                          text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def help_of(desk, *words: str) -> str:
    return desk.succeed(*words, "--help")


def test_bash_is_offered_every_verb_and_every_option_of_the_help(desk):
    verbs = re.findall(r"^  ([a-z]+)  ", help_of(desk), flags=re.M)
    assert len(verbs) > 10
    assert [word for word in offered(desk, "") if not word.startswith("-")] == verbs
    for verb in verbs:
        told = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", help_of(desk, verb), flags=re.M))
        words = {word for word in offered(desk, verb, "-")}
        assert told == words, verb


def test_bash_completes_a_begun_word(desk):
    assert offered(desk, "logi") == ["login"]
    assert offered(desk, "--json", "login", "--no-c") == ["--no-check"]
    assert offered(desk, "setup", "c") == ["cargo"]
    assert offered(desk, "completion", "z") == ["zsh"]
    assert offered(desk, "lock", "--wi") == []


def test_other_shells_get_a_script_that_they_can_read(desk):
    assert "bashcompinit" in desk.succeed("completion", "zsh")
    fish = desk.succeed("completion", "fish")
    assert "complete -c cpub-agent -n '__fish_seen_subcommand_from login' -l with-token\n" in fish
    if not shutil.which("fish"):
        print("fish is not installed: its script was not read by it")
        return
    subprocess.run(["fish", "--no-execute"], input=fish, text=True, check=True)


def test_without_a_shell_it_asks_for_one(desk):
    done = desk.run("completion")
    assert done.returncode == 2 and "bash, zsh or fish" in done.stderr
