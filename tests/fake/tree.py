"""A copy of the built tree in which one worker is replaced by one that misbehaves."""

import os
import shutil
from pathlib import Path

FAKE = Path(__file__).resolve().parent / "worker.py"


class Tree:
    """The programs find each other through /proc/self/exe, so they are copied, not linked."""

    def __init__(self, build: Path, directory: Path):
        self.real = build / "libexec/cpub-agent"
        self.bin = directory / "bin"
        self.libexec = directory / "libexec/cpub-agent"
        for source, target in ((build / "bin", self.bin), (self.real, self.libexec)):
            target.mkdir(parents=True)
            for file in source.iterdir():
                if file.is_file() and os.access(file, os.X_OK):
                    shutil.copy(file, target / file.name)

    def misbehave(self, worker: str, behaviour: str) -> None:
        (self.libexec / "behaviour").write_text(behaviour)
        self.put(worker, FAKE)

    def heal(self, worker: str) -> None:
        self.put(worker, self.real / worker)

    def put(self, worker: str, program: Path) -> None:
        # By rename: the old one may be running.
        beside = self.libexec / f"{worker}.new"
        shutil.copy(program, beside)
        beside.rename(self.libexec / worker)

    def remove(self, worker: str) -> None:
        (self.libexec / worker).unlink()
