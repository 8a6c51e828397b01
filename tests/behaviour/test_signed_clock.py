"""A clock that is wrong: a registry takes no signature of another time, so that is said before."""

import time
from email.utils import formatdate

import pytest

from act_play import elsewhere
from crate import pack
from desk import PASSPHRASE, TOKEN, code
from exchange import Exchange
from injection import NOT_EVEN_A_STATUS
from signed_play import APPROVE, Held, Signer, act, outcome, signer, workshop
from test_bad_luck_clock import wrong_clock

__all__ = ["signer", "workshop", "wrong_clock"]  # Fixtures.

WARNED, WRONG = (61 + 9, 299 - 9, -61 - 9, -299 + 9), (301 + 9, -301 - 9, 86400)


@pytest.fixture
def registrys_clock(monkeypatch):
    """Sets it ahead of ours by so many seconds, as answers say: of all registries, or of one."""
    def ahead(seconds: int, of=None) -> None:
        def date(exchange, *_):
            is_meant = of is None or exchange.server.registry is of
            return formatdate(time.time() + seconds * is_meant, usegmt=True)
        monkeypatch.setattr(Exchange, "date_time_string", date)
    return ahead


@pytest.fixture
def ready(signer):
    signer.crate("0.1.0")
    signer.log_in()
    return signer


class Log:
    """What the agent's log says from now on."""

    def __init__(self, desk):
        self.path = desk.log
        self.start = len(desk.log.read_bytes())

    def __str__(self) -> str:
        return self.path.read_bytes()[self.start:].decode()


def tokens(signer) -> list[str]:
    """With which requests a credential came."""
    return [f"{entry['method']} {entry['path']}" for entry in signer.requests() if entry["token"]]


ACTS = {
    "publish": lambda signer: code(signer.get("publish")),
    "owners": lambda signer: code(signer.get("owners")),
    "yank of our own": lambda signer: outcome(signer.yank("0.1.0"))[1] or "ok",
    "owner of our own": lambda signer: outcome(signer.ask(signer.request(
        "owner", name=signer.crate_name, add=["bob"])).answer)[1] or "ok",
}


@pytest.mark.parametrize("what", ACTS)
def test_more_than_five_minutes_sign_nothing(ready, registrys_clock, what):
    for seconds in WRONG:
        registrys_clock(seconds)
        ready.confirm()  # Looks at the index, whose answer tells the time.
        assert ACTS[what](ready) == "clock-wrong", seconds
    assert tokens(ready) == [] and ready.verifier.admitted == ready.verifier.refused == []


def test_answer_that_a_cache_has_kept_tells_no_wrong_time(ready, registrys_clock, monkeypatch):
    """Its Date is that of the registry's answer, and Age how long ago that was (RFC 9111, 5.1)."""
    registrys_clock(-400)
    end_headers = Exchange.end_headers

    def with_age(exchange):
        exchange.send_header("Age", "400")
        end_headers(exchange)
    monkeypatch.setattr(Exchange, "end_headers", with_age)
    ready.confirm()
    for what, act_of in ACTS.items():
        assert act_of(ready) == "ok", what


@pytest.mark.parametrize("seconds", [400, -400])
def test_crate_is_not_sent_by_a_wrong_clock(ready, registrys_clock, tmp_path, seconds):
    file = tmp_path / "file.crate"
    file.write_bytes(pack(ready.crate_name, "0.2.0"))
    registrys_clock(seconds)
    terminal = ready.desk.terminal("--json", "publish", "--index", ready.registry.index,
                                   "--account", ready.account, str(file))
    terminal.answers(APPROVE, PASSPHRASE)
    assert terminal.ends() == 1, terminal.seen
    assert '"clock-wrong"' in terminal.seen
    assert tokens(ready) == [] and ready.requests("PUT ") == []


@pytest.mark.parametrize("seconds", WARNED)
def test_more_than_a_minute_is_warned_of(ready, registrys_clock, seconds):
    registrys_clock(seconds)
    log = Log(ready.desk)
    for request in (
            ready.request("get", operation="publish", name="demo", vers="0.1.0", cksum="0f" * 32),
            ready.request("yank", releases=[{"name": ready.crate_name, "vers": "0.1.0"}])):
        asked = ready.ask(request)
        assert code(asked.answer) == "ok" and "clock" in asked.seen
    assert "clock" in str(log)


@pytest.mark.parametrize("seconds", [0, 45, -45])
def test_less_than_a_minute_is_nothing_to_speak_of(ready, registrys_clock, seconds):
    registrys_clock(seconds)
    log = Log(ready.desk)
    asked = ready.ask(ready.request("get", operation="owners", name="demo"))
    assert code(asked.answer) == "ok" and "clock" not in asked.seen
    assert "clock" not in str(log)


def test_case_85_clock_that_is_61_seconds_slow_is_warned_of_and_refused_there(
        ready, registrys_clock):
    """By a registry that has a window of a minute, as cargo's own has."""
    registrys_clock(70)
    ready.verifier.now = lambda: time.time() + 70
    asked = ready.ask(ready.request("get", operation="yank", name="demo", vers="0.1.0"))
    assert "clock" in asked.seen
    assert not ready.verifier(asked.answer["Ok"]["token"], act("yank"))
    assert ready.verifier.refused == ["stale"]


def test_clock_of_this_machine_counts_as_soon_as_it_is_set(desk, workshop, wrong_clock):
    """What the registry told stays right meanwhile."""
    _, registry = workshop
    desk.start(**wrong_clock.agent)
    desk.init()
    registry.verifier.reset()
    signer = Signer(desk, registry, registry.verifier)
    signer.log_in()
    signer.crate("0.1.0")
    for seconds, said in ((0, "ok"), (400, "clock-wrong"), (-400, "clock-wrong"), (30, "ok")):
        wrong_clock(seconds)
        assert code(signer.get("owners")) == said, seconds
        assert (outcome(signer.yank("0.1.0"))[1] or "ok") == said, seconds


# One answer with a wrong Date, or somebody else's, keeps nobody from signing.

@pytest.fixture
def closed(signer):
    """Logged in where the index is asked for each act, with a signature."""
    signer.registry.announce(auth_required=True)
    signer.crate("0.1.0")
    signer.log_in()
    return signer


def test_clock_that_is_right_again_counts_at_once(closed, registrys_clock):
    """Where the clocks seem to be apart the API is asked anew."""
    registrys_clock(3600)
    assert code(closed.get("owners")) == "clock-wrong"
    registrys_clock(0)
    assert [code(closed.get(operation)) for operation in ("read", "owners")] == ["ok", "ok"]
    assert outcome(closed.yank("0.1.0")) == ("done", None)
    assert len(closed.requests("GET /$")) == 2 and not any(
        entry["token"] for entry in closed.requests("GET /$"))


def test_clock_of_the_api_counts_and_not_that_of_an_index_elsewhere(
        signer, registrys_clock, tmp_path, certificate):
    with elsewhere(tmp_path, certificate) as api:
        signer.registry.announce(auth_required=True, api=api.api)
        signer.log_in(api=api.api)
        registrys_clock(3600, of=signer.registry)
        assert [code(signer.get("owners")) for _ in range(2)] == ["ok", "ok"]
        registrys_clock(3600)
        assert code(signer.get("owners")) == "clock-wrong"


@pytest.fixture
def untold(closed):
    """Nothing is known of the time there, and the API does not tell; then all has to be well."""
    closed.registry.inject("GET /$", times=None, cut=NOT_EVEN_A_STATUS)
    closed.registry.accept_token(TOKEN)
    yield closed
    closed.registry.revoke_token(TOKEN)
    closed.verifier.reset()  # TOKEN was no signed one.
    assert code(closed.get("read")) == "ok"
    assert outcome(closed.yank("0.1.0")) == ("done", None)


def test_login_that_nobody_has_agreed_to_yet_tells_no_time(untold, registrys_clock):
    """Any program can ask for one, on a terminal of its own, by a CA and a proxy of its own."""
    registrys_clock(7200)
    with Held(untold.desk, untold.token_request(replace=True)) as held:
        held.terminal.sees(APPROVE)
    registrys_clock(0)


def test_account_that_somebody_else_made_tells_the_others_no_time(untold, registrys_clock):
    """Which has been told a CA and a proxy of its own, and is asked for whatever it likes."""
    stray = {"account": f"{untold.account}.stray"}
    assert code(untold.desk.ask(untold.token_request() | stray)) == "ok"
    registrys_clock(7200)
    answer = untold.desk.ask(untold.request("check") | stray)
    told = {one["what"]: one["state"] for one in answer["Ok"]["findings"]}
    assert (told["index"], told["clock"]) == ("good", "bad")
    registrys_clock(0)
    assert code(untold.ask(untold.request("logout") | stray).answer) == "ok"


@pytest.mark.parametrize("age", ["9999", "999999999", "9223372036854775000"])
def test_age_that_no_answer_has_keeps_nobody_from_signing(ready, age):
    ready.registry.inject("GET /index/config.json", times=None, status=500, headers=[("Age", age)])
    assert code(ready.get("owners")) == "ok"
    assert outcome(ready.yank("0.1.0")) == ("done", None)


@pytest.fixture(params=["silent", "slow"])
def api_without_a_clock(request, signer, monkeypatch):
    """At another host than the index, which is an hour ahead. It tells no time, or not in time."""
    send_header = Exchange.send_header

    def send(exchange, name, value):
        is_index = exchange.path.startswith("/index")
        if name == "Date" and is_index:
            value = formatdate(time.time() + 3600, usegmt=True)
        if name != "Date" or is_index or request.param == "slow":
            send_header(exchange, name, value)

    api = signer.registry.api.replace("localhost", "127.0.0.1")
    signer.registry.announce(api=api)
    monkeypatch.setattr(Exchange, "send_header", send)
    rule = signer.registry.inject("GET /$", times=None, hang=True)
    if request.param == "silent":
        rule.release()
    yield api
    rule.release()


def test_index_on_another_host_is_no_reason_where_the_api_does_not_tell(
        signer, api_without_a_clock):
    signer.crate("0.1.0")
    signer.log_in(api=api_without_a_clock)
    for _ in range(2):
        assert code(signer.get("owners")) == "ok"
        assert outcome(signer.yank("0.1.0")) == ("done", None)
