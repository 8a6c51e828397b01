"""The demo behind tests/demo: each step is shown, done for real, and checked."""

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "behaviour"), str(HERE / "registry")]

from crate import write_crate  # noqa: E402
from desk import PASSPHRASE, TOKEN, Desk  # noqa: E402
from registry import Registry  # noqa: E402

BUILD_SCRIPT = """
fn main() {
    // Any dependency of yours can do this. It looks for the token in its own environment.
    let found = std::env::vars().any(|(_, value)| value.starts_with("cio"));
    println!("cargo:warning=build script running; a token in my environment: {found}");
}
"""


def say(text: str) -> None:
    print(f"\n\033[1m# {text}\033[0m" if sys.stdout.isatty() else f"\n# {text}", flush=True)


def show(command: str) -> None:
    print(f"$ {command}", flush=True)


def indent(text: str) -> None:
    for line in text.replace("\r", "").strip("\n").splitlines():
        print(f"    {line}")
    sys.stdout.flush()


def play(desk: Desk, command: str, *answers: tuple[str, str, str], cwd=None) -> None:
    """Runs it on a terminal and types: (what is asked, what is typed, how that is shown)."""
    show(command)
    words = command.split()
    terminal = desk.terminal(*(words[1:] if words[0] == "cpub-agent" else words), cwd=cwd)
    for asked, typed, _ in answers:
        terminal.answers(asked, typed)
    status = terminal.ends()
    text = terminal.seen
    for asked, _, shown in answers:
        text = text.replace(asked, f"{asked}<{shown}>", 1)
    indent(text)
    if status != 0:
        sys.exit(f"the demo failed: {command}: exit status {status}")


def find_secrets(desk: Desk, directory: Path) -> int:
    show(f"grep -rl TOKEN {directory}")
    done = subprocess.run(["grep", "-rlaF", "-e", TOKEN, "-e", PASSPHRASE, str(directory)],
                          capture_output=True, text=True, check=False)
    indent(done.stdout or "(no file holds the token or the passphrase)")
    return len(done.stdout.splitlines())


def run(directory: Path, registry: Registry) -> int:
    desk = Desk(directory / "desk")
    desk.environment["CARGO_HTTP_CAINFO"] = registry.ca
    desk.set_up_cargo(registry)
    try:
        say("A vault, sealed with a passphrase that is asked twice")
        play(desk, "cpub-agent init --store vault",
             ("New passphrase (^C cancels): ", PASSPHRASE, "passphrase, not shown"),
             ("The same again: ", PASSPHRASE, "again"))

        say("Log in: the agent shows what it pins, and reads the token itself; "
            "the command line never does")
        play(desk, "cpub-agent login --registry local",
             ("Log in there? [y/N] ", "y", "y"),
             ("(not shown, ^C cancels): ", TOKEN, "token"))

        say("A locked store, and the real cargo: it asks to unlock before the build, "
            "and to approve after it")
        play(desk, "cpub-agent lock")
        folder = write_crate(desk.home / "demo", "demo", build=BUILD_SCRIPT)
        play(desk, "cargo publish --registry local --allow-dirty",
             ("Passphrase to unlock cpub-agent (^C cancels): ", PASSPHRASE, "passphrase"),
             ("Passphrase to approve (^C denies): ", PASSPHRASE, "passphrase"), cwd=folder)

        say("What the registry saw: reads without any token, one upload with the right one")
        for request in registry.requests():
            # Only the upload needs one; the registry notes every token where none belongs.
            print(f"    {request['method']:4} {request['path']:32} {request['status']}")
        published = registry.crates["demo", "0.1.0"]
        print(f"    stored demo 0.1.0, sha256 {published.cksum}")
        if registry.violations:
            sys.exit(f"the demo failed: {registry.violations}")

        say("The token is nowhere on disk in the clear")
        if find_secrets(desk, directory):
            sys.exit("the demo failed: a secret lies on disk")

        say("What there is, and good-bye")
        play(desk, "cpub-agent status")
        play(desk, "cpub-agent list")
        play(desk, "cpub-agent logout --registry local", ("Remove? [y/N] ", "y", "y"))
        play(desk, "cpub-agent lock")
    finally:
        desk.stop()
    say("Done")
    return 0


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="cpub-demo-") as name:
        directory = Path(name)
        with Registry(directory / "registry", tls=True, tokens={TOKEN}) as registry:
            return run(directory, registry)


if __name__ == "__main__":
    sys.exit(main())
