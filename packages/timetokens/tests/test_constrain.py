"""Constrained decoding: every answer a model can still give is well-formed."""

import random

import pytest

import timetokens as tt
from timetokens.constrain import CodeGrammar, TimeTokenProcessor, allowed_next, time_token_processor

DIGITS = tuple(range(10))
DASH, WORD, STOP = 10, 11, 12
VOCABULARY = 13
RPT = CodeGrammar(slots=(DIGITS,) * 4, separator=(DASH,), stop_ids=(STOP,), needs_span=True)
TEXTS = [*tt.TOKENS, " - ", ", x. ", ""]


def test_inside_a_code_only_digits():
    for length in (1, 2, 3):
        allowed = allowed_next([WORD, *range(length)], RPT)
        assert allowed.only == frozenset(DIGITS)


def test_after_the_start_the_separator_then_the_end():
    assert allowed_next([0, 7, 2, 9], RPT).only == {DASH}
    assert allowed_next([0, 7, 2, 9, DASH], RPT).only == frozenset(DIGITS)


def test_after_the_end_no_digit():
    allowed = allowed_next([0, 7, 2, 9, DASH, 0, 8, 0, 0], RPT)
    assert allowed.only is None
    assert allowed.never == frozenset(DIGITS)
    assert allowed_next([0, 7, 2, 9, DASH, 0, 8, 0, 0, WORD], RPT).never == frozenset()


def test_the_end_is_not_before_the_start():
    start = [0, 7, 2, 9, DASH]
    assert allowed_next(start, RPT).only == frozenset(DIGITS)
    assert allowed_next([*start, 0], RPT).only == {7, 8, 9}
    assert allowed_next([*start, 0, 7], RPT).only == frozenset(range(2, 10))
    assert allowed_next([*start, 0, 7, 2], RPT).only == {9}
    assert allowed_next([*start, 0, 8], RPT).only == frozenset(DIGITS)
    assert allowed_next([*start, 1], RPT).only == frozenset(DIGITS)


def test_an_unordered_grammar():
    grammar = CodeGrammar(slots=(DIGITS,) * 4, separator=(DASH,), is_ordered=False)
    assert allowed_next([9, 9, 9, 9, DASH], grammar).only == frozenset(DIGITS)


def test_positions_without_spans():
    grammar = CodeGrammar(slots=(DIGITS,) * 4)
    assert allowed_next([0, 7, 2, 9], grammar).never == frozenset(DIGITS)
    assert allowed_next([0, 7, 2, 9], grammar).only is None


def test_positions_alone_have_no_order():
    grammar = CodeGrammar(slots=(DIGITS,) * 4)
    assert allowed_next([9, 9, 9, 9, WORD, 0], grammar).only == frozenset(DIGITS)
    assert allowed_next([9, 9, 9, 9, WORD], grammar).never == frozenset()


def test_an_answer_begun_freely_is_read_on():
    """A start whose separator never came is no start; the next code is one."""
    assert allowed_next([0, 7, 2, 9, WORD, 0], RPT).only == frozenset(DIGITS)
    assert allowed_next([0, 7, WORD], RPT).only is None


def test_a_needed_span_keeps_the_answer_open():
    assert STOP in allowed_next([WORD], RPT).never
    assert STOP not in allowed_next([0, 7, 2, 9, DASH, 0, 8, 0, 0, WORD], RPT).never


def test_no_span_begins_that_cannot_end():
    done = [0, 7, 2, 9, DASH, 0, 8, 0, 0, WORD]
    assert allowed_next(done, RPT, num_remaining=8).never == frozenset(DIGITS)
    assert allowed_next(done, RPT, num_remaining=9).never == frozenset()
    assert allowed_next([WORD], RPT, num_remaining=9).only == frozenset(DIGITS)


def test_the_dot_of_absolute_digits_is_never_first():
    dot = 13
    grammar = CodeGrammar(slots=(DIGITS, DIGITS, (dot,), DIGITS), separator=(DASH,))
    assert dot in allowed_next([WORD], grammar).never
    assert allowed_next([1, 2], grammar).only == {dot}


def test_an_empty_slot_is_refused():
    with pytest.raises(tt.CodecError, match="place"):
        CodeGrammar(slots=(DIGITS, ()))


@pytest.mark.parametrize("budget", [9, 10, 17, 18, 19, 40])
def test_random_models_write_no_malformed_answer(budget):
    """Every sequence of allowed tokens, cut off at the budget, is read without complaint."""
    rng = random.Random(budget)
    for _ in range(200):
        written: list[int] = []
        while len(written) < budget and STOP not in written:
            allowed = allowed_next(written, RPT, num_remaining=budget - len(written))
            choices = allowed.only or frozenset(range(VOCABULARY)) - allowed.never
            assert choices
            written.append(rng.choice(sorted(choices)))
        text = "".join(TEXTS[token] for token in written)
        result = tt.parse_spans(text, duration_seconds=1.0)
        assert result.malformed == ()
        assert result.spans
        num_codes = sum(token in DIGITS for token in written) // 4
        assert num_codes == 2 * len(result.spans)
        ends = [float("0." + "".join(map(str, written[i : i + 4]))) for i in _code_starts(written)]
        assert all(start <= end for start, end in zip(ends[0::2], ends[1::2], strict=True))


class WordyTokenizer:
    """The ten tokens among pieces of text that spell tokens, spans and years by hand."""

    eos_token_id = 10
    all_special_ids = (10,)
    texts = (
        *(*tt.TOKENS, "</s>", " - ", "<", ">", "<5", "5>", "<<5", "<0x3C>", "<0xE2>"),
        *("5", "0", " ", ". ", "from ", "to ", "1990", " seconds", "start - ", "- ", "end", "\\"),
    )

    def get_vocab(self):
        return {text: number for number, text in enumerate(self.texts)}

    def get_added_vocab(self):
        return {token: number for number, token in enumerate(tt.TOKENS)}

    def encode(self, text, add_special_tokens):
        return [self.texts.index(piece) for piece in [*["<0>"] * 4, " - ", *["<0>"] * 4]]


def test_no_token_is_spelled_by_hand():
    tokenizer = WordyTokenizer()
    processor = time_token_processor(tokenizer, needs_span=True)
    forbidden = {tokenizer.texts[number] for number in processor.grammar.bracket_ids}
    assert forbidden == {"<", ">", "<5", "5>", "<<5", "<0x3C>"}
    rng = random.Random(0)
    for _ in range(500):
        written: list[int] = []
        while len(written) < 40 and tokenizer.eos_token_id not in written:
            allowed = allowed_next(written, processor.grammar, num_remaining=40 - len(written))
            choices = allowed.only or set(range(len(tokenizer.texts))) - allowed.never
            written.append(rng.choice(sorted(choices)))
        text = "".join(tokenizer.texts[number] for number in written).replace("<0xE2>", "\u00e2")
        result = tt.parse_spans(text.removesuffix("</s>"), duration_seconds=1.0)
        assert result.malformed == ()
        assert result.spans


def _code_starts(written):
    starts, place = [], 0
    while place < len(written):
        if written[place] in DIGITS:
            starts.append(place)
            place += 4
        else:
            place += 1
    return starts


class FakeTokenizer:
    """The ten tokens, and " - " as one."""

    eos_token_id = STOP

    def __init__(self, tokens=tt.TOKENS):
        self.tokens = tokens

    def get_vocab(self):
        return {token: number for number, token in enumerate(self.tokens)}

    all_special_ids = (STOP,)

    def get_added_vocab(self):
        return self.get_vocab()

    def encode(self, text, add_special_tokens):
        assert (text, add_special_tokens) == ("<0><0><0><0> - <0><0><0><0>", False)
        return [0, 0, 0, 0, DASH, 0, 0, 0, 0]


def test_processor_from_a_tokenizer():
    processor = time_token_processor(FakeTokenizer(), prompt_length=3, max_length=20)
    assert processor.grammar == CodeGrammar(
        slots=(DIGITS,) * 4, separator=(DASH,), stop_ids=(STOP,)
    )
    assert (processor.prompt_length, processor.max_length) == (3, 20)


def test_other_stop_tokens():
    class Tokenizer(FakeTokenizer):
        eos_token_id = None

    assert time_token_processor(Tokenizer(), is_span=False).grammar.stop_ids == ()
    grammar = time_token_processor(Tokenizer(), is_span=False, stop_ids=[11, 12]).grammar
    assert grammar == CodeGrammar(slots=(DIGITS,) * 4, is_ordered=False, stop_ids=(11, 12))


def test_codecs_of_plain_text_are_refused():
    with pytest.raises(tt.CodecError, match="seconds writes plain text"):
        time_token_processor(FakeTokenizer(), "seconds")


def test_a_tokenizer_without_the_tokens_is_refused():
    with pytest.raises(tt.CodecError, match=r"lacks <9>: call add_to"):
        time_token_processor(FakeTokenizer(tt.TOKENS[:9]))


def test_generate_with_transformers():
    """A random model under `generate`, sampling, in a batch of rows with different answers."""
    torch = pytest.importorskip("torch", reason="generate() needs torch")
    transformers = pytest.importorskip("transformers", reason="generate() needs transformers")
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            bos_token_id=None,
            eos_token_id=STOP,
            pad_token_id=STOP,
        )
    ).eval()
    prompt = torch.tensor([[1, 2, WORD]] * 16)  # digits of the prompt do not count
    processor = TimeTokenProcessor(RPT, prompt_length=3, max_length=3 + 40)
    written = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=40,
        do_sample=True,
        logits_processor=[processor],
    )
    answers = written[:, 3:].tolist()
    assert len({tuple(answer) for answer in answers}) > 1
    for answer in answers:
        result = tt.parse_spans("".join(TEXTS[token] for token in answer), duration_seconds=1.0)
        assert result.malformed == ()
        assert result.spans


def test_scores_are_not_changed_in_place():
    torch = pytest.importorskip("torch", reason="works on tensors")
    processor = TimeTokenProcessor(RPT)
    scores = torch.zeros(2, VOCABULARY)
    out = processor(torch.tensor([[0, 7], [WORD, WORD]]), scores)
    assert torch.equal(scores, torch.zeros(2, VOCABULARY))
    assert out[0].isinf().tolist() == [False] * 10 + [True] * 3
    assert out[1].isinf().tolist() == [False] * 12 + [True]
