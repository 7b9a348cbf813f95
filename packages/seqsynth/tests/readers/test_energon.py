"""What `build` writes, read by Megatron-Energon and webdataset (nox session `readers`)."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seqsynth import Example, SequenceDataset
from seqsynth.build import build_examples
from seqsynth.build_plan import BuildPlan, PictureFormat
from seqsynth.frame_tar import read_frame_tar

from .strangers import library

# Strangers' import machinery and their open files are none of our business.
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.slow,
]


@pytest.fixture
def built(tmp_path: Path, make_stream: Callable[..., SequenceDataset]) -> tuple[Path, list[Any]]:
    """A folder of three tars of 20 examples, and what our own reader finds in them."""
    stream = make_stream()
    plan = BuildPlan(count=20, shard_size=8, pictures=PictureFormat(size=16))
    folder = tmp_path / "out"
    build_examples(stream, folder, plan)
    ours = [pair for path in sorted(folder.glob("*.tar")) for pair in read_frame_tar(path)]
    return folder, ours


def test_energon_opens_the_folder_as_it_is(built: tuple[Path, list[Any]]) -> None:
    energon = library("megatron.energon")
    folder, ours = built

    def cook(sample: dict[str, Any]) -> Any:
        pictures = [sample[name] for name in sorted(sample) if name.endswith(".jpg")]
        return energon.TextSample(
            **energon.basic_sample_keys(sample),
            text=json.dumps([sample["json"], [np.asarray(p).tolist() for p in pictures]]),
        )

    class Encoder(energon.DefaultTaskEncoder):  # type: ignore[misc, name-defined]
        decoder = energon.SampleDecoder(image_decode="rgb8")
        cookers = [energon.Cooker(energon.stateless(cook))]  # noqa: RUF012

    dataset = energon.get_train_dataset(
        folder,
        batch_size=None,
        worker_config=energon.WorkerConfig(rank=0, world_size=1, num_workers=0),
        shuffle_buffer_size=None,
        max_samples_per_sequence=None,
        repeat=False,
        task_encoder=Encoder(),
    )
    read = {}
    for sample in energon.get_loader(dataset):
        record, pictures = json.loads(sample.text)
        read[record["id"]] = (Example.from_json(json.dumps(record)), np.array(pictures))
    assert len(read) == 20
    for example, frames in ours:
        theirs, pictures = read[example.id]
        assert theirs == example
        assert np.array_equal(pictures, frames)


def test_webdataset_reads_the_tars(built: tuple[Path, list[Any]]) -> None:
    webdataset = library("webdataset")
    folder, ours = built
    paths = [str(path) for path in sorted(folder.glob("*.tar"))]
    samples = list(webdataset.WebDataset(paths, shardshuffle=False))
    assert len(samples) == 20
    for sample, (example, frames) in zip(samples, ours, strict=True):
        assert Example.from_json(sample["json"].decode()) == example
        names = sorted(name for name in sample if name.endswith(".jpg"))
        pictures = [np.asarray(Image.open(io.BytesIO(sample[name]))) for name in names]
        assert np.array_equal(np.stack(pictures), frames)
