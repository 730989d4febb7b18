"""A mail provider with an HTTP API, as Postmark's, for anymail."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


class Provider(BaseHTTPRequestHandler):
    """Answers as Postmark does, or as it is told; 0 hangs up."""

    status = 200
    headers_of_answer: dict[str, str] = {}
    asked: list[dict[str, Any]] = []

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(asked)
        if not self.status:
            return
        answer = {"ErrorCode": 0, "Message": "OK", "MessageID": "4f1c", "To": asked["To"]}
        body = json.dumps(answer).encode() if self.status == 200 else b"<jo@example.test>"
        self.send_response(self.status)
        for name, value in self.headers_of_answer.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


@contextlib.contextmanager
def provider(
    status: int, asked: list[dict[str, Any]] | None = None, **headers: str
) -> Iterator[dict[str, str]]:
    """Run an HTTP API; give the options of anymail's backend for it, and note what is `asked`."""
    told = {"status": status, "headers_of_answer": headers}
    handler = type("Told", (Provider,), told | {"asked": [] if asked is None else asked})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield {"server_token": "t", "api_url": f"http://127.0.0.1:{server.server_port}/"}
        finally:
            server.shutdown()
            thread.join()
