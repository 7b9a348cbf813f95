import pytest

from vidmetrics.errors import InputError
from vidmetrics.jobs import make_jobs
from vidmetrics.readers.records import Record


def record(name: str, benchmark: str = "", system: str = "", malformed: int = 0) -> Record:
    return Record(
        id=name, place=lambda: "file", benchmark=benchmark, system=system, malformed=malformed
    )


def test_files_without_names_make_one_job() -> None:
    (job,) = make_jobs([[record("a"), record("b")]], [record("a")])
    assert (job.benchmark, job.system) == ("", "")
    assert list(job.predictions) == ["a"]


def test_every_benchmark_and_system_is_scored_by_default() -> None:
    references = [record("a", "x"), record("a", "y")]
    predictions = [record("a", b, s) for b in "xy" for s in ("trained", "chance")]
    jobs = make_jobs([references], predictions)
    assert [(job.benchmark, job.system) for job in jobs] == [
        ("x", "trained"),
        ("x", "chance"),
        ("y", "trained"),
        ("y", "chance"),
    ]


def test_names_select() -> None:
    references = [record("a", "x"), record("a", "y")]
    predictions = [record("a", b, s) for b in "xy" for s in ("trained", "chance")]
    (job,) = make_jobs([references], predictions, benchmarks=["y"], systems=["chance"])
    assert (job.benchmark, job.system) == ("y", "chance")
    with pytest.raises(InputError, match="no benchmark 'z'; there are 'x', 'y'"):
        make_jobs([references], predictions, benchmarks=["z"])
    with pytest.raises(InputError, match="no system 'best'; there are 'trained', 'chance'"):
        make_jobs([references], predictions, systems=["best"])


def test_a_system_without_predictions_for_a_benchmark_is_left_out_and_told() -> None:
    references = [record("a", "x"), record("a", "y")]
    predictions = [record("a", "x", "s"), record("a", "x", "t"), record("a", "y", "t")]
    jobs = make_jobs([references], predictions)
    assert [(job.benchmark, job.system) for job in jobs] == [("x", "s"), ("x", "t"), ("y", "t")]
    assert jobs[0].notes == ["s has no predictions for y"]


def test_predictions_of_something_else_are_an_error_with_examples() -> None:
    with pytest.raises(InputError, match=r"no prediction belongs .*'other'.*'a'"):
        make_jobs([[record("a")]], [record("other")])


def test_no_predictions_at_all_are_a_score_of_nothing() -> None:
    (job,) = make_jobs([[record("a")]], [])
    assert job.predictions == {}


def test_file_names_match_without_folder_and_extension_and_say_so() -> None:
    (job,) = make_jobs([[record("abc"), record("def")]], [record("videos/abc.mp4")])
    assert list(job.predictions) == ["abc"]
    assert job.notes == ["names matched without folder and file extension"]


def test_names_that_become_equal_are_not_guessed() -> None:
    with pytest.raises(InputError, match="no prediction belongs"):
        make_jobs([[record("abc")]], [record("x/abc.mp4"), record("y/abc.mp4")])


def test_malformed_parts_are_summed() -> None:
    (job,) = make_jobs(
        [[record("a"), record("b")]], [record("a", malformed=2), record("b", malformed=1)]
    )
    assert job.malformed == 3


def test_benchmarks_that_only_the_predictions_name_must_not_mix() -> None:
    predictions = [record("a", "x"), record("a", "y")]
    with pytest.raises(InputError, match=r"'a' stands in several benchmarks \('x', 'y'\)"):
        make_jobs([[record("a")]], predictions)
