"""Requests by hand, to send what no cargo would."""

import http.client
import json
import ssl
from dataclasses import dataclass

from crate import metadata, pack, upload
from registry import Registry

TIMEOUT_SECONDS = 20
TOKEN = "a test's token"


@dataclass
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def detail(self) -> str:
        """The words of a refusal, which has to come in the one envelope."""
        (error,) = self.json["errors"]
        assert self.json.keys() == {"errors"} and error.keys() == {"detail"}
        return error["detail"]


class Client:
    """One kept-alive connection. Sends a User-Agent, and the token where there is one."""

    def __init__(self, registry: Registry, token: str | None = None):
        self.token = token
        if registry.ca:
            trust = ssl.create_default_context(cafile=registry.ca)
            self.connection = http.client.HTTPSConnection(
                "127.0.0.1", registry.port, context=trust, timeout=TIMEOUT_SECONDS)
        else:
            self.connection = http.client.HTTPConnection(
                "127.0.0.1", registry.port, timeout=TIMEOUT_SECONDS)

    def __call__(self, method: str, path: str, body: bytes | dict | None = None,
                 token: str | None = None, **headers: str | None) -> Reply:
        """Header names take _ for -; None leaves out a header that would be sent."""
        words = {"user_agent": "rawclient/1 (tests)", "authorization": token, **headers}
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            words.setdefault("content_type", "application/json")
        given = {k.replace("_", "-"): v for k, v in words.items() if v is not None}
        self.connection.request(method, path, body, given)
        response = self.connection.getresponse()
        return Reply(response.status, response.headers, response.read())

    def mutate(self, method: str, path: str, body=None, **headers) -> Reply:
        return self(method, path, body, token=self.token, **headers)

    def publish(self, said: dict | None = None, crate: bytes | None = None, **headers) -> Reply:
        said = metadata("demo") if said is None else said
        crate = pack(said["name"], said["vers"]) if crate is None else crate
        return self.publish_body(upload(said, crate), **headers)

    def publish_body(self, body: bytes, **headers) -> Reply:
        return self.mutate("PUT", "/api/v1/crates/new", body, **headers)

    def close(self) -> None:
        self.connection.close()
