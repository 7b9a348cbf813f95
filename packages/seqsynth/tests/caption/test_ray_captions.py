"""Captions by actors on Ray: the same bytes as in one process, also when a worker is killed."""

import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seqsynth import Manifest, cli
from seqsynth.caption import backends
from seqsynth.caption.backends import (
    Answer,
    BackendError,
    BackendKind,
    BackendOptions,
    NoAnswer,
    Question,
)
from seqsynth.caption.run import CaptionPlan, caption_manifest
from seqsynth.caption.settings import CaptionSettings, Generation
from seqsynth.caption.shards import shard_paths
from seqsynth.ray_engine import running_ray

from .conftest import words_about

Settings = Callable[..., CaptionSettings]

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray (the extra scale) is not installed"
)
# Ray leaves its log files and sockets to the end of the process, and Ray Data warns of itself.
quiet = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)
RAY = CaptionPlan(engine="ray", num_workers=2, batch_size=2, shard_size=4)


class Mortal:
    """Answers as the stub does; the first to be asked a third time is killed in the middle."""

    revision = "r1"

    def __init__(self, marker: Path) -> None:
        self._marker = marker
        self._num_asked = 0

    def answer(self, questions: Sequence[Question]) -> list[Answer | NoAnswer]:
        self._num_asked += 1
        if self._num_asked == 2:
            try:
                self._marker.touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return [
            Answer(words_about(q.text, q.frames.tobytes() + str(q.seed).encode()), "stop")
            for q in questions
        ]

    def close(self) -> None:
        pass


@pytest.fixture
def two_workers() -> Iterator[Any]:
    ray = pytest.importorskip("ray")
    from ray import cloudpickle

    for name in (__name__, words_about.__module__):
        cloudpickle.register_pickle_by_value(sys.modules[name])  # workers cannot import tests
    with running_ray(ray, 3):
        yield ray


@needs_ray
@quiet
@pytest.mark.slow
def test_shards_are_the_same_when_a_worker_is_killed(
    two_workers: Any,
    manifest: Manifest,
    tmp_path: Path,
    make_settings: Settings,
    stub: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = make_settings(generation=Generation(temperature=1.0))
    caption_manifest(manifest, tmp_path / "here", settings, plan=CaptionPlan(shard_size=4))
    marker = tmp_path / "killed"
    kind = BackendKind(lambda _settings, _options: Mortal(marker), "", 2, True)
    monkeypatch.setitem(backends.BACKENDS, "stub", kind)
    report = caption_manifest(manifest, tmp_path / "there", settings, plan=RAY)
    assert marker.exists()
    assert report.num_captioned == 9
    here, there = (shard_paths(tmp_path / name) for name in ("here", "there"))
    assert [path.name for path in here] == [path.name for path in there]
    assert [path.read_bytes() for path in here] == [path.read_bytes() for path in there]


@needs_ray
@quiet
@pytest.mark.slow
def test_a_model_on_two_workers_writes_what_it_writes_in_one_process(
    two_workers: Any, manifest: Manifest, tmp_path: Path, make_settings: Settings
) -> None:
    """A tiny model of a real class, with its processor: as a user runs it, but for the size."""
    pytest.importorskip("torch", reason="torch (the extra caption) is not installed")
    pytest.importorskip("transformers", reason="transformers (the extra caption) is not installed")
    from .tiny_models import save_llava

    model = str(save_llava(tmp_path / "model"))
    settings = make_settings(
        backend="transformers", model=model, generation=Generation(max_new_tokens=12)
    )
    on_cpu = replace(RAY, options=BackendOptions(device="cpu"))
    for name, plan in (("here", replace(on_cpu, engine="local", num_workers=1)), ("there", on_cpu)):
        assert caption_manifest(manifest, tmp_path / name, settings, plan=plan).num_captioned == 9
    here, there = (shard_paths(tmp_path / name) for name in ("here", "there"))
    assert len(here) == 3
    assert [path.read_bytes() for path in here] == [path.read_bytes() for path in there]


@needs_ray
@quiet
@pytest.mark.slow
def test_a_run_on_ray_goes_on_and_says_what_failed(
    two_workers: Any,
    manifest: Manifest,
    clip_folder: Path,
    tmp_path: Path,
    make_settings: Settings,
    stub: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, settings = tmp_path / "out", make_settings()
    caption_manifest(manifest, out, settings, plan=CaptionPlan(count=4, shard_size=4))
    (clip_folder / "riding_a_bike" / "7.webp").write_bytes(b"damaged")
    report = caption_manifest(manifest, out, settings, plan=RAY)
    assert (report.num_before, report.num_captioned, report.num_failed) == (4, 4, 1)
    assert "7.webp" in (out / "failed.jsonl").read_text()


@needs_ray
@quiet
@pytest.mark.slow
def test_a_model_that_no_worker_can_load_is_one_plain_error(
    two_workers: Any,
    manifest: Manifest,
    tmp_path: Path,
    make_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_settings: CaptionSettings, _options: Any) -> Any:
        raise BackendError("m cannot be loaded: no such file")

    monkeypatch.setitem(backends.BACKENDS, "stub", BackendKind(fail, "", 2, True))
    with pytest.raises(BackendError, match=r"^m cannot be loaded: no such file$"):
        caption_manifest(manifest, tmp_path / "out", make_settings(), plan=RAY)


def test_without_ray_the_command_says_what_to_install(
    clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "ray", None)
    arguments = ["caption", str(clip_folder), "--out", str(tmp_path / "out"), "--model", "m"]
    assert cli.main([*arguments, "--engine", "ray"]) == 1
    assert 'pip install "seq2time-seqsynth[scale]"' in capsys.readouterr().err
