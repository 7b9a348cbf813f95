"""Writes examples.jsonl anew: python packages/seqsynth/tests/golden/make_examples.py."""

import importlib.util
from dataclasses import replace
from pathlib import Path

from seqsynth import Corpus, SequenceDataset, SequenceRecipe, write_examples

HERE = Path(__file__).parent
SPEC = importlib.util.spec_from_file_location("conftest", HERE.parent / "conftest.py")
assert SPEC is not None
assert SPEC.loader is not None
made_up = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(made_up)

CORPUS = Corpus(
    train_images=made_up.image_items(120, "seen"),
    heldout_images=made_up.image_items(110, "unseen"),
    train_clips=made_up.clip_items(12, "run"),
    heldout_clips=made_up.clip_items(11, "jump"),
    root="/media",
)
RECIPE = SequenceRecipe(
    num_examples=40, min_images=4, max_images=9, max_clips=5, num_frames=12, num_turns=2
)

if __name__ == "__main__":
    short = replace(RECIPE, num_examples=24)
    write_examples(
        SequenceDataset(CORPUS, short, 7), HERE / "examples.jsonl", media_root=CORPUS.root
    )
