"""A fake of the metadata service of instances, IMDSv2 over HTTP on this machine."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class FakeMetadata:
    """IMDSv2 as on an instance: a token by PUT with a time to live, 401 without a good one, 404 for what is not there.

    It answers for the instance `i-1` at `url`, and for one of any other name at `URL/NAME`. `paths` is what it says to
    `i-1`, `asked` the paths that were asked for, of all; with `broken` every answer is of that status.
    """

    def __init__(self) -> None:
        self.paths = {"instance-id": "i-1"}
        self.token = "first"  # noqa: S105 - of a server of ours
        self.asked: list[str] = []
        self.broken: int | None = None
        self._instances = {"": self.paths}
        metadata = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                ttl = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
                _, _, path = self.path.partition("/latest/")
                good = path == "api/token" and ttl.isdigit() and 1 <= int(ttl) <= 21600
                self.answer(200 if good else 400, metadata.token)

            def do_GET(self) -> None:
                instance, _, path = self.path.partition("/latest/meta-data/")
                paths = metadata._of(instance.removeprefix("/"))
                metadata.asked.append(path)
                if metadata.broken:
                    self.answer(metadata.broken, "")
                elif self.headers.get("X-aws-ec2-metadata-token") != metadata.token:
                    self.answer(401, "")
                elif path in paths:
                    self.answer(200, paths[path])
                else:
                    self.answer(404, "")

            def answer(self, status: int, text: str) -> None:
                with suppress(ConnectionError):  # who has ended meanwhile hears nothing
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @classmethod
    @contextmanager
    def serving(cls) -> Iterator[Self]:
        """The service, for as long as it is needed."""
        made = cls()
        answer = made._server.serve_forever
        threading.Thread(target=answer, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield made
        finally:
            made._server.shutdown()
            made._server.server_close()

    def take(self, action: str, time: str, instance: str = "") -> None:
        """Say that an instance is taken: `action` is `stop`, `terminate` or `hibernate`, `time` as AWS writes it."""
        self._of(instance)["spot/instance-action"] = json.dumps({"action": action, "time": time})

    def _of(self, instance: str) -> dict[str, str]:
        return self._instances.setdefault(instance, {"instance-id": instance})
