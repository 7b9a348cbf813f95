import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import vidmetrics
from vidmetrics.cli import _PROTOCOLS, main

REFERENCES = {
    "a.mp4": [[0.0, 10.0, "cut the onions"], [10.0, 30.0, "fry them in a pan"]],
    "b.mp4": [[5.0, 20.0, "boil some water"]],
    "c.mp4": [[0.0, 9.0, "serve the soup"]],
}
PREDICTIONS = {
    "a.mp4": [[0.0, 9.0, "cut onions"], [12.0, 29.0, "fry in the pan"]],
    "b.mp4": [],
    "x.mp4": [[0.0, 1.0, "unknown"]],
}
WINDOWS = {str(n): [[0.0, 10.0]] for n in range(20)}
SPANS = {str(n): [[0.0, n / 2]] for n in range(18)} | {"18": []}


def events(videos: dict[str, list]) -> dict[str, list[tuple]]:
    return {video: [tuple(event) for event in listed] for video, listed in videos.items()}


@pytest.fixture
def dense(write) -> list[str]:
    return [str(write("references.json", REFERENCES)), str(write("predictions.json", PREDICTIONS))]


@pytest.fixture
def grounding(write) -> list[str]:
    return [str(write("windows.json", WINDOWS)), str(write("spans.json", SPANS))]


def test_dvc_prints_what_the_library_computes(dense, capsys) -> None:
    assert main(["dvc", *dense]) == 0
    out, err = capsys.readouterr()
    result = vidmetrics.evaluate_dense_captions(events(REFERENCES), events(PREDICTIONS))
    for name, title in (("soda_c", "SODA_c"), ("cider", "CIDEr"), ("f1", "F1")):
        row = next(line for line in out.splitlines() if line.startswith(title + " "))
        assert row.split()[1] == f"{100 * result.scores[name]:.2f}"
        low, high = result.confidence[name]
        assert f"[{100 * low:.2f}, {100 * high:.2f}]" in row
    assert result.signature in out
    assert "3 videos, 4 reference events, 2 predicted" in err
    assert "videos without an entry in the predictions: 1" in err
    assert "videos with an empty list of predictions: 1" in err
    assert "predicted videos that the references do not have (ignored): 1" in err


def test_dvc_json_holds_scores_intervals_and_videos(dense, tmp_path, capsys) -> None:
    out = tmp_path / "scores.json"
    assert main(["dvc", *dense, "--json", str(out), "--per-video"]) == 0
    assert "a.mp4" in capsys.readouterr().out
    (result,) = json.loads(out.read_text())["results"]
    expected = vidmetrics.evaluate_dense_captions(events(REFERENCES), events(PREDICTIONS))
    assert result["scores"] == expected.scores
    assert result["confidence"] == {k: list(v) for k, v in expected.confidence.items()}
    assert result["per_video"] == expected.per_video
    assert result["signature"] == expected.signature


def test_json_to_stdout_is_nothing_but_json(grounding, capsys) -> None:
    assert main(["tvg", *grounding, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["task"] == "tvg"


def test_protocol_and_changes_reach_the_signature(dense, capsys) -> None:
    assert main(["dvc", *dense, "--protocol", "soda", "--set", "missing=zero"]) == 0
    out = capsys.readouterr().out
    assert "|proto:soda-changed|" in out
    assert "|missing:0|empty:skipped|" in out


def test_the_parser_knows_all_protocols() -> None:
    assert set(_PROTOCOLS) == set(vidmetrics.PROTOCOLS)


def test_second_references(dense, write, tmp_path, capsys) -> None:
    second, out = write("second.json", {"c.mp4": [[0.0, 9.0, "eat"]]}), tmp_path / "out.json"
    arguments = [*dense, "--second-references", str(second), "--json", str(out)]
    assert main(["dvc", *arguments]) == 0
    assert "3 videos, 5 reference events" in capsys.readouterr().err
    files = json.loads(out.read_text())["files"]
    assert files["second_references"] == [str(second)]
    assert [files["references"], files["predictions"]] == dense


def test_tvg_prints_recall_and_what_was_missed(grounding, capsys) -> None:
    assert main(["tvg", *grounding, "--iou", "0.5", "0.7", "--per-query"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[3] for line in out.splitlines() if line.startswith("R@1")] == [
        "40.00",
        "20.00",
    ]
    assert "queries without an entry in the predictions (misses): 1" in err
    assert "answers without a span (misses): 1" in err
    assert "TVG|iou:.5,.7|union:hull|reversed:kept" in out


def own_lines(task: str) -> tuple[list[dict], list[dict]]:
    base = {"task": task, "benchmark": "clips", "query": "", "duration_seconds": 10.0}
    references = [
        {**base, "id": str(n), "events": [[0.0, 5.0, "cut the onions"]]} for n in range(8)
    ]
    predictions = [
        {**base, "id": str(n), "system": system, "text": "", "malformed": int(n == 0),
         "events": [[0.0, end, "cut onions"]] if n else []}
        for n in range(8)
        for system, end in (("trained", 4.0), ("untrained", 1.0))
    ]  # fmt: skip
    return references, predictions


@pytest.mark.parametrize("task", ["dvc", "tvg"])
def test_several_systems_are_rows_of_one_table(write, capsys, tmp_path, task: str) -> None:
    references, predictions = own_lines(task)
    paths = [
        str(write("references.jsonl", references)),
        str(write("predictions.jsonl", predictions)),
    ]
    scores = tmp_path / "scores.json"
    assert main([task, *paths, "--json", str(scores)]) == 0
    out, err = capsys.readouterr()
    rows = [line.split()[:2] for line in out.splitlines() if line.startswith("clips")]
    assert rows == [["clips", "trained"], ["clips", "untrained"]]
    assert "parts of the model's text that could not be read: 1" in err
    results = json.loads(scores.read_text())["results"]
    assert [result["system"] for result in results] == ["trained", "untrained"]


def test_compare_takes_statistics_from_result_files(write, capsys, tmp_path) -> None:
    references, predictions = own_lines("tvg")
    paths = [
        str(write("references.jsonl", references)),
        str(write("predictions.jsonl", predictions)),
    ]
    scores = str(tmp_path / "scores.json")
    assert main(["tvg", *paths, "--json", scores]) == 0
    capsys.readouterr()
    for path in paths:
        Path(path).unlink()  # nothing may be scored again
    names = ["--first-system", "untrained", "--second-system", "trained"]
    assert main(["compare", scores, scores, *names]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("mIoU"))
    assert row.split()[1:4] == ["17.50", "70.00", "+52.50"]


def test_compare_scores_prediction_files_against_references(dense, write, capsys, tmp_path) -> None:
    better = {**PREDICTIONS, "c.mp4": REFERENCES["c.mp4"]}
    second = str(write("better.json", better))
    out = tmp_path / "comparison.json"
    arguments = ["compare", dense[1], second, "--references", dense[0], "--json", str(out)]
    assert main(arguments) == 0
    written = json.loads(out.read_text())
    assert (written["format"], written["version"]) == ("vidmetrics-comparison", 1)
    assert written["files"] == {"first": dense[1], "second": second}
    (comparison,) = written["comparisons"]
    assert comparison["units"] == 3
    assert comparison["scores"]["f1"]["difference"] == pytest.approx(1 / 3)
    assert 0 < comparison["scores"]["f1"]["p_value"] <= 1


def test_compare_names_what_it_leaves_out(write, capsys, tmp_path) -> None:
    def lines(benchmark: str, number: int) -> list[dict]:
        return [
            {"id": str(n), "task": "tvg", "benchmark": benchmark, "events": [[0.0, 5.0, ""]]}
            for n in range(number)
        ]

    names = {"first": ("x", "y", "z"), "second": ("x", "y")}
    stored = []
    for name, benchmarks in names.items():
        content = [line for b in benchmarks for line in lines(b, ord(b) - ord("w"))]
        path = str(write(f"{name}.jsonl", content))
        stored.append(str(tmp_path / f"{name}.json"))
        assert main(["tvg", path, path, "--json", stored[-1]]) == 0
    capsys.readouterr()
    assert main(["compare", *stored, "--resamples", "9"]) == 0
    out, err = capsys.readouterr()
    headings = [line for line in out.splitlines() if " A = " in line]
    assert [line.split(", ")[-1] for line in headings] == ["units: 1", "units: 2"]
    assert err == "z: only A has this benchmark (left out)\n"


def test_compare_does_not_drop_changes_of_the_protocol(grounding, tmp_path, capsys) -> None:
    scores = str(tmp_path / "scores.json")
    assert main(["tvg", *grounding, "--json", scores]) == 0
    assert main(["compare", scores, scores, "--set", "f1=means"]) == 2
    assert "--set is for scoring with --references" in capsys.readouterr().err


def test_results_without_a_scored_video_cannot_be_compared(dense, write, tmp_path, capsys) -> None:
    nothing, scores = str(write("nothing.json", {})), str(tmp_path / "scores.json")
    arguments = ["dvc", dense[0], nothing, "--protocol", "soda", "--json", scores]
    assert main(arguments) == 0
    capsys.readouterr()
    assert main(["compare", scores, scores]) == 2
    assert "no video or query was scored" in capsys.readouterr().err


@pytest.mark.parametrize("task", ["dvc", "tvg"])
def test_compare_finds_the_same_as_scoring_first(write, capsys, tmp_path, task: str) -> None:
    references, predictions = own_lines(task)
    first = [line for line in predictions if line["system"] == "trained"]
    second = [line for line in predictions if line["system"] == "untrained"]
    reference = str(write("references.jsonl", references))
    files = [str(write("first.jsonl", first)), str(write("second.jsonl", second))]
    assert main(["compare", *files, "--references", reference, "--task", task]) == 0
    direct = capsys.readouterr().out
    stored = []
    for path in files:
        stored.append(path + ".scores.json")
        assert main([task, reference, path, "--json", stored[-1]]) == 0
    capsys.readouterr()
    assert main(["compare", *stored]) == 0
    again = capsys.readouterr().out
    assert direct.splitlines()[1:] == again.splitlines()[1:]


def test_compare_explains_what_does_not_go_together(dense, grounding, tmp_path, capsys) -> None:
    first, second, third = (str(tmp_path / f"{n}.json") for n in range(3))
    main(["tvg", *grounding, "--json", first])
    main(["tvg", *grounding, "--json", second, "--union", "true"])
    main(["dvc", *dense, "--json", third])
    capsys.readouterr()
    assert main(["compare", first, second]) == 2
    assert "scored in different ways: union:hull, union:true" in capsys.readouterr().err
    assert main(["compare", first, dense[1]]) == 2
    assert "predictions.json is no result file" in capsys.readouterr().err
    assert main(["compare", first, third]) == 2
    assert "scored in different ways" in capsys.readouterr().err
    assert main(["compare", first, first, "--resamples", "0"]) == 2
    assert "--resamples" in capsys.readouterr().err


def spoilt(result: dict[str, Any], **change: Any) -> dict[str, Any]:
    scores = result["statistics"]["scores"]
    scores = {**scores, "mean_iou": {**scores["mean_iou"], **change}}
    return {**result, "statistics": {**result["statistics"], "scores": scores}}


def test_compare_rejects_damaged_results(grounding, tmp_path, capsys) -> None:
    path = tmp_path / "scores.json"
    main(["tvg", *grounding, "--json", str(path)])
    content = json.loads(path.read_text())
    for change, message in (
        ({"version": 99}, "format version 99"),
        ({"results": [{}]}, "is damaged"),
        ({"results": 5}, "is damaged"),
        ({"results": [spoilt(content["results"][0], denominators=[])]}, "is damaged"),
        (
            {"results": [spoilt(content["results"][0], denominators=[[1.0], [5e-324]])]},
            "is damaged",
        ),
        ({"results": [spoilt(content["results"][0], kind="f_of_means")]}, "is damaged"),
        ({"results": [spoilt(content["results"][0], kind="meteor")]}, "is damaged"),
    ):
        path.write_text(json.dumps(content | change))
        capsys.readouterr()
        assert main(["compare", str(path), str(path)]) == 2
        assert message in capsys.readouterr().err


def test_richness_measures_predictions_and_references(dense, capsys) -> None:
    assert main(["richness", *dense]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[2].split()[1:4] == ["4", "3.50", "1.000"]
    assert len(rows) == 6


def test_richness_as_json(dense, capsys) -> None:
    assert main(["richness", *dense, "--json", "-"]) == 0
    out, err = capsys.readouterr()
    written = json.loads(out)
    assert (written["format"], written["version"]) == ("vidmetrics-richness", 1)
    assert [row["file"] for row in written["results"]] == dense
    assert written["results"][0]["num_captions"] == 4
    assert "TTR video" in err


def test_richness_names_the_subsets_of_references(write, capsys) -> None:
    video = {"subset": "training", "annotations": [{"segment": [0, 9], "sentence": "cut"}]}
    path = str(write("youcook2.json", {"database": {"v": video}}))
    assert main(["richness", path]) == 2
    error = capsys.readouterr().err
    assert "no subset 'validation'; there are training" in error
    assert main(["richness", path, "--split", "training"]) == 0


def test_highlights(write, capsys) -> None:
    line = {"qid": 1, "duration": 4, "relevant_clip_ids": [0], "saliency_scores": [[4, 4, 4]]}
    references = write("val.jsonl", [line])
    answers = [{"qid": n, "pred_saliency_scores": [1.0, 0.0]} for n in (1, 2, 3)]
    assert main(["highlights", str(references), str(write("pred.jsonl", answers))]) == 0
    out, err = capsys.readouterr()
    assert "HIT@1  100.00" in out
    assert "predictions for no query of the references (ignored): 2" in err


def test_highlights_in_the_wrong_order_are_told(write, capsys) -> None:
    line = {"qid": 1, "duration": 4, "relevant_clip_ids": [0], "saliency_scores": [[4, 4, 4]]}
    references = str(write("val.jsonl", [line]))
    submission = str(write("sub.jsonl", [{"qid": 1, "pred_saliency_scores": [1.0, 0.0]}]))
    for pair in ((submission, references), (references, references)):
        assert main(["highlights", *pair]) == 2
        assert "give REFERENCES first, then PREDICTIONS" in capsys.readouterr().err
    both = str(write("both.jsonl", [line | {"pred_saliency_scores": [1.0, 0.0]}]))
    assert main(["highlights", both, both]) == 0


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["tgv"], "invalid choice: 'tgv'; did you mean tvg?"),
        (["report", "a", "b", "--outt", "c"], "unrecognized arguments: --outt; did you mean --out"),
        (["tvg", "a", "b", "--moment"], "did you mean --moments?"),
        (["dvc", "a", "b", "--protocol", "sodda"], "'sodda'; did you mean soda?"),
        (["--verison"], "did you mean --version?"),
        (["tvg", "-dash", "b"], "a file name that begins with - is written ./-dash"),
        (["-v"], "unrecognized arguments: -v; a file name that begins with - is written ./-v"),
        (["tvg", "a", "b", "-json", "c"], "-json; did you mean --json?; a file name that"),
        (["zzz"], "(choose from "),
    ],
)
def test_a_mistyped_name_is_answered_with_the_near_one(capsys, words: list[str], near: str) -> None:
    with pytest.raises(SystemExit) as status:
        main(words)
    assert status.value.code == 2
    assert near in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["tvg", "a", "b", "--iou", "-inf"],
        ["tvg", "a", "b", "--iou", "0.5", "-nan"],
        ["tvg", "a", "b", "--json", "-x"],
        ["tvg", "a", "b", "c"],
    ],
)
def test_values_are_not_taken_for_file_names(capsys, words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert "begins with -" not in capsys.readouterr().err


def test_names_with_a_dash_and_a_blank_are_names(capsys) -> None:
    assert main(["tvg", "-my refs.json", "p.json"]) == 2
    assert "-my refs.json: No such file" in capsys.readouterr().err


def test_help_comes_before_a_mistyped_option(capsys) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["tvg", "--help", "--foo"])
    assert "usage: vidmetrics tvg" in capsys.readouterr().out


def test_richness_of_a_log_of_vtimellm_needs_no_durations(write, capsys) -> None:
    answer = '[{"event": "mix the flour", "timestamps": "from 10 to 49"}]'
    line = {"video_id": "v", "task": "captioning", "query_id": 0, "answer": answer}
    assert main(["richness", str(write("run.jsonl", [line]))]) == 0
    assert "1         3.00" in capsys.readouterr().out


def test_richness_reads_each_file_once(dense, monkeypatch) -> None:
    from vidmetrics import richness_cli

    read: list[str] = []
    load = richness_cli.load_document
    monkeypatch.setattr(richness_cli, "load_document", lambda path: read.append(path) or load(path))
    monkeypatch.setattr("vidmetrics.readers.dense_formats.load_document", None)
    assert main(["richness", *map(str, dense)]) == 0
    assert read == [*map(str, dense)]


def test_highlights_in_answers_of_timechat(write, capsys) -> None:
    line = {"duration": 150, "relevant_clip_ids": [41], "saliency_scores": [[4, 4, 4]]}
    references = write("val.jsonl", [{**line, "qid": number} for number in (1, 2)])
    said = "The highlight timestamps are in the 82, 84 seconds. Their saliency scores are 1.3, 1.7."
    answers = [{"id": n, "vname": "v.mp4", "generated_cap": t} for n, t in ((1, said), (2, "no"))]
    answers.append({"id": 3, "vname": "w.mp4", "generated_cap": said})
    assert main(["highlights", str(references), str(write("pred.json", answers))]) == 0
    out, err = capsys.readouterr()
    assert "HIT@1  50.00" in out
    assert "answers without two highlights (scored as they are): 1" in err
    assert "predictions for no query of the references (ignored): 1" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dvc", "no.json", "no.json"], "no.json: No such file or directory"),
        (["dvc", "{dir}", "{dir}"], "Is a directory"),
        (["dvc", "{references}", "{empty}"], "empty.json is empty"),
        (["dvc", "{predictions}", "{references}"], "video 'b.mp4': no events"),
        (["dvc", "{references}", "{predictions}", "--set", "soda=x"], "--set takes FIELD=VALUE"),
        (["dvc", "{references}", "{predictions}", "--benchmark", "x"], "no benchmark 'x'"),
        (["dvc", "{references}", "{predictions}", "--json", "{dir}"], "Is a directory"),
        (["tvg", "{references}", "{predictions}"], "a file for dense captions (dvc)"),
        (["tvg", "{windows}", "{spans}", "--iou", "5"], "--iou takes thresholds in (0, 1]"),
        (["dvc", "{windows}", "{spans}"], "a file for grounding (tvg)"),
        (["compare", "{windows}", "{spans}"], "is no result file"),
        (["richness", "{windows}"], "a file for grounding (tvg)"),
        (["report", "{references}", "{predictions}", "--out", "{dir}"], "Is a directory"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    dense, grounding, write, tmp_path, capsys, arguments: list[str], message: str
) -> None:
    names = {
        "references": dense[0],
        "predictions": dense[1],
        "windows": grounding[0],
        "spans": grounding[1],
        "empty": write("empty.json", ""),
        "dir": tmp_path,
    }
    assert main([argument.format(**names) for argument in arguments]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("vidmetrics: error: ")
    assert message in error


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dcv"],
        ["dvc"],
        ["dvc", "a"],
        ["dvc", "a", "b", "--protocol", "timechta"],
        ["tvg", "a", "b", "--iou", "half"],
        ["tvg", "a", "b", "--level", "2"],
        ["tvg", "a", "b", "--resamples", "-1"],
        ["fetch", "everything"],
    ],
)
def test_a_wrong_command_line_exits_with_2_and_usage(arguments: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert "usage: vidmetrics" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--resamples", "many", "must be a whole number from 0 on, got 'many'"),
        ("--seed", "-1", "must be a whole number from 0 on, got '-1'"),
        ("--level", "high", "must lie strictly between 0 and 1, got 'high'"),
        ("--level", "nan", "must lie strictly between 0 and 1, got 'nan'"),
    ],
)
def test_a_wrong_number_is_explained(option: str, value: str, message: str, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["tvg", "r.json", "p.json", f"{option}={value}"])
    assert message in capsys.readouterr().err


def test_options_have_no_short_forms(capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["tvg", "r.json", "p.json", "--bench", "a"])
    assert "unrecognized arguments: --bench" in capsys.readouterr().err


def test_version(capsys) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"vidmetrics {vidmetrics.__version__}\n"


def run(*arguments: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "vidmetrics", *arguments]
    options = {"capture_output": True, "text": True, "timeout": 120, "check": False} | options
    return subprocess.run(command, **options)  # noqa: PLW1510


def test_the_module_is_the_command(grounding) -> None:
    finished = run("tvg", *grounding)
    assert finished.returncode == 0
    assert "mIoU" in finished.stdout
    assert run("tvg", "no.json", "no.json").returncode == 2


def test_help_does_not_import_numpy() -> None:
    code = (
        "import sys\nfrom vidmetrics.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "sys.exit('numpy' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)


def test_names_that_a_terminal_cannot_show_are_printed_as_escapes(write) -> None:
    windows = {"q\x1b[31m\ud800": [[0.0, 10.0]]}
    path = str(write("w.json", windows))
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    finished = run("tvg", path, path, "--per-query", env=environment)
    assert finished.returncode == 0
    assert "q\\x1b[31m\\ud800" in finished.stdout


@pytest.mark.skipif(os.name == "nt", reason="locales are others there")
def test_names_of_all_kinds_where_the_locale_knows_ascii(tmp_path) -> None:
    references, predictions, page = "-windows é 猫.json", "-spans [x].json", "-page é.html"
    for name, content in ((references, WINDOWS), (predictions, SPANS)):
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    few = {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
    }
    options = {"env": {**os.environ, **few}, "cwd": tmp_path}
    words = ["--resamples", "0", "--", references, predictions]
    scored = run("tvg", "--json=-scores é.json", *words, **options)
    assert scored.returncode == 0, scored.stderr
    assert "mIoU" in scored.stdout
    assert json.loads((tmp_path / "-scores é.json").read_text(encoding="utf-8"))
    drawn = run("report", "--task", "tvg", f"--out={page}", *words, **options)
    assert drawn.returncode == 0, drawn.stderr
    assert "<html" in (tmp_path / page).read_text(encoding="utf-8")


def test_a_closed_pipe_is_no_traceback(grounding) -> None:
    words = [sys.executable, "-m", "vidmetrics", "tvg", *grounding, "--per-query"]
    command = f"{shlex.join(words)} | head -1"
    finished = subprocess.run(
        command, shell=True, capture_output=True, text=True, timeout=120, check=True
    )
    assert finished.stdout.startswith("score")
    assert "Traceback" not in finished.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_cannot_be_written_is_one_line(grounding) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        finished = run("tvg", *grounding, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert finished.returncode == 2
    assert finished.stderr.splitlines()[-1].startswith("vidmetrics: error: No space left")
    assert "Traceback" not in finished.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_an_interrupt_is_no_traceback(tmp_path) -> None:
    pipe = tmp_path / "references.json"
    os.mkfifo(pipe)  # reading it blocks: the command is certainly at work
    command = [sys.executable, "-m", "vidmetrics", "tvg", str(pipe), str(pipe)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    writer = os.open(pipe, os.O_WRONLY)  # returns when the command has opened it
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    os.close(writer)
    assert process.returncode == 130
    assert "Traceback" not in error
