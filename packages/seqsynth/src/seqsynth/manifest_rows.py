"""The rows of a manifest as they were written, to make another manifest of them."""

from __future__ import annotations

from collections.abc import Iterator

import timetokens as tt
from seqsynth.manifest import Manifest
from seqsynth.manifest_schema import ManifestRow
from seqsynth.records import Turn

_ROWS_AT_ONCE = 256  # lists of frame times are large as Python numbers


def rows_of(manifest: Manifest) -> Iterator[ManifestRow]:
    """Every row in its order, read batch by batch."""
    for batch in manifest.table.to_batches():
        for start in range(0, len(batch), _ROWS_AT_ONCE):
            for record in batch.slice(start, _ROWS_AT_ONCE).to_pylist():
                record["events"] = tuple(tt.Event(**event) for event in record["events"] or ())
                record["turns"] = tuple(Turn(**turn) for turn in record["turns"] or ())
                yield ManifestRow(**record)
