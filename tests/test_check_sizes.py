"""The size check counts what a reader has to read."""

import ast

import pytest

import check_sizes


def function_of(code: str) -> ast.FunctionDef:
    function = ast.parse(code).body[0]
    assert isinstance(function, ast.FunctionDef)
    return function


def test_a_docstring_does_not_count() -> None:
    code = 'def f():\n    """One.\n\n    Two.\n    """\n    # why\n\n    return 1\n'
    assert check_sizes.num_code_lines(function_of(code)) == 4
    assert check_sizes.num_code_lines(function_of("def f():\n    return 1\n")) == 2


@pytest.mark.parametrize(("num_lines", "num_complaints"), [(60, 0), (61, 1)])
def test_long_functions_are_named(
    tmp_path, monkeypatch: pytest.MonkeyPatch, num_lines: int, num_complaints: int
) -> None:
    monkeypatch.setattr(check_sizes, "ROOT", tmp_path)
    path = tmp_path / "long.py"
    path.write_text("x = 1\n\n\nclass A:\n    def f():\n" + "        x = 1\n" * (num_lines - 1))
    found = list(check_sizes.complaints(path))
    assert len(found) == num_complaints
    assert all(text.startswith("long.py:5: f has 61 lines") for text in found)


@pytest.mark.parametrize(("num_lines", "num_complaints"), [(600, 0), (601, 1)])
def test_long_files_are_named(
    tmp_path, monkeypatch: pytest.MonkeyPatch, num_lines: int, num_complaints: int
) -> None:
    monkeypatch.setattr(check_sizes, "ROOT", tmp_path)
    path = tmp_path / "kernel.cpp"
    path.write_text("int x;\n" * num_lines)
    assert len(list(check_sizes.complaints(path))) == num_complaints


def test_sources_are_found_and_build_folders_are_not(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_sizes, "ROOT", tmp_path)
    kept = ["noxfile.py", "packages/a/src/a/b.py", "native/src/cpu/k.cpp", "examples/e.py"]
    left = ["native/build/k.cpp", "packages/a/.venv/x.py", "packages/a/README.md", "docs/x.py"]
    for name in kept + left:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = {str(path.relative_to(tmp_path)) for path in check_sizes.source_files()}
    assert found == set(kept)
