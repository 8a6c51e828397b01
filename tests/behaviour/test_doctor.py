"""`doctor`: each misconfiguration has its finding and its fix, and what it says of cargo is so."""

import json
import os
import shutil
import subprocess

import pytest

from desk import TOKEN
from test_setup_cargo import LIST, add_fake, attempts, config, needs_root, set_up, write

INDEX = "sparse+https://registry.example/index/"
CORP = f'[registries.corp]\nindex = "{INDEX}"\n'
IMPORT = "cpub-agent import --from cargo --wipe"
SETUP = "cpub-agent setup cargo"
NEW_KEY = ("make a new one with `cpub-agent login --asymmetric {of}`, or keep this one by giving it "
           "to `cpub-agent login --asymmetric --with-token {of}` on standard input, and take it out")


def project(desk, text):
    folder = desk.home / "project"
    write(folder / ".cargo/config.toml", text)
    return folder


def doctor(desk, cwd=None, status=None, words=(), **environment):
    """Its findings; the exit status has to fit to them. Text and JSON say the same."""
    done = desk.run("--json", *words, "doctor", cwd=cwd, **environment)
    answer = json.loads(done.stdout)
    assert set(answer) == {"schema", "findings"} and answer["schema"] == 1, answer
    findings = answer["findings"]
    is_bad = any(finding["level"] == "bad" for finding in findings)
    assert done.returncode == int(is_bad), done.stdout
    text = desk.run(*words, "doctor", cwd=cwd, **environment)
    assert text.returncode == done.returncode
    for finding in findings:
        mark = {"ok": "\u2713", "warn": "!", "bad": "\u2717"}[finding["level"]]
        assert f"{mark} {finding['id']} {finding['text']}\n" in text.stdout
        assert finding["level"] == "ok" or finding["fix"], finding
        assert not finding["fix"] or f"fix: {finding['fix']}\n" in text.stdout
    for said in (done, text):
        assert TOKEN not in said.stdout + said.stderr
    return findings


def only(findings, id, level):
    [finding] = [f for f in findings if f["id"] == id and f["level"] == level]
    return finding


def test_a_clean_set_up_yields_nothing_bad(open_desk):
    write(config(open_desk), CORP)
    set_up(open_desk)
    findings = doctor(open_desk)
    assert [f for f in findings if f["level"] == "bad"] == []
    ids = {f["id"] for f in findings if f["level"] == "ok"}
    assert {"D01", "D03", "D08", "D09", "D10", "D14", "D15"} <= ids
    assert {f["id"] for f in findings if f["level"] == "warn"} <= {"D11", "D12", "D13"}
    texts = [f["text"] for f in findings if f["id"] == "D01"]
    assert ["crates-io" in texts[0], "corp" in texts[1]] == [True, True]


# Each row: the user's own file (None: after `setup cargo`), a project's, variables; what is found.
MISCONFIGURED = {
    "cargo does not know us": (
        CORP, "", {}, "D01", "bad", "'cargo:token' and not", SETUP),
    "another is asked before us": (
        '[registry]\n{L} = ["{ours} --account a", "cargo:libsecret"]\n', "", {},
        "D01", "bad", "'cargo:libsecret' before", SETUP),
    "a program of our name that is not ours": (
        '[registry]\n{L} = ["/old/cargo-credential-cpub --account a"]\n', "", {},
        "D01", "bad", "another program of that name", SETUP),
    "a registry with a provider of its own": (
        '[registry]\n{L} = ["{ours} --account a"]\n' + CORP + 'credential-provider = "cargo:token"\n',
        "", {}, "D01", "warn", "for corp, which has a provider of its own in",
        "take that credential-provider out, unless you mean it"),
    "a project's list": (
        None, '[registry]\n{L} = ["evil --x"]\n', {}, "D02", "bad", "'evil --x' for crates-io",
        "take that out of '{project}', or do not use cargo there"),
    "a project's provider for crates.io": (
        None, '[registry]\ncredential-provider = ["evil"]\n', {},
        "D02", "bad", "'evil' for crates-io",
        "take that out of '{project}', or do not use cargo there"),
    "a project's provider for a registry": (
        None, CORP + 'credential-provider = "sub/evil"\n', {}, "D02", "bad", "/sub/evil' for corp",
        "take that out of '{project}', or do not use cargo there"),
    "a project's alias": (
        '[registry]\n{L} = ["{ours}"]\n', '[credential-alias]\n"{ours}" = "evil"\n', {},
        "D02", "bad", "'evil' for crates-io",
        "take that out of '{project}', or do not use cargo there"),
    "a list in the environment": (
        None, "", {"CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS": "a b"}, "D02", "bad",
        "'b' for crates-io", "unset CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS"),
    "a provider for crates.io in the environment": (
        None, "", {"CARGO_REGISTRY_CREDENTIAL_PROVIDER": "evil"}, "D02", "bad",
        "'evil' for crates-io", "unset CARGO_REGISTRY_CREDENTIAL_PROVIDER"),
    "a provider for a registry in the environment": (
        None, '[registries.my-corp]\nindex = "' + INDEX + '"\n',
        {"CARGO_REGISTRIES_MY_CORP_CREDENTIAL_PROVIDER": "evil --y"}, "D02", "bad",
        "'evil --y' for my-corp", "unset CARGO_REGISTRIES_MY_CORP_CREDENTIAL_PROVIDER"),
    "a registry of the environment": (
        '[registry]\n{L} = ["cargo:token"]\n', "", {"CARGO_REGISTRIES_NEW_INDEX": INDEX},
        "D01", "bad", "for new", SETUP),
    "our entry can be replaced": (
        '[registry]\n{L} = ["{ours}"]\n', "", {}, "D06", "warn", "without arguments", SETUP),
    "our own entry of a registry can be replaced": (
        CORP + 'credential-provider = ["{ours}"]\n', "", {}, "D06", "warn", "for corp",
        'credential-provider = ["{ours}", "--account", "default"]'),
    "a token in config.toml": (
        f'[registry]\ntoken = "{TOKEN}"\n', "", {}, "D03", "bad",
        "config.toml' line 2 (crates-io)", IMPORT),
    "a token of a registry": (
        CORP + f'token = "{TOKEN}"\n', "", {}, "D03", "bad", "config.toml' line 3 (corp)", IMPORT),
    "a secret key": (
        CORP + 'secret-key = "k3.secret.abc"\n', "", {}, "D03", "bad",
        "plaintext private key in '", NEW_KEY.replace("{of}", "--registry corp")),
    "a secret key with a subject": (
        CORP + 'secret-key-subject = "me;you"\nsecret-key = "k3.secret.abc"\n', "", {}, "D03", "bad",
        "plaintext private key in '",
        NEW_KEY.replace("{of}", "--registry corp --subject 'me;you'")),
    "a secret key with a subject that no login takes": (
        CORP + 'secret-key-subject = "me you"\nsecret-key = "k3.secret.abc"\n', "", {}, "D03", "bad",
        "plaintext private key in '", NEW_KEY.replace("{of}", "--registry corp")),
    "a secret key for crates.io": (
        '[registry]\nsecret-key = "k3.secret.abc"\nsecret-key-subject = "me"\n', "", {}, "D03",
        "bad", "config.toml' line 2 (crates-io)",
        "take it out: crates.io takes no signed requests"),
    "a secret key in a project": (
        None, '[registries.corp]\nsecret-key = "k3.secret.abc"\n', {}, "D04", "bad",
        "project/.cargo/config.toml' line 2 (corp)",
        "remove its public key at the registry and take it out: projects are copied and shared"),
    "a token in a comment": (
        f"# {TOKEN}\n", "", {}, "D03", "bad", "looks like a crates.io token",
        "revoke it at https://crates.io/settings/tokens and take it out"),
    "a token in a project": (
        None, f'[registry]\ntoken = "{TOKEN}"\n', {}, "D04", "bad",
        "project/.cargo/config.toml' line 2 (crates-io)",
        "revoke it at the registry and take it out: projects are copied and shared"),
    "a file that cannot be read": (
        "[registry\n", "", {}, "D05", "bad", "is not valid TOML",
        "mend that file; what cargo does here is not known before"),
    "a provider that cargo cannot use": (
        None, "[registry]\ncredential-provider = 3\n", {}, "D05", "bad",
        "is neither a text nor a list of texts", "mend that key"),
    "a provider without a name": (
        None, "", {"CARGO_REGISTRY_CREDENTIAL_PROVIDER": " "}, "D05", "bad", "names no program",
        "mend that key"),
    "a token in the environment that wins": (
        CORP, "", {"CARGO_REGISTRY_TOKEN": TOKEN}, "D07", "bad", "before cpub-agent is asked",
        "unset CARGO_REGISTRY_TOKEN"),
    "a secret key in the environment": (
        CORP, "", {"CARGO_REGISTRIES_CORP_SECRET_KEY": "k3.secret.abc"}, "D07", "warn",
        "stable cargo does not use it", "unset CARGO_REGISTRIES_CORP_SECRET_KEY"),
    "a secret key in the environment that wins": (
        CORP + 'credential-provider = "cargo:paseto"\n', "",
        {"CARGO_REGISTRIES_CORP_SECRET_KEY": "k3.secret.abc"}, "D07", "bad",
        "cargo:paseto takes it before", "unset CARGO_REGISTRIES_CORP_SECRET_KEY"),
    "a token in the environment behind us": (
        None, "", {"CARGO_REGISTRY_TOKEN": TOKEN}, "D07", "warn", "where cpub-agent has no account",
        "unset CARGO_REGISTRY_TOKEN"),
    "a token in the environment that nobody takes": (
        '[registry]\n{L} = ["{ours} --account a"]\n', "", {"CARGO_REGISTRIES_CORP_TOKEN": TOKEN},
        "D07", "warn", "cargo does not use it", "unset CARGO_REGISTRIES_CORP_TOKEN"),
    "a token of a registry in the environment": (
        '[registries.my-corp]\nindex = "' + INDEX + '"\ncredential-provider = "cargo:token"\n'
        '[registry]\n{L} = ["{ours} --account a"]\n', "", {"CARGO_REGISTRIES_MY_CORP_TOKEN": TOKEN},
        "D07", "bad", "before cpub-agent is asked", "unset CARGO_REGISTRIES_MY_CORP_TOKEN"),
    "a project's proxy": (
        None, '[http]\nproxy = "http://127.0.0.1:1"\n', {}, "D16", "warn", "sets http.proxy",
        "take it out, or put it into your own config.toml if you mean it"),
    "a project's certificates": (
        None, '[http]\ncainfo = "ca.pem"\n', {}, "D16", "bad", "sets http.cainfo",
        "take it out, or put it into your own config.toml if you mean it"),
    "a project's sources": (
        None, '[source.crates-io]\nreplace-with = "x"\n[source.x]\ndirectory = "y"\n', {},
        "D16", "warn", "replaces the source crates-io",
        "take it out, unless the project is meant to do that"),
    "a project's index for a known name": (
        CORP, '[registries.corp]\nindex = "sparse+https://evil.example/"\n', {}, "D17", "bad",
        "says that corp is 'sparse+https://evil.example/'",
        "take it out, or give the project's registry a name of its own"),
}


@pytest.mark.parametrize("name", MISCONFIGURED)
def test_each_misconfiguration_has_its_finding_and_fix(desk, name):
    own, theirs, variables, id, level, text, fix = MISCONFIGURED[name]

    def fill(template, where=""):
        return (template.replace("{L}", LIST).replace("{ours}", str(desk.provider))
                .replace("{project}", str(where)))

    folder = project(desk, fill(theirs))
    if own is None:
        write(config(desk), "")
        set_up(desk)
    else:
        write(config(desk), fill(own))
    found = [f for f in doctor(desk, cwd=folder, **variables) if f["id"] == id
             and f["level"] == level]
    assert [f for f in found if text in f["text"]], found
    wanted = fill(fix, folder / ".cargo/config.toml")
    assert wanted in {f["fix"] for f in found}
    if theirs and id != "D05":  # The file that is to blame is named.
        assert any(".cargo/config.toml" in f["text"] for f in found) or variables


@pytest.mark.parametrize("name, text", [
    ("credentials.toml", f'[registry]\ntoken = "{TOKEN}"\n'),
    ("credentials", f'[registry]\ntoken = "{TOKEN}"\n'),
    ("credentials.toml", f'token = "{TOKEN}"\n'),  # As it was before cargo knew registries.
    ("config.toml.cpub-backup", f'[registry]\ntoken = "{TOKEN}"\n'),
])
def test_a_token_in_another_of_cargos_files_is_found(desk, name, text):
    write(desk.cargo_home / name, text)
    finding = only(doctor(desk), "D03", "bad")
    assert f"'{desk.cargo_home / name}'" in finding["text"] and finding["fix"] == IMPORT


def test_a_token_in_a_file_that_cargo_passes_over_is_found(desk):
    write(desk.cargo_home / "config", "")
    write(config(desk), f'[registry]\ntoken = "{TOKEN}"\n')
    assert f"'{config(desk)}'" in only(doctor(desk), "D03", "bad")["text"]


def test_a_folder_or_socket_open_to_others_is_found(open_desk):
    set_up(open_desk)
    for path, mode, id, fix in (
            (open_desk.socket, 0o666, "D08", f"chmod 600 '{open_desk.socket}'"),
            (open_desk.socket.parent, 0o755, "D08", f"chmod 700 '{open_desk.socket.parent}'"),
            (open_desk.vault, 0o644, "D09", f"chmod 600 '{open_desk.vault}'"),
            (open_desk.vault.parent, 0o750, "D09", f"chmod 700 '{open_desk.vault.parent}'")):
        before = path.stat().st_mode & 0o777
        path.chmod(mode)
        finding = only(doctor(open_desk), id, "bad")
        path.chmod(before)
        assert finding["text"] == f"'{path}' is open to others" and finding["fix"] == fix


@needs_root
def test_a_store_that_is_a_link_or_somebody_elses_is_found(desk):
    other = write(desk.home / "other", "")
    desk.vault.parent.mkdir(parents=True, mode=0o700)
    desk.vault.symlink_to(other)
    assert only(doctor(desk), "D09", "bad")["text"] == f"'{desk.vault}' is a symlink"
    desk.vault.unlink()
    write(desk.vault, "").chmod(0o600)
    os.chown(desk.vault, 2000, 2000)
    assert only(doctor(desk), "D09", "bad")["text"] == f"'{desk.vault}' belongs to somebody else"


def test_doctor_starts_no_agent(desk):
    assert "starts by itself" in only(doctor(desk), "D10", "ok")["text"]
    assert not desk.socket.exists() and not desk.socket.parent.exists()


def test_a_socket_without_an_agent_is_found(desk, tmp_path):
    tmp_path.chmod(0o700)
    finding = only(doctor(desk, words=("--socket", str(tmp_path / "nobody"))), "D10", "warn")
    assert "nobody listens" in finding["text"]


# The agent's own answer, told by one that says what it is told to.

STATUS = {"kind": "status", "version": "0.1.0", "pid": 4321, "store": "vault", "path": "/v",
          "state": "unlocked", "level": 2, "accounts": 1, "grants": 0, "locks-in": 60,
          "memory-locked": True}


@pytest.mark.parametrize("answer, id, level, text", [
    ({"version": "9.9.9"}, "D10", "warn", "is version 9.9.9"),
    ({"memory-locked": False}, "D13", "warn", "may reach swap"),
    ({"level": 1}, "D14", "warn", "level 1"),
    ({"level": 0, "state": "absent"}, "D15", "warn", "no store yet"),
    ({"state": "gone"}, "D15", "bad", "is gone"),
    ({"state": "damaged"}, "D15", "bad", "is damaged"),
    ({"state": "newer"}, "D15", "bad", "by a newer cpub-agent"),
    ({"state": "loose"}, "D15", "bad", "open to others"),
    ({"state": "unreadable"}, "D15", "bad", "cannot be read"),
    ({"state": "\u202eodd"}, "D15", "warn", "whatever that is"),
    (b"nonsense\n", "D10", "bad", "no sensible answer"),
    (None, "D10", "bad", "no sensible answer"),
])
def test_what_the_agent_answers_is_told(desk, tmp_path, answer, id, level, text):
    from test_cli_words import FakeAgent

    folder = tmp_path / "agent"
    folder.mkdir()
    line = {"Ok": STATUS | answer} if isinstance(answer, dict) else answer
    fake = FakeAgent(str(folder), [line])
    os.chmod(fake.path, 0o600)
    done = desk.run("--json", "--socket", fake.path, "doctor")
    fake.close()
    finding = only(json.loads(done.stdout)["findings"], id, level)
    assert text in finding["text"] and finding["fix"]
    assert "\u202e" not in desk.run("doctor").stdout


def test_a_store_that_is_gone_is_bad_for_the_real_agent_too(open_desk):
    open_desk.stop()
    open_desk.vault.unlink()
    open_desk.start()
    assert "is gone" in only(doctor(open_desk), "D15", "bad")["text"]


# What doctor says of providers, against what the real cargo does.

REAL = {
    "nothing": ("", "", {}),
    "a list": ('[registry]\n{L} = ["cargo:token", "{a} --x", "{b}"]\n', "", {}),
    "both files": ('[registry]\n{L} = ["cargo:token", "{a}"]\n', '[registry]\n{L} = ["{b}"]\n', {}),
    "an empty list over ours": ('[registry]\n{L} = ["{ours} --account a"]\n', '[registry]\n{L} = []\n', {}),
    "the environment behind": ('[registry]\n{L} = ["{ours} --account a"]\n', "",
                               {"CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS": "a {b}"}),
    "an empty variable": ('[registry]\n{L} = ["{ours} --account a"]\n', '[registry]\n{L} = ["a"]\n',
                          {"CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS": ""}),
    "crates.io's own": ('[registry]\n{L} = ["a"]\ncredential-provider = ["{ours}", "--account", "b"]\n', "", {}),
    "a project's own": ('[registry]\ncredential-provider = "{ours} --account b"\n',
                        '[registry]\ncredential-provider = "{b} --z"\n', {}),
    "a variable's own": ("", '[registry]\ncredential-provider = "{b} --z"\n',
                         {"CARGO_REGISTRY_CREDENTIAL_PROVIDER": "{ours} --account c"}),
    "an alias": ('[registry]\n{L} = ["a"]\n', '[credential-alias]\na = ["{b}", "two words"]\n', {}),
    "an alias of the environment": ('[registry]\n{L} = ["a"]\n[credential-alias]\na = "none"\n', "",
                                    {"CARGO_CREDENTIAL_ALIAS_A": "{b} --y"}),
    "no alias for arguments": ('[registry]\n{L} = ["a --x"]\n', '[credential-alias]\na = "{b}"\n', {}),
    "no alias of an alias": ('[registry]\n{L} = ["a"]\n[credential-alias]\na = "b"\nb = "{ours}"\n', "", {}),
    "no alias for cargo's own": ('[credential-alias]\n"cargo:token" = "{b}"\n', "", {}),
    "an alias to nothing": ('[registry]\n{L} = ["a"]\n[credential-alias]\na = []\n', "", {}),
    "relative to the file": ("", '[registry]\n{L} = ["./tools/c --x"]\n', {}),
    "ours by name": ('[registry]\n{L} = ["cargo-credential-cpub"]\n', "", {}),
    "an alias to ours": ('[registry]\n{L} = ["keep"]\n[credential-alias]\nkeep = ["{ours}"]\n', "", {}),
    "the credentials file": ('[registry]\n{L} = ["{ours} --account a"]\n', "",
                             {}, '[registry]\n{L} = ["{b}"]\n'),
    "the credentials file over a project": ("", '[registry]\ncredential-provider = "{b}"\n', {},
                                            '[registry]\ncredential-provider = "{a} --w"\n'),
    "included": ('include = ["more.toml"]\n[registry]\n{L} = ["{a}"]\n', "", {}, "",
                 '[registry]\n{L} = ["{b}"]\n'),
    "a path with a dot": ('[registry]\n{L} = ["{dotted}"]\n',
                          '[credential-alias]\n"{dotted}" = "a"\n', {}),
}


@pytest.mark.parametrize("name", REAL)
def test_what_doctor_says_is_what_the_real_cargo_asks_first(desk, name):
    own, theirs, variables, credentials, included = (*REAL[name], "", "")[:5]
    programs = desk.directory / "programs"
    fakes = {letter: add_fake(programs, letter) for letter in "ab"}
    fakes["dotted"] = add_fake(programs / "v1.2", "c")

    def fill(text):
        text = text.replace("{L}", LIST).replace("{ours}", str(desk.provider))
        for letter, path in fakes.items():
            text = text.replace("{" + letter + "}", str(path))
        return text

    (programs / "cargo-credential-cpub").symlink_to(desk.provider)
    folder = project(desk, fill(theirs))
    add_fake(folder / "tools", "c")
    write(config(desk), fill(own))
    write(desk.cargo_home / "more.toml", fill(included))
    if credentials:
        write(desk.cargo_home / "credentials.toml", fill(credentials))
    environment = {key: fill(value) for key, value in variables.items()} | {
        "PATH": f"{programs}:{os.environ['PATH']}", "FAKE_LOG": str(desk.directory / "log")}

    first = attempts(desk, cwd=folder, **environment)[0]
    said = [f for f in doctor(desk, cwd=folder, **environment) if f["id"] in ("D01", "D02")]
    [finding] = said
    program = first.split()[0]
    found = shutil.which(program, path=environment["PATH"])
    if found and os.path.samefile(found, desk.provider):
        assert finding["level"] == "ok", (first, finding)
    else:
        assert f"'{first}'" in finding["text"], (first, finding)
        assert finding["level"] in ("bad", "warn")


REAL_REGISTRY = {
    "the user's": (CORP + 'credential-provider = ["a", "b c"]\n', "", {}, "a b c"),
    "a project's": (CORP + 'credential-provider = "a"\n',
                    '[registries.corp]\ncredential-provider = "b --x"\n', {}, "b --x"),
    "a variable's": (CORP + 'credential-provider = "a"\n', "",
                     {"CARGO_REGISTRIES_CORP_CREDENTIAL_PROVIDER": "b"}, "b"),
    "not that of crates.io": (CORP + f'[registry]\n{LIST} = ["b"]\ncredential-provider = "a"\n',
                              "", {}, "b"),
    "a variable's index, under its own name": (
        CORP.replace("corp", "my-corp") + 'credential-provider = "a"\n', "",
        {"CARGO_REGISTRIES_MY_CORP_INDEX": INDEX + "other/"}, "cargo:token"),
}


@pytest.mark.parametrize("name", REAL_REGISTRY)
def test_what_doctor_says_of_a_registry_is_what_the_real_cargo_asks(desk, name):
    own, theirs, variables, wanted = REAL_REGISTRY[name]
    programs = desk.directory / "programs"
    for letter in "ab":
        add_fake(programs, letter)
    write(config(desk), own)
    folder = project(desk, theirs)
    environment = variables | {"PATH": f"{programs}:{os.environ['PATH']}",
                               "FAKE_LOG": str(desk.directory / "log")}
    known = "my-corp" if "my-corp" in own else "corp"
    assert attempts(desk, "--registry", known, cwd=folder, **environment)[0] == wanted
    [finding] = [f for f in doctor(desk, cwd=folder, **environment)
                 if f["id"] in ("D01", "D02") and "crates-io" not in f["text"]]
    assert f"'{wanted}'" in finding["text"]


def test_cargo_really_calls_the_one_that_doctor_names(desk):
    """Not only what cargo -v prints: the program runs."""
    log = desk.directory / "log"
    add_fake(desk.directory / "programs", "thief")
    set_up(desk)
    folder = project(desk, f'[registry]\n{LIST} = ["thief"]\n')
    path = f"{desk.directory / 'programs'}:{os.environ['PATH']}"
    attempts(desk, cwd=folder, PATH=path, FAKE_LOG=str(log))
    assert log.read_text() == "thief\n"
    assert "'thief' for crates-io" in only(doctor(desk, cwd=folder, PATH=path), "D02", "bad")["text"]


def test_quiet_leaves_out_what_is_well(desk):
    done = desk.run("-q", "doctor")
    assert "\u2713" not in done.stdout and "D01" in done.stdout and "to look at." not in done.stdout
    assert desk.run("-q", "--json", "doctor").stdout.count('"D03"') == 1


def test_the_help_names_every_id(desk):
    text = desk.succeed("doctor", "--help")
    assert [f"D{n:02}" for n in range(1, 18)] == [
        line.split()[0] for line in text.splitlines() if line.startswith("  D")]


@pytest.mark.release
@needs_root
def test_no_token_of_cargos_files_is_in_doctors_memory(desk, tmp_path):
    """Held still while it waits for an agent that says nothing, after it has read the files."""
    import socket

    from scan import memory_size, memory_traces

    write(config(desk), f'# {TOKEN}\n[registry]\ntoken = "{TOKEN}"\n')
    write(desk.cargo_home / "credentials.toml", f'[registries.corp]\ntoken = "{TOKEN}"\n')
    project(desk, f'[registries.x]\ntoken = {{ a = "{TOKEN}" }}\n')
    tmp_path.chmod(0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "sock"))
        os.chmod(tmp_path / "sock", 0o600)
        listener.listen()
        running = subprocess.Popen(
            [desk.program, "--json", "--socket", tmp_path / "sock", "doctor"],
            env=desk.environment, cwd=desk.home / "project", stdout=subprocess.PIPE, text=True)
        try:
            connection, _ = listener.accept()
            with connection:
                assert memory_size(running.pid) > 100_000
                traces = memory_traces(running.pid, TOKEN)
            out, _ = running.communicate(timeout=30)
        finally:
            running.kill()
            running.wait()
    assert traces == []
    ids = [f["id"] for f in json.loads(out)["findings"] if f["level"] == "bad"]
    assert ids.count("D03") == 3 and ids.count("D04") == 1
