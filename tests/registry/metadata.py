"""The JSON half of a publish request: every key that cargo sends, with its type, and no other.

The keys are those of cargo's own client (crates/crates-io/lib.rs, NewCrate). The outer keys are
always present, with null for an absent value; a few keys of a dependency are left out instead.
"""

import json
import re

from answer import Refused

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
VERSION_BYTES_MAX = 150

_NUMBER = r"(?:0|[1-9]\d*)"
_PRE = r"(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)"
_TAIL = rf"(?:-{_PRE}(?:\.{_PRE})*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}{_TAIL}", re.ASCII)
_COMPARATOR = re.compile(
    rf"(?:\^|~|=|>=|<=|>|<)?\s*{_NUMBER}(?:\.(?:\*|{_NUMBER})(?:\.(?:\*|{_NUMBER}{_TAIL}))?)?",
    re.ASCII)

_FEATURE = r"[A-Za-z0-9_][A-Za-z0-9_.+-]*"
FEATURE = re.compile(_FEATURE)
FEATURE_VALUE = re.compile(rf"(dep:)?{_FEATURE}(\??/{_FEATURE})?")
ARTIFACT = re.compile(r"bin|bin:[A-Za-z0-9_-]+|cdylib|staticlib")


def parse(text: bytes) -> dict:
    """Returns the checked metadata, or refuses with what is wrong with it."""
    try:
        metadata = json.loads(text.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"invalid upload request: {error}") from None
    _check_table(metadata, "metadata", OUTER, {})
    if (metadata["readme"] is None) != (metadata["readme_file"] is None):
        raise Refused(400, "invalid upload request: readme and readme_file go together")
    return metadata


def is_name(value) -> bool:
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def is_version(value) -> bool:
    return (isinstance(value, str) and len(value) <= VERSION_BYTES_MAX
            and VERSION.fullmatch(value) is not None)


def _without_duplicates(pairs: list) -> dict:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("duplicate key")
    return table


def _check_table(table, where: str, required: dict, optional: dict) -> None:
    if not isinstance(table, dict):
        raise Refused(400, f"invalid upload request: {where} is not an object")
    missing = required.keys() - table.keys()
    unknown = table.keys() - required.keys() - optional.keys()
    if missing:
        raise Refused(400, f"invalid upload request: {where} lacks {', '.join(sorted(missing))}")
    if unknown:
        raise Refused(400, f"invalid upload request: {where} has unknown "
                           f"{', '.join(sorted(unknown))}")
    for key, value in table.items():
        if not (required | optional)[key](value):
            raise Refused(400, f"invalid upload request: {where} has a wrong value for {key}")


def _is_text(value) -> bool:
    return isinstance(value, str)


def _is_text_or_null(value) -> bool:
    return value is None or isinstance(value, str)


def _is_flag(value) -> bool:
    return isinstance(value, bool)


def _is_url(value) -> bool:
    return isinstance(value, str) and re.fullmatch(r"(sparse\+)?(https?|ssh|file)://\S+", value) \
        is not None


def _is_url_or_null(value) -> bool:
    return value is None or (isinstance(value, str)
                             and re.fullmatch(r"https?://\S+", value) is not None)


def _is_requirement(value) -> bool:
    return isinstance(value, str) and (value == "*" or all(
        _COMPARATOR.fullmatch(part.strip()) for part in value.split(",")))


def _is_rust_version(value) -> bool:
    return value is None or (isinstance(value, str)
                             and re.fullmatch(r"\d+(\.\d+){0,2}", value, re.ASCII) is not None)


def _list_of(is_item, most: int | None = None):
    def is_list(value) -> bool:
        return (isinstance(value, list) and all(is_item(v) for v in value)
                and (most is None or len(value) <= most))
    return is_list


def _map_of(is_key, is_value):
    def is_map(value) -> bool:
        return isinstance(value, dict) and all(is_key(k) and is_value(v) for k, v in value.items())
    return is_map


def _matches(pattern: re.Pattern):
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_keyword(value) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,19}", value) \
        is not None


def _is_true(value) -> bool:
    return value is True


def _are_dependencies(value) -> bool:
    if not isinstance(value, list):
        return False
    for dependency in value:
        _check_table(dependency, "a dependency", DEPENDENCY, DEPENDENCY_OPTIONAL)
    return True


DEPENDENCY = {
    "optional": _is_flag,
    "default_features": _is_flag,
    "name": is_name,
    "features": _list_of(_matches(FEATURE_VALUE)),
    "version_req": _is_requirement,
    "target": _is_text_or_null,
    "kind": lambda value: value in ("normal", "build", "dev"),
}

DEPENDENCY_OPTIONAL = {
    "registry": _is_url,
    "explicit_name_in_toml": is_name,
    "artifact": _list_of(_matches(ARTIFACT)),
    "bindep_target": _is_text,
    "lib": _is_true,
}

OUTER = {
    "name": is_name,
    "vers": is_version,
    "deps": _are_dependencies,
    "features": _map_of(_matches(FEATURE), _list_of(_matches(FEATURE_VALUE))),
    "authors": _list_of(_is_text),
    "description": _is_text_or_null,
    "documentation": _is_url_or_null,
    "homepage": _is_url_or_null,
    "readme": _is_text_or_null,
    "readme_file": _is_text_or_null,
    "keywords": _list_of(_is_keyword, most=5),
    "categories": _list_of(_is_text, most=5),
    "license": _is_text_or_null,
    "license_file": _is_text_or_null,
    "repository": _is_url_or_null,
    "badges": _map_of(_is_text, _map_of(_is_text, _is_text)),
    "links": _is_text_or_null,
    "rust_version": _is_rust_version,
}
