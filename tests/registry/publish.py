"""A publish request: LE32 length, metadata, LE32 length, tarball, and not a byte more."""

import hashlib
import struct
from dataclasses import dataclass

import manifest
import metadata as metadata_json
import tarball
from answer import Refused

METADATA_BYTES_MAX = 1 << 20
CRATE_BYTES_MAX = 10 << 20
BODY_BYTES_MAX = 8 + METADATA_BYTES_MAX + CRATE_BYTES_MAX


@dataclass(frozen=True)
class Upload:
    """A request taken apart. The metadata are checked; the tarball only after check_crate()."""

    metadata_text: bytes
    metadata: dict
    crate: bytes

    @property
    def name(self) -> str:
        return self.metadata["name"]

    @property
    def vers(self) -> str:
        return self.metadata["vers"]

    @property
    def cksum(self) -> str:
        return hashlib.sha256(self.crate).hexdigest()

    def check_crate(self, own_index: str) -> None:
        package = tarball.open_package(self.crate, self.name, self.vers)
        manifest.check(self.metadata, package, own_index)


def take_apart(body: bytes) -> Upload:
    text, rest = _framed(body, METADATA_BYTES_MAX, "metadata", "JSON metadata blob too large")
    crate, rest = _framed(rest, CRATE_BYTES_MAX, "tarball",
                          f"max upload size is: {CRATE_BYTES_MAX}")
    if rest:
        raise Refused(400, f"{len(rest)} bytes after the tarball")
    return Upload(text, metadata_json.parse(text), crate)


def _framed(body: bytes, most: int, what: str, too_large: str) -> tuple[bytes, bytes]:
    if len(body) < 4:
        raise Refused(400, f"invalid {what} length")
    (length,) = struct.unpack_from("<I", body)
    if length > most:
        raise Refused(413, too_large)
    if length > len(body) - 4:
        raise Refused(400, f"invalid {what} length for remaining payload: {length}")
    return body[4:4 + length], body[4 + length:]
