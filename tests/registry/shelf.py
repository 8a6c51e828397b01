"""The published files, with what was said about them when they came."""

import threading
from dataclasses import dataclass, replace
from pathlib import Path

from publish import Upload


@dataclass(frozen=True)
class Published:
    """metadata_text is the JSON byte for byte as it was sent, to compare two clients."""

    name: str
    vers: str
    cksum: str
    file: Path
    metadata: dict
    metadata_text: bytes
    yanked: bool = False


class Shelf:
    def __init__(self, directory: Path):
        self.lock = threading.RLock()
        self._directory = directory
        self._published: dict[tuple[str, str], Published] = {}
        directory.mkdir(parents=True)

    def put(self, upload: Upload) -> None:
        file = self._directory / f"{upload.name}-{upload.vers}.crate"
        with self.lock:
            file.write_bytes(upload.crate)
            self._published[upload.name, upload.vers] = Published(
                upload.name, upload.vers, upload.cksum, file, upload.metadata,
                upload.metadata_text)

    def crate(self, name: str, vers: str) -> bytes | None:
        with self.lock:
            published = self._published.get((name, vers))
        return published.file.read_bytes() if published else None

    def summary(self, name: str) -> dict:
        """A crate as the search shows it."""
        with self.lock:
            latest = [p for p in self._published.values() if p.name == name][-1]
        return {"name": name, "max_version": latest.vers,
                "description": latest.metadata["description"]}

    def all(self, index) -> dict[tuple[str, str], Published]:
        with self.lock:
            return {key: replace(p, yanked=self._is_yanked(index, p))
                    for key, p in self._published.items()}

    @staticmethod
    def _is_yanked(index, published: Published) -> bool:
        return any(row["vers"] == published.vers and row["yanked"]
                   for row in index.versions(published.name))
