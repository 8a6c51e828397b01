"""worker-seal and worker-inspect, driven as the core drives them, and crates for them to look at."""

import fcntl
import gzip
import io
import os
import tarfile
from dataclasses import dataclass

from worker_program import Worker, enumerators, ask_worker

CRATES_IO = "https://github.com/rust-lang/crates.io-index"
ELSEWHERE = "sparse+https://corp.example/index"
ERRAND = {name[len("INSPECT_"):]: value
          for name, value in enumerators("agent/work/frame.h", "inspect_errand").items()}
SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL

MANIFEST = """\
[package]
name = "demo"
version = "0.1.0"
edition = "2021"
description = "A crate for a test."
license = "MIT"
"""


class MemoryFile:
    """A file in memory as the core makes them; with a content it is sealed."""

    def __init__(self, content=None):
        self.fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        if content is not None:
            with open(self.fd, "wb", closefd=False) as file:
                file.write(content)
            fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, SEALS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    @property
    def seals(self):
        return fcntl.fcntl(self.fd, fcntl.F_GET_SEALS)

    def content(self):
        return os.pread(self.fd, os.fstat(self.fd).st_size, 0)


@dataclass
class Inspection:
    refusal: str
    detail: str | None
    metadata: bytes
    seals: int
    fields: dict

    def lines(self, name):
        return self.fields[name].decode().split("\n") if name in self.fields else []

    def number(self, name):
        return int.from_bytes(self.fields[name], "little")


def inspect(crate: bytes, index=CRATES_IO) -> Inspection:
    with MemoryFile(crate) as file, MemoryFile() as metadata:
        answer = ask_worker("inspect", {"INSPECT_ERRAND": ERRAND["CRATE"], "INDEX_URL": index},
                            [file.fd, metadata.fd])
        return Inspection(answer.refusal, answer.detail, metadata.content(), metadata.seals,
                          answer.fields)


def compare(before: bytes, after: bytes) -> Inspection:
    with MemoryFile(before) as one, MemoryFile(after) as other:
        answer = ask_worker("inspect", {"INSPECT_ERRAND": ERRAND["COMPARE"]}, [one.fd, other.fd])
        return Inspection(answer.refusal, answer.detail, b"", 0, answer.fields)


class Archive:
    """A tar archive, entry by entry, of any kind; `crate()` is it as a crate file."""

    def __init__(self, top="demo-0.1.0", form=tarfile.GNU_FORMAT):
        self.top, self.form, self.blocks = top, form, b""

    def raw(self, blocks: bytes):
        self.blocks += blocks
        return self

    def entry(self, name, content=b"", *, top=None, pax=None, **changes):
        """`changes` are attributes of tarfile's TarInfo; `pax` are records before the entry."""
        content = content.encode() if isinstance(content, str) else content
        top = self.top if top is None else top
        info = tarfile.TarInfo(f"{top}/{name}" if top else name)
        info.size = len(content)
        for attribute, value in changes.items():
            setattr(info, attribute, value)
        if pax:
            info.pax_headers = pax
        form = tarfile.PAX_FORMAT if pax else self.form
        self.blocks += info.tobuf(form, "utf-8", "surrogateescape")
        self.blocks += content + bytes(-len(content) % 512)
        return self

    def base(self, manifest=MANIFEST):
        return self.entry("Cargo.toml", manifest).entry("src/lib.rs", "pub fn f() {}\n")

    def tar(self, end=bytes(1024)):
        return self.blocks + end

    def crate(self, end=bytes(1024)):
        return gzip.compress(self.tar(end), 6, mtime=0)


def crate_of(manifest=MANIFEST, files=None, top="demo-0.1.0"):
    archive = Archive(top).base(manifest)
    for name, content in (files or {}).items():
        archive.entry(name, content)
    return archive.crate()
