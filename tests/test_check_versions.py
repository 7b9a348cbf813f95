"""The version check finds each way in which the distributions can disagree."""

from pathlib import Path

import pytest

import check_versions

FOLDERS = ("packages/leaf", "packages/user", "native")


def write_project(root: Path, folder: str, name: str, version: str, body: str = "") -> None:
    home = root / folder
    home.mkdir(parents=True, exist_ok=True)
    (home / "pyproject.toml").write_text(
        f'[project]\nname = "{name}"\nversion = "{version}"\nlicense = "Apache-2.0"\n'
        f'requires-python = ">=3.11"\n{body}'
    )
    (home / "CHANGELOG.md").write_text(
        f"# Changelog\n\n## [{version}] - 2026-01-01\n\n## [0.0.1]\n"
    )
    (home / "LICENSE").write_text("licence\n")
    (home / "py.typed").touch()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(check_versions, "ROOT", tmp_path)
    monkeypatch.setattr(check_versions, "FOLDERS", FOLDERS)
    monkeypatch.setattr("sys.argv", ["check_versions.py"])
    (tmp_path / "LICENSE").write_text("licence\n")
    (tmp_path / "constraints.txt").write_text("# pins\nnumpy==2.4.6\n")
    write_project(tmp_path, "packages/leaf", "seq2time-leaf", "0.3.1")
    write_project(tmp_path, "native", "seq2time-native", "2")
    write_user(tmp_path)
    return tmp_path


def write_user(
    root: Path, leaf: str = ">=0.3,<0.4", native: str = "==2", numpy: str = ">=1.26"
) -> None:
    body = f'dependencies = ["seq2time-leaf{leaf}", "numpy{numpy}"]\n'
    body += f'[project.optional-dependencies]\nnative = ["seq2time-native{native}"]\n'
    write_project(root, "packages/user", "seq2time-user", "0.1.0", body)


def test_a_consistent_checkout_passes(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_versions.main() == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"leaf": ">=0.4,<0.5"}, "refuses 0.3.1, which is checked in"),
        ({"leaf": ">=0.3"}, "needs an upper bound"),
        ({"native": ">=2"}, "must be pinned to ==2 exactly"),
        ({"native": "==1"}, "must be pinned to ==2 exactly"),
        ({"numpy": ">=3"}, "refuses the pin numpy==2.4.6"),
    ],
)
def test_requirements_that_do_not_fit_are_named(
    checkout: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, str], complaint: str
) -> None:
    write_user(checkout, **changes)
    assert check_versions.main() == 1
    output = capsys.readouterr().out
    assert output.startswith("user: ")
    assert complaint in output
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        ("packages/leaf/CHANGELOG.md", "# Changelog\n", "the changelog's newest is none"),
        ("packages/leaf/CHANGELOG.md", "## 0.3.0\n\n## 0.3.1\n", "newest is 0.3.0"),
        ("packages/leaf/LICENSE", "another\n", "LICENSE must be a copy"),
        ("constraints.txt", "", "numpy has no pin"),
    ],
)
def test_files_that_do_not_fit_are_named(
    checkout: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    content: str,
    complaint: str,
) -> None:
    (checkout / file).write_text(content)
    assert check_versions.main() == 1
    assert complaint in capsys.readouterr().out


@pytest.mark.parametrize(
    ("tag", "status"),
    [("leaf-v0.3.1", 0), ("native-v2", 0), ("leaf-v0.3.0", 1), ("other-v1", 1), ("v0.3.1", 1)],
)
def test_a_release_tag_has_to_name_what_is_checked_in(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, tag: str, status: int
) -> None:
    monkeypatch.setattr("sys.argv", ["check_versions.py", "--tag", tag])
    assert check_versions.main() == status
