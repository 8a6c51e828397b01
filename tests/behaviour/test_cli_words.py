"""The words of the command line: what it sends, says, and returns, with a fake agent behind it."""

import array
import json
import os
import pty
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

PROGRAM = os.path.join(os.environ.get("CPUB_BUILD", "build"), "bin", "cpub-agent")
GREETING = b'{"v":[1]}\n'
CRATES_IO = "https://github.com/rust-lang/crates.io-index"
TOKEN = "cio-a-token-that-nobody-may-see"


def ok(**members):
    return {"Ok": members}


def refused(code, message="no", detail=None, **members):
    return {
        "Err": {
            "kind": "other",
            "message": message,
            "caused-by": [detail] if detail else [],
            "code": code,
            **members,
        }
    }


STATUS = ok(
    kind="status",
    version="9.8.7",
    pid=4321,
    store="vault",
    path="/home/me/vault",
    state="unlocked",
    level=2,
    accounts=3,
    grants=0,
    **{"locks-in": 1320, "memory-locked": True},
)


class FakeAgent:
    """Answers each request with the next of the given lines and keeps what came."""

    def __init__(self, folder, answers):
        os.chmod(folder, 0o700)
        self.path = os.path.join(folder, "agent.sock")
        self.answers = list(answers)
        self.requests = []
        self.secrets = []  # what the pipe of each request held, or None
        self.terminals = []  # whether each request lent one
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(8)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self.talk(connection)
                except OSError:
                    pass

    def talk(self, connection):
        connection.sendall(GREETING)
        line, fds = b"", array.array("i")
        while not line.endswith(b"\n"):
            data, control, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(16))
            if not data:
                return
            for _, _, content in control:
                fds.frombytes(content)
            line += data
        self.requests.append(json.loads(line))
        secret, has_terminal = None, False
        for fd in fds:
            if os.isatty(fd):
                has_terminal = True
            else:
                with os.fdopen(os.dup(fd), "rb") as pipe:
                    secret = pipe.read()
            os.close(fd)
        self.secrets.append(secret)
        self.terminals.append(has_terminal)
        answer = self.answers.pop(0) if self.answers else refused("internal", "no answer left")
        if answer is None:
            return
        if callable(answer):
            answer(connection)
            return
        if not isinstance(answer, bytes):
            answer = json.dumps(answer, ensure_ascii=False).encode() + b"\n"
        connection.sendall(answer)
        connection.recv(1)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)


@pytest.fixture
def agent(tmp_path):
    agents = []

    def make(*answers):
        folder = tmp_path / "run"
        folder.mkdir()
        agents.append(FakeAgent(str(folder), answers))
        return agents[-1]

    yield make
    for one in agents:
        one.close()


@pytest.fixture
def environment(tmp_path):
    home = tmp_path / "home"
    (home / ".cargo").mkdir(parents=True)
    return {"HOME": str(home), "PATH": "/usr/bin:/bin", "TERM": "xterm"}


@pytest.fixture
def cpub(tmp_path, environment):
    """Runs the program in a session of its own, so without a terminal."""

    def run(*words, agent=None, stdin=b"", env=None, cwd=None, timeout=30):
        command = [PROGRAM, *words]
        if agent:
            command += ["--socket", agent.path]
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            env={**environment, **(env or {})},
            cwd=cwd or tmp_path,
            timeout=timeout,
            start_new_session=True,
        )

    return run


def run_on_terminal(words, environment, typed=b"", cwd="/"):
    """Runs the program on a terminal of its own: its exit code and all that it wrote."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execve(PROGRAM, [PROGRAM, *words], environment)
    output = b""
    try:
        os.write(terminal, typed)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                data = os.read(terminal, 4096)
            except OSError:
                break
            if not data:
                break
            output += data
        else:
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), output.decode()


# Texts


def test_status_shows_the_agent_and_its_store(cpub, agent):
    fake = agent(STATUS)
    done = cpub("status", agent=fake)
    assert done.returncode == 0
    assert fake.requests == [{"v": 1, "kind": "status"}]
    text = done.stdout.decode()
    assert "agent      running, version 9.8.7, pid 4321" in text
    assert "vault      unlocked, locks in 22 min" in text
    assert "           /home/me/vault" in text
    assert "level      2" in text
    assert "accounts   3" in text
    assert "grants     none" in text
    assert "memory" not in text
    assert "--help" not in text
    assert "\033" not in text
    assert done.stderr == b""


def test_no_verb_shows_the_status_and_a_hint(cpub, agent):
    fake = agent(STATUS)
    done = cpub(agent=fake)
    assert done.returncode == 0
    assert fake.requests[0]["kind"] == "status"
    assert b"version 9.8.7" in done.stdout
    assert b"`cpub-agent --help`" in done.stdout


@pytest.mark.parametrize(
    "state,words",
    [
        ("absent", "store      none yet; `cpub-agent init` makes one"),
        ("gone", "gone; restore"),
        ("damaged", "damaged; restore"),
        ("locked", "locked"),
        ("a-new-one", "a-new-one"),
    ],
)
def test_status_tells_the_states_apart(cpub, agent, state, words):
    answer = ok(kind="status", version="1", pid=1, state=state, store=None, path=None, level=0)
    done = cpub("status", agent=agent(answer))
    assert done.returncode == 0
    assert words in done.stdout.decode()
    assert "not locked, so secrets may reach swap" in done.stdout.decode()


def test_color_only_when_asked_for(cpub, agent):
    fake = agent(STATUS, STATUS, STATUS)
    assert b"\033[32m" in cpub("status", "--color=always", agent=fake).stdout
    assert b"\033" not in cpub("status", "--color", "never", agent=fake).stdout
    assert b"\033" not in cpub("status", agent=fake).stdout


def test_no_color_is_heeded_on_a_terminal(agent, environment):
    fake = agent(STATUS, STATUS)
    words = ["status", "--socket", fake.path]
    assert "\033[32m" in run_on_terminal(words, environment)[1]
    assert "\033" not in run_on_terminal(words, {**environment, "NO_COLOR": "1"})[1]


ACCOUNT = {
    "index": CRATES_IO,
    "account": "default",
    "api": "https://crates.io",
    "dl": "https://static.crates.io/crates",
    "type": "bearer",
    "added": 1763812800,
    "plain-http": False,
    "private-ca": False,
    "proxy": None,
}


def test_list_shows_each_account(cpub, agent):
    other = {
        **ACCOUNT,
        "index": "sparse+http://localhost:8080/i",
        "account": "work",
        "dl": None,
        "plain-http": True,
        "private-ca": True,
        "proxy": "http://proxy:3128",
    }
    done = cpub("list", agent=agent(ok(kind="list", accounts=[ACCOUNT, other])), env={"TZ": "UTC"})
    assert done.returncode == 0
    text = done.stdout.decode()
    assert text.startswith("crates.io\n  account    default\n")
    assert "index      " + CRATES_IO in text
    assert "token      bearer, added 2025-11-22" in text
    assert "\n\nsparse+http://localhost:8080/i\n  account    work\n" in text
    assert "plain http" in text
    assert "CA         a private one" in text
    assert "proxy      http://proxy:3128" in text


def test_list_of_nothing_says_what_to_do(cpub, agent):
    done = cpub("list", agent=agent(ok(kind="list", accounts=[])))
    assert done.stdout == b"No accounts. `cpub-agent login` adds one.\n"


def test_logout_says_that_the_token_stays_valid(cpub, agent):
    fake = agent(ok(kind="logout", accounts=[{"index": CRATES_IO, "account": "default"}]))
    done = cpub("logout", agent=fake)
    assert done.returncode == 0
    assert fake.requests[0]["registry"] == {"index-url": CRATES_IO, "name": "crates-io"}
    assert b"Removed account 'default' of crates.io from the store." in done.stdout
    assert b"stays valid at the registry until it is revoked there." in done.stdout


def test_logout_of_all_names_no_registry(cpub, agent):
    fake = agent(ok(kind="logout", accounts=[]))
    done = cpub("logout", "--all", agent=fake)
    assert fake.requests == [{"v": 1, "kind": "logout", "all": True}]
    assert done.stdout == b"There was no such account.\n"


def test_lock_and_unlock_tell_what_was(cpub, agent):
    fake = agent(
        ok(kind="lock", was="unlocked"),
        ok(kind="lock", was="locked"),
        ok(kind="unlock", was="locked", **{"locks-after": 1800}),
    )
    assert cpub("lock", agent=fake).stdout == b"Locked the store.\n"
    assert cpub("lock", agent=fake).stdout == b"The store was locked already.\n"
    done = cpub("unlock", agent=fake)
    assert done.stdout == b"Unlocked the store.\nIt locks after 30 min without a request.\n"


def test_quiet_says_nothing_on_success(cpub, agent):
    fake = agent(ok(kind="lock", was="unlocked"), refused("locked"), ok(kind="list", accounts=[]))
    done = cpub("-q", "lock", agent=fake)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert cpub("lock", "--quiet", agent=fake).stderr != b""
    assert cpub("list", "-q", agent=fake).stdout != b""


# Refusals


@pytest.mark.parametrize(
    "code,exit_code",
    [
        ("locked", 4),
        ("no-store", 4),
        ("needs-terminal", 4),
        ("denied", 5),
        ("index-refused", 6),
        ("tls", 7),
        ("redirect", 7),
        ("bad-name", 8),
        ("wrong-passphrase", 10),
        ("store-damaged", 10),
        ("bad-url", 2),
        ("internal", 1),
        ("a-code-of-tomorrow", 1),
    ],
)
def test_refusals_have_their_exit_code(cpub, agent, code, exit_code):
    done = cpub("list", agent=agent(refused(code, "what failed", "why")))
    assert done.returncode == exit_code
    assert done.stdout == b""
    assert done.stderr == b"cpub-agent: what failed\n  cause: why\n"


def test_plain_refusal_gets_our_own_sentence(cpub, agent):
    done = cpub("logout", agent=agent({"Err": {"kind": "not-found"}}))
    assert done.returncode == 4
    assert done.stderr.startswith(b"cpub-agent: no token is stored for this registry")
    assert b"cause" not in done.stderr


def test_agent_that_leaves_without_an_answer_is_asked_once_more(cpub, agent):
    fake = agent(None, ok(kind="lock", was="locked"))
    assert cpub("lock", agent=fake).returncode == 0
    assert len(fake.requests) == 2


def test_agent_that_never_answers_is_unreachable(cpub, agent):
    fake = agent(None, None)
    done = cpub("lock", agent=fake)
    assert done.returncode == 3
    assert len(fake.requests) == 2
    assert b"cause: it closed the connection" in done.stderr


def test_silence_ends_at_the_timeout(cpub, agent):
    fake = agent(lambda connection: connection.recv(1))
    begin = time.monotonic()
    done = cpub("status", "--timeout", "1", agent=fake)
    assert done.returncode == 3
    assert 0.9 < time.monotonic() - begin < 8
    assert b"cause: it did not answer in time" in done.stderr


@pytest.mark.parametrize("line", [b"hello\n", b"{}\n", b'{"Ok":1}\n', b'{"Ok":{},"Ok":{}}\n'])
def test_nonsense_is_no_answer(cpub, agent, line):
    done = cpub("status", agent=agent(line))
    assert done.returncode == 3
    assert b"makes no sense" in done.stderr


def test_nobody_at_the_socket_is_unreachable(cpub, tmp_path):
    os.chmod(tmp_path, 0o700)
    done = cpub("status", "--socket", str(tmp_path / "absent.sock"))
    assert done.returncode == 3
    assert b"cause: nobody listens" in done.stderr


# JSON


def test_json_prints_the_answer_as_it_came(cpub, agent):
    line = b' { "x":[{"Ok":1}], "Ok" : {"kind":"lock", "was":"a}\\"b", "n":1.5e3,"l":[1,{}]} } \n'
    done = cpub("--json", "lock", agent=agent(line))
    assert done.returncode == 0
    assert done.stdout == b'{"schema":1,"kind":"lock", "was":"a}\\"b", "n":1.5e3,"l":[1,{}]}\n'


def test_json_of_an_empty_object(cpub, agent):
    assert cpub("lock", "--json", agent=agent(b'{"Ok":{}}\n')).stdout == b'{"schema":1}\n'


def test_json_errors_are_on_both_streams(cpub, agent):
    done = cpub("list", "--json", agent=agent(refused("locked", "the store is locked", "why")))
    assert done.returncode == 4
    assert json.loads(done.stdout) == {
        "schema": 1,
        "error": {"code": "locked", "message": "the store is locked", "detail": "why"},
    }
    assert done.stderr == b"cpub-agent: the store is locked\n  cause: why\n"


def test_json_of_a_usage_error_wherever_it_stands(cpub):
    done = cpub("list", "--nonsense", "--json")
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "usage"
    assert error["detail"] is None


def test_json_hides_no_characters(cpub, agent):
    """What would steer a terminal is escaped, and reads the same for a parser."""
    text = "a\u202eb\u009bc\U000e0041d\u00e4"
    done = cpub("lock", "--json", agent=agent(ok(kind="lock", was=text)))
    assert json.loads(done.stdout)["was"] == text
    assert "\\u202eb\\u009bc\\udb40\\udc41d\u00e4" in done.stdout.decode()


# Texts that want to steer the terminal


def test_control_bytes_are_cleaned(cpub, agent):
    bad = "evil\x1b[2J\r\n\u202egnp\u2066\u009b31m\u200b\x7fend \u00e4\u4e2d"
    clean = "evil?[2J???gnp??31m??end \u00e4\u4e2d"
    fake = agent(
        refused("locked", bad, bad), ok(kind="list", accounts=[{**ACCOUNT, "api": bad}])
    )
    done = cpub("list", agent=fake)
    assert done.stderr.decode() == f"cpub-agent: {clean}\n  cause: {clean}\n"
    done = cpub("list", agent=fake)
    assert f"api        {clean}\n" in done.stdout.decode()


def test_broken_utf8_of_the_command_line_is_cleaned(cpub):
    done = cpub(b"--fo\xffo\x1b")
    assert done.returncode == 2
    assert b"'--fo?o?'" in done.stderr


# Words


@pytest.mark.parametrize(
    "words,hint",
    [
        (["login", "--acount", "x"], b"unknown option '--acount'; see `cpub-agent login --help`"),
        (["login", "--acc=x"], b"unknown option '--acc'; see `cpub-agent login --help`"),
        (["--nonsense"], b"unknown option '--nonsense'; see `cpub-agent --help`"),
        (["list", "-x"], b"unknown option '-x'; see `cpub-agent list --help`"),
        (["list", "--all"], b"unknown option '--all'"),
        (["--account", "x", "login"], b"unknown option '--account'"),
        (["lists"], b"unknown verb 'lists'; see `cpub-agent --help`"),
        (["login", "--account"], b"a text is missing behind '--account'"),
        (["login", "--", "--account"], b"takes options only"),
        (["login", "--with-token=x"], b"no text belongs to the option '--with-token'"),
        (["login", "--registry", "a", "--index", "b"], b"exclude each other"),
        (["logout", "--all", "--account", "b"], b"exclude each other"),
        (["init", "--with-passphrase", "--no-passphrase"], b"exclude each other"),
        (["init", "--store", "paper"], b"--store takes auto, keyring or vault"),
        (["login", "--account", "a b"], b"--account takes"),
        (["list", "--timeout", "0"], b"--timeout takes"),
        (["list", "--timeout", "1x"], b"--timeout takes"),
        (["list", "--color", "blue"], b"--color takes"),
    ],
)
def test_wrong_words_are_usage_errors(cpub, words, hint):
    done = cpub(*words)
    assert done.returncode == 2
    assert hint in done.stderr
    assert done.stdout == b""


@pytest.mark.parametrize("words", [["login", TOKEN], ["login", "--token=" + TOKEN],
                                   ["login", "--token", TOKEN], ["login", "--with-token=" + TOKEN]])
def test_a_secret_on_the_command_line_is_not_repeated(cpub, words):
    done = cpub(*words)
    assert done.returncode == 2
    assert TOKEN.encode() not in done.stderr + done.stdout


@pytest.mark.parametrize("verb", ["init", "login", "logout", "list", "status", "lock", "unlock"])
def test_help_of_each_verb(cpub, verb):
    done = cpub(verb, "--help")
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert text.startswith("Usage: cpub-agent " + verb)
    assert max(len(line) for line in text.splitlines()) <= 90
    assert verb in cpub("-h").stdout.decode()


def test_version(cpub):
    assert cpub("--version").stdout.startswith(b"cpub-agent ")
    assert cpub("-V").returncode == 0


def test_unwritable_output_is_a_failure(environment):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAM, "--help"], stdout=full, env=environment, timeout=30)
    assert done.returncode == 1


# Login


LOGIN = ok(kind="login", account="default", index=CRATES_IO, api="https://crates.io", dl=None,
           replaced=False)


def test_login_sends_where_the_registry_came_from(cpub, agent, tmp_path):
    config = tmp_path / "home" / ".cargo" / "config.toml"
    config.write_text("[registries.my-reg]\nindex = 'sparse+https://h/i/'\n")
    fake = agent(LOGIN)
    done = cpub("login", "--registry", "my-reg", "--account", "work", "--api", "https://h/api",
                "--allow-http", agent=fake)
    assert done.returncode == 0
    assert fake.requests == [
        {
            "v": 1,
            "registry": {"index-url": "sparse+https://h/i/", "name": "my-reg"},
            "kind": "login",
            "account": "work",
            "url-source": "user",
            "url-file": str(config),
            "api": "https://h/api",
            "allow-http": True,
        }
    ]
    assert b"Logged in to crates.io as account 'default'." in done.stdout
    assert done.stderr == b""


def test_login_names_the_project_file_and_ignores_its_network(cpub, agent, tmp_path):
    (tmp_path / ".cargo").mkdir()
    config = tmp_path / ".cargo" / "config.toml"
    config.write_text("http.proxy = 'http://evil:1'\nhttp.cainfo = '/etc/hosts'\n"
                      "registries.x.index = 'https://h/i'\n")
    fake = agent(LOGIN)
    done = cpub("login", "--registry", "x", agent=fake)
    assert fake.requests[0]["url-source"] == "project"
    assert fake.requests[0]["url-file"] == str(config)
    assert not {"proxy", "ca-pem", "ca-file"} & set(fake.requests[0])
    text = done.stderr.decode()
    assert f"registry 'x' is https://h/i, named by '{config}'" in text
    assert f"ignoring http.proxy in '{config}', http.cainfo in '{config}'" in text


def test_login_sends_ca_and_proxy_of_the_user(cpub, agent, tmp_path):
    pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    (tmp_path / "ca.pem").write_text(pem)
    fake = agent(LOGIN)
    cpub("login", agent=fake, env={"CARGO_HTTP_CAINFO": "ca.pem", "HTTPS_PROXY": "http://p:1"})
    assert fake.requests[0]["ca-pem"] == pem
    assert fake.requests[0]["ca-file"] == "ca.pem"
    assert fake.requests[0]["proxy"] == "http://p:1"
    assert fake.requests[0]["url-source"] == "given"
    assert fake.requests[0]["registry"]["index-url"] == CRATES_IO


def test_login_with_the_largest_ca_fits_into_a_request(cpub, agent, tmp_path):
    block = "-----BEGIN CERTIFICATE-----\n" + "A" * 64 + "\n-----END CERTIFICATE-----\n"
    pem = (block * 1000)[: 48 * 1024]
    (tmp_path / "ca.pem").write_text(pem)
    fake = agent(LOGIN)
    assert cpub("login", agent=fake, env={"CARGO_HTTP_CAINFO": "ca.pem"}).returncode == 0
    assert fake.requests[0]["ca-pem"] == pem


def test_login_with_unknown_registry_does_not_reach_the_agent(cpub, agent):
    fake = agent()
    done = cpub("login", "--registry", "absent", "--json", agent=fake)
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "configuration"
    assert b"no registry 'absent' is configured" in done.stderr
    assert fake.requests == []


def test_login_on_a_terminal_makes_the_store_first(agent, environment, tmp_path):
    fake = agent(
        refused("no-store", "there is no store"),
        ok(kind="init", store="vault", path="/v", level=2),
        LOGIN,
    )
    code, text = run_on_terminal(["login", "--socket", fake.path], environment, cwd=str(tmp_path))
    assert code == 0
    assert [request["kind"] for request in fake.requests] == ["login", "init", "login"]
    assert fake.terminals == [True, True, True]
    assert "there is no store for tokens yet; making one first" in text
    assert "Made a store: vault, in '/v'." in text
    assert "Logged in to crates.io" in text


@pytest.mark.parametrize("terminal", [False, True])
def test_login_makes_no_store_where_nobody_can_be_asked(
    cpub, agent, environment, tmp_path, terminal
):
    fake = agent(refused("no-store", "there is no store"))
    if terminal:
        words = ["login", "--no-input", "--socket", fake.path]
        code, text = run_on_terminal(words, environment, cwd=str(tmp_path))
    else:
        done = cpub("login", agent=fake)
        code, text = done.returncode, done.stderr.decode()
    assert code == 4
    assert fake.terminals == [False]
    assert "there is no store" in text


def test_verbs_that_ask_nothing_lend_no_terminal(agent, environment):
    fake = agent(STATUS, ok(kind="lock", was="locked"), ok(kind="list", accounts=[]))
    for verb in ["status", "lock", "list"]:
        assert run_on_terminal([verb, "--socket", fake.path], environment)[0] == 0
    assert fake.terminals == [False, False, True]


# Secrets on standard input


@pytest.mark.parametrize(
    "words,answer",
    [
        (["login", "--with-token"], LOGIN),
        (["init", "--with-passphrase"], ok(kind="init", store="vault", path="/v", level=2)),
        (["unlock", "--with-passphrase"], ok(kind="unlock", was="locked")),
    ],
)
def test_secret_goes_through_a_pipe(cpub, agent, words, answer):
    fake = agent(answer)
    secret = TOKEN.encode() + b"\nsecond line\n"
    done = cpub(*words, agent=fake, stdin=secret)
    assert done.returncode == 0
    assert fake.secrets == [secret]
    assert fake.requests[0]["secret-in-pipe"] is True
    assert TOKEN not in json.dumps(fake.requests) + str(done)


def test_secret_from_a_file(agent, environment, tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    fake = agent(LOGIN)
    with open(tmp_path / "token", "rb") as stdin:
        done = subprocess.run([PROGRAM, "login", "--with-token", "--socket", fake.path],
                              stdin=stdin, env=environment, timeout=30, cwd=tmp_path)
    assert done.returncode == 0
    assert fake.secrets == [TOKEN.encode()]


def test_secret_in_pieces(agent, environment, tmp_path):
    fake = agent(LOGIN)
    program = subprocess.Popen([PROGRAM, "login", "--with-token", "--socket", fake.path],
                               stdin=subprocess.PIPE, env=environment, cwd=tmp_path)
    for byte in TOKEN.encode():
        program.stdin.write(bytes([byte]))
        program.stdin.flush()
        time.sleep(0.005)
    program.stdin.close()
    assert program.wait(30) == 0
    assert fake.secrets == [TOKEN.encode()]


def test_long_file_is_cut(agent, environment, tmp_path):
    (tmp_path / "token").write_text("x" * 100000)
    fake = agent(LOGIN)
    with open(tmp_path / "token", "rb") as stdin:
        done = subprocess.run([PROGRAM, "login", "--with-token", "--socket", fake.path],
                              stdin=stdin, env=environment, timeout=30, cwd=tmp_path)
    assert done.returncode == 0
    assert fake.secrets == [b"x" * 1026]


def test_empty_input_is_refused(cpub, agent):
    fake = agent()
    done = cpub("login", "--with-token", agent=fake)
    assert done.returncode == 2
    assert b"standard input is empty" in done.stderr
    assert fake.requests == []


def test_terminal_as_standard_input_is_refused(agent, environment, tmp_path):
    fake = agent()
    words = ["login", "--with-token", "--socket", fake.path]
    code, text = run_on_terminal(words, environment, typed=TOKEN.encode() + b"\n", cwd=str(tmp_path))
    assert code == 2
    assert "standard input is a terminal, where a secret would be seen" in text
    assert fake.requests == []


def test_closed_standard_input_is_refused(agent, environment, tmp_path):
    fake = agent()
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" login --with-token --socket "$1" <&-', PROGRAM, fake.path],
        env=environment, capture_output=True, timeout=30, cwd=tmp_path)
    assert done.returncode == 2
    assert b"standard input" in done.stderr


def test_secret_that_the_agent_has_taken_is_not_sent_again(cpub, agent):
    fake = agent(None, LOGIN)
    done = cpub("login", "--with-token", agent=fake, stdin=TOKEN.encode())
    assert done.returncode == 3
    assert len(fake.requests) == 1


@pytest.mark.parametrize("tokens", [
    None, {}, [1], [{}], [{"url": 5, "items": 1}], [{"url": "u"}], [{"url": "u", "items": "1"}]],
    ids=str)
def test_import_takes_no_list_of_the_keyring_that_makes_no_sense(cpub, agent, tokens):
    done = cpub("import", "--from", "keyring", agent=agent(ok(kind="import", tokens=tokens)))
    assert done.returncode == 3 and b"makes no sense" in done.stderr
