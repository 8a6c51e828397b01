"""worker-net reads a crate's file in a sparse index: is it new, what came last, which checksum."""

import json
import threading

import pytest

from crate import metadata
from desk import TOKEN
from rawclient import Client
from registry import Registry
from web_play import dripping, endless, raw_server, reply, serving
from worker_program import ERRAND, PATIENCE, ask_worker

pytestmark = pytest.mark.both  # Only the release build has the sandboxes.

SUM = "0123456789abcdef" * 4
OTHER = "f" * 64
KIB, MIB = 1 << 10, 1 << 20
LINE_MAX = MIB
BODY_MAX = 16 * MIB


def line(vers="1.0.0", cksum=SUM, name="demo", **more):
    return json.dumps({"name": name, "vers": vers, "cksum": cksum, "yanked": False, **more})


def read(body, status=200, crate="demo", **fields):
    """What the worker makes of one answer over plain http on loopback."""
    body = "\n".join(body) if isinstance(body, list) else body
    body = body.encode() if isinstance(body, str) else body
    with serving(reply(status, body)) as server:
        root = "http://127.0.0.1:%d/index" % server.port
        return ask_worker(
            "net", {"URL": root, "ERRAND": ERRAND["CRATE"], "CRATE": crate, **fields})


def listed(answer):
    """(last version, checksum) of a crate that the index knows."""
    assert answer.refusal == "none", answer
    assert answer.number("IS_NEW") == 0 and answer.number("HTTP_STATUS") == 200
    assert answer.fields.keys() <= {
        "IS_NEW", "HTTP_STATUS", "LAST_VERSION", "HIGHEST_VERSION", "CHECKSUM", "DATE"}
    return tuple(answer.fields[name].decode() if name in answer.fields else None
                 for name in ("LAST_VERSION", "CHECKSUM"))


# A real registry, over TLS.

@pytest.fixture(name="look")
def make_look(registry, certificate):
    """Looks a crate up where the registry has it."""
    def look(crate, **fields):
        return ask_worker("net", {
            "URL": registry.api + "/index", "CA_PEM": certificate.ca.read_bytes(),
            "ERRAND": ERRAND["CRATE"], "CRATE": crate, **fields})
    return look


@pytest.fixture(name="client")
def make_client(registry):
    client = Client(registry, TOKEN)
    yield client
    client.close()


@pytest.mark.parametrize("crate, path", [
    ("a", "1/a"), ("ab", "2/ab"), ("abc", "3/a/abc"), ("abcd", "ab/cd/abcd"), ("Z", "1/z"),
    ("Ab_-C1", "ab/_-/ab_-c1"), ("x" * 64, "xx/xx/" + "x" * 64)])
def test_crate_is_found_where_cargo_looks_for_it(registry, client, look, crate, path):
    answer = look(crate)
    assert answer.refusal == "none" and answer.number("IS_NEW") == 1
    assert answer.fields.keys() == {"IS_NEW", "HTTP_STATUS", "DATE"}
    for version in ("0.1.0", "0.2.0-rc.1+build"):
        assert client.publish(metadata(crate, version)).status == 200
    answer = look(crate, VERSION="0.1.0")
    assert listed(answer) == ("0.2.0-rc.1+build", registry.crates[crate, "0.1.0"].cksum)
    first, second = registry.requests("GET")
    assert first["path"] == second["path"] == "/index/" + path
    assert first["token"] is None and first["headers"]["accept"] == "text/plain"
    assert registry.violations == []


def test_yanked_version_is_listed_like_any_other(registry, client, look):
    for version in ("1.0.0", "1.1.0"):
        client.publish(metadata("demo", version))
    assert client.mutate("DELETE", "/api/v1/crates/demo/1.1.0/yank").status == 200
    answer = look("demo", VERSION="1.1.0")
    assert listed(answer) == ("1.1.0", registry.crates["demo", "1.1.0"].cksum)


def test_highest_version_is_told_beside_the_last_one():
    """By precedence, not by letters, and a yanked one counts: it cannot be had again."""
    answer = read([line("0.9.0"), line("1.10.0-rc.1", yanked=True), line("1.9.0"), line("1.2.0")])
    assert answer.fields["HIGHEST_VERSION"] == b"1.10.0-rc.1"
    assert listed(answer) == ("1.2.0", None)


def test_version_that_is_not_listed_has_no_checksum(client, look):
    client.publish(metadata("demo", "1.0.0"))
    assert listed(look("demo", VERSION="1.0.1")) == ("1.0.0", None)
    assert listed(look("demo")) == ("1.0.0", None)


def test_crate_of_a_registry_that_wants_a_token(registry, client, look):
    client.publish(metadata("demo", "1.0.0"))
    registry.announce(auth_required=True)
    without = look("demo")
    assert (without.refusal, without.detail) == ("auth-required", registry.login_url)
    wrong = look("demo", TOKEN=TOKEN + "x")
    assert (wrong.refusal, wrong.detail) == ("token-rejected", "HTTP 401")
    assert listed(look("demo", TOKEN=TOKEN)) == ("1.0.0", None)
    assert look("none", TOKEN=TOKEN).number("IS_NEW") == 1
    assert registry.violations == []


# Statuses.

@pytest.mark.parametrize("status", [404, 410, 451])
@pytest.mark.parametrize("fields", [{}, {"TOKEN": TOKEN}], ids=["open", "token"])
def test_file_that_is_not_there_is_a_new_crate(status, fields):
    answer = read(line(), status, **fields)
    assert answer.refusal == "none" and answer.number("IS_NEW") == 1
    assert answer.number("HTTP_STATUS") == status
    assert answer.fields.keys() == {"IS_NEW", "HTTP_STATUS", "DATE"}


@pytest.mark.parametrize("status", [201, 204, 400, 403, 405, 429, 500, 503])
def test_status_of_another_kind_says_nothing_about_the_crate(status):
    answer = read(b"" if status == 204 else line(), status)
    assert (answer.refusal, answer.detail) == ("index-refused", "HTTP %d" % status)


@pytest.mark.parametrize("status", [301, 302, 304, 308])
def test_redirect_is_not_followed(status):
    assert read(b"", status).refusal == "redirect"


# Lines.

@pytest.mark.parametrize("body, expected", [
    (line(), ("1.0.0", SUM)),
    (line() + "\n", ("1.0.0", SUM)),
    ([line(), line("2.0.0", OTHER), line("0.9.0", OTHER)], ("0.9.0", SUM)),
    ("\n\r\n" + line() + "\r\n\n", ("1.0.0", SUM)),
    ([line(), "garbage", "{", line("2.0.0")[:-1], line("2.0.0") + "x", ""], ("1.0.0", SUM)),
    ([line(), '{"name":"demo","vers":"2.0.0","vers":"3.0.0"}'], ("1.0.0", SUM)),
    ([line(), "[]", "null", "1", '"x"', "{}", '{"name":"demo"}'], ("1.0.0", SUM)),
    ([line(), line("2.0"), line("v2.0.0"), line(""), line(2), line(None)], ("1.0.0", SUM)),
    ([line(), line("2.0.0", name="demo2"), line("2.0.0", name="Demo"),
      line("2.0.0", name="de-mo"), line("2.0.0", name=None)], ("1.0.0", SUM)),
    ([line(cksum=OTHER), line(cksum=SUM)], ("1.0.0", SUM)),
    ([line(cksum=SUM.upper())], ("1.0.0", None)),
    ([line(cksum=SUM[1:])], ("1.0.0", None)),
    ([line(cksum=None), line("1.1.0", 1)], ("1.1.0", None)),
    ([line("1.0.0+a", SUM)], ("1.0.0+a", SUM)),
    ([line("1.0.0+a", OTHER), line("1.0.0", SUM)], ("1.0.0", SUM)),
    ([line("1.0.0", SUM), line("1.0.0+a", OTHER)], ("1.0.0+a", SUM)),
    ([line("1.0.0-a", OTHER), line("1.0.00", OTHER), line("11.0.0", OTHER)], ("11.0.0", None)),
], ids=range(17))
def test_lines_that_count(body, expected):
    assert listed(read(body, VERSION="1.0.0")) == expected


def test_line_that_is_not_utf_8_is_passed_over():
    assert listed(read(line().encode() + b"\n\xff" + line("2.0.0").encode())) == ("1.0.0", None)


@pytest.mark.parametrize("body", [
    b"", b"\n\n", b"garbage", b"<html></html>", line(name="Demo"), line("1"), b"\0" * 1000,
    line() + line(), "[" * 100000, "[" + line() + "]"])
def test_file_without_a_usable_line_is_refused(body):
    answer = read(body)
    assert answer.refusal == "index-invalid"
    assert "exactly this name" in answer.detail
    assert answer.fields.keys() == {"REFUSAL", "DETAIL", "DATE"}


# Sizes.

def padded(size, **fields):
    empty = len(line(pad="", **fields))
    return line(pad="x" * (size - empty), **fields)


def test_line_may_be_long_but_not_endless():
    body = [line(), padded(LINE_MAX, vers="1.1.0"), padded(LINE_MAX + 1, vers="1.2.0")]
    assert listed(read(body)) == ("1.1.0", None)


def test_line_of_many_small_values_is_read():
    """A parsed document takes many times the memory of its text."""
    crowded = line("1.1.0", deps=[0] * (LINE_MAX // 4))
    assert len(crowded) < LINE_MAX
    assert listed(read([line(), crowded])) == ("1.1.0", None)


def full(size):
    """A file of that size: many lines of 1 KiB, the newest last."""
    end = line("9.9.9", pad="")
    block = padded(KIB - 1) + "\n"
    body = block * ((size - len(end)) // KIB)
    return body + line("9.9.9", pad="x" * (size - len(body) - len(end)))


def test_file_of_16_mib_is_read_and_no_longer_one():
    body = full(BODY_MAX)
    assert len(body) == BODY_MAX
    assert listed(read(body, VERSION="1.0.0")) == ("9.9.9", SUM)
    answer = read(body + "\n")
    assert answer.refusal == "index-invalid"
    assert answer.detail == "the answer is longer than 16384 KiB"


@pytest.mark.parametrize("behaviour, refusal", [
    (endless, "index-invalid"), (reply(200, Content_Length=str(1 << 40)), "index-invalid"),
    (dripping, "network-timeout")], ids=["endless", "announced", "dripping"])
def test_server_that_does_not_come_to_an_end(behaviour, refusal):
    with serving(behaviour) as server:
        server.gate = threading.Event()
        answer = ask_worker("net", {
            "URL": server.url(), "ERRAND": ERRAND["CRATE"], "CRATE": "demo",
            "TIMEOUT_MSEC": 400 if behaviour is dripping else 60000})
        server.gate.set()
    assert answer.refusal == refusal


def test_file_that_breaks_off_is_not_taken_for_the_whole():
    listener, thread = raw_server(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + line().encode() + b"\n")
    with listener:
        answer = ask_worker("net", {
            "URL": "http://127.0.0.1:%d/index" % listener.getsockname()[1],
            "ERRAND": ERRAND["CRATE"], "CRATE": "demo"})
    thread.join(PATIENCE)
    assert answer.refusal == "network"


# What the core may not ask.

@pytest.mark.parametrize("crate", [
    "", "../x", "a/b", "a%2fb", "a b", "1a", "-a", "a.b", "a?b", "a#b", "\u00e4b", "x" * 65])
def test_crate_name_that_is_none_goes_into_no_url(tmp_path, crate):
    with Registry(tmp_path / "r") as r:
        answer = ask_worker("net", {
            "URL": r.api + "/index", "ERRAND": ERRAND["CRATE"], "CRATE": crate})
        assert answer.refusal == "bad-name"
        assert r.requests() == []


@pytest.mark.parametrize("fields, refusal", [
    ({"VERSION": "1.0"}, "bad-name"), ({"VERSION": ""}, "bad-name"),
    ({"URL": "http://127.0.0.1:1/index/"}, "bad-url"),
    ({"URL": "sparse+https://127.0.0.1:1/index"}, "bad-url"),
    ({"URL": "http://192.0.2.1/index"}, "plain-http")])
def test_task_that_is_malformed_is_not_run(fields, refusal):
    task = {"URL": "http://127.0.0.1:1/index", "ERRAND": ERRAND["CRATE"], "CRATE": "demo"}
    assert ask_worker("net", task | fields).refusal == refusal


def test_errand_without_a_crate_is_a_mistake_of_ours():
    task = {"URL": "http://127.0.0.1:1/index", "ERRAND": ERRAND["CRATE"]}
    assert ask_worker("net", task).refusal == "internal"
