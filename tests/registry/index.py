"""The sparse index: one file of JSON lines a crate, kept on disk under its real path.

Format: the cargo book, "Registry Index"; paths and caching as in its "sparse protocol" part.
"""

import hashlib
import json
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

# Validators have a resolution of one second, changes do not. Every change gets a second of its
# own, counted from an hour ago, so that no two states share a date and none lies in the future.
HEAD_START_SECONDS = 3600


@dataclass(frozen=True)
class Page:
    body: bytes
    etag: str
    modified: int


def index_path(name: str) -> str:
    """Where a crate's entries live, relative to the index's root."""
    name = name.lower()
    if len(name) < 3:
        return f"{len(name)}/{name}"
    if len(name) == 3:
        return f"3/{name[0]}/{name}"
    return f"{name[:2]}/{name[2:4]}/{name}"


def index_entry(metadata: dict, cksum: str) -> dict:
    """The line for a published version. A missing registry means this registry in both forms."""
    plain, extended = _split_features(metadata["features"])
    entry = {
        "name": metadata["name"],
        "vers": metadata["vers"],
        "deps": [_index_dependency(d) for d in metadata["deps"]],
        "cksum": cksum,
        "features": plain,
        "yanked": False,
        "links": metadata["links"],
        "v": 1,
    }
    if extended:
        entry |= {"features2": extended, "v": 2}
    if metadata["rust_version"] is not None:
        entry["rust_version"] = metadata["rust_version"]
    return entry


def _index_dependency(dependency: dict) -> dict:
    alias = dependency.get("explicit_name_in_toml")
    entry = {
        "name": alias or dependency["name"],
        "req": dependency["version_req"],
        "features": dependency["features"],
        "optional": dependency["optional"],
        "default_features": dependency["default_features"],
        "target": dependency["target"],
        "kind": dependency["kind"],
        "registry": dependency.get("registry"),
        "package": dependency["name"] if alias else None,
    }
    for key in ("artifact", "bindep_target", "lib"):
        if key in dependency:
            entry[key] = dependency[key]
    return entry


def _split_features(features: dict) -> tuple[dict, dict]:
    """Cargo before 1.60 cannot read `dep:` and `?/`, so those features live in a second map."""
    extended = {name: values for name, values in features.items()
                if any(v.startswith("dep:") or "?/" in v for v in values)}
    return {n: v for n, v in features.items() if n not in extended}, extended


class Index:
    def __init__(self, directory: Path):
        self._directory = directory
        self._lock = threading.RLock()
        self._entries: dict[str, list[dict]] = {}
        self._modified: dict[str, int] = {}
        self._clock = int(time.time()) - HEAD_START_SECONDS
        self._config = b"{}"
        directory.mkdir(parents=True)

    def set_config(self, config: dict) -> None:
        with self._lock:
            body = json.dumps(config).encode()
            if body != self._config:
                self._config = body
                self._touch("config.json")

    def names(self) -> list[str]:
        with self._lock:
            return sorted(self._entries)

    def versions(self, name: str) -> list[dict]:
        """The crate's entries, oldest first; empty if there is no crate of exactly this name."""
        with self._lock:
            return [dict(row) for row in self._entries.get(name, [])]

    def namesake(self, name: str) -> str | None:
        """The crate that already has this name, perhaps in another spelling of - _ and case."""
        with self._lock:
            return next((n for n in self._entries if _canonical(n) == _canonical(name)), None)

    def has_version(self, name: str, vers: str) -> bool:
        """Build metadata does not make a version another one (semver 2.0, 10)."""
        return any(row["vers"].split("+")[0] == vers.split("+")[0] for row in self.versions(name))

    def add(self, entry: dict) -> None:
        with self._lock:
            self._write(entry["name"], self.versions(entry["name"]) + [entry])

    def set_yanked(self, name: str, vers: str, is_yanked: bool) -> bool:
        """Returns False if there is no such version."""
        with self._lock:
            rows = self.versions(name)
            for row in rows:
                if row["vers"] == vers:
                    row["yanked"] = is_yanked
                    self._write(name, rows)
                    return True
            return False

    def page(self, path: str) -> Page | None:
        """What stands under a path of the index; None for any but the one right path of a crate."""
        with self._lock:
            if path == "config.json":
                return self._page(path, self._config)
            name = next((n for n in self._entries if index_path(n) == path), None)
            return self._page(path, _lines(self._entries[name])) if name else None

    def _page(self, path: str, body: bytes) -> Page:
        return Page(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"', self._modified[path])

    def _write(self, name: str, rows: list[dict]) -> None:
        file = self._directory / index_path(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(file.name + ".new")
        new.write_bytes(_lines(rows))
        os.replace(new, file)
        self._entries[name] = rows
        self._touch(index_path(name))

    def _touch(self, path: str) -> None:
        self._clock += 1
        self._modified[path] = self._clock


def _canonical(name: str) -> str:
    return name.lower().replace("-", "_")


def _lines(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows).encode()
