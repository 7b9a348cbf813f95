"""A stream of examples with random access and no state.

Example i is a pure function of (corpus content, recipe, seed, i). Whoever reads it, in whatever
order, on however many workers and nodes, gets the same example; resuming means starting at k.
Each example is an independent draw, so reading in order is reading in random order.
"""

import hashlib
import json
from collections.abc import Iterator

import numpy as np

from seqsynth._native import Planner
from seqsynth.clip_tasks import CLIP_TASKS
from seqsynth.corpus import Corpus
from seqsynth.frame_plan import clip_planner, draw_images, plan_clip_sequence
from seqsynth.image_tasks import IMAGE_TASKS
from seqsynth.recipes import SequenceRecipe
from seqsynth.records import TASKS, Example

_FINGERPRINT_LENGTH = 12


def example_rng(seed: int, index: int) -> np.random.Generator:
    """The random numbers of one example; the key is the pair, so no two streams ever meet.

    Raises:
        ValueError: a seed outside [0, 2**64).
    """
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must be in [0, 2**64), got {seed}")
    key = np.array([seed, index], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


class SequenceDataset:
    """The examples of a recipe over a corpus; works as a map-style dataset of any loader.

    Args:
        corpus: what is drawn from.
        recipe: what is made of it.
        seed: in [0, 2**64).

    Raises:
        ValueError: the corpus cannot serve the recipe (too few captions or labels), or a seed out
            of range.
    """

    def __init__(self, corpus: Corpus, recipe: SequenceRecipe, seed: int) -> None:
        example_rng(seed, 0)  # checks the seed
        self.corpus = corpus
        self.recipe = recipe
        self.seed = seed
        self._settings = recipe.task_settings
        self._images = corpus.images(recipe.split) if recipe.needs_images else ()
        self._clips = corpus.clips(recipe.split) if recipe.needs_clips else ()
        for kind, tasks, items in (
            ("images", IMAGE_TASKS, self._images),
            ("clips", CLIP_TASKS, self._clips),
        ):
            asked = [task for task in recipe.tasks if task in tasks]
            if asked and not items:
                raise ValueError(
                    f"{', '.join(asked)} need {kind}, and the corpus has no {recipe.split} {kind}"
                )
        self._planner: Planner | None = None
        if recipe.needs_clips:
            self._planner = clip_planner(self._clips, recipe.sampler_spec)
        if recipe.needs_images:  # fails here rather than at the first unlucky example
            draw_images(self._images, recipe.max_images, np.random.default_rng(0))
        # In a fixed order: the one in which a recipe names its tasks must not matter.
        self._tasks = tuple(task for task in TASKS if task in recipe.tasks)
        self._cumulative_shares = np.cumsum([recipe.tasks[task] for task in self._tasks])
        self.fingerprint = self._fingerprint()

    def __len__(self) -> int:
        return self.recipe.num_examples

    def __iter__(self) -> Iterator[Example]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Example:
        """Example number `index`.

        Raises:
            IndexError: not in 0 .. len - 1.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"example {index} of {len(self)}")
        rng = example_rng(self.seed, index)
        task = self._draw_task(rng)
        example_id = f"{task}-{self.fingerprint}-{index}"
        if task in IMAGE_TASKS:
            length = int(
                rng.integers(self.recipe.min_images, self.recipe.max_images, endpoint=True)
            )
            images = draw_images(self._images, length, rng)
            return IMAGE_TASKS[task](images, rng, self._settings, example_id=example_id)
        assert self._planner is not None
        sequence = plan_clip_sequence(self._clips, self._planner, seed=self.seed, index=index)
        return CLIP_TASKS[task](sequence, rng, self._settings, example_id=example_id)

    def _draw_task(self, rng: np.random.Generator) -> str:
        place = rng.random() * self._cumulative_shares[-1]
        return self._tasks[int(np.searchsorted(self._cumulative_shares, place, side="right"))]

    def _fingerprint(self) -> str:
        """Names all that decides the examples: the same name, the same examples."""
        recipe = dict(self.recipe.to_record(), templates=self._settings.wording.digest_text)
        del recipe["num_examples"]  # a longer stream begins with the shorter one
        parts = [self.corpus.content_hash, recipe, self.seed]
        text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:_FINGERPRINT_LENGTH]
