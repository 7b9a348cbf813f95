"""A page on this machine: a video, a question, a timeline of what the run answers.

Standard library only. It listens on the loopback address alone and takes requests for that name
alone, so that no page of another site can ask it (DNS rebinding); it serves the videos of one
folder and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import mimetypes
import re
import threading
import time
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from vidllm.asking import Asker

LOOPBACK = "127.0.0.1"
VIDEO_SUFFIXES = (".mp4", ".m4v", ".webm", ".mov", ".mkv")  # what browsers play, mostly
MAX_QUESTION_BYTES = 10_000
CHUNK_BYTES = 1 << 16
_POLICY = (
    "default-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "frame-ancestors 'none'"
)
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})$")  # of more digits Python makes no number


@contextlib.contextmanager
def serving(asker: Asker, folder: str | Path, *, port: int = 0) -> Iterator[str]:
    """Serves the page until the block ends; gives its address.

    Args:
        asker: answers.
        folder: its videos can be chosen.
        port: 0: any that is free.

    Raises:
        OSError: the port is taken.
    """
    handler = partial(_Handler, asker, Path(folder).resolve(), threading.Lock())
    try:
        bound = ThreadingHTTPServer((LOOPBACK, port), handler)
    except OSError as error:
        reason = f"{error.strerror}; give another --port, or 0 for any that is free"
        raise OSError(error.errno, reason, f"port {port}") from None
    with bound as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://{LOOPBACK}:{server.server_port}/"
        finally:
            server.shutdown()


def wait_forever() -> None:
    """Until Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)


def videos_of(folder: str | Path) -> list[str]:
    """Names of the videos in a folder, those below it not among them."""
    return sorted(
        path.name
        for path in Path(folder).iterdir()
        if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()
    )


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"

    def __init__(self, asker: Asker, folder: Path, lock: Any, *request: Any) -> None:
        self.asker, self.folder, self.lock = asker, folder, lock
        super().__init__(*request)

    def do_GET(self) -> None:
        """The page, the list of videos, or a video."""
        if not self._is_ours():
            return
        path = unquote(urlsplit(self.path).path)
        if path == "/":
            page = resources.files("vidllm").joinpath("demo.html").read_bytes()
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", page)
        elif path == "/state":
            state = {"videos": videos_of(self.folder), "system": self.asker.system}
            self._send_json(HTTPStatus.OK, state)
        elif path.startswith("/video/"):
            self._send_video(path.removeprefix("/video/"))
        else:
            self._fail(HTTPStatus.NOT_FOUND, f"there is no {path}")

    def do_POST(self) -> None:
        """A question: {"video", "query"}; without a query everything is captioned."""
        if not self._is_ours():
            return
        try:
            size = int(self.headers.get("Content-Length", "0"))
            if not 0 <= size <= MAX_QUESTION_BYTES:
                raise ValueError(f"a question has 0 to {MAX_QUESTION_BYTES} bytes, not {size}")
            question = json.loads(self.rfile.read(size))
            video, query = self._video(str(question["video"])), str(question.get("query", ""))
            with self.lock:  # one model, one question at a time
                ask = self.asker
                answer = ask.ground(video, query) if query.strip() else ask.caption(video)
        except (ValueError, KeyError, TypeError, OSError) as error:
            self.close_connection = True
            self._fail(HTTPStatus.BAD_REQUEST, " ".join(str(error).split()))
            return
        except RuntimeError as error:  # a device out of memory, say: the page goes on
            self.close_connection = True
            self._fail(HTTPStatus.INTERNAL_SERVER_ERROR, " ".join(str(error).split()))
            return
        self._send_json(HTTPStatus.OK, answer.to_record())

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not worth a line."""

    def _is_ours(self) -> bool:
        """Whether the request names this machine; others are refused."""
        host = self.headers.get("Host", "").rpartition(":")[0]
        origin = self.headers.get("Origin")
        if host in (LOOPBACK, "localhost") and origin in (None, f"http://{self.headers['Host']}"):
            return True
        self.close_connection = True
        self._fail(HTTPStatus.FORBIDDEN, "only pages of this machine may ask")
        return False

    def _video(self, name: str) -> Path:
        if name not in videos_of(self.folder):
            raise ValueError(f"there is no video {name!r}")
        return self.folder / name

    def _send_video(self, name: str) -> None:
        """A video or the asked part of it: without parts a browser cannot jump in it."""
        try:
            path = self._video(name)
            size = path.stat().st_size
        except (ValueError, OSError) as error:  # it may have been removed just now
            self._fail(HTTPStatus.NOT_FOUND, str(error))
            return
        first, last, status = 0, size - 1, HTTPStatus.OK
        asked = _RANGE.match(self.headers.get("Range", ""))
        if asked and (asked[1] or asked[2]):
            status = HTTPStatus.PARTIAL_CONTENT
            first = int(asked[1]) if asked[1] else max(size - int(asked[2]), 0)
            last = min(int(asked[2]), last) if asked[1] and asked[2] else last
        if first > last and status == HTTPStatus.PARTIAL_CONTENT:  # an empty file has no parts
            self._fail(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, f"{name} has {size} bytes")
            return
        self.send_response(status)
        self.send_header("Content-Type", mimetypes.guess_type(name)[0] or "video/mp4")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if status == HTTPStatus.PARTIAL_CONTENT:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        # A player that jumps closes the connection.
        with path.open("rb") as handle, contextlib.suppress(ConnectionError):
            handle.seek(first)
            left = last - first + 1
            while left > 0 and (chunk := handle.read(min(CHUNK_BYTES, left))):
                self.wfile.write(chunk)
                left -= len(chunk)

    def _send_json(self, status: HTTPStatus, record: object) -> None:
        body = json.dumps(record, ensure_ascii=False).encode()
        self._send(status, "application/json; charset=utf-8", body)

    def _fail(self, status: HTTPStatus, reason: str) -> None:
        self._send_json(status, {"error": reason})

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)
