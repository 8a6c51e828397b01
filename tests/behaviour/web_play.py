"""Small web servers on loopback that answer well, badly, slowly or not at all, as a test says."""

import contextlib
import http.server
import json
import socket
import ssl
import threading

from worker_program import PATIENCE


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.requests.append((self.path, self.headers))
        with contextlib.suppress(ConnectionError):
            self.server.answer(self)

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        if "Content_Length" not in headers and "Transfer_Encoding" not in headers:
            headers["Content_Length"] = str(len(body))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer, certificate=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.requests = []
        self.scheme = "http"
        self.context = None
        if certificate:
            self.scheme = "https"
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate[1], certificate[0])

    def get_request(self):
        connection, address = super().get_request()
        connection.settimeout(PATIENCE)
        if self.context:
            connection = self.context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request, client_address):
        """A client that goes away, or does not trust us, is what some tests are about."""

    @property
    def port(self):
        return self.server_address[1]

    def url(self, host="127.0.0.1"):
        return "%s://%s:%d/index/config.json" % (self.scheme, host, self.port)


@contextlib.contextmanager
def serving(answer, certificate=None):
    with Server(answer, certificate) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def reply(status, body=b"", **headers):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return lambda handler: handler.reply(status, body, **headers)


def endless(handler):
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * 65536)


def silent(handler):
    handler.server.gate.wait(PATIENCE)


def dripping(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    while not handler.server.gate.wait(0.02):
        handler.wfile.write(b" ")


def raw_server(bytes_sent):
    """Listens, answers the first connection with these bytes, and closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(bytes_sent)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return listener, thread


class Relay:
    """A proxy for one CONNECT, which says headers of its own and keeps what it was asked."""

    def __init__(self, port):
        self.port = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.asked = b""
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):  # Wakes up a thread that still waits for a client.
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(PATIENCE)

    def serve(self):
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return
        with connection, socket.create_connection(("127.0.0.1", self.port)) as onward:
            self.asked = connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 ok\r\nWWW-Authenticate: Cargo "
                               b'login_url="https://proxy.example"\r\n\r\n')
            pump = threading.Thread(target=copy, args=(onward, connection), daemon=True)
            pump.start()
            copy(connection, onward)
            pump.join(PATIENCE)


def copy(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
