import pytest

from vidmetrics.errors import InputError
from vidmetrics.readers import read_answers, read_clip_scores, read_queries, read_saliency

QUERY = {"qid": 7, "query": "A dog jumps", "vid": "abc_60.0_210.0"}


def spans(records) -> dict[str, tuple]:
    return {record.id: record.spans for record in records}


def test_charades(write) -> None:
    text = (
        "AO8RW 0.0 6.9##a person is putting a book on a shelf.\n\nBC1 2.5 9##a dog runs ## away\n"
    )
    records = read_queries(write("charades_sta_test.txt", text))
    assert spans(records) == {"0": ((0.0, 6.9),), "1": ((2.5, 9.0),)}
    assert (records[1].video, records[1].query) == ("BC1", "a dog runs ## away")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("BC1 2.5##no end", "line 2: expected 'VIDEO START END##SENTENCE'"),
        ("BC1 2.5 nine##words", "line 2: '2.5' and 'nine' must be numbers"),
        ("BC1 2.5 nan##words", "line 2, video 'BC1', span 1: .*finite"),
    ],
)
def test_a_broken_charades_line_is_named(write, line: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_queries(write("c.txt", f"AO8RW 0.0 6.9##a person.\n{line}\n"))


def test_timechat(write) -> None:
    queries = {
        "annotations": [{"image_id": "v.mp4", "caption": "a", "timestamp": [24.3, 30.4], "id": 0}]
    }
    answers = {
        "0": {"timestamp": [[20.8, 30.0]], "query": "a", "vid": "v.mp4"},
        "1": {"timestamp": [], "query": "b", "vid": "v.mp4"},
    }
    assert spans(read_queries(write("q.json", queries))) == {"0": ((24.3, 30.4),)}
    assert spans(read_answers(write("a.json", answers))) == {"0": ((20.8, 30.0),), "1": ()}


def test_qvhighlights(write) -> None:
    line = {**QUERY, "duration": 150, "relevant_windows": [[26, 40], [50, 60]],
            "relevant_clip_ids": [13, 14], "saliency_scores": [[4, 3, 4], [2, 3, 3]]}  # fmt: skip
    (record,) = read_queries(write("val.jsonl", [line]))
    assert (record.id, record.spans) == ("7", ((26.0, 40.0), (50.0, 60.0)))
    submission = {**QUERY, "pred_relevant_windows": [[20, 40, 0.9], [1, 2, 0.1]],
                  "pred_saliency_scores": [0.1, 0.2]}  # fmt: skip
    for name, content in (("s.jsonl", [submission]), ("s.json", [submission])):
        (answer,) = read_answers(write(name, content))
        assert answer.spans == ((20.0, 40.0, 0.9), (1.0, 2.0, 0.1))
        assert read_clip_scores(write(name, content)) == ({"7": [0.1, 0.2]}, 0)
    saliency = read_saliency(write("val.jsonl", [line]))["7"]
    assert saliency.matrix().sum() == 19.0


def test_activitynet_sentences_are_queries_and_vtimellm_answers_them(write) -> None:
    video = {"duration": 50.0, "timestamps": [[1, 2], [3, 4]], "sentences": [" A man. ", "B"]}
    queries = read_queries(write("val_1.json", {"v_x": video}))
    assert [(q.id, q.query) for q in queries] == [("v_x>>>0", "A man."), ("v_x>>>1", "B")]
    log = [
        {"video_id": "v_x", "task": "grounding", "query_id": 0, "answer": "From 10 to 20.",
         "info": {"sentence_id": 0, "iou": 0.1}},
        {"video_id": "v_x", "task": "grounding", "query_id": 0, "answer": "never",
         "info": {"sentence_id": 1, "iou": 0}},
        {"video_id": "v_x", "task": "captioning", "query_id": 0, "answer": "[]"},
    ]  # fmt: skip
    answers = read_answers(write("log.jsonl", log), queries=queries)
    assert spans(answers) == {"v_x>>>0": ((5.0, 10.0),), "v_x>>>1": ()}
    assert [answer.malformed for answer in answers] == [0, 1]
    with pytest.raises(InputError, match=r"line 1: query 'v_x>>>0' is not in the references"):
        read_answers(write("log.jsonl", log))


def test_timechat_results_are_read_before_they_are_formatted(write) -> None:
    items = [
        {"id": 3, "vname": "v", "query": "x", "generated_cap": "It happens in 1.0 - 2.5 seconds."},
        {"id": 4, "vname": "v", "query": "y", "generated_cap": "never"},
    ]
    answers = read_answers(write("charades_test_f96_result.json", items))
    assert spans(answers) == {"3": ((1.0, 2.5),), "4": ()}
    assert [answer.malformed for answer in answers] == [0, 1]


def test_results_of_dense_captions_are_no_answers(write) -> None:
    path = write("p.json", {"version": "1", "results": {"v": []}})
    with pytest.raises(InputError, match="not a format of grounding that is known"):
        read_answers(path)


@pytest.mark.parametrize(
    "content",
    [
        {"v": [{"timestamp": [1, 5], "caption": "a"}]},
        {"v": [[1, 5, "a"]]},
        {"annotations": [{"image_id": "v", "segments": [[1, 5]], "pure_cap": "a"}]},
    ],
)
def test_files_of_dense_captions_are_told(write, content) -> None:
    for read in (read_queries, read_answers):
        with pytest.raises(InputError, match=r"a file for dense captions \(dvc\)"):
            read(write("p.json", content))


@pytest.mark.parametrize(
    ("read", "content", "message"),
    [
        (read_queries, {"model": {"a": 1}}, "line 1, query 'model': expected a list of spans, got"),
        (
            read_answers,
            {"q": [[1, 5, "0.9"]]},
            "line 1, query 'q', span 1: a score must be a number, got '0.9'",
        ),
        (read_answers, {"q": [{"start": 1, "end": 5}]}, "line 1, query 'q', span 1: "),
    ],
)
def test_what_is_no_dense_caption_is_told_by_line_and_query(write, read, content, message) -> None:
    with pytest.raises(InputError, match=message):
        read(write("p.json", content))


def test_no_task_is_named_for_what_holds_nothing(write) -> None:
    with pytest.raises(InputError, match="not a format of grounding") as error:
        read_answers(write("p.json", {"results": []}))
    assert "; it is" not in str(error.value)


def test_swapped_answers_are_told(write) -> None:
    with pytest.raises(InputError, match=r"TimeLens or .*: give REFERENCES first"):
        read_queries(write("a.json", {"0": {"timestamp": [[0, 6]], "query": "a"}}))
    with pytest.raises(InputError, match=r"it is predictions.jsonl: give REFERENCES first"):
        read_queries(write("p.jsonl", [{"id": "q", "task": "tvg", "system": "s", "events": []}]))


def test_built_examples_are_references_of_what_is_predicted_on_them(write) -> None:
    def example(name: str, task: str, targets: list) -> dict:
        turns = [{"prompt": "?", "answer": "!"}] * len(targets)
        return {"id": name, "task": task, "turns": turns, "targets": targets,
                "duration_seconds": 8.0}  # fmt: skip

    examples = [
        example("iig-ab-0", "iig", [[[0.25, 0.375, "a"]], [[0.5, 0.625, "b"], [0, 0.125, "c"]]]),
        example("alr-ab-1", "alr", [[[0.0, 0.125, "d"]]]),
    ]
    queries = read_queries(write("examples.jsonl", examples))
    assert spans(queries) == {"iig-ab-0.0": ((2.0, 3.0),), "iig-ab-0.1": ((4.0, 5.0), (0.0, 1.0))}
    assert {query.benchmark for query in queries} == {"iig-ab"}
    one = {"task": "iig", "benchmark": "iig-ab", "events": [[2.0, 3.0, ""]]}
    lines = [{"id": "iig-ab-0.0", **one}, {"id": "alr-ab-1.0", **one, "task": "alr"}]
    assert spans(read_answers(write("p.jsonl", lines))) == {"iig-ab-0.0": ((2.0, 3.0),)}
    broken = {**examples[0], "targets": [[[0.25, "x", "a"]]]}
    with pytest.raises(InputError, match="line 1, id 'iig-ab-0', event 1"):
        read_queries(write("examples.jsonl", [broken]))
    nameless = {**examples[1], "id": None}
    with pytest.raises(InputError, match="line 2: 'id' is missing or empty"):
        read_queries(write("examples.jsonl", [examples[0], nameless]))


def test_timelens_keys_find_the_query_by_its_sentence(write) -> None:
    queries = read_queries(write("c.txt", "AO8RW 0.0 6.9##a person reads.\n"))
    answers = {"AO8RW>>>a person reads.>>>[0.0, 6.9]": {"timestamps": [[1, 5]], "answers": "..."}}
    assert spans(read_answers(write("t.json", answers), queries=queries)) == {"0": ((1.0, 5.0),)}


def test_etbench(write) -> None:
    item = {"version": 1.0, "idx": 5, "task": "tvg", "video": "q/v.mp4", "duration": 35.0,
            "tgt": [[15.0, 31.0]], "q": "When?"}  # fmt: skip
    assert spans(read_queries(write("e.json", [item]))) == {"tvg/5": ((15.0, 31.0),)}
    answers = [
        {**item, "a": "The event happens in 15.2 - 30 seconds."},
        {**item, "idx": 6, "a": "?"},
    ]
    records = read_answers(write("a.json", answers))
    assert spans(records) == {"tvg/5": ((15.2, 30.0),), "tvg/6": ()}
    assert [record.malformed for record in records] == [0, 1]


def test_our_lines_hold_grounding_of_items_and_of_time(write) -> None:
    lines = [
        {"id": "a", "task": "iig", "benchmark": "b", "events": [[0, 1, ""]]},
        {"id": "b", "task": "tvg", "benchmark": "b", "events": [[2, 3, ""]]},
        {"id": "c", "task": "dvc", "benchmark": "b", "events": [[2, 3, "x"]]},
    ]
    assert set(spans(read_queries(write("r.jsonl", lines)))) == {"a", "b"}


@pytest.mark.parametrize(
    "content",
    [{"q": [[1, 5]]}, {"q": [1, 5]}, {"q": {"timestamp": [1, 5]}}, {"q": {"timestamps": [[1, 5]]}}],
)
def test_plain_answers(write, content) -> None:
    assert spans(read_answers(write("a.json", content))) == {"q": ((1.0, 5.0),)}


def test_no_answer_may_be_null(write) -> None:
    content = {"q": None, "r": {"timestamp": None}}
    assert spans(read_answers(write("a.json", content))) == {"q": (), "r": ()}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"q": [[1, 5], [2]]}, "query 'q', span 2: a span must be"),
        ({"q": [[1, float("inf")]]}, "line 1, query 'q', span 1: .*finite"),
        ({"q": {"timestamp": "1-5"}}, "'timestamp' must be a list"),
        ({"q": {"answer": "1-5"}}, "'timestamp' is missing; there are 'answer'"),
        ({"q": "1-5"}, "expected a list of spans"),
        ([1, 2], "not a format of grounding that is known"),
    ],
)
def test_errors_name_file_and_query(write, content, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        read_answers(write("broken.json", content))
    assert "broken.json" in str(error.value)


def test_queries_need_a_window(write) -> None:
    with pytest.raises(InputError, match="query 'q': no window"):
        read_queries(write("q.json", {"q": []}))
    with pytest.raises(InputError, match="holds no queries"):
        read_queries(write("q.json", {}))


def test_ratings_that_do_not_fit_are_named(write) -> None:
    line = {**QUERY, "duration": 4, "relevant_clip_ids": [9], "saliency_scores": [[4, 4, 4]]}
    with pytest.raises(InputError, match=r"val.jsonl, line 1, query '7': clip 9 lies outside"):
        read_saliency(write("val.jsonl", [line]))
    with pytest.raises(InputError, match="'pred_saliency_scores' is missing"):
        read_clip_scores(write("p.jsonl", [QUERY]))
    with pytest.raises(InputError, match="'7' was there before"):
        read_saliency(write("val.jsonl", [{**line, "relevant_clip_ids": [0]}] * 2))
