"""What the built programs link, how big they are, and how the source hangs together."""

import re
import subprocess
from pathlib import Path

import pytest

from desk import build_directory

ROOT = Path(__file__).resolve().parent.parent.parent
LINES_MAX = 450

# Each foreign header, and the files that may see it.
FOREIGN = {
    "archive.h": {"agent/work/inspect/tar.c"},
    "archive_entry.h": {"agent/work/inspect/tar.c"},
    "cjson/cJSON.h": {"protocol/json.c"},
    "curl/curl.h": {"agent/work/net/http.c"},
    "libsecret/secret.h": {"agent/work/keyring/service.c"},
    **{f"openssl/{name}.h": {"agent/work/sign/p384.c"} for name in (
        "bn", "core_names", "crypto", "ec", "evp", "param_build", "pem", "rand")},
    "seccomp.h": {"agent/work/filter.c"},
    "systemd/sd-bus.h": {"agent/work/watch/logind.c"},
    "sodium.h": {"protocol/secret.c", "agent/store/cipher.c", "agent/work/kdf/main.c",
                 "agent/work/sha256.c", "agent/work/sign/base64url.c"},
    "toml++/toml.h": {"protocol/toml.cc"},
    "zlib.h": {"agent/work/inspect/gzip.c"},
}
# sd-event is the daemon's own loop: every object with a callback sees it, but nobody outside.
EVENT = re.compile(r"systemd/sd-(event|daemon)\.h")

# Which folder may include which.
MAY_INCLUDE = {
    "protocol": {"protocol"},
    "agent/work": {"agent", "protocol"},
    "agent": {"agent", "protocol"},
    "client": {"client", "protocol"},
}


def sources():
    for top in ("protocol", "agent", "client"):
        yield from (p for p in sorted((ROOT / top).rglob("*.*")) if p.suffix in (".c", ".h", ".cc"))


def includes(path: Path, pattern: str) -> list[str]:
    return re.findall(r"^\s*#\s*include\s+" + pattern, path.read_text(), re.M)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_each_foreign_header_is_seen_by_one_file_a_program():
    system = re.compile(r"^(arpa|asm|linux|net|netinet|sys|poll|seccomp|cjson|curl|sodium|toml)")
    for path in sources():
        for header in includes(path, r"<([^>]+)>"):
            if header in FOREIGN:
                assert name(path) in FOREIGN[header], f"{name(path)} includes {header}"
            elif EVENT.match(header):
                assert name(path).startswith("agent/"), f"{name(path)} includes {header}"
                assert not name(path).startswith("agent/work/"), f"{name(path)}: {header}"
            elif "/" in header:
                assert system.match(header), f"{name(path)} includes {header}: is it foreign?"


def test_dependencies_point_one_way():
    for path in sources():
        folder = next(f for f in ("agent/work", "protocol", "agent", "client")
                      if name(path).startswith(f + "/"))
        for header in includes(path, r'"([^"]+)"'):
            if "/" in header and not (path.parent / header).exists():
                assert header.split("/")[0] in MAY_INCLUDE[folder], f"{name(path)}: {header}"


def test_a_file_is_one_noun_long():
    long = {name(p): n for p in sources() if (n := len(p.read_text().splitlines())) > LINES_MAX}
    assert not long


def needed(program: Path) -> set[str]:
    text = subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True)
    return set(re.findall(r"\(NEEDED\).*\[([^\]]+)\]", text.stdout))


@pytest.mark.release
def test_the_provider_links_libc_only_and_statically():
    provider = build_directory() / "bin/cargo-credential-cpub"
    assert needed(provider) == set()
    done = subprocess.run(["readelf", "-lW", provider], capture_output=True, text=True, check=True)
    assert "INTERP" not in done.stdout
    assert b"sodium" not in provider.read_bytes()


@pytest.mark.release
def test_the_core_links_no_parser_of_strangers_formats():
    core = needed(build_directory() / "libexec/cpub-agent/cpub-agentd")
    assert core == {"libsystemd.so.0", "libsodium.so.23", "libcjson.so.1", "libc.so.6"}


def test_the_core_speaks_no_dbus():
    """libsystemd is there for its loop: no name of sd-bus is asked for."""
    done = subprocess.run(
        ["nm", "--dynamic", "--undefined-only", build_directory() / "libexec/cpub-agent/cpub-agentd"],
        capture_output=True, text=True, check=True)
    assert " sd_event_" in done.stdout and "sd_bus" not in done.stdout


@pytest.mark.release
def test_programs_stay_small(tmp_path):
    """Stripped, in KiB; the static provider carries its libc."""
    limits = {"bin/cargo-credential-cpub": 1024, "bin/cpub-agent": 768,
              "libexec/cpub-agent/cpub-agentd": 384, "libexec/cpub-agent/worker-ask": 128,
              "libexec/cpub-agent/worker-kdf": 96, "libexec/cpub-agent/worker-net": 128,
              "libexec/cpub-agent/worker-read": 96, "libexec/cpub-agent/worker-import": 256,
              "libexec/cpub-agent/worker-inspect": 320, "libexec/cpub-agent/worker-seal": 96,
              "libexec/cpub-agent/worker-sign": 128,
              "libexec/cpub-agent/worker-watch": 96}
    for program, limit in limits.items():
        stripped = tmp_path / Path(program).name
        subprocess.run(["strip", "-o", stripped, build_directory() / program], check=True)
        assert stripped.stat().st_size <= limit * 1024, program


@pytest.mark.release
def test_programs_are_hardened():
    for program in ("bin/cpub-agent", "libexec/cpub-agent/cpub-agentd"):
        text = subprocess.run(["readelf", "-dlW", build_directory() / program],
                              capture_output=True, text=True, check=True).stdout
        assert "BIND_NOW" in text or "NOW" in text
        assert "GNU_RELRO" in text
        assert re.search(r"GNU_STACK.* RW ", text)


@pytest.mark.release
def test_the_idle_daemon_is_small(open_desk):
    """One thread, and memory well below twice the aim of 4.5 MB resident, 1 MB its own."""
    rollup = Path(f"/proc/{open_desk.pid()}/smaps_rollup").read_text()
    own = sum(int(n) for n in re.findall(r"^Private_(?:Clean|Dirty):\s+(\d+)", rollup, re.M))
    resident = int(re.search(r"^Rss:\s+(\d+)", rollup, re.M)[1])
    assert len(list(Path(f"/proc/{open_desk.pid()}/task").iterdir())) == 1
    print(f"resident {resident} KiB, own {own} KiB")
    assert resident <= 2 * 4608 and own <= 2 * 1024
