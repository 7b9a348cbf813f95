"""Answers with shared prefixes and beams against the plain way: one prompt, whole, every step."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import timetokens as tt
from seqsynth import Corpus, Example, SequenceDataset, SequenceRecipe
from vidllm import constraints, generation
from vidllm.assembly import Assembly
from vidllm.constraints import MAX_CAPTION_TOKENS, MAX_EVENTS, AnswerForm, answer_form
from vidllm.features import FeatureStore
from vidllm.generation import Answer, Question, answers, cached_bytes_per_token

RPT = tt.CODECS["rpt"]


@pytest.fixture
def examples(corpus: Corpus) -> list[Example]:
    """Image and clip sequences of several lengths and numbers of questions."""
    made = []
    for length, turns in ((5, 3), (5, 2), (7, 4)):
        recipe = SequenceRecipe(
            tasks={"iig": 1.0},
            templates="brief",
            num_turns=turns,
            max_targets=1,
            min_images=length,
            max_images=length,
        )
        made.append(SequenceDataset(corpus, recipe, 0)[length])
    recipe = SequenceRecipe(tasks={"tvg": 1.0}, num_frames=12, max_clips=4, num_turns=3)
    return [*made, SequenceDataset(corpus, recipe, 0)[0]]


def asked(
    assembly: Assembly, examples: Sequence[Example], form: AnswerForm | None = None
) -> list[tuple[generation.Prefix, list[Question]]]:
    prompter = assembly.prompter
    return [
        (
            prompter.prefix(example),
            [
                Question(f"{number}.{turn}", prompter.question(t.prompt), 9, form)
                for turn, t in enumerate(example.turns)
            ],
        )
        for number, example in enumerate(examples)
    ]


def shaken(assembly: Assembly) -> Assembly:
    """With LoRA and rows away from their start, so that the model does not repeat one token."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in assembly.model.parameters():
            if parameter.requires_grad:
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.add_(0.3 * noise)
    return assembly


def naive(
    assembly: Assembly, features: FeatureStore, prefix: generation.Prefix, question: Question
) -> tuple[int, ...]:
    """One whole forward pass a token."""
    model, end = assembly.model, assembly.prompter.end_ids[0]
    lead = question.form.lead if question.form else ()
    ids = [*prefix.input_ids, *question.input_ids, *lead]
    written: list[int] = []
    with torch.inference_mode():
        while len(written) < question.max_new_tokens:
            embeds = model.embed(torch.tensor([[*ids, *written]]), features.lookup(prefix.frames))
            scores = model.logits(model.decode(embeds)[:, -1])[0]
            if question.form is not None:
                allowed = question.form.allowed(written)
                banned = question.form.code_ids | {end}
                for id_ in range(len(scores)):
                    if id_ in banned if allowed is None else id_ not in allowed:
                        scores[id_] = -torch.inf
            token = int(scores.argmax())
            if token == end:
                break
            written.append(token)
    return (*lead, *written)


def collect(
    assembly: Assembly,
    features: FeatureStore,
    questions: Sequence[tuple[generation.Prefix, Sequence[Question]]],
    num_beams: int = 1,
) -> dict[str, Answer]:
    end = assembly.prompter.end_ids[0]
    batches = answers(assembly.model.eval(), features, questions, end_id=end, num_beams=num_beams)
    return {answer.key: answer for batch in batches for answer in batch}


@pytest.mark.parametrize("constrained", [False, True])
def test_sharing_a_prefix_changes_no_answer(
    assembly: Assembly, features: FeatureStore, examples: list[Example], constrained: bool
) -> None:
    shaken(assembly)
    form = answer_form(assembly.prompter, RPT, "dvc", templates="brief") if constrained else None
    questions = asked(assembly, examples, form)
    found = collect(assembly, features, questions)
    assert len(found) == 3 + 2 + 4 + 3
    for prefix, group in questions:
        for question in group:
            assert found[question.key].ids == naive(assembly, features, prefix, question)
    assert len({answer.ids for answer in found.values()}) > 3


def log_probability(
    assembly: Assembly,
    features: FeatureStore,
    prefix: generation.Prefix,
    question: Question,
    written: Sequence[int],
) -> float:
    """Of an answer, each token among those that its form allows there."""
    assert question.form is not None
    ids = [*prefix.input_ids, *question.input_ids, *question.form.lead]
    total = 0.0
    with torch.inference_mode():
        embeds = assembly.model.embed(
            torch.tensor([[*ids, *written]]), features.lookup(prefix.frames)
        )
        logits_TK = assembly.model.logits(assembly.model.decode(embeds)[0, len(ids) - 1 : -1])
        for place, token in enumerate(written):
            allowed = question.form.allowed(written[:place])
            assert allowed is not None
            among = logits_TK[place, sorted(allowed)].log_softmax(0)
            total += float(among[sorted(allowed).index(token)])
    return total


@pytest.mark.parametrize("task", ["iig", "tvg"])
def test_beams_find_likelier_places(
    assembly: Assembly, features: FeatureStore, examples: list[Example], task: str
) -> None:
    shaken(assembly)
    form = answer_form(assembly.prompter, RPT, task, templates="brief")
    assert form is not None
    questions = [
        (prefix, [replace(question, max_new_tokens=24) for question in group])
        for prefix, group in asked(assembly, examples, form)
    ]
    greedy, wide = (collect(assembly, features, questions, width) for width in (1, 10))
    gains = []
    for prefix, group in questions:
        for question in group:
            scores = [
                log_probability(
                    assembly, features, prefix, question, found[question.key].ids[len(form.lead) :]
                )
                for found in (greedy, wide)
            ]
            gains.append(scores[1] - scores[0])
            assert wide[question.key].is_complete
    assert min(gains) > -1e-4
    assert max(gains) > 0.01
    if task == "iig":  # ten beams see all first and second digits: compare with every place
        prefix, (question, *_) = questions[0]
        every = [assembly.prompter.ids(tt.encode(k, 100)) for k in range(1, 101)]
        best = max(log_probability(assembly, features, prefix, question, ids) for ids in every)
        found = wide[question.key].ids[len(form.lead) :]
        assert log_probability(assembly, features, prefix, question, found) >= best - 1e-4


@pytest.mark.parametrize("num_beams", [1, 4])
def test_small_batches_give_the_same(
    assembly: Assembly,
    features: FeatureStore,
    examples: list[Example],
    monkeypatch: pytest.MonkeyPatch,
    num_beams: int,
) -> None:
    shaken(assembly)
    forms = [
        answer_form(assembly.prompter, RPT, task, templates="brief")
        for task in ("tvg", "dvc", "iic")
    ]
    questions = [  # of several forms, so that rows have several widths and end at several steps
        (prefix, [replace(q, form=form) for q, form in zip(group, cycle(forms), strict=False)])
        for prefix, group in asked(assembly, examples)
    ]
    together = collect(assembly, features, questions, num_beams)
    monkeypatch.setattr(generation, "CPU_CACHE_BYTES", 1)
    assert collect(assembly, features, questions, num_beams) == together


def test_batches_are_as_large_as_keys_and_values_allow(
    assembly: Assembly,
    features: FeatureStore,
    examples: list[Example],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = assembly.model
    begin = model.begin
    caches = []

    def kept(*args: object) -> tuple[object, torch.Tensor]:
        caches.append(begin(*args))
        return caches[-1]

    monkeypatch.setattr(model, "begin", kept)
    questions = asked(assembly, examples[:2])  # of one length
    collect(assembly, features, questions)
    assert len(caches) == 1
    layers = caches[0][0].layers
    num_tokens = sum(
        (len(prefix.input_ids) + max(len(q.input_ids) + q.max_new_tokens for q in group))
        * len(group)
        for prefix, group in questions
    )
    per_token = cached_bytes_per_token(model.llm)
    for batches, spare in ((1, 0), (2, -1)):
        caches.clear()
        monkeypatch.setattr(generation, "CPU_CACHE_BYTES", num_tokens * per_token + spare)
        collect(assembly, features, questions)
        assert len(caches) == batches
    keys = layers[0].keys
    assert per_token == 2 * len(layers) * keys.shape[1] * keys.shape[3] * keys.element_size()


def test_a_token_of_known_models_takes_known_bytes() -> None:
    def bytes_of(dtype: torch.dtype, **sizes: int) -> int:
        with torch.device("meta"):
            return cached_bytes_per_token(LlamaForCausalLM(LlamaConfig(**sizes)).to(dtype))

    smollm2 = {
        "hidden_size": 576,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
    }
    assert bytes_of(torch.float32, **smollm2) == 46_080
    assert generation.CPU_CACHE_BYTES // 46_080 == 32_768
    llama = {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
    assert bytes_of(torch.bfloat16, **llama, intermediate_size=16, vocab_size=8) == 2**19


def test_the_prefix_is_computed_once_for_all_its_questions(
    assembly: Assembly,
    features: FeatureStore,
    examples: list[Example],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []
    embed = assembly.model.embed

    def counting(ids: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        seen.append(len(frames))
        return embed(ids, frames)

    monkeypatch.setattr(assembly.model, "embed", counting)
    collect(assembly, features, asked(assembly, examples))
    assert sum(seen) == sum(len(example.frames) for example in examples)


@pytest.fixture
def forms(assembly: Assembly) -> dict[str, AnswerForm]:
    made = {}
    for task in ("iig", "tvg", "dvc"):
        form = answer_form(assembly.prompter, RPT, task, templates="paper")
        assert form is not None
        made[task] = form
    return made


def text_ids(assembly: Assembly, text: str) -> list[int]:
    return list(assembly.prompter.answer_ids(text))


def follows(form: AnswerForm, ids: Sequence[int]) -> bool:
    """Whether the form allows to write exactly these tokens and then to end."""
    for place, id_ in enumerate([*ids, form.end]):
        allowed = form.allowed(ids[:place])
        if allowed is None:
            if id_ in form.code_ids or id_ == form.end:
                return False
        elif id_ not in allowed:
            return False
    return True


@pytest.mark.parametrize(
    ("task", "text", "is_allowed"),
    [
        ("iig", "<0><7><2><9>", True),
        ("iig", "<0><7><2>", False),
        ("iig", "<0><7><2><9><0>", False),
        ("iig", "7", False),
        ("tvg", "<0><7><2><9> - <1><0><0><0>", True),
        ("tvg", "<0><7><2><9><1><0><0><0>", False),
        ("tvg", "<0><7><2><9>", False),
        ("dvc", "<0><0><0><0> - <1><0><0><0>, a cat.", True),
        ("dvc", "<0><0><0><0> - <1><0><0><0>, a cat. <1><0><0><0> - <9><9><9><9>, a dog.", True),
        ("dvc", "<0><0><0><0> - <1><0><0><0>, a cat", False),
        ("dvc", "a cat.", False),
        ("dvc", "<0><0><0><0> - <1><0><0><0>, a <1> cat.", False),
    ],
)
def test_forms_allow_readable_answers_and_no_others(
    assembly: Assembly, forms: dict[str, AnswerForm], task: str, text: str, is_allowed: bool
) -> None:
    assert follows(forms[task], text_ids(assembly, text)) is is_allowed


def test_training_answers_follow_their_forms(
    assembly: Assembly, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constraints, "MAX_CAPTION_TOKENS", 100)  # a token is a letter here
    prompter = assembly.prompter
    for task in ("tvg", "dvc"):
        recipe = SequenceRecipe(tasks={task: 1.0}, templates="brief", num_frames=24, max_clips=5)
        form = answer_form(prompter, RPT, task, templates="brief")
        assert form is not None
        for index in range(20):
            example = SequenceDataset(corpus, recipe, 0)[index]
            assert follows(form, prompter.answer_ids(example.turns[0].answer))


def test_captions_and_events_have_a_limit(assembly: Assembly, forms: dict[str, AnswerForm]) -> None:
    form = forms["dvc"]
    event = text_ids(assembly, "<0><0><0><0> - <1><0><0><0>, a cat.")
    assert form.allowed(event[:-1] + text_ids(assembly, "x" * 40)) == form.sentence_end
    joined = event * MAX_EVENTS
    assert form.allowed(joined) == {form.end}
    assert form.allowed(joined[: -len(event)]) != {form.end}
    assert MAX_CAPTION_TOKENS < 40


def test_an_answer_begins_as_in_the_wording(
    assembly: Assembly, forms: dict[str, AnswerForm]
) -> None:
    assert forms["iig"].lead == assembly.prompter.ids(" The image index is")
    assert forms["tvg"].lead == assembly.prompter.ids(" The given query happens in")
    assert forms["dvc"].lead == ()


def test_nothing_is_imposed_on_codes_that_are_plain_text(assembly: Assembly) -> None:
    assert answer_form(assembly.prompter, tt.CODECS["seconds"], "iig", templates="paper") is None
    assert answer_form(assembly.prompter, RPT, "iic", templates="paper") is None


def test_answers_are_cut_at_their_limit(
    assembly: Assembly, features: FeatureStore, examples: list[Example]
) -> None:
    ((prefix, group),) = asked(assembly, examples[:1])
    short = [replace(question, max_new_tokens=2) for question in group]
    for answer in collect(assembly, features, [(prefix, short)]).values():
        assert len(answer.ids) + answer.is_complete <= 2
