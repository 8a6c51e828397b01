"""Names and versions that would be more than themselves within a URL (conformance case 73)."""

import pytest
from desk import code, get, publish

NAMES = ["a/b", "..", "../../me", "a%2fb", "a b", "", "-a", "0a", "a" * 65, "d\u00e9mo", "a?b", "a#b"]
VERSIONS = ["1.0.0/..", "../1.0.0", "1 0 0", "1.0", "v1.0.0", "%31.0.0", "1.0.0?x", "1.0.0+", "",
            "1.0.0-" + "a" * 150, "01.0.0"]


@pytest.mark.parametrize("name", NAMES)
def test_case_73_crate_name_that_is_none_is_refused_before_anything(ready_desk, registry, name):
    n_requests = len(registry.requests())
    with ready_desk.line() as line:
        for request in (publish(registry.index, name),
                        get(registry.index, "yank", name=name, vers="1.0.0"),
                        get(registry.index, "owners", name=name)):
            answer = line.ask(request)
            assert code(answer) == "bad-name"
            assert not name or name not in str(answer)
    assert len(registry.requests()) == n_requests


@pytest.mark.parametrize("version", VERSIONS)
def test_case_73_version_that_is_none_is_refused_before_anything(ready_desk, registry, version):
    n_requests = len(registry.requests())
    with ready_desk.line() as line:
        for request in (publish(registry.index, "demo", version),
                        get(registry.index, "yank", name="demo", vers=version),
                        get(registry.index, "unyank", name="demo", vers=version)):
            assert code(line.ask(request)) == "bad-name"
    assert len(registry.requests()) == n_requests
