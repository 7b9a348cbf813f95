"""Writes mixture.jsonl anew: python packages/seqsynth/tests/golden/make_mixture.py."""

from pathlib import Path

import timetokens as tt
from seqsynth import (
    AnnotatedVideo,
    ClipItem,
    Corpus,
    ImageItem,
    MixtureDataset,
    MixtureRecipe,
    Part,
    SequenceRecipe,
    Turn,
    write_examples,
)

HERE = Path(__file__).parent
NUM_GOLDEN = 16
SEED = 11

VIDEOS = (
    AnnotatedVideo(
        id="asked", path="/m/asked.mp4", duration_seconds=20.0, num_frames=500,
        turns=(Turn("When does he leave?", "The given query happens in 5.0 - 9.1 seconds."),),
        time_codec="seconds",
    ),
    AnnotatedVideo(
        id="events", path="/m/events.mp4", duration_seconds=100.0, num_frames=2500,
        events=(tt.Event(0.0, 12.5, "mix <1> egg"), tt.Event(40.0, 120.0, "serve it")),
    ),
    AnnotatedVideo(
        id="captioned", path="/m/captioned.mp4", duration_seconds=8.0, num_frames=60,
        caption="A cat sleeps.",
    ),
)  # fmt: skip
CORPUS = Corpus(
    train_images=[
        ImageItem(id=f"i{k}", caption=f"picture {k}. It is new.", path=f"/m/{k}.png", label="x")
        for k in range(9)
    ],
    heldout_images=(),
    train_clips=[
        ClipItem(
            id=f"c{k}",
            label=f"act {k}",
            caption=f"someone does {k}",
            path=f"/m/{k}.mp4",
            num_frames=40 + k,
            duration_seconds=2.0,
        )
        for k in range(5)
    ],
    heldout_clips=(),
    root="/m",
    videos={"real": VIDEOS},
)
RECIPE = MixtureRecipe(
    parts={
        "images": Part(count=6, tasks={"iig": 1, "iic": 1, "alr": 1}),
        "clips": Part(count=4, tasks={"dvc": 1, "tvg": 1}),
        "real": Part(count=6, sources=("real",)),
    },
    sequences=SequenceRecipe(
        min_images=4, max_images=6, max_clips=3, num_frames=8, max_text_tokens=120
    ),
)

if __name__ == "__main__":
    write_examples(
        MixtureDataset(CORPUS, RECIPE, SEED), HERE / "mixture.jsonl", media_root=CORPUS.root
    )
