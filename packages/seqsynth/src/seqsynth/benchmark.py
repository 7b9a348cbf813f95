"""Builds the held-out benchmark: sequences of concepts never seen in training, and the references.

`examples.jsonl` holds one sequence a line, each of its turns one query to be asked on its own.
`references.jsonl` holds one query a line, in seconds, for the scorer; `example` and `turn` say
where its prompt stands, so all queries of one sequence can share its frames.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seqsynth.clip_tasks import dvc, tvg
from seqsynth.corpus import Corpus
from seqsynth.dataset import example_rng
from seqsynth.example_files import write_examples, write_json, write_records
from seqsynth.frame_plan import clip_planner, draw_images, plan_clip_sequence
from seqsynth.image_tasks import iig
from seqsynth.records import Example
from seqsynth.sampler import SamplerSpec
from seqsynth.tasks import TaskSettings

EXAMPLES_NAME = "examples.jsonl"
REFERENCES_NAME = "references.jsonl"
MANIFEST_NAME = "benchmark.json"
FORMAT_VERSION = 1  # of the manifest

GROUNDING = "grounding"
DENSE_CAPTIONS = "dense_captions"

_INDICES_PER_LENGTH = 1_000_000  # keeps the random streams of different lengths apart
_SECONDS_DECIMALS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkSpec:
    """Sizes and wording of a benchmark.

    Attributes:
        image_lengths: one benchmark `index_grounding@LENGTH` for each.
        num_image_sequences: sequences of each length.
        queries_per_sequence: images asked for in each, all different.
        num_clip_sequences: clip sequences; every clip of each is asked for.
        min_clips, max_clips, num_frames: see `SamplerSpec`.
        codec, templates: see `TaskSettings`.
        clips_name: the benchmarks of clips are called `NAME_grounding` and `NAME_dense_captions`.
        seed: another seed, another benchmark of the same kind.
    """

    image_lengths: tuple[int, ...] = (16, 32, 96)
    num_image_sequences: int = 25
    queries_per_sequence: int = 8
    num_clip_sequences: int = 40
    min_clips: int = 2
    max_clips: int = 10
    num_frames: int = 96
    codec: str = "rpt"
    templates: str = "paper"
    clips_name: str = "clip"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("num_image_sequences", "queries_per_sequence", "num_clip_sequences"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for length in self.image_lengths:
            if not self.queries_per_sequence <= length:
                raise ValueError(
                    f"a sequence of {length} images cannot have {self.queries_per_sequence} "
                    "different queries"
                )


def index_grounding(length: int) -> str:
    """Name of the benchmark of image sequences of that length."""
    return f"index_grounding@{length}"


def build_default_benchmark(
    corpus: Corpus, out_dir: str | Path, spec: BenchmarkSpec
) -> dict[str, int]:
    """Writes the benchmark of a corpus's held-out side; returns the queries of each benchmark.

    The same arguments give the same bytes. Benchmarks of clips are absent where the corpus has no
    held-out clips.

    Raises:
        ValueError: too few held-out captions or labels for the spec.
    """
    return write_benchmark(
        list(_examples(corpus, spec)),
        out_dir,
        media_root=corpus.root,
        source_hash=corpus.content_hash,
        spec=asdict(spec),
    )


def write_benchmark(
    examples: Sequence[Example],
    out_dir: str | Path,
    *,
    media_root: str | Path,
    source_hash: str,
    spec: Mapping[str, Any],
) -> dict[str, int]:
    """Writes the three files of a benchmark; returns the queries of each benchmark in it.

    Args:
        examples: ids are the benchmark's name, a hyphen and a number.
        out_dir: created when absent.
        media_root: paths below it are written relative to it.
        source_hash: says what was asked about.
        spec: how it was made, with the keys templates, min_clips and max_clips at least.
    """
    references = [record for example in examples for record in _references(example)]
    out_dir = Path(out_dir)
    write_examples(examples, out_dir / EXAMPLES_NAME, media_root=media_root)
    write_records(references, out_dir / REFERENCES_NAME)
    counts: dict[str, int] = {}
    for record in references:
        counts[record["benchmark"]] = counts.get(record["benchmark"], 0) + 1
    manifest = {
        "format_version": FORMAT_VERSION,
        "corpus": source_hash,
        "spec": dict(spec),
        "num_queries": counts,
    }
    write_json(manifest, out_dir / MANIFEST_NAME)
    return counts


def _examples(corpus: Corpus, spec: BenchmarkSpec) -> Iterator[Example]:
    ask_one = TaskSettings(
        codec=spec.codec,
        templates=spec.templates,
        num_turns=max(spec.queries_per_sequence, 1),
        max_targets=1,
    )
    for length in spec.image_lengths if spec.queries_per_sequence else ():
        for number in range(spec.num_image_sequences):
            rng = example_rng(spec.seed, length * _INDICES_PER_LENGTH + number)
            images = draw_images(corpus.heldout_images, length, rng)
            name = f"{index_grounding(length)}-{number:03d}"
            yield iig(images, rng, ask_one, example_id=name)
    if not corpus.heldout_clips:
        return
    sampler_spec = SamplerSpec(
        num_frames=spec.num_frames, min_clips=spec.min_clips, max_clips=spec.max_clips
    )
    planner = clip_planner(corpus.heldout_clips, sampler_spec)
    for number in range(spec.num_clip_sequences):
        rng = example_rng(spec.seed, number)
        sequence = plan_clip_sequence(corpus.heldout_clips, planner, seed=spec.seed, index=number)
        ask_all = TaskSettings(
            codec=spec.codec, templates=spec.templates, num_turns=len(sequence.clips)
        )
        name = f"{spec.clips_name}_{{}}-{number:03d}"
        yield tvg(sequence, rng, ask_all, example_id=name.format(GROUNDING))
        yield dvc(sequence, rng, ask_all, example_id=name.format(DENSE_CAPTIONS))


def _references(example: Example) -> Iterator[dict[str, Any]]:
    for turn_number, (turn, targets) in enumerate(zip(example.turns, example.targets, strict=True)):
        yield {
            "id": f"{example.id}.{turn_number}",
            "task": example.task,
            "benchmark": example.id.rpartition("-")[0],
            "query": turn.prompt,
            "duration_seconds": example.duration_seconds,
            "events": [
                [
                    round(target.start * example.duration_seconds, _SECONDS_DECIMALS),
                    round(target.end * example.duration_seconds, _SECONDS_DECIMALS),
                    target.caption,
                ]
                for target in targets
            ],
            "example": example.id,
            "turn": turn_number,
        }
