import hashlib
import re
from pathlib import Path

import pytest

from seqsynth.templates import BUNDLED, Templates, fill, list_captions, load_templates


def all_texts(templates: Templates) -> list[str]:
    texts = [templates.iig_item, templates.iig_closing]
    for name in templates.__slots__:
        wording = getattr(templates, name)
        if hasattr(wording, "questions"):
            texts += [*wording.questions, *wording.answers]
    return texts


def test_the_paper_has_as_many_templates_as_its_figures_print() -> None:
    paper = load_templates("paper")
    counts = {
        "figure 6": (len(paper.iig_single.questions), len(paper.iig_single.answers)),
        "figure 7": (len(paper.iig_multiple.questions), len(paper.iig_multiple.answers)),
        "figure 8": (len(paper.iic_single.questions), len(paper.iic_single.answers)),
        "figure 9": (len(paper.iic_multiple.questions), len(paper.iic_multiple.answers)),
        "figure 10": (
            len(paper.alr_before.questions) + len(paper.alr_after.questions),
            len(paper.alr_before.answers),
        ),
    }
    assert counts == {
        "figure 6": (10, 10),
        "figure 7": (10, 10),
        "figure 8": (10, 10),
        "figure 9": (9, 10),
        "figure 10": (20, 10),
    }


@pytest.mark.parametrize("name", BUNDLED)
def test_no_text_is_damaged_or_said_twice(name: str) -> None:
    templates = load_templates(name)
    for text in all_texts(templates):
        without_placeholders = re.sub(r"\{[a-z]+\}", "", text)
        assert re.fullmatch(r"[A-Za-z ,.:;?'-]*", without_placeholders), text
    for kind in ("iig_single", "iic_single", "iic_multiple", "alr_before", "alr_after", "tvg"):
        wording = getattr(templates, kind)
        assert len(set(wording.questions)) == len(wording.questions)
        assert len(set(wording.answers)) == len(wording.answers)


def test_questions_about_a_neighbour_say_its_side() -> None:
    paper = load_templates("paper")
    assert all("before" in text and "after" not in text for text in paper.alr_before.questions)
    assert all("after" in text and "before" not in text for text in paper.alr_after.questions)
    assert [text.replace("before", "after") for text in paper.alr_before.questions] == list(
        paper.alr_after.questions
    )


@pytest.mark.parametrize(
    ("template", "caption", "expected"),
    [
        ("It shows {caption}.", "a cat.", "It shows a cat."),
        ("Which is {caption}? Say.", "A cat. It sleeps.", "Which is A cat. It sleeps? Say."),
        ("It shows {caption}.", "a cat...", "It shows a cat...."),
        ("It shows {caption} here", "a cat.", "It shows a cat. here"),
        ("It shows {caption}.", "{braces} {0}", "It shows {braces} {0}."),
    ],
)
def test_fill_leaves_one_full_stop(template: str, caption: str, expected: str) -> None:
    assert fill(template, caption=caption) == expected


def test_captions_are_listed_as_the_paper_lists_them() -> None:
    listed = list_captions("the {ordinal} caption is {caption}", ["a", "b.", "c", "d"])
    assert listed == (
        "The 1st caption is a; the 2nd caption is b; the 3rd caption is c; the 4th caption is d."
    )
    eleventh = list_captions("the {ordinal} is {caption}", ["x"] * 22).split("; ")
    assert [eleventh[k] for k in (10, 11, 12, 20)] == [
        "the 11th is x", "the 12th is x", "the 13th is x", "the 21st is x",
    ]  # fmt: skip


def test_a_file_of_the_users_own_replaces_the_wording(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    source = Path(__file__).parents[1] / "src/seqsynth/templates/brief.toml"
    path.write_text(source.read_text().replace("Where is {caption}?", "Wo ist {caption}?"))
    own = load_templates(path)
    assert own == load_templates(str(path))
    assert own.iig_single.questions == ("Wo ist {caption}?",)
    assert own.digest_text != load_templates("brief").digest_text


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('answers = ["{index}"]', "", r"own\.toml: iig\.single\.answers is missing"),
        ('["{index}"]', "[]", r"iig\.single\.answers must be a list of at least one text"),
        ("Where is {caption}?", "Where?", r"iig\.single\.questions: 'Where\?' must have {caption}"),
        ("Where is {caption}?", "{caption} {x}", "must have {caption} exactly once"),
        ("Where is {caption}?", "Where {", "iig.single.questions"),
        ("Where is {caption}?", "{caption:d}?", "between the braces of a placeholder is its name"),
        ("Where is {caption}?", "{caption!r}?", "between the braces of a placeholder is its name"),
        ("[iig.single]", "[iig.single", r"own\.toml: "),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, old: str, new: str, reason: str) -> None:
    source = Path(__file__).parents[1] / "src/seqsynth/templates/brief.toml"
    text = source.read_text()
    assert old in text
    path = tmp_path / "own.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=reason):
        load_templates(str(path))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'papr': none of brief, pairs, paper, nor a file"):
        load_templates("papr")


def test_the_wording_is_that_of_the_paper() -> None:
    """The words of all 109 texts, sorted; they were compared with the text of Figures 6 to 10.

    Punctuation and placeholders are left out: the typesetting of the paper damaged them.
    """
    paper = load_templates("paper")
    kinds = (
        paper.iig_single,
        paper.iig_multiple,
        paper.iic_single,
        paper.iic_multiple,
        paper.alr_before,
    )
    texts = [text for kind in kinds for text in (*kind.questions, *kind.answers)]
    texts += paper.alr_after.questions  # with the answers of alr_before
    words = sorted(
        " ".join(re.findall("[a-z]+", re.sub(r"\{[a-z]+\}", " ", text).lower())) for text in texts
    )
    assert len(words) == 109
    digest = hashlib.sha256("\n".join(words).encode()).hexdigest()
    assert digest == "7dfc50f0ab9b252d7405e86be039cc56c497cebb12455b84f568b355c4f9a453"
