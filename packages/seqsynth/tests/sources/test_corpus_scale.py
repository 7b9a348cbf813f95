"""Memory must not grow with the corpus; docs/benchmarks.md has the figures of millions of rows."""

import csv
import gc
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest

from seqsynth import index_survey, manifest_writer
from seqsynth.index import index_corpus
from seqsynth.index_checks import Checks
from seqsynth.manifest import Manifest

SMALL, LARGE = 1_000, 4_000
BYTES_OF_A_ROW = 600  # caption and path alone


def write_corpus(root: Path, num_rows: int) -> Path:
    root.mkdir()
    (root / "a.png").touch()
    with (root / "a.csv").open("w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(["id", "path", "caption"])
        table.writerows(
            [f"id-{k}", "a.png", f"{k} ".ljust(BYTES_OF_A_ROW, "x")] for k in range(num_rows)
        )
    return root


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that thousands of rows are many batches, as millions are."""
    monkeypatch.setattr(manifest_writer, "_ROWS_PER_BATCH", 128)
    monkeypatch.setattr(index_survey, "_ROWS_AT_ONCE", 128)


def peak_bytes_of_indexing(root: Path, out: Path) -> int:
    tracemalloc.start()
    try:
        index_corpus("image_table", root, out, checks=Checks(probe="none"))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("small_batches")
def test_indexing_keeps_no_rows(tmp_path: Path) -> None:
    small, large = (write_corpus(tmp_path / f"{n}", n) for n in (SMALL, LARGE))
    index_corpus("image_table", small, tmp_path / "warm.arrow")  # imports and caches
    gc.collect()
    before = pa.total_allocated_bytes()
    few = peak_bytes_of_indexing(small, tmp_path / "small.arrow")
    many = peak_bytes_of_indexing(large, tmp_path / "large.arrow")
    assert many - few < 60 * (LARGE - SMALL)  # of each id its digest, while the table of them grows
    gc.collect()
    assert pa.total_allocated_bytes() <= before
    assert len(Manifest.open(tmp_path / "large.arrow")) == LARGE


@pytest.mark.usefixtures("small_batches")
def test_opening_reads_no_rows(tmp_path: Path) -> None:
    root = write_corpus(tmp_path / "corpus", LARGE)
    index_corpus("image_table", root, tmp_path / "large.arrow")
    assert (tmp_path / "large.arrow").stat().st_size > BYTES_OF_A_ROW * LARGE
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        manifest = Manifest.open(tmp_path / "large.arrow")
        images = manifest.select(kind="image")
        assert images[LARGE // 2].id == f"id-{LARGE // 2}"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < BYTES_OF_A_ROW * LARGE // 10
    assert pa.total_allocated_bytes() - before < BYTES_OF_A_ROW * LARGE // 10
