"""Which registry is meant where the command line does not say: as cargo chooses it."""

import json

import pytest

from crate import write_crate
from publish_play import workspace
from test_cargo import cargo_version

pytestmark = pytest.mark.release

TRY = ("publish", "--allow-dirty", "--no-verify", "--dry-run", "--json")
ACTS = (("yank", "demo@0.1.0"), ("owner", "demo", "--list"), ("revoke",), ("check", "demo@0.1.0"))


def default(file, name: str = "local") -> str:
    file.parent.mkdir(exist_ok=True)
    with open(file, "a", encoding="utf-8") as config:
        config.write(f'\n[registry]\ndefault = "{name}"\n')
    return str(file)


def index_of(done) -> str:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["index"]


def test_cargos_default_registry_is_the_default_of_every_act(ready_desk, registry):
    desk = ready_desk
    folder = write_crate(desk.home / "demo", "demo")
    done = desk.run(*TRY, cwd=folder, CARGO_REGISTRY_DEFAULT="local")
    assert index_of(done) == registry.index and "'CARGO_REGISTRY_DEFAULT'" in done.stderr
    file = default(desk.cargo_home / "config.toml")
    done = desk.run(*TRY, cwd=folder)
    assert index_of(done) == registry.index and f"'{file}'" in done.stderr
    for words in ACTS:
        done = desk.run(*words, "--no-input", cwd=folder)
        assert f"'{file}'" in done.stderr and registry.index in done.stderr, words


def test_a_default_of_the_projects_is_told_to_be_that(ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo")
    file = default(folder / ".cargo/config.toml")
    done = ready_desk.run(*TRY, cwd=folder)
    assert index_of(done) == registry.index and f"'{file}'" in done.stderr
    done = ready_desk.run("yank", "demo@0.1.0", "--no-input", cwd=folder)
    assert f"'{file}'" in done.stderr and registry.index in done.stderr


def test_a_default_that_the_manifest_excludes_is_an_error_as_for_cargo(ready_desk):
    folder = write_crate(ready_desk.home / "demo", "demo", package='publish = ["crates-io"]')
    default(ready_desk.cargo_home / "config.toml")
    done = ready_desk.run(*TRY, cwd=folder)
    assert done.returncode == 1 and "not listed in the `package.publish`" in done.stderr


@pytest.mark.skipif(cargo_version() < (1, 90),
                    reason="this cargo's `package` looks at the default alone (< 1.90)")
def test_a_default_is_none_where_another_registry_is_named(ready_desk):
    folder = write_crate(ready_desk.home / "demo", "demo", package='publish = ["crates-io"]')
    default(ready_desk.cargo_home / "config.toml")
    done = ready_desk.run(*TRY, "--registry", "crates-io", cwd=folder)
    assert done.returncode == 0 and "crates.io" in json.loads(done.stdout)["index"], done.stderr


def test_the_manifests_that_name_the_registry_are_those_of_the_chosen_packages(
        ready_desk, registry):
    folder = workspace(ready_desk.home / "ws")
    for name in ("app", "lib-b"):
        manifest = folder / name / "Cargo.toml"
        manifest.write_text(manifest.read_text().replace(
            "[package]\n", '[package]\npublish = ["local"]\n', 1))
    for words, cwd in ((("-p", "lib-b"), folder), (("-p", "app@0.1.0", "-p", "lib-[b]"), folder),
                       ((), folder / "lib-b"),
                       (("--workspace", "--exclude", "zet*"), folder)):
        done = ready_desk.run(*TRY, *words, cwd=cwd)
        told = json.loads(done.stdout)
        # What one of them needs is not up yet, which is for cargo to say.
        assert told["index"] == registry.index, (words, done.stderr)
    assert json.loads(ready_desk.run(*TRY, "--workspace", cwd=folder).stdout)["index"] != registry.index


def test_an_index_is_held_against_the_registries_that_the_manifest_allows(ready_desk, registry):
    desk = ready_desk
    folder = write_crate(desk.home / "demo", "demo", package='publish = ["corp"]')
    done = desk.run(*TRY, "--index", registry.index, cwd=folder)
    assert done.returncode == 2 and json.loads(done.stdout)["error"]["code"] == "wrong-registry"
    done = desk.run(*TRY, "--index", registry.index, cwd=folder,
                    CARGO_REGISTRIES_CORP_INDEX=registry.index)
    assert index_of(done) == registry.index
