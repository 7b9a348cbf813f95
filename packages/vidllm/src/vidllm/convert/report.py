"""What a conversion did with every tensor, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["taken", "reshaped", "overridden", "dropped", "unexpected", "missing"]
KINDS: tuple[Kind, ...] = ("taken", "reshaped", "overridden", "dropped", "unexpected", "missing")
MEANINGS = {
    "taken": "written as it is, or two biases joined",
    "reshaped": "interpolated to another number of positions",
    "overridden": "a later checkpoint has it too, whose values are taken",
    "dropped": "counts 0, 1, 2 and so on: made again where it is needed",
    "unexpected": "has no place on the other side",
    "missing": "the other side has it, and no checkpoint gave it",
}
LISTED = 12  # names of a kind that the table shows; the JSON has all


@dataclass(frozen=True, slots=True)
class Row:
    """One tensor.

    Attributes:
        kind: what became of it.
        checkpoint: where it came from; "" for what is missing.
        source: its name there.
        target: its name on the other side; "" where it has none.
        shape: on the side it came from, or that it should have had.
        target_shape: where it differs.
    """

    kind: Kind
    checkpoint: str
    source: str
    target: str
    shape: tuple[int, ...]
    target_shape: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """All tensors of a conversion.

    Attributes:
        rows: in the order of the checkpoints.
        read_whole: checkpoints of an old format, which had to be read into memory as a whole.
    """

    rows: tuple[Row, ...]
    read_whole: tuple[str, ...] = ()

    def of(self, kind: Kind) -> list[Row]:
        """The tensors of one kind."""
        return [row for row in self.rows if row.kind == kind]

    def to_record(self) -> dict[str, Any]:
        """For JSON: counts, and every tensor."""
        counts = {kind: len(self.of(kind)) for kind in KINDS}
        rows = [asdict(row) for row in self.rows]
        return {"counts": counts, "read_whole": self.read_whole, "tensors": rows}

    def table(self) -> str:
        """Lines for people: counts by checkpoint, then the names of what was not simply taken."""
        checkpoints = list(dict.fromkeys(row.checkpoint for row in self.rows if row.checkpoint))
        found = KINDS[:-1]
        lines = ["  ".join(f"{kind:>10}" for kind in found) + "  checkpoint"]
        for name in checkpoints:
            counts = [sum(row.checkpoint == name for row in self.of(kind)) for kind in found]
            lines.append("  ".join(f"{count:>10,}" for count in counts) + f"  {name}")
        for kind in KINDS[1:]:
            lines += _names(kind, self.of(kind))
        lines += [f"read as a whole, being an old file: {name}" for name in self.read_whole]
        return "\n".join(lines)


def _names(kind: Kind, rows: Sequence[Row]) -> list[str]:
    """A heading and some names; of many, the numbers by the first parts of their names."""
    if not rows:
        return []
    lines = [f"\n{kind}: {MEANINGS[kind]}"]
    if len(rows) <= LISTED:
        return lines + [f"  {_line(row)}" for row in rows]
    heads = Counter(".".join((row.source or row.target).split(".")[:2]) for row in rows)
    return lines + [f"  {head}...: {count:,}" for head, count in heads.most_common(LISTED)]


def _line(row: Row) -> str:
    shapes = str(row.shape)
    if row.target_shape is not None:
        shapes += f" -> {row.target_shape}"
    arrow = f"{row.source} -> {row.target}" if row.source and row.target else row.source
    return f"{arrow or row.target} {shapes}"
