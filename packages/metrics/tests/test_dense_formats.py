import pytest

from vidmetrics.errors import InputError
from vidmetrics.readers import read_dense_predictions, read_dense_references

EVENTS = ((1.0, 5.0, "mix flour"), (6.0, 9.5, "fry it"))
PAIRS = [
    {"timestamp": [1, 5], "sentence": "mix flour"},
    {"timestamp": [6, 9.5], "sentence": "fry it"},
]

REFERENCES = {
    "references.jsonl": [
        {"id": "v", "task": "dvc", "benchmark": "b", "query": "", "duration_seconds": 10.0,
         "events": [list(event) for event in EVENTS]},
        {"id": "q", "task": "tvg", "benchmark": "b", "query": "x", "duration_seconds": 10.0,
         "events": [[0, 1, ""]]},
    ],
    "timechat.json": {
        "annotations": [
            {"image_id": "folder/v", "duration": 10.0, "segments": [[1, 5], [6, 9.5]],
             "pure_cap": "mix flour. fry it", "caption": "unused", "id": 0}
        ]
    },
    "timechat_anet.json": {
        "annotations": [
            {"image_id": "v", "duration": 10.0, "segments": [[1, 5], [6, 9.5]],
             "caption": "mix flour. fry it. ok"}
        ]
    },
    "youcook2.json": {
        "database": {
            "v": {"duration": 10.0, "subset": "validation",
                  "annotations": [{"id": 0, "segment": [1, 5], "sentence": "mix flour"},
                                  {"id": 1, "segment": [6, 9.5], "sentence": "fry it"}]},
            "t": {"duration": 10.0, "subset": "training", "annotations": []},
        }
    },
    "activitynet.json": {
        "v": {"duration": 10.0, "timestamps": [[1, 5], [6, 9.5]],
              "sentences": ["mix flour", "fry it"]}
    },
    "plain.json": {"v": [list(event) for event in EVENTS]},
}  # fmt: skip

PREDICTIONS = {
    "predictions.jsonl": [
        {"id": "v", "task": "dvc", "benchmark": "b", "system": "s", "text": "...", "malformed": 2,
         "events": [list(event) for event in EVENTS]}
    ],
    "timechat.json": {
        "v": [{"timestamp": [1, 5], "caption": "mix flour"},
              {"timestamp": [6, 9.5], "caption": "fry it"}]
    },
    "soda.json": {"version": "1.0", "results": {"v": PAIRS}},
    "plain.json": {"v": [list(event) for event in EVENTS]},
}  # fmt: skip


@pytest.mark.parametrize("name", REFERENCES)
def test_reference_formats_give_the_same_events(write, name: str) -> None:
    records = read_dense_references(write(name, REFERENCES[name]))
    events = [tuple((s, e, c.strip()) for s, e, c in record.events) for record in records]
    assert [record.id for record in records] == ["v"]
    assert events == [EVENTS]
    if name != "plain.json":
        assert records[0].duration_seconds == 10.0


@pytest.mark.parametrize("name", PREDICTIONS)
def test_prediction_formats_give_the_same_events(write, name: str) -> None:
    records = read_dense_predictions(write(name, PREDICTIONS[name]))
    assert [(record.id, record.events) for record in records] == [("v", EVENTS)]


def test_our_records_carry_benchmark_system_and_malformed_parts(write) -> None:
    (record,) = read_dense_predictions(write("p.jsonl", PREDICTIONS["predictions.jsonl"]))
    assert (record.benchmark, record.system, record.malformed) == ("b", "s", 2)


def test_youcook2_splits(write) -> None:
    path = write("yc2.json", REFERENCES["youcook2.json"])
    with pytest.raises(InputError, match="video 't': no events"):
        read_dense_references(path, split="all")
    with pytest.raises(InputError, match="no subset 'test'; there are training, validation"):
        read_dense_references(path, split="test")


def test_etbench_answers_are_read_from_text(write) -> None:
    item = {"version": 1.0, "idx": 3, "task": "dvc", "source": "s", "video": "a/v.mp4",
            "duration": 10.0, "tgt": [[1, 5], [6, 9.5]], "g": ["mix flour", "fry it"]}  # fmt: skip
    other = {**item, "task": "rar", "tgt": None}
    references = read_dense_references(write("etbench.json", [item, other]))
    answered = {**item, "a": "1.0 - 5.0 seconds, mix flour. 6.0 - 9.5 seconds, fry it."}
    predictions = read_dense_predictions(write("answers.json", [answered, {**other, "a": "no"}]))
    assert [record.events for record in references] == [EVENTS]
    assert [record.events for record in predictions] == [EVENTS]
    assert references[0].id == predictions[0].id
    silent = read_dense_predictions(write("silent.json", [{**item, "a": "I cannot see it"}]))
    assert (silent[0].events, silent[0].malformed) == ((), 1)


def test_vtimellm_logs_are_hundredths_of_the_video(write) -> None:
    answer = '[{"event": "mix flour", "timestamps": "from 10 to 49"}, {"event": "x"}]'
    line = {"video_id": "v", "task": "captioning", "query_id": 0, "answer": answer}
    path = write(
        "log.jsonl", [line, {"video_id": "v", "task": "grounding", "answer": "from 1 to 2"}]
    )
    (record,) = read_dense_predictions(path, durations={"v": 200.0})
    assert record.events == ((20.0, 100.0, "mix flour"),)
    assert record.malformed == 1
    with pytest.raises(InputError, match=r"log.jsonl, line 1: video 'v' is not in the references"):
        read_dense_predictions(path)


def test_a_log_of_one_line_is_a_log_whatever_it_is_called(write) -> None:
    answer = '[{"event": "mix flour", "timestamps": "from 10 to 49"}]'
    line = {"video_id": "v", "task": "captioning", "query_id": 0, "answer": answer}
    path = write("log.json", line).rename(write("x.json", {}).parent / "run.log")
    (record,) = read_dense_predictions(path, durations={"v": 200.0})
    assert record.events == ((20.0, 100.0, "mix flour"),)


def test_timechat_results_are_read_before_they_are_formatted(write) -> None:
    said = "1.0 - 5.0 seconds, mix flour.  6.0 - 9.5 seconds, fry it."
    items = [
        {"vname": "v", "generated_cap": said, "tasks": "dvc"},
        {"vname": "w", "generated_cap": "I cannot see it"},
    ]
    told, silent = read_dense_predictions(write("youcook2_val_f96_result.json", items))
    assert (told.id, told.events, told.malformed) == ("v", EVENTS, 0)
    assert (silent.id, silent.events, silent.malformed) == ("w", (), 1)


def test_swapped_files_are_told(write) -> None:
    results = write("p.json", {"results": {"v": PAIRS}})
    with pytest.raises(InputError, match=r"it is ActivityNet/SODA results: give REFERENCES first"):
        read_dense_references(results)
    references = write("r.json", REFERENCES["activitynet.json"])
    with pytest.raises(InputError, match=r"it is ActivityNet Captions: give REFERENCES first"):
        read_dense_predictions(references)
    annotations = write("val.json", REFERENCES["timechat.json"])
    with pytest.raises(InputError, match=r"it is TimeChat annotations: give REFERENCES first"):
        read_dense_predictions(annotations)
    ours = write("p.jsonl", PREDICTIONS["predictions.jsonl"])
    with pytest.raises(InputError, match=r"it is predictions.jsonl: give REFERENCES first"):
        read_dense_references(ours)
    questions = {"task": "dvc", "video": "v", "tgt": [[1, 5]], "g": ["mix"], "duration": 9}
    with pytest.raises(InputError, match=r"it is E.T. Bench: give REFERENCES first"):
        read_dense_predictions(write("et.json", [questions]))


def test_references_may_name_their_system(write) -> None:
    line = {"id": "v", "task": "dvc", "system": "human", "events": [[1, 5, "mix"]]}
    path = write("r.jsonl", [line | {"duration_seconds": 9}])
    assert read_dense_references(path)[0].system == "human"


def test_what_holds_no_spans_is_not_told_to_be_of_another_task(write) -> None:
    for content in ({"foo": 1}, {"foo": {"a": 1}}, {"foo": [["1", "5"]], "bar": 1}):
        with pytest.raises(InputError, match="not a format of dense captions") as error:
            read_dense_references(write("x.json", content))
        assert "; it is" not in str(error.value)
    with pytest.raises(InputError, match=r"line 1, video 'v', event 1: an event must be"):
        read_dense_references(write("y.json", {"v": [[[1, 5], "mix"]]}))


def test_files_of_another_task_are_told(write) -> None:
    for spans in ({"q": [[1, 5]]}, {"annotations": [{"image_id": "v", "id": 0, "timestamp": [1]}]}):
        with pytest.raises(InputError, match=r"a file for grounding \(tvg\)"):
            read_dense_references(write("q.json", spans))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"v": [[1, 5, "a"], [2, 3]]}, "video 'v', event 2: an event must be"),
        ({"v": [[1, float("nan"), "a"]]}, "line 1, video 'v', event 1: .*finite, got nan"),
        ({"v": [[1, "5", "a"]]}, "event 1: a time must be a number, got '5'"),
        ({"v": [[1, 5, None]]}, "event 1: a caption must be text"),
        ({"v": [{"timestamp": [1], "caption": "a"}]}, r"event 1: 'timestamp' must be \[start, end"),
        ({"v": [{"timestamp": [1, 2]}]}, "event 1: 'caption' is missing; there are 'timestamp'"),
        ({"v": [{"timestamp": [1, 2], "caption": "a"}, 7]}, "event 2: expected an object"),
        ({"results": {"v": "none"}}, "video 'v': expected a list"),
        ({"v": 7}, "not a format of dense captions that is known"),
        (["v"], "not a format of dense captions that is known"),
        ([], "not a format of dense captions that is known"),
    ],
)
def test_errors_name_file_line_video_and_event(write, content, message: str) -> None:
    path = write("broken.json", content)
    with pytest.raises(InputError, match=message) as error:
        read_dense_predictions(path)
    assert "broken.json" in str(error.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"id": "", "task": "dvc", "events": []}, "line 2: 'id' is missing or empty"),
        ({"id": None, "task": "dvc", "events": []}, "line 2: 'id' is missing or empty"),
        ({"id": "b", "task": "dcv", "events": []}, "line 2, id 'b': 'task' must be one of dvc"),
        ({"id": "b", "task": "dvc", "events": 5}, "line 2, id 'b': 'events' must be a list"),
        ({"id": "b", "task": "dvc"}, "line 2, id 'b': 'events' is missing"),
        ({"id": "b", "task": "dvc", "events": [[1, 2]]}, "line 2, id 'b', event 1"),
        ({"id": "b", "task": "dvc", "events": [], "malformed": -1}, "'malformed' must be a count"),
        ({"id": "a", "task": "dvc", "events": []}, "line 2, id 'a': 'a' was there before, at .*1"),
    ],
)
def test_errors_in_our_lines_name_the_line(write, line, message: str) -> None:
    path = write("p.jsonl", [{"id": "a", "task": "dvc", "events": []}, line])
    with pytest.raises(InputError, match=message):
        read_dense_predictions(path)


def test_references_need_events(write) -> None:
    with pytest.raises(InputError, match="video 'v': no events"):
        read_dense_references(write("r.json", {"v": []}))
    with pytest.raises(InputError, match="holds no dense captions"):
        read_dense_references(write("r.json", {}))


def test_a_sentence_with_an_abbreviation_is_explained(write) -> None:
    broken = {
        "annotations": [
            {"image_id": "v.mp4", "segments": [[1, 5]], "pure_cap": "add a tbsp. of salt"}
        ]
    }
    with pytest.raises(InputError, match=r"line 1, video 'v.mp4': 1 segments but 2 sentences"):
        read_dense_references(write("val.json", broken))


def test_a_duration_must_be_positive(write) -> None:
    broken = {"v": {"duration": 0, "timestamps": [[1, 2]], "sentences": ["a"]}}
    with pytest.raises(InputError, match="video 'v': duration must be positive"):
        read_dense_references(write("a.json", broken))
