"""JSON over HTTP with patience: retries with growing pauses, limits of time, and a way to stop."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from seqsynth.caption.backends import BackendError
from seqsynth.caption.model_files import one_line

ValueT = TypeVar("ValueT")

_FIRST_PAUSE_SECONDS = 0.5
_MAX_PAUSE_SECONDS = 30.0
_MAX_BYTES = 1 << 24
_BUSY = (408, 409, 425, 429)  # try again later; so are all of 500 and above


class RefusedError(RuntimeError):
    """The server will not answer this request, however often it is asked."""


class UnansweredError(RuntimeError):
    """The request got no usable answer, as often as it was sent."""


class _AgainError(Exception):
    """A try that failed, and may not fail the next time.

    Args:
        reason: what happened.
        pause_seconds: how long the server asks to wait.
        no_server: nobody was there.
    """

    def __init__(
        self, reason: str, *, pause_seconds: float | None = None, no_server: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.pause_seconds = pause_seconds
        self.no_server = no_server


class HttpClient:
    """Sends requests below one address; several threads may share it.

    Args:
        url: the address, `http://HOST:PORT/v1` for instance.
        key: sent as bearer token; "": none.
        timeout_seconds: how long to wait for a connection, and for an answer.
        num_retries: how often a request is sent again.
    """

    def __init__(self, url: str, *, key: str, timeout_seconds: float, num_retries: int) -> None:
        try:
            parts = urlsplit(url)
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
            self._port = parts.port
        except ValueError:  # half an IPv6 address, a port that is no number or too large
            is_address = False
        if not is_address:
            raise BackendError(
                f"{url!r} is no address of a server, such as http://localhost:8000/v1"
            )
        self.url = url.rstrip("/")
        self._parts = parts
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._timeout_seconds = timeout_seconds
        self._num_retries = num_retries
        self._open: set[http.client.HTTPConnection] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def get(self, path: str, read: Callable[[Any], ValueT]) -> ValueT:
        """Asks once; see `post`."""
        return self._ask("GET", path, None, read, num_retries=0)

    def post(self, path: str, body: Mapping[str, Any], read: Callable[[Any], ValueT]) -> ValueT:
        """What `read` makes of the JSON that comes back; its ValueError counts as a failed try.

        Raises:
            RefusedError: the server finds fault with the request.
            UnansweredError: busy, broken or too slow, as often as it was asked.
            BackendError: no server, the wrong one, or one that wants another key.
        """
        content = json.dumps(body).encode()
        return self._ask("POST", path, content, read, num_retries=self._num_retries)

    def close(self) -> None:
        """Breaks off all requests; later ones fail at once."""
        self._closed.set()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            if connection.sock is not None:
                with contextlib.suppress(OSError):  # it may just have ended by itself
                    connection.sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits

    def _ask(
        self,
        method: str,
        path: str,
        content: bytes | None,
        read: Callable[[Any], ValueT],
        *,
        num_retries: int,
    ) -> ValueT:
        attempt = 0
        while True:
            if self._closed.is_set():
                raise BackendError("stopped")
            try:
                return self._try(method, path, content, read)
            except _AgainError as error:
                if attempt < num_retries:
                    usual = _FIRST_PAUSE_SECONDS * 2**attempt * random.uniform(0.75, 1.25)
                    pause = usual if error.pause_seconds is None else error.pause_seconds
                    self._closed.wait(min(pause, _MAX_PAUSE_SECONDS))
                elif error.no_server:
                    raise BackendError(
                        f"no server answers at {self.url} ({error.reason}); start one, for "
                        "instance with vllm serve MODEL, or say with --server where it is"
                    ) from None
                else:
                    times = f" ({num_retries + 1} times)" if num_retries else ""
                    raise UnansweredError(f"{error.reason}{times}") from None
            attempt += 1

    def _try(
        self, method: str, path: str, content: bytes | None, read: Callable[[Any], ValueT]
    ) -> ValueT:
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        connection = kinds[self._parts.scheme](
            self._parts.hostname or "", self._port, timeout=self._timeout_seconds
        )
        try:
            with self._lock:
                self._open.add(connection)
            try:
                connection.connect()
            except ssl.SSLError as error:
                raise BackendError(f"{self.url}: {one_line(error)}") from None
            except OSError as error:
                raise _AgainError(one_line(error), no_server=True) from None
            connection.request(
                method, f"{self._parts.path.rstrip('/')}{path}", content, self._headers
            )
            response = connection.getresponse()
            answer = response.read(_MAX_BYTES)
            if response.length:
                raise _AgainError(f"the connection broke: {response.length} bytes are missing")
            return self._read(response, answer, path, read)
        except TimeoutError:
            raise _AgainError(f"no answer within {self._timeout_seconds:g} seconds") from None
        except (OSError, http.client.HTTPException) as error:
            raise _AgainError(f"the connection broke: {one_line(error)}") from None
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _read(
        self,
        response: http.client.HTTPResponse,
        content: bytes,
        path: str,
        read: Callable[[Any], ValueT],
    ) -> ValueT:
        status = response.status
        if status in _BUSY or status >= 500:
            pause = response.getheader("Retry-After", "")
            raise _AgainError(
                f"status {status} {response.reason}{_said(content)}",
                pause_seconds=float(pause) if pause.isdecimal() else None,
            )
        if status in (401, 403):
            raise BackendError(
                f"{self.url} refuses the key (status {status}); --key-variable names the "
                "environment variable that holds it"
            )
        if status == 404 and path != "/models":
            raise BackendError(
                f"{self.url} has no {path}{_said(content)}; the address mostly ends in /v1"
            )
        if status != 200:
            raise RefusedError(f"status {status} {response.reason}{_said(content)}")
        try:
            return read(json.loads(content))
        except ValueError as error:
            raise _AgainError(f"the answer cannot be read: {one_line(error)}") from None


def _said(content: bytes) -> str:
    """What a server says about an error: in OpenAI's form, vLLM's older one, or FastAPI's."""
    try:
        record = json.loads(content)
        error = record.get("error") or record.get("detail") or record
        while isinstance(error, list):
            error = error[0]
        text = (error.get("message") or error.get("msg")) if isinstance(error, dict) else error
    except (ValueError, AttributeError, IndexError):
        return ""
    return f": {' '.join(str(text).split())[:200]}" if text else ""
