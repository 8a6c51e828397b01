"""The real cargo, cut off from the user's own: its own home and an environment of few variables."""

import json
import os
import subprocess
from pathlib import Path

from registry import Registry

SECONDS_MAX = 120
KEPT = ("PATH", "LANG", "TMPDIR", "RUSTUP_TOOLCHAIN")


class Cargo:
    """Knows one registry under the name `local`. providers go into cargo's global list."""

    def __init__(self, home, registry: Registry, *, token: str | None = None,
                 providers: tuple[str, ...] = ("cargo:token",)):
        self.home = Path(home)
        self.home.mkdir(parents=True)
        (self.home / "config.toml").write_text(
            f'[registries.local]\nindex = "{registry.index}"\n'
            f'[registry]\nglobal-credential-providers = {json.dumps(list(providers))}\n')
        self.environment = {name: os.environ[name] for name in KEPT if name in os.environ} | {
            "HOME": str(self.home),
            "CARGO_HOME": str(self.home),
            "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup")),
            "CARGO_TERM_COLOR": "never",
            "CARGO_NET_RETRY": "0",
        }
        if registry.ca:
            self.environment["CARGO_HTTP_CAINFO"] = registry.ca
        if token is not None:
            self.environment["CARGO_REGISTRIES_LOCAL_TOKEN"] = token

    def run(self, *words: str, cwd=None, **environment: str) -> subprocess.CompletedProcess:
        """Runs cargo to its end, whatever the outcome; both outputs are text."""
        return subprocess.run(
            ["cargo", *words], cwd=cwd or self.home, env=self.environment | environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS_MAX)

    def succeed(self, *words: str, cwd=None, **environment: str) -> str:
        """Runs cargo, which has to succeed, and returns what it printed."""
        done = self.run(*words, cwd=cwd, **environment)
        assert done.returncode == 0, f"cargo {' '.join(words)}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr
