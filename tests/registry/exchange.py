"""One connection: takes requests off it, has them answered, and misbehaves where a rule says so.

Order of one request: headers, log entry, rule, (deaf waiting), body, (waiting), answer. What the
log says is complete before the first byte of the answer leaves, so a test can look at once.
"""

import socket
from http.server import BaseHTTPRequestHandler

from answer import Answer, Refused
from gate import violations
from injection import Rule
from publish import BODY_BYTES_MAX
from request import Request, body_length, check_headers

IDLE_SECONDS = 60
DISCARD_SECONDS = 5


class Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True

    def do_request(self) -> None:
        registry = self.server.registry
        # Not self.path, in which the base class has already mended a leading double slash.
        request = Request(self.command, self.requestline.split()[1], self.headers)
        registry.gate.take_authorization(request)
        entry = registry.log.arrived(request, registry.gate, self._violations(request))
        rule = registry.injections.take(request.method, request.path)
        try:
            answer = self._answer(request, rule)
            entry["status"] = None if rule and rule.is_silent else answer.status
        finally:
            entry["injected"] = rule is not None
            entry["body_length"] = len(request.body)
            entry["violations"] = self._violations(request)
            registry.log.finished(entry)
        self._deliver(answer, rule)

    do_GET = do_PUT = do_DELETE = do_POST = do_PATCH = do_HEAD = do_OPTIONS = do_request

    def _violations(self, request: Request) -> list[str]:
        registry = self.server.registry
        return violations(request, registry.gate, not registry.settings.auth_required)

    def _answer(self, request: Request, rule: Rule | None) -> Answer:
        try:
            length = body_length(request.headers, BODY_BYTES_MAX)
        except Refused as refused:
            self.close_connection = True
            return refused.answer()
        if rule is None:
            self._read_body(request, length)
            return self._real_answer(request)
        return self._answer_by(rule, request, length)

    def _answer_by(self, rule: Rule, request: Request, length: int) -> Answer:
        if rule.deaf:
            rule.wait()
        if rule.reads_body:
            self._read_body(request, length)
        elif length:
            self.close_connection = True
        if not rule.deaf and not rule.done:
            rule.wait()
        real = self._real_answer(request) if rule.done or not rule.replaces else None
        if not rule.deaf and rule.done:
            rule.wait()
        if rule.ends_connection:
            self.close_connection = True
        return rule.answer() if rule.replaces else real

    def _read_body(self, request: Request, length: int) -> None:
        if "Expect" in request.headers:
            self.send_response_only(100)
            self.end_headers()
        request.body = self.rfile.read(length)
        if len(request.body) < length:
            raise ConnectionResetError("the client left in the middle of its body")

    def _real_answer(self, request: Request) -> Answer:
        try:
            check_headers(request, self.server.registry.hosts)
            return self.server.registry.service.answer(request)
        except Refused as refused:
            return refused.answer()

    def _deliver(self, answer: Answer, rule: Rule | None) -> None:
        if not (rule and rule.is_silent):
            self._send_head(answer, rule)
            if self.command != "HEAD" and answer.status not in (204, 304):
                for piece in rule.pieces(answer.body) if rule else [answer.body]:
                    self.wfile.write(piece)
        if rule and rule.ends_connection:
            # The end without TLS's goodbye, as when somebody pulls the plug.
            socket.socket.shutdown(self.connection, socket.SHUT_RDWR)
        elif self.close_connection:
            self._discard()

    def _send_head(self, answer: Answer, rule: Rule | None) -> None:
        self.send_response(answer.status)
        if answer.status not in (204, 304):
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length",
                             str(rule.length(answer.body) if rule else len(answer.body)))
        for name, value in answer.headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _discard(self) -> None:
        """Reads what was not wanted until the client leaves, or the kernel would answer it with a
        reset that can overtake our answer on its way."""
        self.connection.settimeout(DISCARD_SECONDS)
        while self.rfile.read1(1 << 16):
            pass

    def handle_expect_100(self) -> bool:
        """Said in _read_body() instead, because a rule may not want the body yet, or at all."""
        return True

    def send_error(self, code, message=None, explain=None) -> None:
        """For what is not even HTTP, and for methods unheard of: the same envelope as elsewhere."""
        self.close_connection = True
        self.request_version = self.protocol_version  # Else it might answer without any head.
        self._send_head(answer := Refused(int(code), message or "Bad Request").answer(), None)
        self.wfile.write(answer.body)

    def version_string(self) -> str:
        return "registry"

    def log_message(self, *_) -> None:
        """The request log says it all."""
