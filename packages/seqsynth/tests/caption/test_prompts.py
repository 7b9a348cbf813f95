from pathlib import Path

import pytest

from seqsynth.caption.prompts import bundled_prompts, load_prompt


def test_both_prompts_name_the_label_and_do_without_one() -> None:
    prompts = bundled_prompts()
    assert list(prompts) == ["longva_blind", "factual"]
    for prompt in prompts.values():
        assert '"juggling {balls}"' in prompt.about("juggling {balls}")
        assert "action in it" not in prompt.about("")
        assert "\n" not in prompt.about("a")
    assert "blind" in prompts["longva_blind"].about("a")
    assert len({prompt.sha256 for prompt in prompts.values()}) == 2


def test_a_file_replaces_them(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[short]\ntext = "What is {label}?"\ntext_without_label = "What is it?"\n')
    assert load_prompt(str(path)).about("x") == "What is x?"
    path.write_text(path.read_text() + '[other]\ntext = "{label}!"\ntext_without_label = "!"\n')
    assert load_prompt(f"{path}:other").about("x") == "x!"
    with pytest.raises(ValueError, match=r"several prompts \(short, other\): write .*:NAME"):
        load_prompt(str(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[a]\ntext = "no place"\ntext_without_label = "b"\n', "must hold {label}"),
        ('[a]\ntext = "{label} {x}"\ntext_without_label = "b"\n', "no other placeholder"),
        ('[a]\ntext = "{label}"\ntext_without_label = "{label}"\n', "must hold no placeholder"),
        ('[a]\ntext = "{label} {}"\ntext_without_label = "b"\n', "no other placeholder"),
        ('[a]\ntext = "{label:{w}}"\ntext_without_label = "b"\n', "no other placeholder"),
        ('[a]\ntext = "{label"\ntext_without_label = "b"\n', "text: "),
        ('[a]\ntext = "{label}"\n', "text and text_without_label"),
        ('[a]\ntext = 3\ntext_without_label = "b"\n', "must be texts"),
        ("[a", "mine.toml: "),
    ],
)
def test_a_file_that_is_not_of_its_form_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"mine\.toml") as caught:
        load_prompt(str(path))
    assert message in str(caught.value)


def test_unknown_names_and_absent_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="did you mean factual"):
        load_prompt("factal")
    with pytest.raises(ValueError, match="No such file"):
        load_prompt(str(tmp_path / "gone.toml"))
