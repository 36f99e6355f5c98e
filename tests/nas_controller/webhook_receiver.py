"""A receiver of webhooks on 127.0.0.1, which does what a test wants, and checks signatures by the specification."""

import base64
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request; names of headers in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document

    def is_signed_with(self, secret: str) -> bool:
        """Whether one of the signatures is that of the secret, as the specification has it: `v1,` and the base64 of the
        HMAC-SHA256 of id, timestamp and body with full stops between, by the base64 behind `whsec_`."""
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        content = b".".join([self.id.encode(), self.headers["webhook-timestamp"].encode(), self.body])
        right = b"v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256))
        return any(hmac.compare_digest(right, one.encode()) for one in self.headers["webhook-signature"].split(" "))


@dataclass
class Receiver:
    """What came, and how it is answered.

    Args:
        answers: statuses of the next requests; then `status`.
        headers: of every answer.
        before: called before each answer is sent, with the connection's file.
        length: bytes of the body of an answer.
    """

    port: int = 0
    status: int = 204
    answers: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    before: Callable[[Any], object] = lambda file: None
    length: int = 0
    received: list[Received] = field(default_factory=list)
    num_sent_bytes: int = 0

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def ids(self) -> list[str]:
        return [each.id for each in self.received]


@contextmanager
def receiving(port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver that listens until the end of the block; on a port of its own, unless one is given."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.received.append(Received(self.path, headers, body))
            status = receiver.answers.pop(0) if receiver.answers else receiver.status
            with suppress(ConnectionError, ssl.SSLError):
                receiver.before(self.wfile)
                self._answer(status)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(receiver.length))
            self.end_headers()
            for _ in range(receiver.length // 65536):
                receiver.num_sent_bytes += self.wfile.write(bytes(65536))

        do_GET = do_POST  # a redirect that is followed would come so

        def log_message(self, format: str, *arguments: object) -> None:
            """Says nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = False  # closing it waits for every answer

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A connection that is cut is what some tests want."""

    server = Server(("127.0.0.1", port), Handler)
    receiver.port = server.server_address[1]
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
