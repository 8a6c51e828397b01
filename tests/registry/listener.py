"""The listening socket: one thread a connection, TLS in that thread, and an end without leftovers.

The handshake is done by the connection's own thread, so that a client that connects and says
nothing delays nobody. On close every live connection is shut down at the kernel's level, because
shutting down a TLS object from another thread would pull it away under a running read.
"""

import socket
import socketserver
import ssl
import sys
import threading
import traceback

from certificate import Certificate

HANDSHAKE_SECONDS = 10
JOIN_SECONDS = 5


class Listener(socketserver.TCPServer):
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, certificate: Certificate | None, handler, registry):
        self.registry = registry
        self.handshake_failures: list[str] = []
        self.faults: list[str] = []
        self._live: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        self._tls = _tls(certificate) if certificate else None
        super().__init__(("127.0.0.1", port), handler)
        self._accepting = threading.Thread(target=self.serve_forever, args=(0.02,),
                                           name="registry-accept", daemon=True)

    @property
    def port(self) -> int:
        return self.server_address[1]

    def start(self) -> None:
        self._accepting.start()

    def hang_up(self) -> None:
        """No connection is taken any more, and those that there are end now."""
        if self._accepting.is_alive():
            self.shutdown()
            self._accepting.join(JOIN_SECONDS)
        self.server_close()
        with self._lock:
            for connection in self._live.values():
                _shut(connection)

    def join(self) -> None:
        for thread in self.live_threads():
            thread.join(JOIN_SECONDS)

    def live_threads(self) -> list[threading.Thread]:
        with self._lock:
            return [t for t in [self._accepting, *self._live] if t.is_alive()]

    def get_request(self):
        connection, address = super().get_request()
        if self._tls:
            connection = self._tls.wrap_socket(connection, server_side=True,
                                               do_handshake_on_connect=False)
        return connection, address

    def process_request(self, request, client_address) -> None:
        thread = threading.Thread(target=self._serve, args=(request, client_address),
                                  name="registry-connection", daemon=True)
        with self._lock:
            self._live[thread] = request
        thread.start()

    def _serve(self, connection, address) -> None:
        try:
            if self._shake_hands(connection):
                self.finish_request(connection, address)
        except OSError:
            pass  # The client went away, or close() sent it away: an ordinary end.
        except Exception:
            self.faults.append(traceback.format_exc())
            traceback.print_exc(file=sys.stderr)
        finally:
            # Out of the table before the descriptor is closed: close() must never shut down a
            # descriptor number that already belongs to somebody else.
            with self._lock:
                self._live.pop(threading.current_thread(), None)
            self.shutdown_request(connection)

    def _shake_hands(self, connection) -> bool:
        if not self._tls:
            return True
        connection.settimeout(HANDSHAKE_SECONDS)
        try:
            connection.do_handshake()
        except (OSError, ValueError) as error:
            self.handshake_failures.append(str(error))
            return False
        return True


def _tls(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate.chain, certificate.key)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _shut(connection: socket.socket) -> None:
    try:
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        pass
