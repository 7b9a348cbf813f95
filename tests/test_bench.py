"""Figures of benchmarks are kept, shown, and checked."""

import json
from pathlib import Path
from types import ModuleType

import pytest

import bench

CASE = '{"ours": 20.0, "peer": 4.0, "ratio": 5.0, "unit": "clips/s", "runs": 3}'


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    monkeypatch.setattr(bench, "FIGURES", tmp_path / "docs" / "benchmarks.json")
    monkeypatch.setattr(bench, "PAGE", tmp_path / "docs" / "benchmarks.md")
    folder = tmp_path / "packages" / "a" / "benchmarks"
    folder.mkdir(parents=True)
    (folder / "video.py").write_text(f"def run():\n    return {{'video_vs_peer': {CASE}}}\n")
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["bench.py", *arguments])
    return bench.main()


def test_figures_reach_both_files(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch) == 0
    figures = json.loads((checkout / "docs" / "benchmarks.json").read_text())
    assert figures["video_vs_peer"]["ratio"] == 5.0
    assert "cores" in figures["video_vs_peer"]["machine"]
    page = (checkout / "docs" / "benchmarks.md").read_text()
    assert "| `video_vs_peer` | 20 | 4 | 5 | clips/s | 3 | 1 |" in page


def test_text_around_the_table_and_other_cases_stay(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch)
    page = checkout / "docs" / "benchmarks.md"
    page.write_text(page.read_text() + "\nBy hand.\n")
    (checkout / "packages/a/benchmarks/text.py").write_text(
        f"def run():\n    return {{'text': {CASE.replace('4.0', 'None').replace('5.0', 'None')}}}\n"
    )
    assert run(monkeypatch, "text") == 0
    assert page.read_text().endswith("By hand.\n")
    assert "`video_vs_peer`" in page.read_text()
    assert "| `text` | 20 |  |  |" in page.read_text()


def test_check_sees_a_page_that_was_edited(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch)
    assert run(monkeypatch, "--check") == 0
    page = checkout / "docs" / "benchmarks.md"
    page.write_text(page.read_text().replace("| 5 |", "| 50 |"))
    assert run(monkeypatch, "--check") == 1


def test_a_broken_benchmark_fails_and_the_others_are_kept(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "packages/a/benchmarks/broken.py").write_text("def run():\n    return {'x': {}}\n")
    assert run(monkeypatch) == 1
    assert "case x lacks ['ours', 'peer', 'ratio', 'runs', 'unit']" in capsys.readouterr().err
    assert "video_vs_peer" in json.loads((checkout / "docs" / "benchmarks.json").read_text())


def test_what_was_measured_before_an_interruption_is_kept(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "packages/a/benchmarks/zoo.py").write_text(
        "def run():\n    raise KeyboardInterrupt\n"
    )
    with pytest.raises(KeyboardInterrupt):
        run(monkeypatch)
    assert "video_vs_peer" in json.loads((checkout / "docs" / "benchmarks.json").read_text())
    assert run(monkeypatch, "--check") == 0


def test_an_unknown_name_lists_the_known(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"\['vidoe'\], known are \['video'\]"):
        run(monkeypatch, "vidoe")


def benchmark(path: str) -> ModuleType:
    return bench.load(Path(bench.__file__).parent.parent / path)


def test_without_a_gpu_its_cases_are_left_out_and_the_reason_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = benchmark("packages/seqsynth/benchmarks/frames.py")
    monkeypatch.setattr(frames, "best_device", lambda: "cpu")
    assert frames.on_gpu(tmp_path, tmp_path) == {}
    assert "no cases of DALI: no GPU that this process can use" in capsys.readouterr().out
    monkeypatch.setattr(frames, "best_device", lambda: "gpu")
    assert frames.on_gpu(tmp_path, tmp_path) == {}
    assert f"no cases of DALI: {tmp_path} holds no DALI" in capsys.readouterr().out


def test_without_a_gpu_packing_on_it_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("seqnative", reason="seqnative is not built on this machine")
    pack = benchmark("native/benchmarks/pack.py")
    monkeypatch.setattr(pack.torch.cuda, "is_available", lambda: False)
    assert pack.on_gpu() == {}
    assert "no cases of packing on a GPU: torch finds no GPU" in capsys.readouterr().out
