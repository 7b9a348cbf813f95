"""What a corpus of the paper's size costs: 3.7 million captioned images and 550 thousand clips.

The rows are made up and the media are not there: pictures of no bytes in parquet files of
LLaVA-ReCap's form, and a table of clips that names a thousand empty files by turns. Every stage is
a process of its own, whose peak memory counts the pages of mapped files too.
"""

from __future__ import annotations

import csv
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

NUM_IMAGES = 3_700_000
NUM_CLIPS = 550_000
ROWS_PER_FILE = 100_000
NUM_CLIP_FILES = 1_000
NUM_LABELS = 700
OPENINGS = 3


def run() -> dict[str, dict[str, Any]]:
    """All cases."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_images(folder / "images")
        make_clips(folder / "clips")
        images = stage("index_images", folder)
        clips = stage("index_clips", folder)
        opened = [stage("first_item", folder) for _ in range(OPENINGS)]
        drawn = [stage("first_example", folder) for _ in range(OPENINGS)]
        sizes = [(folder / f"{kind}.arrow").stat().st_size >> 20 for kind in ("images", "clips")]
    cases = {
        "seqsynth_index_3700000_images": ([images], f"{sizes[0]} MiB written"),
        "seqsynth_index_550000_clips": ([clips], f"not probed; {sizes[1]} MiB written"),
        "seqsynth_open_4250000_rows": (opened, "start of Python and imports included"),
        "seqsynth_open_4250000_rows_examples": (
            drawn,
            "the same; the first 20 examples of recipe paper",
        ),
    }
    return {
        name: {
            "ours": statistics.median(result["seconds"] for result in results),
            "peer": None,
            "ratio": None,
            "unit": "s",
            "runs": len(results),
            "note": f"peak {max(result['mebibytes'] for result in results):.0f} MiB; {note}",
        }
        for name, (results, note) in cases.items()
    }


def make_images(folder: Path) -> None:
    """Parquet files with captions of about 150 characters."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            (
                "conversations",
                pa.list_(pa.struct([("from", pa.string()), ("value", pa.string())])),
            ),
            ("data_source", pa.string()),
        ]
    )
    for first in range(0, NUM_IMAGES, ROWS_PER_FILE):
        numbers = range(first, min(first + ROWS_PER_FILE, NUM_IMAGES))
        columns = [
            [f"{k:09d}" for k in numbers],
            [(b"", f"{k:09d}.jpg") for k in numbers],
            [[("human", "<image>\nDescribe this."), ("gpt", caption(k))] for k in numbers],
            ["cc3m"] * len(numbers),
        ]
        arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
        path = folder / f"train-{first // ROWS_PER_FILE:05d}.parquet"
        pq.write_table(pa.table(arrays, schema=schema), path, row_group_size=1000)


def make_clips(folder: Path) -> None:
    """A table of clips of 700 labels, and the files it names."""
    folder.mkdir()
    for number in range(NUM_CLIP_FILES):
        (folder / f"{number}.mp4").touch()
    with (folder / "clips.csv").open("w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(["id", "path", "label", "caption", "duration_seconds", "num_frames"])
        for k in range(NUM_CLIPS):
            name, label = f"{k % NUM_CLIP_FILES}.mp4", f"label {k % NUM_LABELS}"
            table.writerow([f"clip-{k}", name, label, caption(k), 10.0, 250 + k % 51])


def caption(number: int) -> str:
    """A text of about 150 characters that is unlike any other."""
    things = ("kite", "heron", "ladder", "violin", "tractor", "lantern", "canoe")
    one, two = things[number % 7], things[number // 7 % 7]
    return (
        f"A {one} stands beside a {two} in picture number {number}, while the light of the late "
        "afternoon falls on both of them and on the wall behind."
    )


def stage(name: str, folder: Path) -> dict[str, float]:
    """Runs one stage in a process of its own; seconds from start to end of that process."""
    start = time.perf_counter()
    command = [sys.executable, str(Path(__file__).resolve()), name, str(folder)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {"seconds": time.perf_counter() - start, **json.loads(output)}


def index_images(folder: Path) -> None:
    """Writes the manifest of the images."""
    from seqsynth.index import index_corpus

    report = index_corpus("llava_recap", folder / "images", folder / "images.arrow")
    assert report.totals.present == NUM_IMAGES


def index_clips(folder: Path) -> None:
    """Writes the manifest of the clips."""
    from seqsynth.index import index_corpus
    from seqsynth.index_checks import Checks

    checks = Checks(probe="none")
    report = index_corpus("clip_table", folder / "clips", folder / "clips.arrow", checks=checks)
    assert report.totals.present == NUM_CLIPS


def first_item(folder: Path) -> None:
    """Opens both manifests and reads an item of each."""
    from seqsynth.manifest import Manifest

    images = Manifest.open(folder / "images.arrow").select(kind="image")
    clips = Manifest.open(folder / "clips.arrow").select(kind="clip")
    assert len(images) == NUM_IMAGES
    assert len(clips) == NUM_CLIPS
    assert images[NUM_IMAGES // 2].caption == caption(NUM_IMAGES // 2)
    assert clips[NUM_CLIPS // 2].caption == caption(NUM_CLIPS // 2)


def first_example(folder: Path) -> None:
    """Opens both manifests and makes the first examples of the shuffled stream, of both kinds."""
    from seqsynth import RECIPES, SequenceDataset
    from seqsynth.manifest_corpus import open_corpus

    corpus = open_corpus([folder / "images.arrow", folder / "clips.arrow"], root=folder)
    dataset = SequenceDataset(corpus, RECIPES["paper"](), seed=0)
    tasks = {dataset[index].task for index in range(20)}
    assert tasks == {"iig", "iic", "alr", "dvc", "tvg"}, tasks


STAGES = {stage.__name__: stage for stage in (index_images, index_clips, first_item, first_example)}


def main() -> None:
    """Runs the stage that `stage` asks for and prints its peak memory."""
    STAGES[sys.argv[1]](Path(sys.argv[2]))
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"mebibytes": kibibytes / 1024}))


if __name__ == "__main__":
    main()
