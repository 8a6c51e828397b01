"""What worker-inspect requires of a manifest, of crates.io's own rules, and what it only warns of."""

import json

import pytest

from inspect_play import CRATES_IO, ELSEWHERE, MANIFEST, crate_of, inspect

pytestmark = pytest.mark.both  # A few; the others are of the release build.

NAMED = '[package]\nname = "demo"\nversion = "0.1.0"\n'
FULL = MANIFEST + ('homepage = "https://h.example"\nreadme = "R.md"\nkeywords = ["k"]\n'
                   'categories = ["os"]\n')
DEP = "[dependencies.d]\n"


def about(text):
    return MANIFEST + text + "\n"


# In the manifest for any registry: the text, and how its rule begins.
INVALID = {
    "no-toml": ("[package", "its manifest is no TOML: line 1: "),
    "no-utf-8": (b'[package]\nname = "\xff"\n', "its manifest is no TOML: line 2: "),
    "key-twice": (about('license = "MIT"'), "its manifest is no TOML: line 7: "),
    "nul": (about('links = "a\\u0000b"'), "its manifest has a NUL"),
    "nul-in-a-key": (about('[dependencies]\n"a\\U00000000b" = "1"'), "its manifest has a NUL"),
    "nul-in-a-list": (about('[features]\nf = ["a\\\\\\u0000b"]'), "its manifest has a NUL"),
    "nul-itself": (about("# \0"), "its manifest "),
    "deep": ("a" + ".a" * 600 + " = 1\n" + MANIFEST, "its manifest is no TOML: line 1: "),
    "no-package": ('[project]\nname = "demo"\nversion = "0.1.0"\n',
                   "its manifest has no [package]"),
    "project-too": (MANIFEST + '[project]\nname = "demo"\n',
                    "its manifest has [project] beside [package]"),
    "patch": (about("[patch.crates-io]\nx = { path = '.' }"), "its manifest has [patch]"),
    "replace": (about("[replace]\n'x:1.0.0' = { path = '.' }"), "its manifest has [replace]"),
    "inherited-version": ('[package]\nname = "demo"\nversion.workspace = true\n',
                          "its manifest takes 'version' from a workspace"),
    "inherited-readme": (about("readme.workspace = true"),
                         "its manifest takes 'readme' from a workspace"),
    "no-name": ('[package]\nversion = "0.1.0"\n', "its manifest has no valid name: ''"),
    "slash-in-name": ('[package]\nname = "../demo"\nversion = "0.1.0"\n',
                      "its manifest has no valid name: '../demo'"),
    "no-version": ('[package]\nname = "demo"\n', "its manifest has no valid version: ''"),
    "odd-version": ('[package]\nname = "demo"\nversion = "0.1"\n',
                    "its manifest has no valid version: '0.1'"),
    "number-as-text": (about("links = 1"), "its manifest has 'package.links', which is no text"),
    "text-as-list": (about('keywords = "k"'),
                     "its manifest has 'package.keywords', which is no list of texts"),
    "text-as-table": ('features = "x"\n' + MANIFEST,
                      "its manifest has 'features', which is no table"),
    "badge-of-numbers": (about("[badges.x]\ny = 1"), "its manifest has 'badges.\"x\".\"y\"', "),
    "dependency-without-version": (about(DEP + "optional = true"),
                                   "its dependency 'd' has no version"),
    "dependency-odd-version": (about(DEP + 'version = "one"'),
                               "its dependency 'd' has an odd version: 'one'"),
    "dependency-path": (about(DEP + 'version = "1"\npath = "../d"'),
                        "its dependency 'd' has 'path', which is not for publishing"),
    "dependency-git": (about(DEP + 'version = "1"\ngit = "https://x.example"'),
                       "its dependency 'd' has 'git', which is not for publishing"),
    "dependency-registry-name": (about(DEP + 'version = "1"\nregistry = "corp"'),
                                 "its dependency 'd' has 'registry', which is not for publishing"),
    "dependency-workspace": (about(DEP + "workspace = true"),
                             "its dependency 'd' has 'workspace', which is not for publishing"),
    "dependency-name": (about("[dependencies]\n'a/b' = '1'"),
                        "its dependency 'a/b' has no valid name"),
    "dependency-package": (about(DEP + 'version = "1"\npackage = "../d"'),
                           "its dependency '../d' has no valid name"),
    "dependency-number": (about("[dependencies]\nd = 1"),
                          "its manifest has '\"dependencies\".\"d\"', which is no text"),
    "platform": (about("[target.'cfg(unix'.dependencies]\nd = '1'"),
                 "its manifest has an odd platform: 'cfg(unix'"),
    "platform-deep": (about("[target.'cfg(" + "not(" * 99 + "unix" + ")" * 100
                            + "'.dependencies]\nd = '1'"), "its manifest has an odd platform"),
    "both-quotes": (about('[features]\n"a\'\\"" = []'), "its manifest has an odd key"),
    "many-dependencies": (about("[dependencies]\n" + "".join(f"d{n} = '1'\n" for n in range(1600))),
                          "it has more than 1500 dependencies"),
}
INCOMPLETE = {
    "publish-false": (about("publish = false"), "the manifest says `publish = false`"),
    "publish-nowhere": (about("publish = []"),
                        "the manifest's `publish` does not name this registry"),
    "publish-crates-io-only": (about('publish = ["crates-io"]'),
                               "the manifest's `publish` does not name this registry"),
    "readme-missing": (about('readme = "R.md"'), "the readme 'R.md' is not in the crate"),
    "readme-true-missing": (about("readme = true"), "the readme 'README.md' is not in the crate"),
    "readme-outside": (about('readme = "../R.md"'), "the readme '../R.md' is not in the crate"),
    "licence-missing": (about('license-file = "L"'), "the licence file 'L' is not in the crate"),
}
# For crates.io only; all of them are good for another registry.
CRATES_IO_ONLY = {
    "no-description": (NAMED + 'license = "MIT"\n', "it has no `description`"),
    "empty-description": (NAMED + 'description = ""\nlicense = "MIT"\n',
                          "it has no `description`"),
    "long-description": (MANIFEST.replace("A crate", "x" * 1001),
                         "its `description` is longer than 1000 bytes"),
    "no-licence": (NAMED + 'description = "x"\n', "it has no `license` and no `license-file`"),
    "free-licence": (MANIFEST.replace("MIT", "do what you like"),
                     "`license` is no SPDX expression: 'do what you like'"),
    "half-licence": (MANIFEST.replace("MIT", "MIT OR"), "`license` is no SPDX expression"),
    "open-licence": (MANIFEST.replace("MIT", "(MIT"), "`license` is no SPDX expression"),
    "homepage": (about('homepage = "h.example"'),
                 "'homepage' is no http or https URL: 'h.example'"),
    "documentation": (about('documentation = "ftp://d.example"'), "'documentation' is no http"),
    "repository": (about('repository = "https://"'), "'repository' is no http"),
    "rust-version": (about('rust-version = "nightly"'),
                     "`rust-version` is no plain version: 'nightly'"),
    "keywords": (about('keywords = ["a", "b", "c", "d", "e", "f"]'),
                 "it has more than 5 keywords"),
    "long-keyword": (about('keywords = ["twenty-one-characters"]'),
                     "its keyword 'twenty-one-characters' is longer than 20 characters"),
    "odd-keyword": (about('keywords = ["a b"]'), "its keyword 'a b' has an odd character"),
    "empty-keyword": (about('keywords = [""]'), "its keyword '' has an odd character"),
    "categories": (about('categories = ["a", "b", "c", "d", "e", "f"]'),
                   "it has more than 5 categories"),
    "odd-category": (about('categories = ["Web Stuff"]'),
                     "its category 'Web Stuff' is no slug of crates.io"),
    "feature-name": (about('[features]\n"a/b" = []'), "its feature 'a/b' has an odd name"),
    "feature-value": (about('[features]\na = ["b c"]'), "'a' turns on an odd feature: 'b c'"),
    "feature-dep": (about('[features]\na = ["dep:0x"]'), "'a' turns on an odd feature: 'dep:0x'"),
    "feature-weak": (about('[features]\na = ["d/?b"]'), "'a' turns on an odd feature: 'd/?b'"),
    "any-version": (about("[dependencies]\nd = '*'"),
                    "its dependency 'd' takes any version: `*`"),
    "any-version-dev": (about("[dev-dependencies]\nd = '*'"),
                        "its dependency 'd' takes any version: `*`"),
    "other-registry": (about(DEP + 'version = "1"\nregistry-index = "https://r.example/i"'),
                       "its dependency 'd' is of another registry: 'https://r.example/i'"),
    "dependency-feature": (about(DEP + 'version = "1"\nfeatures = ["x y"]'),
                           "'d' turns on an odd feature: 'x y'"),
    "dependency-alias": (about('[dependencies."0x"]\nversion = "1"\npackage = "d"'),
                         "its dependency 'd' has an odd name here: '0x'"),
    "dependencies": (about("[dependencies]\n" + "".join(f"d{n} = '1'\n" for n in range(501))),
                     "it has more than 500 dependencies"),
    "publish-elsewhere": (about('publish = ["corp"]'),
                          "the manifest's `publish` does not name this registry"),
}
# For crates.io, and in order there.
GOOD = {
    "no-nul": about('authors = ["a\\\\u0000"]\n# \\u0000\n'
                    "[package.metadata.x]\n'\\u0000' = '\\U00000000'"),
    "licence-file": (NAMED + 'description = "x"\nlicense-file = "R.md"\n'),
    "old-licence": MANIFEST.replace("MIT", "MIT/Apache-2.0"),
    "long-licence": MANIFEST.replace(
        "MIT", "(MIT OR Apache-2.0) AND GPL-2.0+ WITH Classpath-exception-2.0"),
    "publish": about('publish = ["corp", "crates-io"]'),
    "publish-true": about("publish = true"),
    "urls": about('homepage = "HTTP://h.example/?a#b"\nrepository = "https://r.example:1/x"'),
    "keywords": about('keywords = ["a+b-c_d", "0", "twenty-characters-ab"]'),
    "features": about('[features]\n"c++20" = ["dep:d", "d?/x.y", "_a", "\u00e9"]\n_a = []\n'
                      '"\u00e9" = []\n[dependencies]\nd = { version = ">=1", optional = true }'),
    "crates-io-by-its-names": about(
        DEP + 'version = "1"\nregistry-index = "sparse+https://index.crates.io/"\n'
        '[dependencies.e]\nversion = "1"\n'
        'registry-index = "https://github.com/rust-lang/crates.io-index"'),
    "unknown-keys": about('[lints]\nx = 1\n[package.metadata]\ny = 1979-05-27\n[[bin]]\nname = "b"'),
    "old-names": about('[dev_dependencies]\nd = { version = "1", default_features = false }'),
}


def outcome(manifest, index, files=None):
    done = inspect(crate_of(manifest, files), index)
    return done.refusal, done.detail or ""


@pytest.mark.release
@pytest.mark.parametrize("what", [*INVALID, *INCOMPLETE])
def test_inspect_refuses_a_manifest_for_any_registry(what):
    manifest, rule = (INVALID | INCOMPLETE)[what]
    refusal, detail = outcome(manifest, ELSEWHERE)
    assert refusal == ("crate-invalid" if what in INVALID else "crate-incomplete")
    assert detail.startswith(rule), detail


@pytest.mark.release
@pytest.mark.parametrize("what", CRATES_IO_ONLY)
def test_inspect_holds_a_manifest_against_the_rules_of_crates_io(what):
    manifest, rule = CRATES_IO_ONLY[what]
    refusal, detail = outcome(manifest, CRATES_IO)
    assert refusal == "crate-incomplete" and detail.startswith(rule), detail
    assert outcome(manifest, ELSEWHERE)[0] == "none"


@pytest.mark.release
@pytest.mark.parametrize("what", GOOD)
def test_inspect_takes_for_crates_io_what_it_takes(what):
    assert outcome(GOOD[what], CRATES_IO, {"R.md": "x"}) == ("none", "")


def test_inspect_warns_of_what_the_guide_recommends():
    assert inspect(crate_of(FULL, {"R.md": "x"})).lines("WARNINGS") == []
    assert inspect(crate_of(NAMED + "[dependencies]\nd = '1'\n"), ELSEWHERE).lines("WARNINGS") == [
        "the manifest has no description; license; homepage, documentation or repository; readme; "
        "keywords; categories"]
    assert inspect(crate_of(MANIFEST.replace("MIT", "Odd-1.0 OR MIT"))).lines("WARNINGS")[0] == (
        "crates.io takes the licence 'Odd-1.0' only if SPDX lists it")
    many = "[features]\n" + "".join(f"f{n} = []\n" for n in range(301))
    assert inspect(crate_of(MANIFEST + many)).lines("WARNINGS")[0] == (
        "it has more than the 300 features that crates.io allows without being asked")


def test_inspect_bounds_the_metadata_for_crates_io():
    readme = "x" * (1 << 20)
    crate = crate_of(FULL, {"R.md": readme})
    done = inspect(crate)
    assert (done.refusal, done.detail) == (
        "crate-incomplete", "its manifest and readme have more than 1 MiB together")
    assert json.loads(inspect(crate, ELSEWHERE).metadata)["readme"] == readme
    assert outcome(FULL, ELSEWHERE, {"R.md": readme + "x"}) == (
        "crate-invalid", "its 'R.md' is longer than 1024 KiB")
    assert outcome(FULL, CRATES_IO, {"R.md": readme[2000:]}) == ("none", "")


@pytest.mark.parametrize("readme", [b"\xff", b"a\0b"])
def test_inspect_wants_a_readme_of_text(readme):
    assert outcome(FULL, ELSEWHERE, {"R.md": readme}) == (
        "crate-invalid", "its readme is no UTF-8 text")


@pytest.mark.parametrize("files, found", [
    (["README", "README.txt", "README.md"], "README.md"), (["README", "README.txt"], "README.txt"),
    (["README"], "README"), (["readme.md", "docs/README.md"], None)])
def test_inspect_finds_the_readme_of_an_old_manifest_as_cargo_does(files, found):
    """Today's cargo writes into every manifest whether there is one."""
    said = json.loads(inspect(crate_of(MANIFEST, dict.fromkeys(files, "x")), ELSEWHERE).metadata)
    assert (said["readme_file"], said["readme"]) == (found, "x" if found else None)
