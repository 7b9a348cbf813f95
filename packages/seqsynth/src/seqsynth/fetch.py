"""Brings packages of data into the cache, each once, checked, resumable.

An archive is downloaded into a work folder, compared with its pinned checksum, unpacked, and
deleted. What is complete is not touched again; what is damaged is fetched again. An archive laid
by hand into `CACHE/downloads` is used in place of the network, and left there.
"""

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqsynth import registry_clients as clients_of
from seqsynth.cache import default_cache_dir, exclusive
from seqsynth.default_packages import (
    DEFAULT_PACKAGES,
    NODE_REQUIREMENT,
    STILLS_3D,
    STILLS_FLAT,
    Package,
    Registry,
)
from seqsynth.registry_clients import ClientError, Clients
from seqsynth.unpack import part_files, sha256_of, unpack, verify

log = logging.getLogger(__name__)


class FetchError(RuntimeError):
    """What is needed could not be fetched; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class FetchReport:
    """What a fetch found and did, by part name.

    Attributes:
        present: parts that were complete before.
        fetched: parts that were brought now.
        missing: parts that could not be had, each with the reason.
    """

    present: tuple[str, ...]
    fetched: tuple[str, ...]
    missing: tuple[tuple[str, str], ...]


def default_dir(cache_dir: str | Path | None = None) -> Path:
    """The folder that holds one folder per part, of the default and of the further sets."""
    return (default_cache_dir() if cache_dir is None else Path(cache_dir)) / "default"


def fetched_files(
    package: Package, set_name: str, cache_dir: str | Path | None = None
) -> tuple[Path, ...]:
    """Files of a fetched part, sorted by name.

    Raises:
        FileNotFoundError: not fetched yet, or damaged (says what to run).
    """
    part_dir = default_dir(cache_dir) / package.part
    try:
        return tuple(part_dir / name for name in part_files(package, part_dir))
    except (FileNotFoundError, ValueError) as error:
        raise FileNotFoundError(f"{error}; run: seqsynth fetch {set_name}") from None


def fetch_default(
    cache_dir: str | Path | None = None,
    *,
    packages: Sequence[Package] = DEFAULT_PACKAGES,
    clients: Clients | None = None,
    on_begin: Callable[[Package], None] = lambda package: None,
    on_bytes: Callable[[int], None] = lambda count: None,
    on_complete: Callable[[Package], None] = lambda package: None,
) -> FetchReport:
    """Completes parts in the cache, those of the default if not told, and returns what was done.

    Args:
        cache_dir: default `default_cache_dir()`.
        packages: what to have, such as `FETCH_SETS["film"]`; the order is that of fetching.
        clients: default `find_clients()`.
        on_begin: is told which package is looked at next.
        on_bytes: is told how many more bytes of archives are there; of a package that was complete
            before, all at once.
        on_complete: is told which package is complete now.

    Raises:
        FetchError: a part that is needed is missing (models, names, every kind of still; all of
            the further sets); parts that only npm has may be absent and are reported.
        OSError: the cache cannot be written.
    """
    root = default_dir(cache_dir)
    downloads = root.parent / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    root.mkdir(exist_ok=True)
    on_wait = _say_waiting(root.parent)
    with exclusive(root.parent / "fetch.lock", on_wait), _work_dir(downloads, root) as work_dir:
        source = _Source(clients or clients_of.find_clients(), work_dir, downloads)
        present, fetched, missing = [], [], []
        for package in packages:
            on_begin(package)
            arrived = _Arrived(package.num_bytes, on_bytes)
            try:
                if _is_complete(package, root / package.part):
                    present.append(package.part)
                else:
                    _fetch(package, root / package.part, source, arrived)
                    fetched.append(package.part)
            except (ClientError, ValueError) as error:
                missing.append((package.part, str(error)))
            else:
                arrived(package.num_bytes)
                on_complete(package)
    report = FetchReport(tuple(present), tuple(fetched), tuple(missing))
    _require_enough(report, packages, downloads)
    return report


class _Arrived:
    """Turns how much lies there so far into how much has come since.

    A client may hold a file twice for a moment, in its cache and as the archive, and a damaged
    archive arrives again: neither is told twice.
    """

    def __init__(self, num_bytes: int, on_bytes: Callable[[int], None]) -> None:
        self._num_bytes = num_bytes  # of the whole archive
        self._num_told = 0
        self._on_bytes = on_bytes

    def __call__(self, num_bytes: int) -> None:
        count = min(num_bytes, self._num_bytes) - self._num_told
        if count > 0:
            self._num_told += count
            self._on_bytes(count)


class _Source:
    """The registries as seen in one fetch: remembers which did not answer, and a private npm."""

    def __init__(self, clients: Clients, work_dir: Path, downloads: Path) -> None:
        self.clients = clients
        self.work_dir = work_dir
        self.downloads = downloads
        self.failures: dict[str, str] = {}

    def download(self, package: Package, on_size: clients_of.OnSize) -> Path:
        """Path of the archive as the registry gives it, not yet compared with its checksum."""
        if package.registry in self.failures:  # do not wait for its time-outs once per package
            raise ClientError(self.failures[package.registry])
        folder = Path(tempfile.mkdtemp(dir=self.work_dir))
        try:
            if package.registry == "npm":
                return clients_of.npm_pack(self._npm(), package.requirement, folder, on_size)
            return clients_of.pip_download(
                self.clients.pip,
                package.requirement,
                folder,
                on_size,
                is_sdist=package.is_sdist,
            )
        except ClientError as error:
            self.failures[package.registry] = str(error)
            raise

    def _npm(self) -> tuple[str, ...]:
        if self.clients.npm is None:
            log.warning("no npm on PATH: fetching the one inside %s (60 MB)", NODE_REQUIREMENT)
            folder = Path(tempfile.mkdtemp(dir=self.work_dir))
            try:
                wheel = clients_of.pip_download(
                    self.clients.pip, NODE_REQUIREMENT, folder, lambda num_bytes: None
                )
                npm = clients_of.unpack_npm(wheel, folder / "node")
            except ClientError as error:
                raise ClientError(f"no npm on PATH, and {NODE_REQUIREMENT}: {error}") from None
            self.clients = Clients(self.clients.pip, npm)
        assert self.clients.npm is not None
        return self.clients.npm


def _fetch(package: Package, part_dir: Path, source: _Source, on_size: clients_of.OnSize) -> None:
    by_hand = source.downloads / package.filename
    if by_hand.is_file() and sha256_of(by_hand) == package.sha256:
        unpack(package, by_hand, part_dir)
        return
    if by_hand.is_file():
        log.warning("%s is not the pinned file: fetching it instead", by_hand)
    for attempt in (1, 2):
        archive = source.download(package, on_size)
        found = sha256_of(archive)
        if found == package.sha256:
            unpack(package, archive, part_dir)
            archive.unlink()
            return
        archive.unlink()
        log.warning("%s arrived damaged (attempt %d of 2)", package.filename, attempt)
    raise ValueError(
        f"{package.filename}: sha256 {found[:12]}... is not the pinned {package.sha256[:12]}...; "
        "a mirror or proxy may be changing files"
    )


def _is_complete(package: Package, part_dir: Path) -> bool:
    try:
        verify(package, part_dir)
    except FileNotFoundError:
        return False
    except ValueError as error:
        log.warning("%s; fetching it again", error)
        return False
    return True


def _require_enough(report: FetchReport, packages: Sequence[Package], downloads: Path) -> None:
    missing = dict(report.missing)
    for package in packages:
        if package.is_needed and package.part in missing:
            raise FetchError(
                f"cannot fetch {package.requirement}: {missing[package.part]}. "
                f"{_way_out(package.registry, [package.filename], downloads)}"
            )
    if STILLS_FLAT.part in missing and STILLS_3D.part in missing:
        names = [STILLS_FLAT.filename, STILLS_3D.filename]
        raise FetchError(
            f"cannot fetch any still pictures: {missing[STILLS_FLAT.part]}. "
            f"{_way_out(STILLS_FLAT.registry, names, downloads)}"
        )


def _way_out(registry: Registry, filenames: Sequence[str], downloads: Path) -> str:
    client = "pip" if registry == "pypi" else "npm"
    return (
        f"Check the network and the settings of {client}, then run the same command again: what is "
        f"complete is kept. Or lay {' or '.join(filenames)} into {downloads}"
    )


@contextlib.contextmanager
def _work_dir(downloads: Path, root: Path) -> Iterator[Path]:
    """A folder for half-done downloads; also clears what a killed run has left."""
    for folder in (downloads, root):
        for stale in folder.glob("work-*"):
            shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=downloads, prefix="work-") as name:
        yield Path(name)


def _say_waiting(cache_dir: Path) -> Callable[[], None]:
    return lambda: log.warning("another fetch holds %s; waiting for it", cache_dir / "fetch.lock")
