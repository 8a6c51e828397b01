"""
worker-inspect makes of a crate file the very bytes that cargo sends along with it: the real cargo
publishes a workspace of packages, each with something that cargo has an opinion on.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from crate import metadata, pack
from inspect_play import CRATES_IO, inspect
from publish import Upload
from rawclient import TOKEN, Client
from registry import Registry
from toolchain import Cargo

pytestmark = pytest.mark.release  # Starts cargo.

HEAD = '[package]\nname = "{name}"\nversion = "{version}"\nedition = "2021"\n'
ABOUT = 'description = "A crate."\nlicense = "MIT"\n'
PUBLISH = ("publish", "--registry", "local", "--allow-dirty", "--no-verify")
ODD = 'Quotes \\" and \\\\ and / and \\u00e9\\u2028 \\u0001\\u001f\\u007f \\b\\f\\n\\r\\t end'

# By package: what follows the head, and files. `local` is the registry that is published to.
PACKAGES = {
    "plain": (ABOUT, {}),
    "dependencies": (ABOUT + """
[dependencies]
zeta = { version = "1", registry = "local", optional = true, default-features = false }
alpha = { version = "1.0", registry = "local", features = ["z", "a"] }
other = { version = "1.2", package = "alpha", registry = "local" }
[dev-dependencies]
beta_x = { version = "0.3.1", registry = "local" }
[build-dependencies]
zeta = { version = "1", registry = "local" }
[target.'cfg(all(unix,not(target_os="linux"),any(target_pointer_width = "64",),))'.dependencies]
alpha = { version = "1", registry = "local" }
[target.'cfg( windows )'.build-dependencies]
alpha = { version = "1", registry = "local" }
[target.'cfg( windows )'.dev-dependencies]
zeta = { version = "1", registry = "local" }
[target.'cfg( windows )'.dependencies]
beta_x = { version = "0.3.1", registry = "local" }
[target.x86_64-unknown-linux-gnu.dependencies]
alpha = { version = "1", registry = "local" }
[features]
extra = ["dep:zeta"]
""", {}),
    "registries": (ABOUT + """
[dependencies]
common = "1.1"
alpha = { version = "1", registry = "local" }
renamed = { package = "common", version = "1" }
""", {}),
    "requirements": (ABOUT + "[dependencies]\n" + "".join(
        f'r{n} = {{ package = "alpha", version = "{text}", registry = "local" }}\n'
        for n, text in enumerate([
            "*", "1.*", "1.2.*", "1", "=1.2.3", " >= 1 ,<2", "~1.2", "^1.2.3", ">1.0, <=1.2.3",
            "1.2.3-alpha.1", "1.0.0+build.1", ">=1.*", "= 1.2", "< 1.2.3", "1.x", "1.*.*"])), {}),
    "features": (ABOUT + """
[dependencies]
alpha = { version = "1", registry = "local", optional = true }
zeta = { version = "1", registry = "local", optional = true }
[features]
default = ["std", "a_b"]
std = []
a_b = ["alpha?/z", "dep:zeta"]
a-b = ["alpha/a"]
B = ["std"]
"c++20" = []
""", {}),
    "development": (ABOUT + """
[dev-dependencies]
plain = { path = "../plain" }
alpha = { version = "1", registry = "local" }
[features]
f = ["plain/x", "g"]
g = []
""", {}),
    "readme-default": (ABOUT, {"README.md": "# T\u00eftle\n\n\"quoted\" \\ / \t\x07\x7f\u2028 <b>\r\n"}),
    "readme-other": (ABOUT, {"README.txt": "text", "README": "neither"}),
    "readme-none": (ABOUT + "readme = false\n", {"README.md": "unseen"}),
    "readme-true": (ABOUT + "readme = true\n", {"README.md": "seen", "docs/x.md": ""}),
    "readme-below": (ABOUT + 'readme = "./docs/../docs/READ ME.txt"\n', {"docs/READ ME.txt": ""}),
    "readme-above": (ABOUT + 'readme = "../ABOVE.md"\nlicense-file = "../LICENCE"\n', {}),
    "inherits": ("".join(f"{key}.workspace = true\n" for key in (
        "authors", "description", "documentation", "homepage", "repository", "license", "keywords",
        "categories", "rust-version", "readme")) + """
[dependencies]
alpha.workspace = true
zeta = { workspace = true, features = ["b"], optional = true }
[dev-dependencies]
common.workspace = true
""", {}),
    "everything": (f"""description = "{ODD}"
license = "MIT OR Apache-2.0"
authors = ["B <b@example.org>", "A"]
documentation = "https://docs.example/"
homepage = "https://example.org/?a=b&c=%20"
repository = "https://example.org/r.git"
keywords = ["z", "a", "k-1"]
categories = ["os", "command-line-utilities"]
links = "odd"
build = "build.rs"
rust-version = "1.74.1"
exclude = ["*.tmp"]
publish = ["local"]
[badges]
zulip = {{ z = "1", a = "2" }}
maintenance = {{ status = "none" }}
[package.metadata.x]
y = [1, 2]
[lints.rust]
unused = "allow"
[[example]]
name = "e"
""", {"build.rs": "fn main() {}\n", "examples/e.rs": "fn main() {}\n", "a.tmp": ""}),
    "licence": ('description = "x"\nlicense-file = "L.txt"\nrust-version = "1.56"\n',
                {"L.txt": "mine"}),
    "poor": ("", {}),
    "pre": (ABOUT, {}),
    "large": (ABOUT, {"data.bin": bytes(range(256)) * 20000}),
    "deep": (ABOUT, {"d" * 60 + "/" + "\u00e9" * 60 + "/" + "f" * 60 + ".txt": "long name"}),
}
VERSIONS = {"pre": "1.0.0-rc.1+build.5"}

WORKSPACE = """\
[workspace]
resolver = "2"
members = ["*/"]
exclude = ["target"]
[workspace.package]
authors = ["W"]
description = "inherited"
documentation = "https://d.example"
homepage = "https://h.example"
repository = "https://r.example"
license = "MIT"
keywords = ["inherited"]
categories = ["os"]
rust-version = "1.70"
readme = "ABOVE.md"
[workspace.dependencies]
alpha = { version = "1.2", registry = "local", default-features = false }
zeta = { version = "1", registry = "local", features = ["a"] }
common = "1"
"""

# What is in the registry beforehand: name, versions, and the features of each.
STOCK = {"alpha": ["0.1.5", "1.0.0", "1.2.0", "1.2.3-alpha.1", "1.2.3"], "zeta": ["1.0.0"],
         "beta_x": ["0.3.1"]}
FEATURES = {"a": [], "b": [], "z": []}


def stock(registry):
    client = Client(registry, TOKEN)
    for name, versions in STOCK.items():
        for version in versions:
            tail = '[features]\na = []\nb = []\nz = []\n'
            crate = pack(name, version, manifest=f'[package]\nname = "{name}"\nversion = '
                         f'"{version}"\ndescription = "x"\nlicense = "MIT"\nreadme = false\n{tail}')
            said = metadata(name, version, features=FEATURES, description="x")
            assert client.publish(said, crate).status == 200
    client.close()


def vendor(folder, cargo):
    """crates.io's `common`, out of a folder."""
    common = folder / "common"
    (common / "src").mkdir(parents=True)
    (common / "src/lib.rs").write_text("")
    (common / "Cargo.toml").write_text('[package]\nname = "common"\nversion = "1.1.0"\n')
    (common / ".cargo-checksum.json").write_text(json.dumps({"files": {}, "package": "0" * 64}))
    with (cargo.home / "config.toml").open("a") as config:
        config.write(f'[source.crates-io]\nreplace-with = "vendored"\n'
                     f'[source.vendored]\ndirectory = "{folder}"\n')


def write_package(folder, name, tail, files):
    (folder / "src").mkdir(parents=True)
    (folder / "src/lib.rs").write_text("")
    (folder / "Cargo.toml").write_text(
        HEAD.format(name=name, version=VERSIONS.get(name, "0.1.0")) + tail)
    for path, content in files.items():
        path = folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def cargo_minor():
    text = subprocess.run(["cargo", "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.match(r"cargo 1\.(\d+)", text)[1])


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """What cargo sent, by name: the file and the metadata. And the registry's index."""
    folder = tmp_path_factory.mktemp("corpus")
    check, Upload.check_crate = Upload.check_crate, lambda *_: None
    try:
        with Registry(folder / "registry", tokens={TOKEN}) as registry:
            stock(registry)
            cargo = Cargo(folder / "home", registry, token=TOKEN)
            vendor(folder / "vendor", cargo)
            workspace = folder / "workspace"
            for name, (tail, files) in PACKAGES.items():
                write_package(workspace / name, name, tail, files)
            (workspace / "Cargo.toml").write_text(WORKSPACE)
            (workspace / "ABOVE.md").write_text("above all\n")
            (workspace / "LICENCE").write_text("mine\n")
            if cargo_minor() >= 90:
                cargo.succeed(*PUBLISH, "--workspace", cwd=workspace)
            else:
                for name in PACKAGES:
                    cargo.succeed(*PUBLISH, "-p", name, cwd=workspace)
            artifact(folder / "artifact", cargo)
            yield registry.index.rstrip("/"), {
                name: (p.file.read_bytes(), p.metadata_text)
                for (name, _), p in registry.crates.items()}
    finally:
        Upload.check_crate = check


def artifact(folder, cargo):
    """Dependencies on programs are not for everybody yet."""
    write_package(folder, "artifact", ABOUT + """
[dependencies]
alpha = { version = "1", registry = "local", artifact = "bin", lib = true }
[build-dependencies]
zeta = { version = "1", registry = "local", artifact = ["staticlib", "bin:a"], target = "target" }
""", {})
    cargo.run(*PUBLISH, "-Zbindeps", cwd=folder, RUSTC_BOOTSTRAP="1")


@pytest.mark.parametrize("name", [*PACKAGES, "artifact"])
def test_inspect_makes_the_metadata_that_cargo_sends(published, name):
    index, crates = published
    if name == "artifact" and name not in crates:
        pytest.skip("this cargo knows no such dependency")
    crate, said = crates[name]
    done = inspect(crate, index)
    assert (done.refusal, done.detail) == ("none", None)
    assert done.metadata == said
    assert done.fields["CRATE"].decode() == name


def test_inspect_turns_the_registries_of_dependencies_around_for_crates_io(published):
    index, crates = published
    crate, said = crates["registries"]
    expected = json.loads(said)
    for dependency in expected["deps"]:
        if dependency.pop("registry", None) is None:
            dependency["registry"] = index + "/"
    done = inspect(crate, "sparse+https://other.example/i")
    assert [d.get("registry") for d in json.loads(done.metadata)["deps"]] == [
        index + "/", CRATES_IO, CRATES_IO]
    done = inspect(crate, CRATES_IO)
    assert done.refusal == "crate-incomplete"
    assert done.detail.startswith("its dependency 'alpha' is of another registry: ")


@pytest.mark.parametrize("name, needs", [
    ("plain", []), ("dependencies", ["alpha", "beta_x", "zeta"]), ("registries", ["alpha"]),
    ("requirements", ["alpha"]), ("inherits", ["alpha", "zeta"])])
def test_inspect_names_what_the_crate_needs_of_the_same_registry(published, name, needs):
    index, crates = published
    assert inspect(crates[name][0], index).lines("NEEDS") == needs
