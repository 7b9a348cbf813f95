"""Makes one shard of a build in its working folder, from the stream to files."""

import contextlib
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

from seqsynth.build_plan import BuildPlan, PictureFormat, ShardReport
from seqsynth.dataset import SequenceDataset
from seqsynth.energon import tar_index_path, write_tar_index
from seqsynth.example_files import replacing
from seqsynth.frame_parquet import FrameParquetWriter
from seqsynth.frame_tar import FrameTarWriter
from seqsynth.frames import load_frames
from seqsynth.mixture_dataset import MixtureDataset
from seqsynth.parsing import parsed_json
from seqsynth.skipping import SkipLog, read_frames
from seqsynth.text_budget import REPLACED_PREFIX

_EXAMPLES_PER_REPORT = 16
_WRITERS: dict[str, type[FrameTarWriter] | type[FrameParquetWriter]] = {
    "tar": FrameTarWriter,
    "parquet": FrameParquetWriter,
}

Stream = SequenceDataset | MixtureDataset
OnDone = Callable[[int], None]


def make_shard(
    stream: Stream,
    work_dir: Path,
    plan: BuildPlan,
    number: int,
    on_done: OnDone | None = None,
) -> ShardReport:
    """Writes one shard; its report is written last and says that it is whole."""
    paths = ShardPaths(work_dir, number, plan.pictures)
    # A worker of a killed build may still write the same shard: never into the same file.
    skipped = paths.skipped.with_name(f"{number:05d}.{uuid.uuid4().hex}.skipped.jsonl")
    # A shard stops where it alone loses more than the whole build may: of many shards, some begin
    # with two bad examples, and the build looks at the share of them together.
    log = SkipLog(skipped, max_share=plan.max_skipped, least_read=plan.count)
    cuts: Counter[str] = Counter()
    root = stream.corpus.root
    num_reported = 0
    indices = plan.shards[number]
    with replacing(paths.examples) as handle, _writer(paths.frames, plan, root) as writer:
        for count, index in enumerate(indices, start=1):
            known = set(cuts.items())
            example = stream.draw(index, cuts=cuts)
            for reason, _ in set(cuts.items()) - known:
                if reason.startswith(REPLACED_PREFIX):  # it stands in for one without a text
                    log.add_skipped(
                        index,
                        "",
                        attempt=0,
                        replaced_by=example.id,
                        reason=reason.removeprefix(REPLACED_PREFIX),
                    )
            if writer is not None and plan.pictures is not None:
                load = partial(
                    load_frames, size=plan.pictures.size, geometry=plan.pictures.geometry
                )
                example, frames = read_frames(stream, index, load, log=log, example=example)
                writer.add(f"{index:09d}-{example.id}", example, frames)
            else:
                log.add_read()
            handle.write(example.to_json(root) + "\n")
            if on_done and (count % _EXAMPLES_PER_REPORT == 0 or count == len(indices)):
                on_done(count - num_reported)
                num_reported = count
    if skipped.exists():
        skipped.replace(paths.skipped)
    else:
        paths.skipped.unlink(missing_ok=True)
    report = ShardReport(
        num_examples=len(indices),
        num_replaced=log.num_replaced,
        num_exchanged=log.num_exchanged,
        exchanged_examples=log.exchanged_examples,
        reasons=dict(log.reasons),
        cuts=dict(cuts),
    )
    with replacing(paths.report) as handle:
        handle.write(json.dumps(asdict(report)) + "\n")
    return report


class ShardPaths:
    """The files of one shard in the working folder."""

    def __init__(self, work_dir: Path, number: int, pictures: PictureFormat | None = None) -> None:
        self.examples = work_dir / f"{number:05d}.jsonl"
        self.frames = work_dir / f"{number:05d}.{pictures.container if pictures else 'tar'}"
        self.skipped = work_dir / f"{number:05d}.skipped.jsonl"
        self.report = work_dir / f"{number:05d}.done.json"


@contextlib.contextmanager
def _writer(
    path: Path, plan: BuildPlan, root: str
) -> Iterator[FrameTarWriter | FrameParquetWriter | None]:
    """A file of pictures that takes its name when all is written; None where none are asked for."""
    if plan.pictures is None:
        yield None
        return
    partial_path = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    kind = _WRITERS[plan.pictures.container]
    try:
        with kind(partial_path, media_root=root, quality=plan.pictures.quality) as writer:
            yield writer
        if isinstance(writer, FrameTarWriter):
            write_tar_index(writer.offsets, tar_index_path(path))
        partial_path.replace(path)
    finally:
        partial_path.unlink(missing_ok=True)  # where the disk is full


def finished(work_dir: Path, number: int) -> ShardReport | None:
    """The report of a shard that is whole; None where none says so that can be read."""
    try:
        return ShardReport(**parsed_json(ShardPaths(work_dir, number).report.read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):  # empty, as after a power cut
        return None
