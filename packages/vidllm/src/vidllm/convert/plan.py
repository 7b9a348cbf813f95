"""Which tensor goes where, decided from names and shapes alone, before any tensor is read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from vidllm.convert.key_maps import Format
from vidllm.convert.report import Report, Row
from vidllm.convert.sources import Source

FRAME_POSITIONS = "frame_positions.weight"
VISION_POSITIONS = "vision.embeddings.position_embedding"
RESHAPED = (FRAME_POSITIONS, VISION_POSITIONS)
"""Tables of positions, which the originals interpolate to another number of them."""

How = Literal["copy", "join", "reshape"]
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Step:
    """One tensor to write.

    Attributes:
        target: its name.
        source: the checkpoint it comes from.
        names: of the tensors there: one, or the halves of a bias.
        how: what is done with them.
        shape: of the result.
    """

    target: str
    source: Source
    names: tuple[str, ...]
    how: How
    shape: tuple[int, ...]

    def value(self) -> Tensor:
        """Reads and makes the tensor."""
        parts = [self.source.read(name) for name in self.names]
        if self.how == "join":
            queries, values = parts
            return torch.cat([queries, torch.zeros_like(values), values])
        return reshaped(self.target, parts[0], self.shape) if self.how == "reshape" else parts[0]


def plan_to_ours(
    sources: Sequence[tuple[Format, Source]], expected: Shapes
) -> tuple[list[Step], Report]:
    """What to write, and what becomes of every tensor; where two have one, the later wins.

    Args:
        sources: released checkpoints, in the order of loading.
        expected: our names and shapes.

    Raises:
        ValueError: a tensor that does not fit: its name and both shapes, for the first of them.
    """
    steps: dict[str, Step] = {}
    rows_of: dict[str, list[tuple[Source, int]]] = {}  # a bias has two: its halves
    rows: list[Row] = []
    misfits: list[str] = []
    for form, source in sources:
        for name, shape in source.shapes.items():
            step = _step(form, source, name)
            if form.is_dropped(name):
                rows.append(Row("dropped", str(source.path), name, "", shape))
                continue
            if step is None or step.target not in expected:
                rows.append(Row("unexpected", str(source.path), name, "", shape))
                continue
            wanted = expected[step.target]
            step, row = _fitted(step, name, shape, wanted)
            if row is None:
                misfits.append(
                    f"{name} of {source.path} is {step.shape}, but {step.target} of the model is "
                    f"{wanted}"
                )
                continue
            kept = []
            for other, number in rows_of.get(step.target, []):
                if other is source and rows[number].source in step.names:
                    kept.append((other, number))
                else:
                    rows[number] = replace(rows[number], kind="overridden", target_shape=None)
            rows_of[step.target] = [*kept, (source, len(rows))]
            steps[step.target] = step
            rows.append(row)
    if misfits:
        more = f" ({len(misfits) - 1} more do not fit either)" if len(misfits) > 1 else ""
        raise ValueError(f"{misfits[0]}: the checkpoint is of a model of another size{more}")
    missing = [name for name in expected if name not in steps]
    rows += [Row("missing", "", "", name, expected[name]) for name in missing]
    whole = tuple(str(source.path) for _, source in sources if not source.streams)
    return list(steps.values()), Report(tuple(rows), whole)


def _step(form: Format, source: Source, name: str) -> Step | None:
    """Where one of their tensors goes; None for strangers and for one half of a bias alone."""
    joined = form.joined_bias(name)
    if joined is not None:
        target, queries = joined
        values = queries.replace("q_bias", "v_bias")
        if queries not in source.shapes or values not in source.shapes:
            return None
        shape = (3 * source.shapes[queries][0],)
        return Step(target, source, (queries, values), "join", shape)
    target_name = form.ours(name)
    if target_name is None:
        return None
    return Step(target_name, source, (name,), "copy", source.shapes[name])


def _fitted(
    step: Step, name: str, shape: tuple[int, ...], wanted: tuple[int, ...]
) -> tuple[Step, Row | None]:
    """The step with what it takes to fit, and its row; no row where nothing makes it fit."""
    path = str(step.source.path)
    if step.shape == wanted:
        return step, Row("taken", path, name, step.target, shape)
    if step.target in RESHAPED and can_reshape(step.target, step.shape, wanted):
        row = Row("reshaped", path, name, step.target, shape, wanted)
        return Step(step.target, step.source, step.names, "reshape", wanted), row
    return step, None


def can_reshape(name: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether interpolation leads from one shape to the other."""
    if len(shape) != len(wanted) or shape[-1] != wanted[-1]:
        return False
    if name == FRAME_POSITIONS:
        return len(shape) == 2
    grids = [math.isqrt(max(size[1] - 1, 0)) for size in (shape, wanted)]
    return len(shape) == 3 and [grid**2 + 1 for grid in grids] == [shape[1], wanted[1]]


def reshaped(name: str, tensor: Tensor, wanted: tuple[int, ...]) -> Tensor:
    """A table of positions for another number of them, as the originals do it.

    Frames repeat the nearest row; patches are interpolated in both directions, CLS is left alone.
    """
    if name == FRAME_POSITIONS:
        rows_1DN = tensor.T[None].float()
        found = functional.interpolate(rows_1DN, size=wanted[0], mode="nearest")[0].T
        return found.to(tensor.dtype).contiguous()
    old, new = (math.isqrt(size - 1) for size in (tensor.shape[1], wanted[1]))
    first, rest = tensor[:, :1].float(), tensor[:, 1:].float()
    grid_1DHW = rest.reshape(1, old, old, -1).permute(0, 3, 1, 2)
    grid_1DHW = functional.interpolate(
        grid_1DHW, size=(new, new), mode="bicubic", align_corners=False
    )
    patches = grid_1DHW.permute(0, 2, 3, 1).reshape(1, new * new, -1)
    return torch.cat([first, patches], dim=1).to(tensor.dtype)
