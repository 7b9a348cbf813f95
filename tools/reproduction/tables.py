"""The tables: what each row trains on, and what the paper found there.

A row names the parts of the data it has, in multiples of the size's `Parts`; steps of a part that
a row lacks are not replaced, as in the paper, where more data means more steps. Where the paper
holds the volume (Table 6) the shares of the tasks change instead. Our rows answer held-out
questions of the embedded default, so a paper's figure and ours share a direction at most, never a
level: there YouCook2 and Charades-STA, here dense captions and grounding of clip sequences.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from reproduction.sizes import LONG_LENGTHS, Size, stage_of
from vidllm.config import TrainConfig

Metrics = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row.

    Attributes:
        label: as printed.
        images, clips, captions, film: multiples of the size's steps for these parts. Captions once
            and the film are what the paper's baseline has, there of TimeIT; MC is captions once
            more.
        task_weights: shares of IIG, IIC and ALR among image sequences; none: the size's.
        clip_task_weights: shares of DVC and TVG among clip sequences; none: the size's.
        codec: how places are written.
        max_images: the longest training sequence; 0: the size's.
        paper: the paper's figures of this row, by our names of the metrics.
    """

    label: str
    images: float = 0.0
    clips: float = 0.0
    captions: float = 1.0
    film: float = 1.0
    task_weights: tuple[float, float, float] | None = None
    clip_task_weights: tuple[float, float] | None = None
    codec: str = "rpt"
    max_images: int = 0
    paper: Metrics = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table.

    Attributes:
        name: on the command line.
        title: what is compared.
        rows: the first is what the others are compared with.
        note: how our rows stand for the paper's.
        image_lengths: of the benchmark, in place of the size's.
        richness: length and variety of captions are reported too.
        stepwise: the paper says what each row adds to the one above, so that is what is compared;
            else every row is compared with the first.
        ceiling: what right answers reach once they are written and read back is reported too.
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    note: str
    image_lengths: tuple[int, ...] = ()
    richness: bool = False
    stepwise: bool = False
    ceiling: bool = False


def config_of(size: Size, row: Row, seed: int) -> TrainConfig:
    """What the row trains."""
    base = size.base()
    images = round(row.images * size.parts.images)
    clips = round(row.clips * size.parts.clips)
    captions = round(row.captions * size.parts.captions)
    film = round(row.film * size.parts.film)
    total = max(images + clips + captions + film, 1)
    stage = stage_of(size, base)
    stage = replace(
        stage,
        num_steps=total,
        max_images=row.max_images or stage.max_images,
        image_weight=images / total,
        clip_weight=clips / total,
        caption_weight=captions / total,
        film_weight=film / total,
        task_weights=row.task_weights or stage.task_weights,
        clip_task_weights=row.clip_task_weights or stage.clip_task_weights,
    )
    return replace(
        base,
        recipe=f"reproduce_{size.name}",
        seed=seed,
        model=replace(base.model, codec=row.codec),
        data=replace(base.data, stages=(stage,), templates=size.wording),
        checkpoint_every=total,
        keep_checkpoints=1,
    )


def _dense(soda_c: float, cider: float, meteor: float, f1: float) -> dict[str, float]:
    return {"soda_c": soda_c, "cider": cider, "meteor": meteor, "f1": f1}


def _both(dense: Metrics, r5: float, r7: float) -> dict[str, float]:
    return {**dense, "recall_at_1@0.5": r5, "recall_at_1@0.7": r7}


_BASELINE = _both(_dense(1.0, 2.9, 1.1, 12.7), 27.2, 11.7)
_WITHOUT_RPT = _both(_dense(1.2, 3.7, 1.4, 15.7), 29.3, 12.8)
_FULL = _both(_dense(1.3, 4.2, 1.3, 16.2), 31.2, 13.7)
_IS = _both(_dense(1.4, 4.3, 1.4, 13.3), 28.8, 12.5)
_IS_MC = _both(_dense(1.2, 4.0, 1.2, 15.9), 30.9, 13.1)
_FILM_FOR_TIMEIT = (
    "The paper's TimeChat row has seen the annotated videos of TimeIT; ours windows of the first "
    "five minutes of one film, and captions of pictures. So has every other row."
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            name="1",
            title="Less data: none of the task, or as much of the others",
            rows=(
                Row(label="Full", images=1, clips=1, captions=2, paper=_dense(1.0, 2.9, 1.1, 12.7)),
                Row(
                    label="w/o irr",
                    images=0.85,
                    clips=1,
                    captions=2,
                    paper=_dense(1.2, 2.0, 0.8, 10.5),
                ),
                Row(
                    label="w/o dvc",
                    images=1,
                    clips=0.7,
                    captions=2,
                    clip_task_weights=(0.0, 1.0),
                    paper=_dense(0.4, 0.9, 0.3, 4.8),
                ),
            ),
            note="w/o dvc leaves out every dense caption (three tenths of the clip sequences), "
            "w/o irr about as many image sequences. The paper takes 12 % of TimeIT away.",
        ),
        Table(
            name="2",
            title="Seq2Time and its tokens",
            stepwise=True,
            rows=(
                Row(label="TimeChat", paper=_BASELINE),
                Row(
                    label="Seq2Time w/o RPT",
                    images=1,
                    clips=1,
                    captions=2,
                    codec="index",
                    paper=_WITHOUT_RPT,
                ),
                Row(label="Seq2Time", images=1, clips=1, captions=2, paper=_FULL),
            ),
            note=_FILM_FOR_TIMEIT,
        ),
        Table(
            name="3",
            title="Image sequences (IS), more captions (MC), clip sequences (CS)",
            stepwise=True,
            rows=(
                Row(label="none", paper=_BASELINE),
                Row(label="IS", images=1, paper=_IS),
                Row(label="IS + MC", images=1, captions=2, paper=_IS_MC),
                Row(label="IS + MC + CS", images=1, clips=1, captions=2, paper=_FULL),
            ),
            note="MC are captions of single pictures here. " + _FILM_FOR_TIMEIT,
        ),
        Table(
            name="4",
            title="Image sequences for a model without any training in time, indices as numbers",
            rows=(
                Row(label="w/o IS", film=0, codec="index", paper=_dense(0.1, 0.0, 0.0, 0.2)),
                Row(
                    label="w/ IS",
                    images=1,
                    film=0,
                    codec="index",
                    paper=_dense(0.1, 0.1, 0.2, 3.3),
                ),
            ),
            note="Neither row has seen a clip sequence or the film.",
        ),
        Table(
            name="5",
            title="Length and variety of generated captions",
            stepwise=True,
            rows=(
                Row(
                    label="TimeChat",
                    paper={"mean_length": 6.81, "type_token_ratio": 0.268},
                ),
                Row(
                    label="+ IS",
                    images=1,
                    paper={"mean_length": 8.19, "type_token_ratio": 0.411},
                ),
                Row(
                    label="+ IS + MC",
                    images=1,
                    captions=2,
                    paper={"mean_length": 8.74, "type_token_ratio": 0.384},
                ),
                Row(
                    label="+ Seq2Time",
                    images=1,
                    clips=1,
                    captions=2,
                    paper={"mean_length": 11.53, "type_token_ratio": 0.396},
                ),
            ),
            note="The same runs as in Table 3. Captions of the embedded default are names of one "
            "to five words, those of the film whole sentences.",
            richness=True,
        ),
        Table(
            name="6",
            title="Tasks of image sequences at constant volume",
            rows=(
                Row(label="IIC + IIG + ALR", images=1, task_weights=(1, 1, 1), paper=_IS),
                Row(
                    label="IIG + ALR",
                    images=1,
                    task_weights=(1, 0, 1),
                    paper=_both(_dense(1.2, 3.4, 1.2, 12.9), 27.9, 11.8),
                ),
                Row(
                    label="IIC + ALR",
                    images=1,
                    task_weights=(0, 1, 1),
                    paper=_both(_dense(1.1, 2.6, 0.9, 11.9), 26.2, 11.3),
                ),
                Row(
                    label="IIC + IIG",
                    images=1,
                    task_weights=(1, 1, 0),
                    paper=_both(_dense(1.0, 2.7, 1.0, 14.4), 27.2, 11.4),
                ),
                Row(label="none", paper=_BASELINE),
            ),
            note="No row has seen a clip sequence. " + _FILM_FOR_TIMEIT,
        ),
        Table(
            name="7",
            title="Shares of Seq2Time's data",
            rows=(
                Row(label="0%", paper=_BASELINE),
                Row(
                    label="5%",
                    images=0.05,
                    clips=0.05,
                    captions=2,
                    paper=_both(_dense(1.2, 3.6, 1.2, 15.0), 26.8, 11.2),
                ),
                Row(
                    label="20%",
                    images=0.2,
                    clips=0.2,
                    captions=2,
                    paper=_both(_dense(1.1, 3.8, 1.3, 14.8), 28.3, 11.9),
                ),
                Row(label="100%", images=1, clips=1, captions=2, paper=_FULL),
            ),
            note=_FILM_FOR_TIMEIT,
        ),
        Table(
            name="codecs",
            title="Every way to write a place: same data, model and budget",
            rows=tuple(
                Row(label=codec, images=1, clips=1, captions=2, codec=codec)
                for codec in ("rpt", "seconds", "index", "percent", "bins", "absolute_digits")
            ),
            note="Not in the paper. seconds and index write times alike, to tenths; the seventh "
            "image is 7.0 in the one and 7 in the other.",
            ceiling=True,
        ),
        Table(
            name="digits",
            title="Relative position tokens of two to five digits",
            rows=tuple(
                Row(label=f"{digits} digits", images=1, clips=1, captions=2, codec=codec)
                for digits, codec in ((4, "rpt"), (2, "rpt2"), (3, "rpt3"), (5, "rpt5"))
            ),
            note="Not in the paper, which takes four.",
            ceiling=True,
        ),
        Table(
            name="lengths",
            title="Trained on 4 to 32 images, asked about up to 256",
            rows=tuple(
                Row(label=codec, images=1, film=0, codec=codec, max_images=32)
                for codec in ("rpt", "index")
            ),
            note="Not in the paper. Chance is one in the number of images. No row has seen clips "
            "or the film.",
            ceiling=True,
            image_lengths=LONG_LENGTHS,
        ),
    )
}
