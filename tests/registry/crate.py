"""Small crates for tests: as a folder for cargo, or packed by hand for requests without cargo."""

import gzip
import io
import json
import struct
import tarfile
from pathlib import Path

LIBRARY = "pub fn answer() -> u32 {\n    42\n}\n"


def write_crate(folder, name: str, version: str = "0.1.0", *, build: str | None = None,
                deps: dict[str, str | dict] | None = None, registry: str | None = "local",
                source: str = LIBRARY, readme: str | None = None, is_program: bool = False,
                package: str = "", tail: str = "") -> Path:
    """
    Writes Cargo.toml and sources into the folder and returns it. A dependency is a version, taken
    from `registry`, or a table of its own; `package` and `tail` are TOML for the end of [package]
    and of the file. `build` is the text of a build.rs.
    """
    folder = Path(folder)
    (folder / "src").mkdir(parents=True, exist_ok=True)
    lines = ["[package]", f"name = {_toml(name)}", f"version = {_toml(version)}",
             'edition = "2021"', 'description = "A crate for a test."', 'license = "MIT"']
    if build is not None:
        (folder / "build.rs").write_text(build)
        lines.append('build = "build.rs"')
    if readme is not None:
        (folder / "README.md").write_text(readme)
        lines.append('readme = "README.md"')
    lines += [package, "[dependencies]"]
    for key, wanted in (deps or {}).items():
        table = wanted if isinstance(wanted, dict) else {"version": wanted}
        if registry and not table.keys() & {"registry", "path", "git"}:
            table = {**table, "registry": registry}
        lines.append(f"{key} = {_toml(table)}")
    (folder / "Cargo.toml").write_text("\n".join([*lines, tail, ""]))
    (folder / "src" / ("main.rs" if is_program else "lib.rs")).write_text(source)
    return folder


def pack(name: str, version: str = "0.1.0", *, manifest: str | None = None,
         files: dict[str, str | bytes] | None = None,
         entries: list[tarfile.TarInfo] | None = None, top: str | None = None) -> bytes:
    """A .crate file: Cargo.toml, src/lib.rs and the given files under NAME-VERSION/ (or `top`).
    `entries` are added as they are, without content: links, devices, and worse."""
    if manifest is None:
        manifest = f'[package]\nname = {_toml(name)}\nversion = {_toml(version)}\n' \
                   'description = "A crate for a test."\nlicense = "MIT"\nreadme = false\n'
    top = f"{name}-{version}" if top is None else top
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w", format=tarfile.GNU_FORMAT) as archive:
        contents = {"Cargo.toml": manifest, "src/lib.rs": LIBRARY, **(files or {})}
        for path, content in contents.items():
            content = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(f"{top}/{path}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for entry in entries or []:
            archive.addfile(entry)
    return gzip.compress(unpacked.getvalue(), mtime=0)


def metadata(name: str, version: str = "0.1.0", **changes) -> dict:
    """What cargo sends for pack(name, version)."""
    return {
        "name": name, "vers": version, "deps": [], "features": {}, "authors": [],
        "description": "A crate for a test.", "documentation": None, "homepage": None,
        "readme": None, "readme_file": None, "keywords": [], "categories": [], "license": "MIT",
        "license_file": None, "repository": None, "badges": {}, "links": None,
        "rust_version": None, **changes,
    }


def upload(said: dict | bytes, crate: bytes) -> bytes:
    """The body of a publish request."""
    text = said if isinstance(said, bytes) else json.dumps(said, separators=(",", ":")).encode()
    return struct.pack("<I", len(text)) + text + struct.pack("<I", len(crate)) + crate


def _toml(value) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value)
