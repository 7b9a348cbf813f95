"""A stream of examples with random access and no state.

Example i is a pure function of (corpus content, recipe, seed, i). Whoever reads it, in whatever
order, on however many workers and nodes, gets the same example; resuming means starting at k.
Each example is an independent draw, so reading in order is reading in random order.

An example that does not work out is replaced by a fixed rule: draw number i gives way to draw
number i + k * 2**40 of the same task where its text cannot be fitted into the budget (k-th try),
and to draw i + k * 2**50 where a reader finds a file unreadable (`replacement`). Both lie behind
the end of every stream, so no other example is shown twice. Of an image sequence the unreadable
images alone give way, to what draw i + 2**60 draws (`mended`).
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from seqsynth._native import Planner
from seqsynth.clip_tasks import CLIP_TASKS
from seqsynth.corpus import Corpus
from seqsynth.frame_plan import clip_planner, draw_images, exchange_images, plan_clip_sequence
from seqsynth.image_tasks import IMAGE_TASKS
from seqsynth.recipes import SequenceRecipe
from seqsynth.records import TASKS, Example
from seqsynth.text_budget import REPLACED, UnfitError

FINGERPRINT_LENGTH = 12
MAX_EXAMPLES = 2**40
MAX_REPLACEMENTS = 100

_UNFIT_STEP = 2**40
_UNREADABLE_STEP = 2**50
_EXCHANGE_STEP = 2**60


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
        planner: of another dataset over the same clips and sizes, to share its table.

    Raises:
        ValueError: the corpus cannot serve the recipe (too few captions or labels), or a seed out
            of range.
    """

    def __init__(
        self, corpus: Corpus, recipe: SequenceRecipe, seed: int, *, planner: Planner | None = None
    ) -> None:
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
                    f"{', '.join(asked)} need {kind}, and the corpus has no {recipe.split} {kind}: "
                    f"index some, or leave these tasks out of the recipe"
                )
        self.planner: Planner | None = None
        if recipe.needs_clips:
            self.planner = planner or clip_planner(self._clips, recipe.sampler_spec)
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
        return self.draw(index)

    def draw(self, index: int, *, cuts: Counter[str] | None = None) -> Example:
        """Example number `index` of the endless stream that this one is the beginning of.

        Args:
            index: in [0, 2**40).
            cuts: counts what the text budget took away, see text_budget.py.

        Raises:
            IndexError: an index out of range.
            UnfitError: no replacement fits into the text budget either.
        """
        if not 0 <= index < MAX_EXAMPLES:
            raise IndexError(f"example {index} is not in [0, 2**40)")
        return self._fitting(index, self._draw_task(example_rng(self.seed, index)), cuts)[1]

    def mended(self, index: int, bad_paths: Collection[str]) -> Example | None:
        """Example `index` with other images in the places of those that cannot be read.

        A pure function of its arguments, too: nothing else of the sequence changes, and neither
        does which places are asked about.

        Args:
            index: in [0, 2**40).
            bad_paths: files that cannot be read, also those that were drawn to stand in.

        Returns:
            None where the example is no image sequence, or no other images fit.
        """
        task = self._draw_task(example_rng(self.seed, index))
        if task not in IMAGE_TASKS:
            return None
        number, _ = self._fitting(index, task, None)
        try:
            return self._example(number, task, None, frozenset(bad_paths))
        except UnfitError:
            return None

    def replacement(self, index: int, attempt: int) -> Example:
        """What stands in for example `index` if it cannot be shown: another draw of its task.

        Args:
            index: the example, in [0, 2**40).
            attempt: from 1 to 100; another one is needed where the replacement fails too.
        """
        if not 1 <= attempt <= MAX_REPLACEMENTS:
            raise ValueError(f"attempt must be in [1, {MAX_REPLACEMENTS}], got {attempt}")
        task = self._draw_task(example_rng(self.seed, index))
        return self._fitting(index + attempt * _UNREADABLE_STEP, task, None)[1]

    def _fitting(self, index: int, task: str, cuts: Counter[str] | None) -> tuple[int, Example]:
        """The first draw that fits into the text budget, and its number."""
        reason = ""
        for attempt in range(MAX_REPLACEMENTS + 1):
            number = index + attempt * _UNFIT_STEP
            taken: Counter[str] = Counter()  # of this draw: those that do not work out cut nothing
            try:
                example = self._example(number, task, taken)
            except UnfitError as error:
                reason = reason or str(error)
                continue
            if attempt:
                taken[REPLACED] += 1
            if cuts is not None:
                cuts.update(taken)
            return number, example
        raise UnfitError(
            f"{task} number {index} and {MAX_REPLACEMENTS} replacements do not fit into "
            f"max_text_tokens = {self.recipe.max_text_tokens} ({reason}); raise it"
        )

    def _example(
        self,
        index: int,
        task: str,
        cuts: Counter[str] | None,
        bad_paths: Collection[str] = (),
    ) -> Example:
        rng = example_rng(self.seed, index)
        self._draw_task(rng)  # the task is known; this leaves the numbers behind it in place
        options: dict[str, Any] = {"example_id": f"{task}-{self.fingerprint}-{index}", "cuts": cuts}
        if task in IMAGE_TASKS:
            length = int(
                rng.integers(self.recipe.min_images, self.recipe.max_images, endpoint=True)
            )
            images = draw_images(self._images, length, rng)
            if bad_paths:
                others = example_rng(self.seed, index + _EXCHANGE_STEP)
                images = exchange_images(self._images, images, bad_paths, others)
                shown = hashlib.sha256("\n".join(image.id for image in images).encode())
                options["example_id"] = f"{options['example_id']}-{shown.hexdigest()[:6]}"
            return IMAGE_TASKS[task](images, rng, self._settings, **options)
        assert self.planner is not None
        spec = self.recipe.sampler_spec
        sequence = plan_clip_sequence(
            self._clips, self.planner, seed=self.seed, index=index, spec=spec
        )
        return CLIP_TASKS[task](sequence, rng, self._settings, **options)

    def _draw_task(self, rng: np.random.Generator) -> str:
        place = rng.random() * self._cumulative_shares[-1]
        return self._tasks[int(np.searchsorted(self._cumulative_shares, place, side="right"))]

    def _fingerprint(self) -> str:
        """Names all that decides the examples: the same name, the same examples."""
        recipe = dict(self.recipe.to_record(), templates=self._settings.wording.digest_text)
        del recipe["num_examples"]  # a longer stream begins with the shorter one
        if not self.recipe.max_text_tokens:  # streams without a budget are older than budgets
            del recipe["max_text_tokens"]
        parts = [self.corpus.content_hash, recipe, self.seed]
        text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_LENGTH]
