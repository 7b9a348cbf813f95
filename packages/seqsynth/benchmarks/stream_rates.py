"""How many examples a second one core makes, as text and with pictures, and what shuffling costs.

The corpus is made up: captions of about 150 characters, pictures of smoothed noise. Figures are of
processor time, the best of several runs.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from seqsynth import (
    RECIPES,
    BuildPlan,
    ClipItem,
    Corpus,
    ImageItem,
    Permutation,
    PictureFormat,
    SequenceDataset,
    SequenceRecipe,
    build_examples,
)

RUNS = 3
NUM_IMAGES = 20_000
NUM_CLIPS = 5_000
NUM_PICTURES = 120
NUM_EXAMPLES = 300
NUM_SHOWN_EXAMPLES = 4
NUM_PLACES = 20_000
PAPER_EXAMPLES = 643_000


def run() -> dict[str, dict[str, Any]]:
    """All cases."""
    paper = SequenceDataset(made_up_corpus(), RECIPES["paper"](), seed=0)
    order = Permutation(PAPER_EXAMPLES, seed=0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shown = SequenceDataset(
            corpus_of_pictures(folder), SequenceRecipe(tasks={"iig": 1}, num_examples=10), seed=0
        )
        plan = BuildPlan(count=NUM_SHOWN_EXAMPLES, pictures=PictureFormat(size=224))
        with_pictures = per_second(
            lambda: build_examples(shown, folder / "out", plan), NUM_SHOWN_EXAMPLES
        )
    return {
        "seqsynth_paper_examples": case(
            per_second(lambda: [paper[k].to_json() for k in range(NUM_EXAMPLES)], NUM_EXAMPLES),
            "examples of 96 frames/s, one core",
            "recipe paper, JSON lines included",
        ),
        "seqsynth_build_96_pictures_224px": case(
            with_pictures,
            "examples/s, one core",
            "96 JPEGs of 640 x 480 read, resized and written to a tar each",
        ),
        "seqsynth_permutation_of_643000": case(
            per_second(lambda: [order[k] for k in range(NUM_PLACES)], NUM_PLACES),
            "places/s, one core",
        ),
    }


def case(ours: float, unit: str, note: str = "") -> dict[str, Any]:
    """One case without a peer."""
    rounded = round(ours) if ours >= 100 else round(ours, 2)
    figures = {"ours": rounded, "peer": None, "ratio": None, "unit": unit, "runs": RUNS}
    return figures | ({"note": note} if note else {})


def per_second(work: Callable[[], object], count: int) -> float:
    """`count` over the processor seconds of the fastest run."""
    best = float("inf")
    for _ in range(RUNS):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return count / best


def caption(number: int) -> str:
    """A text of about 150 characters that is unlike any other."""
    return (
        f"Thing number {number} stands on a table beside a window, while the light of the late "
        "afternoon falls on it and on the wall behind, where a picture hangs."
    )


def made_up_corpus() -> Corpus:
    """Items without files."""
    return Corpus(
        train_images=[
            ImageItem(id=f"i{k}", caption=caption(k), path=f"/m/{k}.jpg", label="x")
            for k in range(NUM_IMAGES)
        ],
        heldout_images=(),
        train_clips=[
            ClipItem(
                id=f"c{k}",
                label=f"label {k % 700}",
                caption=caption(k),
                path=f"/m/{k}.mp4",
                num_frames=250 + k % 51,
                duration_seconds=10.0,
            )
            for k in range(NUM_CLIPS)
        ],
        heldout_clips=(),
        root="/m",
    )


def corpus_of_pictures(folder: Path) -> Corpus:
    """Pictures of 640 x 480 with about the detail of photographs."""
    rng = np.random.default_rng(0)
    items = []
    for number in range(NUM_PICTURES):
        noise = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
        content = io.BytesIO()
        Image.fromarray(noise).resize((640, 480)).save(content, "JPEG", quality=90)
        path = folder / f"{number}.jpg"
        path.write_bytes(content.getvalue())
        items.append(ImageItem(id=f"i{number}", caption=caption(number), path=str(path), label="x"))
    return Corpus(
        train_images=items, heldout_images=(), train_clips=(), heldout_clips=(), root=str(folder)
    )
