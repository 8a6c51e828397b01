"""The registry against the real cargo, over TLS: what cargo sends has to pass every check."""

import json

import pytest

from crate import write_crate
from gate import PLACEHOLDER, sha256
from rawclient import TOKEN
from registry import Registry
from toolchain import Cargo

BUILD_SCRIPT = 'fn main() {\n    println!("cargo:rustc-env=BUILT=by-its-script");\n}\n'
PUBLISH = ("publish", "--registry", "local", "--allow-dirty")

# A credential provider that notes each request and answers from a table by operation.
PROVIDER = """\
#!/usr/bin/python3
import json, sys
print('{{"v":[1]}}', flush=True)
request = json.loads(sys.stdin.readline())
with open({log!r}, "a") as log:
    log.write(json.dumps(request) + "\\n")
token = {tokens!r}.get(request.get("operation"))
answer = {{"Ok": {{"kind": "get", "token": token, "cache": "never",
                   "operation_independent": False}}}}
print(json.dumps(answer if token else {{"Err": {{"kind": "not-found"}}}}), flush=True)
"""


@pytest.fixture
def cargo(tmp_path, registry):
    return Cargo(tmp_path / "home", registry, token=TOKEN)


def recording_provider(folder, tokens: dict[str, str]):
    """Returns the program and a function that reads the operations it was asked for."""
    log = folder / "provider.jsonl"
    program = folder / "provider"
    program.write_text(PROVIDER.format(log=str(log), tokens=tokens))
    program.chmod(0o755)
    return program, lambda: [json.loads(line) for line in log.read_text().splitlines()]


def lines(registry, match=""):
    return [f"{e['method']} {e['path']} {e['status']}" for e in registry.requests(match)]


def test_cargo_publishes_a_crate_with_a_build_script_and_builds_on_it(tmp_path, registry, cargo):
    demo = write_crate(tmp_path / "demo", "demo", build=BUILD_SCRIPT, readme="# Demo\n",
                       source='pub const BUILT: &str = env!("BUILT");\n')
    cargo.succeed(*PUBLISH, cwd=demo)
    published = registry.crates["demo", "0.1.0"]
    assert published.metadata["readme"] == "# Demo\n"

    user = write_crate(tmp_path / "user", "user", deps={"demo": "0.1"}, is_program=True,
                       source='fn main() {\n    println!("{}", demo::BUILT);\n}\n')
    assert "by-its-script" in cargo.succeed("run", cwd=user)
    lock = (user / "Cargo.lock").read_text()
    assert published.cksum in lock and registry.index in lock
    assert not registry.violations


def test_cargo_sees_the_entry_at_once_and_does_not_wait(tmp_path, registry, cargo):
    cargo.succeed(*PUBLISH, cwd=write_crate(tmp_path / "demo", "demo"))
    after = lines(registry).index("PUT /api/v1/crates/new 200")
    assert lines(registry)[after + 1:] == ["GET /index/config.json 200",
                                           "GET /index/de/mo/demo 200"]


def test_cargo_publishes_every_kind_of_dependency(tmp_path, registry, cargo):
    for name in ("alpha", "beta-x", "gam"):
        cargo.succeed(*PUBLISH, cwd=write_crate(tmp_path / name, name, tail="[features]\nf = []\n"))
    tail = """
[dev-dependencies]
alpha = { version = "0.1.0", registry = "local" }
[build-dependencies]
beta-x = { version = ">=0.1.0, <0.3", registry = "local", default-features = false }
[target.'cfg(unix)'.dependencies]
renamed = { version = "~0.1", package = "gam", registry = "local", features = ["f"] }
[features]
default = ["plain"]
plain = []
extended = ["dep:alpha"]
weak = ["alpha?/f"]
[badges]
maintenance = { status = "experimental" }
"""
    package = """
rust-version = "1.70"
authors = ["A <a@example.org>"]
keywords = ["one", "two"]
categories = ["command-line-utilities"]
homepage = "https://example.org/"
repository = "https://example.org/git"
documentation = "https://example.org/doc"
license-file = "LICENSE"
links = "demo"
"""
    demo = write_crate(tmp_path / "demo", "demo", "1.2.3-rc.1+build.5", build="fn main() {}\n",
                       deps={"alpha": {"version": "=0.1.0", "optional": True}},
                       package=package, tail=tail, readme="ü\r\n")
    (demo / "LICENSE").write_text("Do as you please.\n")
    cargo.succeed(*PUBLISH, cwd=demo)
    said = registry.crates["demo", "1.2.3-rc.1+build.5"].metadata
    assert {(d["name"], d["kind"], d["version_req"]) for d in said["deps"]} == {
        ("alpha", "normal", "=0.1.0"), ("alpha", "dev", "^0.1.0"),
        ("beta-x", "build", ">=0.1.0, <0.3"), ("gam", "normal", "~0.1")}
    entry = json.loads((tmp_path / "registry/index/de/mo/demo").read_text())
    assert entry["v"] == 2 and set(entry["features2"]) == {"extended", "weak"}
    renamed = next(d for d in entry["deps"] if d["name"] == "renamed")
    assert renamed["package"] == "gam" and renamed["target"] == "cfg(unix)"

    user = write_crate(tmp_path / "user", "user", deps={
        "demo": {"version": "=1.2.3-rc.1", "features": ["extended", "weak"]}})
    cargo.succeed("build", cwd=user)


def test_cargo_yanks_and_undoes_it(tmp_path, registry, cargo):
    cargo.succeed(*PUBLISH, cwd=write_crate(tmp_path / "demo", "demo"))
    user = write_crate(tmp_path / "user", "user", deps={"demo": "0.1"})

    cargo.succeed("yank", "demo@0.1.0", "--registry", "local")
    assert registry.crates["demo", "0.1.0"].yanked
    assert cargo.run("build", cwd=user).returncode != 0

    cargo.succeed("yank", "--undo", "demo@0.1.0", "--registry", "local")
    assert not registry.crates["demo", "0.1.0"].yanked
    cargo.succeed("build", cwd=user)


def test_cargo_lists_adds_and_removes_owners(tmp_path, registry, cargo):
    cargo.succeed(*PUBLISH, cwd=write_crate(tmp_path / "demo", "demo"))

    def owner(*words):
        return cargo.succeed("owner", *words, "--registry", "local", "demo")

    assert "alice (Alice)" in owner("--list")
    assert "user bob has been invited" in owner("--add", "bob")
    registry.owners.accept("demo", "bob")
    assert "bob (Bob)" in owner("--list")
    owner("--remove", "alice")
    assert registry.owners.of("demo") == ["bob"]


def test_cargo_finds_crates_without_a_token(tmp_path, registry, cargo):
    cargo.succeed(*PUBLISH, cwd=write_crate(tmp_path / "demo", "demo"))
    assert 'demo = "0.1.0"' in cargo.succeed("search", "dem", "--registry", "local")
    assert registry.requests("GET /api/v1/crates$")[0]["token"] is None


@pytest.mark.parametrize("status", [200, 400])
def test_cargo_shows_the_refusal_of_a_duplicate(tmp_path, registry, cargo, status):
    registry.announce(refusal_status=status)
    demo = write_crate(tmp_path / "demo", "demo")
    cargo.succeed(*PUBLISH, cwd=demo)
    # Cargo looks into the index itself first; an index that lags behind lets the request through.
    registry.inject("GET /index/de/mo/demo", status=404, times=None)
    again = cargo.run(*PUBLISH, "--no-verify", cwd=demo)
    assert again.returncode == 101 and "crate version `0.1.0` is already uploaded" in again.stderr
    assert ("status 400" in again.stderr) == (status == 400)


def test_cargo_with_a_wrong_token_is_refused(tmp_path, registry):
    cargo = Cargo(tmp_path / "home", registry, token="wrong")
    done = cargo.run(*PUBLISH, cwd=write_crate(tmp_path / "demo", "demo"))
    assert done.returncode == 101 and "authentication failed" in done.stderr
    assert not registry.crates


def test_cargo_without_our_ca_does_not_talk(tmp_path, registry, cargo):
    user = write_crate(tmp_path / "user", "user", deps={"demo": "0.1"})
    done = cargo.run("fetch", cwd=user, CARGO_HTTP_CAINFO="/etc/ssl/certs/ca-certificates.crt")
    assert done.returncode == 101 and not registry.requests() and registry.handshake_failures


def test_plain_http_serves_cargo_as_well(tmp_path):
    with Registry(tmp_path / "registry", tokens={TOKEN}) as r:
        cargo = Cargo(tmp_path / "home", r, token=TOKEN)
        cargo.succeed(*PUBLISH, cwd=write_crate(tmp_path / "demo", "demo"))
        assert r.index == f"sparse+http://127.0.0.1:{r.port}/index/" and r.crates


def test_open_registry_never_gets_the_read_answer(tmp_path, registry):
    program, asked = recording_provider(tmp_path, {"read": PLACEHOLDER, "publish": TOKEN})
    cargo = Cargo(tmp_path / "home", registry, providers=(str(program),))
    cargo.succeed(*PUBLISH, cwd=write_crate(tmp_path / "demo", "demo"))
    assert [a["operation"] for a in asked()] == ["read", "publish"]
    assert asked()[1]["cksum"] == registry.crates["demo", "0.1.0"].cksum
    assert [e["token"] for e in registry.requests() if e["token"]] == [
        f"sha256:{sha256(TOKEN)[:12]}"]
    assert not registry.violations


def test_auth_required_cargo_reads_with_a_token_after_one_401(tmp_path, registry):
    registry.announce(auth_required=True)
    program, asked = recording_provider(tmp_path, dict.fromkeys(("read", "publish", "yank"), TOKEN))
    cargo = Cargo(tmp_path / "home", registry, providers=(str(program),))
    cargo.succeed(*PUBLISH, "--no-verify", cwd=write_crate(tmp_path / "demo", "demo"))

    assert lines(registry)[:2] == ["GET /index/config.json 401", "GET /index/config.json 200"]
    assert all(e["token"] for e in registry.requests()[1:])
    first = asked()[0]
    challenge = f'WWW-Authenticate: Cargo login_url="{registry.login_url}"'.lower()
    assert challenge in [h.lower() for h in first["registry"]["headers"]]

    # Once cargo has config.json, it asks before it is refused, and has no headers to pass on.
    n_asked = len(asked())
    cargo.succeed("yank", "demo@0.1.0", "--registry", "local")
    assert [a["operation"] for a in asked()[n_asked:]] == ["read", "yank"]
    assert all("headers" not in a["registry"] for a in asked()[n_asked:])
    assert [e["status"] for e in registry.requests()].count(401) == 1
    assert not registry.violations


def test_auth_required_cargo_downloads_with_a_token(tmp_path, registry, cargo):
    cargo.succeed(*PUBLISH, cwd=write_crate(tmp_path / "demo", "demo"))
    registry.announce(auth_required=True)
    other = Cargo(tmp_path / "other", registry, token=TOKEN)
    other.succeed("build", cwd=write_crate(tmp_path / "user", "user", deps={"demo": "0.1"}))
    assert [e["token"] is not None for e in registry.requests("download")] == [True]


def test_auth_required_cargo_search_sends_its_token(tmp_path, registry, cargo):
    registry.announce(auth_required=True)
    cargo.succeed("search", "dem", "--registry", "local")
    assert registry.requests("GET /api/v1/crates$")[0]["token"]


def test_auth_required_cargo_says_that_the_token_was_rejected(tmp_path, registry):
    registry.announce(auth_required=True)
    cargo = Cargo(tmp_path / "home", registry, token="wrong")
    done = cargo.run("fetch", cwd=write_crate(tmp_path / "user", "user", deps={"demo": "0.1"}))
    assert done.returncode == 101 and "token rejected for `local`" in done.stderr


def test_auth_required_cargo_takes_a_403_for_an_http_error(tmp_path, registry, cargo):
    registry.announce(auth_required=True)
    registry.inject("GET /index/", status=403, body={"errors": [{"detail": "go away"}]})
    done = cargo.run("fetch", cwd=write_crate(tmp_path / "user", "user", deps={"demo": "0.1"}))
    assert done.returncode == 101 and "got 403" in done.stderr
    assert "token rejected" not in done.stderr and lines(registry) == ["GET /index/config.json 403"]


def test_auth_required_placeholder_is_a_violation(tmp_path, registry):
    registry.announce(auth_required=True)
    program, _ = recording_provider(tmp_path, {"read": PLACEHOLDER})
    cargo = Cargo(tmp_path / "home", registry, providers=(str(program),))
    cargo.run("fetch", cwd=write_crate(tmp_path / "user", "user", deps={"demo": "0.1"}))
    assert registry.violations[0]["violations"] == ["the placeholder was sent"]
