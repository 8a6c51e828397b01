"""What the metadata of a publish request has to say, worked out from the packaged Cargo.toml.

Cargo makes both from one manifest, so a registry may rely on either. A client that builds the
JSON itself must arrive at the same words; this second reading of the manifest holds it to that.
Rules: cargo's src/ops/registry/cargo_publish.rs (transmit) and the normalised manifest.
"""

import json

from answer import Refused
from tarball import Package

CRATES_IO = "https://github.com/rust-lang/crates.io-index"
KINDS = (("dependencies", "normal"), ("dev-dependencies", "dev"), ("build-dependencies", "build"))
SHOWN_MAX = 300
README_DEFAULTS = ("README.md", "README.txt", "README")


def check(metadata: dict, package: Package, own_index: str) -> None:
    """Refuses metadata that differ from the manifest, and files that they name but do not have."""
    table = package.manifest["package"]
    for key, words in (("name", "name"), ("vers", "version")):
        if metadata[key] != table.get(words):
            raise Refused(400, f"metadata {words} `{metadata[key]}` does not match manifest "
                               f"{words} `{table.get(words)}`")
    try:
        expectations = _expected(package, own_index)
    except (AttributeError, TypeError) as error:
        raise Refused(400, f"failed to parse `Cargo.toml` manifest file\n\n{error}") from None
    for key, expected in expectations.items():
        if _comparable(metadata[key]) != _comparable(expected):
            raise Refused(400, f"metadata {key} {_shown(metadata[key])} does not match the "
                               f"manifest, which says {_shown(expected)}")


def _expected(package: Package, own_index: str) -> dict:
    table = package.manifest["package"]
    readme_file = _readme_file(package)
    license_file = table.get("license-file")
    return {
        "deps": _dependencies(package.manifest, own_index),
        "features": package.manifest.get("features", {}),
        "authors": table.get("authors", []),
        "description": table.get("description"),
        "documentation": table.get("documentation"),
        "homepage": table.get("homepage"),
        "readme": _text(package, readme_file, "readme"),
        "readme_file": readme_file,
        "keywords": table.get("keywords", []),
        "categories": table.get("categories", []),
        "license": table.get("license"),
        "license_file": license_file if _text(package, license_file, "license-file") is not None
        else None,
        "repository": table.get("repository"),
        "badges": package.manifest.get("badges", {}),
        "links": table.get("links"),
        "rust_version": table.get("rust-version"),
    }


def _shown(value) -> str:
    return json.dumps(value, default=str)[:SHOWN_MAX]


def _readme_file(package: Package) -> str | None:
    named = package.manifest["package"].get("readme")
    if named is None:
        return next((name for name in README_DEFAULTS if name in package.files), None)
    if named is True:
        return README_DEFAULTS[0]
    return named or None


def _text(package: Package, path: str | None, key: str) -> str | None:
    if path is None:
        return None
    try:
        return package.files[path.removeprefix("./")].decode("utf-8")
    except (KeyError, UnicodeDecodeError, AttributeError):
        raise Refused(400, f"the tarball lacks the {key} '{path}' as a UTF-8 file") from None


def _dependencies(manifest: dict, own_index: str) -> list[dict]:
    found = []
    for target, tables in [(None, manifest), *manifest.get("target", {}).items()]:
        for table, kind in KINDS:
            for key, value in tables.get(table, {}).items():
                value = {"version": value} if isinstance(value, str) else value
                found.append(_dependency(key, value, target, kind, own_index))
    return found


def _dependency(key: str, value: dict, target: str | None, kind: str, own_index: str) -> dict:
    dependency = {
        "optional": value.get("optional", False),
        "default_features": value.get("default-features", True),
        "name": value.get("package", key),
        "features": value.get("features", []),
        "version_req": requirement(value.get("version", "*")),
        "target": target,
        "kind": kind,
    }
    registry = value.get("registry-index", CRATES_IO)
    if registry.rstrip("/") != own_index.rstrip("/"):
        dependency["registry"] = registry
    if "package" in value:
        dependency["explicit_name_in_toml"] = key
    if "artifact" in value:
        artifact = value["artifact"]
        dependency["artifact"] = [artifact] if isinstance(artifact, str) else artifact
    if "target" in value:
        dependency["bindep_target"] = value["target"]
    if value.get("lib"):
        dependency["lib"] = True
    return dependency


def requirement(text: str) -> str:
    """A version requirement as the semver crate prints it: `1.0` is `^1.0`, commas get a space."""
    def printed(comparator: str) -> str:
        operator = comparator[:len(comparator) - len(comparator.lstrip("^~=<> "))].strip()
        version = comparator.lstrip("^~=<> ")
        is_wildcard = version.endswith(("*", "x", "X"))
        if is_wildcard:
            return "*" if version[:-1] == "" else operator + version[:-1] + "*"
        return (operator or "^") + version.split("+")[0]
    return ", ".join(printed(part.strip()) for part in text.split(","))


def _comparable(value) -> str:
    """Lists of dependencies have no order that matters; maps neither."""
    if isinstance(value, list) and all(isinstance(v, dict) for v in value):
        value = sorted(json.dumps(v, sort_keys=True, default=str) for v in value)
    return json.dumps(value, sort_keys=True, default=str)
