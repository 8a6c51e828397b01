"""One request as it came, and the rules of plain HTTP that it has to keep before anything else."""

from dataclasses import dataclass, field
from email.message import Message
from urllib.parse import parse_qs

from answer import Refused


@dataclass
class Request:
    """The Authorization header is taken out of the headers; only its SHA-256 is kept by all."""

    method: str
    target: str
    headers: Message
    digest: str | None = None
    authorization: str | None = field(default=None, repr=False)
    n_credentials: int = 0
    has_cio_form: bool = False
    is_trusted: bool | None = None
    body: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(self.target.partition("?")[2], keep_blank_values=True)

    def want_no_body(self) -> None:
        if self.body:
            raise Refused(400, "this request takes no body")

    def want_content_type(self, wanted: str, may_lack: bool = False) -> None:
        given = self.headers.get("Content-Type")
        if given != wanted and not (may_lack and given is None):
            raise Refused(415, f"Expected request with `Content-Type: {wanted}`")


def check_headers(request: Request, hosts: set[str]) -> None:
    headers = request.headers
    if request.n_credentials > 1:
        raise Refused(400, "more than one Authorization header")
    for name in ("Host", "User-Agent", "Content-Type"):
        if len(headers.get_all(name, [])) > 1:
            raise Refused(400, f"more than one {name} header")
    if headers.get("Host") not in hosts:
        raise Refused(421, "this is not the host that the request asks for")
    if not headers.get("User-Agent", "").strip():
        raise Refused(403, "We require that all requests include a `User-Agent` header.")
    if "Origin" in headers:
        raise Refused(403, "invalid origin header")


def body_length(headers: Message, most: int) -> int:
    if "Transfer-Encoding" in headers:
        raise Refused(411, "a body needs a Content-Length here")
    lengths = headers.get_all("Content-Length", ["0"])
    text = lengths[0]
    if len(lengths) > 1 or not (text.isascii() and text.isdigit()):
        raise Refused(400, "the Content-Length is not one number")
    if int(text) > most:
        raise Refused(413, f"a body has at most {most} bytes here")
    return int(text)
