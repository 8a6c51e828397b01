"""What a publish request may look like: one that passes, and a refusal for each thing wrong."""

import gzip
import hashlib
import io
import json
import struct
import tarfile

import pytest

import tarball
from crate import metadata, pack, upload
from rawclient import Client
from registry import Registry

GOOD = metadata("demo")
CRATES_IO = "https://github.com/rust-lang/crates.io-index"
DEPENDENCY = {"optional": False, "default_features": True, "name": "alpha", "features": [],
              "version_req": "^1.0", "target": None, "kind": "normal"}
MANIFEST = '[package]\nname = "demo"\nversion = "0.1.0"\ndescription = "A crate for a test."\n' \
           'license = "MIT"\nreadme = false\n'


@pytest.fixture(autouse=True)
def says_400(registry):
    registry.announce(refusal_status=400)


def without(key):
    return {k: v for k, v in GOOD.items() if k != key}


def named(value):
    """A short name for a case, where pytest would print the archive."""
    return "bytes" if isinstance(value, bytes) else None


def entry(name, kind=tarfile.REGTYPE, linkname=""):
    made = tarfile.TarInfo(name)
    made.type = kind
    made.linkname = linkname
    return made


def repacked(change, crate=None):
    return gzip.compress(change(gzip.decompress(crate or pack("demo"))), mtime=0)


def whole_blocks(unpacked):
    return unpacked + b"\0" * (-len(unpacked) % 512)


def with_dependency(**changes):
    return {**GOOD, "deps": [{**DEPENDENCY, **changes}]}


def with_dependency_line(line):
    return pack("demo", manifest=f"{MANIFEST}[dependencies]\n{line}\n")


def test_good_upload_is_taken_and_kept_as_sent(registry, client):
    crate = pack("demo")
    reply = client.publish(GOOD, crate)
    assert reply.status == 200 and reply.json["warnings"]["other"] == []
    published = registry.crates["demo", "0.1.0"]
    assert published.cksum == hashlib.sha256(crate).hexdigest()
    assert published.file.read_bytes() == crate
    assert json.loads(published.metadata_text) == published.metadata == GOOD
    assert client("GET", "/api/v1/crates/demo/0.1.0/download").body == crate
    row = json.loads(client("GET", "/index/de/mo/demo").body)
    assert row["cksum"] == published.cksum and row["yanked"] is False


@pytest.mark.parametrize("body, words", ids=named, argvalues=[
    (b"", "invalid metadata length"),
    (b"\1\0\0", "invalid metadata length"),
    (struct.pack("<I", 50) + b"{}", "invalid metadata length for remaining payload: 50"),
    (upload(GOOD, b"")[:-4], "invalid tarball length"),
    (upload(GOOD, pack("demo"))[:-1], "invalid tarball length for remaining payload"),
    (upload(GOOD, pack("demo")) + b"\0", "1 bytes after the tarball"),
    (struct.pack(">I", 2) + b"{}" + struct.pack("<I", 0), "JSON metadata blob too large"),
])
def test_body_has_to_be_laid_out_to_the_byte(registry, client, body, words):
    reply = client.publish_body(body)
    assert reply.status in (400, 413) and words in reply.detail
    assert not registry.crates


@pytest.mark.parametrize("text", ids=named, argvalues=[
    b"[]", b"{", b"null", b'"demo"', b"\xff" + json.dumps(GOOD).encode(),
    json.dumps(GOOD).encode() + b"{}",
    json.dumps(GOOD)[:-1].encode() + b', "name": "demo"}',
    json.dumps(GOOD).replace("[]", "[NaN]", 1).encode(),
    b"[" * 100_000,
])
def test_metadata_have_to_be_one_strict_json_object(registry, client, text):
    reply = client.publish_body(upload(text, pack("demo")))
    assert reply.status == 400 and reply.detail.startswith("invalid upload request")
    assert not registry.crates


@pytest.mark.parametrize("key", sorted(GOOD))
def test_every_key_of_the_metadata_has_to_be_there(client, key):
    reply = client.publish_body(upload(without(key), pack("demo")))
    assert reply.status == 400 and reply.detail.endswith(f"metadata lacks {key}")


@pytest.mark.parametrize("key", sorted(DEPENDENCY))
def test_every_key_of_a_dependency_has_to_be_there(client, key):
    said = {**GOOD, "deps": [{k: v for k, v in DEPENDENCY.items() if k != key}]}
    reply = client.publish(said, with_dependency_line('alpha = "1.0"'))
    assert reply.status == 400 and reply.detail.endswith(f"a dependency lacks {key}")


@pytest.mark.parametrize("changes", [
    {"public": False}, {"cksum": "0" * 64}, {"rust-version": None},
    {"name": ""}, {"name": "1demo"}, {"name": "dé"}, {"name": "a" * 65}, {"name": "a/b"},
    {"name": None}, {"name": "demo\n"},
    {"vers": "1"}, {"vers": "1.0"}, {"vers": "v1.0.0"}, {"vers": "01.0.0"}, {"vers": "1.0.0 "},
    {"vers": "1.0.0-"}, {"vers": "1.0.0-01"}, {"vers": "1.0.0+" + "a" * 150}, {"vers": 1},
    {"deps": {}}, {"deps": [[]]}, {"deps": None},
    {"features": []}, {"features": {"a": "b"}}, {"features": {"": []}}, {"features": {"a": [""]}},
    {"authors": None}, {"authors": [1]}, {"description": 1}, {"description": ["a"]},
    {"documentation": "ftp://example.org"}, {"homepage": "example.org"}, {"repository": ""},
    {"readme": "# Demo"}, {"readme_file": "README.md"},
    {"keywords": ["a b"]}, {"keywords": ["a"] * 6}, {"keywords": ["a" * 21]},
    {"categories": "a"}, {"license": False}, {"license_file": 0},
    {"badges": None}, {"badges": {"a": "b"}}, {"badges": {"a": {"b": 1}}},
    {"links": []}, {"rust_version": "1.70-beta"}, {"rust_version": 1.7},
])
def test_metadata_with_a_wrong_key_or_type_are_refused(registry, client, changes):
    reply = client.publish_body(upload({**GOOD, **changes}, pack("demo")))
    assert reply.status == 400 and reply.detail.startswith("invalid upload request")
    assert not registry.crates


@pytest.mark.parametrize("changes", [
    {"public": True}, {"registry": None}, {"registry": "crates-io"}, {"optional": "false"},
    {"default_features": 1}, {"name": "a b"}, {"features": [1]}, {"version_req": ""},
    {"version_req": "1.0 2.0"}, {"version_req": "latest"}, {"version_req": ">=1,"},
    {"target": 1}, {"kind": "test"}, {"kind": None}, {"explicit_name_in_toml": None},
    {"artifact": "bin"}, {"artifact": ["exe"]}, {"bindep_target": None}, {"lib": False},
])
def test_dependency_with_a_wrong_key_or_type_is_refused(client, changes):
    reply = client.publish(with_dependency(**changes), with_dependency_line('alpha = "1.0"'))
    assert reply.status == 400 and reply.detail.startswith("invalid upload request")


@pytest.mark.parametrize("line, changes", [
    ('alpha = "1.0"', {"registry": CRATES_IO}),
    ('alpha = { version = "1.0", registry-index = "OWN" }', {}),
    ('beta = { version = "1", package = "alpha" }',
     {"registry": CRATES_IO, "explicit_name_in_toml": "beta", "version_req": "^1"}),
    ('alpha = { version = "1.0", artifact = "bin", lib = true, target = "target" }',
     {"registry": CRATES_IO, "artifact": ["bin"], "lib": True, "bindep_target": "target"}),
])
def test_dependency_as_the_manifest_has_it_is_taken(registry, client, line, changes):
    crate = with_dependency_line(line.replace("OWN", registry.index))
    assert client.publish(with_dependency(**changes), crate).status == 200


@pytest.mark.parametrize("key, value", [
    ("description", "Another one."), ("license", None), ("links", "z"), ("authors", ["me"]),
    ("keywords", ["k"]), ("categories", ["c"]), ("features", {"f": []}),
    ("badges", {"b": {}}), ("rust_version", "1.70"), ("repository", "https://example.org/"),
    ("homepage", "https://example.org/"), ("documentation", "https://example.org/"),
    ("license_file", "LICENSE"), ("deps", [{**DEPENDENCY, "registry": CRATES_IO}]),
])
def test_metadata_that_differ_from_the_manifest_are_refused(registry, client, key, value):
    reply = client.publish({**GOOD, key: value})
    assert reply.status == 400 and f"metadata {key} " in reply.detail
    assert not registry.crates


@pytest.mark.parametrize("changes", [
    {}, {"registry": "https://example.org/index"},
    {"registry": CRATES_IO, "version_req": "1.0"}, {"registry": CRATES_IO, "optional": True},
])
def test_dependency_that_differs_from_the_manifest_is_refused(client, changes):
    reply = client.publish(with_dependency(**changes), with_dependency_line('alpha = "1.0"'))
    assert reply.status == 400 and "metadata deps " in reply.detail


def test_readme_has_to_be_the_packaged_one(client):
    crate = pack("demo", manifest=MANIFEST.replace("false", '"README.md"'),
                 files={"README.md": "# Demo\n"})
    said = {**GOOD, "readme_file": "README.md"}
    reply = client.publish({**said, "readme": "# Other\n"}, crate)
    assert reply.status == 400 and "metadata readme " in reply.detail
    assert client.publish({**said, "readme": "# Demo\n"}, crate).status == 200


@pytest.mark.parametrize("crate, words", ids=named, argvalues=[
    (b"", "cut short"),
    (b"PK\3\4 not a tarball", "not gzip"),
    (pack("demo")[:-1], "cut short"),
    (pack("demo") + gzip.compress(b""), "bytes after the gzip member"),
    (pack("demo") + b"\0", "bytes after the gzip member"),
    (gzip.compress(b""), "not a tar archive"),
    (gzip.compress(b"\0" * 1024), "missing a `Cargo.toml`"),
    (gzip.compress(b"no tar" * 200), "not a tar archive"),
    (repacked(lambda t: whole_blocks(t.rstrip(b"\0"))), "no clean end"),
    (repacked(lambda t: whole_blocks(t.rstrip(b"\0")) + b"\0" * 512), "no clean end"),
    (repacked(lambda t: t.rstrip(b"\0")), "not a tar archive"),
    (repacked(lambda t: t + b"more"), "no clean end"),
    (repacked(lambda t: t[:-512] + b"hidden".ljust(512, b"\0")), "no clean end"),
    (repacked(lambda t: t[:1024] + b"\1" + t[1025:]), "no clean end"),
    (gzip.compress(b"\0" * (tarball.UNPACKED_BYTES_MAX + 1)), "over the limit"),
])
def test_crate_has_to_be_one_gzip_member_of_one_tar(registry, client, crate, words):
    reply = client.publish(GOOD, crate)
    assert reply.status == 400 and words in reply.detail
    assert not registry.crates


@pytest.mark.parametrize("crate, words", ids=named, argvalues=[
    (pack("demo", top="demo-0.1.1"), "invalid path"),
    (pack("demo", top="demo"), "invalid path"),
    (pack("demo", top="./demo-0.1.0"), "invalid path"),
    (pack("demo", top="/demo-0.1.0"), "invalid path"),
    (pack("demo", files={"../x": ""}), "invalid path"),
    (pack("demo", files={"a//x": ""}), "invalid path"),
    (pack("demo", files={"a\\x": ""}), "invalid path"),
    (pack("demo", files={"a\nx": ""}), "invalid path"),
    (pack("demo", files={"src/main.rs/": ""}), "invalid path"),
    (pack("demo", entries=[entry("demo-0.1.0/src/lib.rs")]), "stands twice"),
    (pack("demo", entries=[entry("other-0.1.0/x")]), "invalid path"),
    (pack("demo", entries=[entry("demo-0.1.0")]), "invalid path"),
    (pack("demo", entries=[entry("demo-0.1.0/l", tarfile.SYMTYPE, "/etc/passwd")]), "entry type"),
    (pack("demo", entries=[entry("demo-0.1.0/l", tarfile.LNKTYPE, "demo-0.1.0/src/lib.rs")]),
     "entry type"),
    (pack("demo", entries=[entry("demo-0.1.0/s", tarfile.GNUTYPE_SPARSE)]), "entry type"),
    (pack("demo", entries=[entry("demo-0.1.0/p", tarfile.FIFOTYPE)]), "entry type"),
    (pack("demo", entries=[entry("demo-0.1.0/c", tarfile.CHRTYPE)]), "entry type"),
    (pack("demo", files={"cargo.toml": MANIFEST}), "or has more than one"),
    (pack("demo", entries=[entry("demo-0.1.0/Cargo.toml")]), "stands twice"),
])
def test_crate_holds_only_files_and_folders_under_its_name(registry, client, crate, words):
    reply = client.publish(GOOD, crate)
    assert reply.status == 400 and words in reply.detail
    assert not registry.crates


def test_folders_and_long_paths_are_taken(client):
    crate = pack("demo", files={"deep/" * 40 + "file.rs": "//\n"},
                 entries=[entry("demo-0.1.0/", tarfile.DIRTYPE)])
    assert client.publish(GOOD, crate).status == 200


def test_folder_may_not_have_content(client):
    folder = entry("demo-0.1.0/src", tarfile.DIRTYPE)
    folder.size = 512
    reply = client.publish(GOOD, pack("demo", entries=[folder]))
    assert reply.status == 400 and "malformed" in reply.detail


def test_pax_header_may_not_change_a_size(client):
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w", format=tarfile.PAX_FORMAT) as archive:
        made = entry("demo-0.1.0/Cargo.toml")
        made.size = len(MANIFEST)
        made.pax_headers = {"size": str(len(MANIFEST))}
        archive.addfile(made, io.BytesIO(MANIFEST.encode()))
    reply = client.publish(GOOD, gzip.compress(unpacked.getvalue()))
    assert reply.status == 400 and "pax header" in reply.detail


@pytest.mark.parametrize("manifest, words", [
    ("", "no [package]"),
    ("package = 1\n", "no [package]"),
    ("[package\n", "failed to parse"),
    (MANIFEST.replace("demo", "other"), "does not match manifest name `other`"),
    (MANIFEST.replace("0.1.0", "0.1.1"), "does not match manifest version `0.1.1`"),
    (MANIFEST.replace('"0.1.0"', "1"), "does not match manifest version"),
    (MANIFEST + "[patch.crates-io]\n", "may not have [patch]"),
    (MANIFEST + "[target]\nx = 1\n", "failed to parse"),
    (MANIFEST.replace("false", '"MISSING.md"'), "lacks the readme"),
    (MANIFEST + 'license-file = "LICENSE"\n', "lacks the license-file"),
])
def test_manifest_has_to_name_what_is_published(registry, client, manifest, words):
    reply = client.publish(GOOD, pack("demo", manifest=manifest))
    assert reply.status == 400 and words in reply.detail
    assert not registry.crates


def test_missing_manifest_is_refused(client):
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w") as archive:
        archive.addfile(entry("demo-0.1.0/lib.rs"))
    reply = client.publish(GOOD, gzip.compress(unpacked.getvalue()))
    assert reply.status == 400 and "missing a `Cargo.toml`" in reply.detail


@pytest.mark.parametrize("vers", ["0.1.0", "0.1.0+again"])
def test_duplicate_version_is_refused(registry, client, vers):
    client.publish()
    reply = client.publish(metadata("demo", vers))
    assert reply.status == 400 and reply.detail == f"crate version `{vers}` is already uploaded"
    assert list(registry.crates) == [("demo", "0.1.0")]


def test_refusal_hides_behind_200_where_that_is_wanted(registry, client):
    registry.announce(refusal_status=200)
    client.publish()
    reply = client.publish()
    assert reply.status == 200 and "already uploaded" in reply.detail


@pytest.mark.parametrize("name", ["Demo_x", "demo-x", "DEMO_X"])
def test_name_that_differs_in_case_or_dash_only_is_taken_already(client, name):
    client.publish(metadata("demo_x"))
    reply = client.publish(metadata(name, "0.2.0"))
    assert reply.status == 400 and reply.detail == "crate was previously named `demo_x`"


def test_upload_of_another_content_type_is_refused(registry, client):
    assert client.publish(content_type="application/json").status == 415
    assert client.publish(content_type="application/octet-stream").status == 200


def test_upload_over_the_limit_is_refused_before_it_is_read(registry, client):
    reply = client.publish_body(b"\0" * (20 << 20))
    assert reply.status == 413 and registry.requests()[-1]["body_length"] == 0


def test_warnings_are_passed_on(registry, client):
    registry.announce(warnings=["mind the gap"])
    assert client.publish().json["warnings"]["other"] == ["mind the gap"]


def test_signed_token_is_asked_for_with_the_act(tmp_path):
    acts = []

    def verify(authorization, act):
        acts.append(act)
        return authorization == "signed"

    with Registry(tmp_path / "r", verify=verify) as r:
        client = Client(r, "signed")
        crate = pack("demo")
        assert client.publish(GOOD, crate).status == 200
        assert client.mutate("DELETE", "/api/v1/crates/demo/0.1.0/yank").status == 200
        assert client.mutate("GET", "/api/v1/crates/demo/owners").status == 200
        client.token = "forged"
        assert client.mutate("DELETE", "/api/v1/crates/demo/0.1.0/yank").status == 401
    cksum = hashlib.sha256(crate).hexdigest()
    assert acts[:3] == [
        {"mutation": "publish", "name": "demo", "vers": "0.1.0", "cksum": cksum},
        {"mutation": "yank", "name": "demo", "vers": "0.1.0"},
        {"mutation": "owners", "name": "demo"}]
