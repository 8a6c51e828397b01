"""The other half of a publish request: a .crate file, opened as a suspicious registry would.

Python's tarfile forgives a lot: it stops at the first damaged header as if the archive ended
there, and gzip takes several members. Here the archive is one gzip member, and what follows the
last file is zeros, so that no two readers can see two different packages in one file.
"""

import io
import tarfile
import tomllib
import zlib
from dataclasses import dataclass

from answer import Refused

UNPACKED_BYTES_MAX = 64 << 20
BLOCK = 512
TAKEN_TYPES = {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE}


@dataclass(frozen=True)
class Package:
    """What lies in the archive: the files by their path below NAME-VERS/, and the manifest."""

    files: dict[str, bytes]
    manifest: dict


def open_package(crate: bytes, name: str, vers: str) -> Package:
    unpacked = _gunzip(crate)
    try:
        archive = tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:", encoding="utf-8",
                               errors="strict")
        members = archive.getmembers()
    except (tarfile.TarError, UnicodeDecodeError, OverflowError, ValueError):
        raise _malformed("not a tar archive") from None
    _check_end(unpacked, members)
    if archive.pax_headers:
        raise _malformed("global pax headers")
    files = {}
    seen = set()
    for member in members:
        path = _path_below(member, f"{name}-{vers}")
        if path in seen:
            raise Refused(400, f"the path '{member.name}' stands twice in the tarball")
        seen.add(path)
        if member.isreg():
            files[path] = unpacked[member.offset_data:member.offset_data + member.size]
    return Package(files, _manifest(files))


def _malformed(why: str) -> Refused:
    return Refused(400, "uploaded tarball is malformed or too large when decompressed: " + why)


def _gunzip(crate: bytes) -> bytes:
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        unpacked = stream.decompress(crate, UNPACKED_BYTES_MAX)
    except zlib.error:
        raise _malformed("not gzip") from None
    if not stream.eof:
        raise _malformed("cut short, or over the limit")
    if stream.unused_data:
        raise _malformed("bytes after the gzip member")
    return unpacked


def _check_end(unpacked: bytes, members: list[tarfile.TarInfo]) -> None:
    end = 0
    if members:
        last = members[-1]
        size = last.size if last.isreg() else 0
        end = last.offset_data + (size + BLOCK - 1) // BLOCK * BLOCK
    rest = unpacked[end:]
    if end > len(unpacked) or len(rest) < 2 * BLOCK or len(rest) % BLOCK or rest.strip(b"\0"):
        raise _malformed("no clean end of the archive")


def _path_below(member: tarfile.TarInfo, top: str) -> str:
    """The member's path below the top folder; refuses every other path and kind of entry."""
    parts = member.name.split("/")
    is_odd = any(p in ("", ".", "..") for p in parts) or "\\" in member.name \
        or not member.name.isprintable()
    if is_odd or parts[0] != top or (len(parts) == 1 and not member.isdir()):
        raise Refused(400, f"invalid path found: {member.name!r}")
    if member.type not in TAKEN_TYPES:
        raise Refused(400, f"unexpected tar entry type {member.type!r} found: {member.name!r}")
    if "size" in member.pax_headers:
        raise _malformed("a size in a pax header")
    if member.isdir() and member.size:
        raise _malformed("a folder with content")
    return "/".join(parts[1:])


def _manifest(files: dict[str, bytes]) -> dict:
    spellings = [path for path in files if path.lower() == "cargo.toml"]
    if spellings != ["Cargo.toml"]:
        raise Refused(400, "uploaded tarball is missing a `Cargo.toml` manifest file, or has more "
                           f"than one: {spellings}")
    try:
        manifest = tomllib.loads(files["Cargo.toml"].decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"failed to parse `Cargo.toml` manifest file\n\n{error}") from None
    if not isinstance(manifest.get("package"), dict):
        raise Refused(400, "the `Cargo.toml` manifest file has no [package]")
    for table in ("patch", "replace"):
        if table in manifest:
            raise Refused(400, f"a published `Cargo.toml` may not have [{table}]")
    return manifest
