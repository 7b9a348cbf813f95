"""Adding the tokens to real tokenizers and models: ids, rows, growth, saving, text and back."""

import json
import os
from pathlib import Path

import pytest

import timetokens as tt
from timetokens.vocab import MARK

torch = pytest.importorskip("torch", reason="adding tokens to models needs torch")
transformers = pytest.importorskip("transformers", reason="adding tokens needs transformers")
tokenizers = pytest.importorskip("tokenizers", reason="adding tokens needs tokenizers")

SENTENCES = [
    *["The man opens a jar at 0123456789 seconds, the woman stirs the soup - quickly."] * 20,
    *[f"{number} - {number + 1} seconds, we see number {number}." for number in range(200)],
]
ANSWER = "from <0><7><2><9> - <0><8><0><0>, press <\\5> it."


def byte_level_bpe():
    """A fast tokenizer such as GPT-2's, Qwen's and SmolLM's."""
    from tokenizers import decoders, models, pre_tokenizers, trainers

    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        SENTENCES,
        trainers.BpeTrainer(
            vocab_size=300,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=["<s>", "</s>"],
            show_progress=False,
        ),
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>"
    )


def sentencepiece_model(folder):
    sentencepiece = pytest.importorskip("sentencepiece", reason="builds a LLaMA tokenizer")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=330,
        model_type="bpe",
        byte_fallback=True,
        split_digits=True,
        minloglevel=2,
    )
    return folder / "tokenizer.model"


def llama(folder):
    """A LLaMA tokenizer out of a SentencePiece model trained here."""
    import sentencepiece
    from transformers.tokenization_utils_base import generate_merges

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(sentencepiece_model(folder)))
    vocab = {pieces.id_to_piece(number): number for number in range(len(pieces))}
    scores = {piece: pieces.get_score(number) for piece, number in vocab.items()}
    merges = generate_merges(vocab, scores)
    return transformers.LlamaTokenizer(vocab=vocab, merges=merges, legacy=False)


def slow_sentencepiece(folder):
    """A tokenizer in Python that asks SentencePiece for everything but added tokens."""
    path = sentencepiece_model(folder)
    return transformers.BertGenerationTokenizer(vocab_file=str(path))


@pytest.fixture(params=["bpe", "llama", "slow"])
def tokenizer(request, tmp_path):
    if request.param == "bpe":
        return byte_level_bpe()
    if request.param == "llama":
        pytest.importorskip("sentencepiece", reason="builds a LLaMA tokenizer")
        return llama(tmp_path)
    return slow_sentencepiece(tmp_path)


def tiny_llm(num_rows, *, is_tied=True):
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=num_rows,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        tie_word_embeddings=is_tied,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    return transformers.LlamaForCausalLM(config)


def rows(model, which="input"):
    layer = model.get_input_embeddings() if which == "input" else model.get_output_embeddings()
    return layer.weight.detach().clone()


def digit_ids(tokenizer):
    return [tokenizer.get_vocab()[str(digit)] for digit in range(10)]


def test_ids_are_new_and_in_order(tokenizer):
    before = len(tokenizer)
    ids = tt.add_to(tokenizer)
    assert ids == list(range(before, before + 10))
    assert tokenizer.convert_ids_to_tokens(ids) == list(tt.TOKENS)


def test_one_token_a_digit_in_any_neighbourhood(tokenizer):
    ids = tt.add_to(tokenizer)
    encoded = tokenizer.encode(f"x{tt.encode(7, 96)}, <9>y(<3>).", add_special_tokens=False)
    assert [number - ids[0] for number in encoded if number in ids] == [0, 7, 2, 9, 9, 3]
    assert tokenizer.unk_token_id not in encoded


def test_text_comes_back_without_special_tokens(tokenizer):
    """Special tokens would vanish here, and all times with them."""
    tt.add_to(tokenizer)
    ids = tokenizer.encode(ANSWER, add_special_tokens=False)
    text = tokenizer.decode(ids, skip_special_tokens=True)
    assert tt.parse_spans(text, duration_seconds=1.0).spans == (tt.Span(0.0729, 0.08),)


def test_captions_with_tokens_stay_words(tokenizer):
    ids = tt.add_to(tokenizer)
    encoded = tokenizer.encode(tt.escape("press <5> twice"), add_special_tokens=False)
    assert not set(encoded) & set(ids)


def test_escaped_captions_come_back_through_a_byte_level_tokenizer():
    tokenizer = byte_level_bpe()
    tt.add_to(tokenizer)
    ids = tokenizer.encode(tt.escape("press <5> twice"), add_special_tokens=False)
    assert tt.unescape(tokenizer.decode(ids)) == "press <5> twice"


def test_calling_again_changes_nothing(tokenizer):
    model = tiny_llm(len(tokenizer))
    ids = tt.add_to(tokenizer, model)
    with torch.no_grad():
        model.get_input_embeddings().weight[ids] += 1.0  # training
    length, trained = len(tokenizer), rows(model)
    assert tt.add_to(tokenizer, model) == ids
    assert len(tokenizer) == length
    assert torch.equal(rows(model), trained)


@pytest.mark.parametrize("is_tied", [True, False])
def test_rows_start_as_the_digits(tokenizer, is_tied):
    model = tiny_llm(len(tokenizer), is_tied=is_tied)
    inputs, outputs = rows(model), rows(model, "output")
    assert torch.equal(inputs, outputs) == is_tied
    ids = tt.add_to(tokenizer, model)
    sources = digit_ids(tokenizer)
    assert torch.equal(rows(model)[ids], inputs[sources])
    assert torch.equal(rows(model, "output")[ids], outputs[sources])
    # Nobody else's row has moved.
    assert torch.equal(rows(model)[: len(inputs)], inputs)
    assert torch.equal(rows(model, "output")[: len(inputs)], outputs)


def test_the_model_still_works_after_growing(tokenizer):
    model = tiny_llm(len(tokenizer), is_tied=False)
    ids = tt.add_to(tokenizer, model)
    logits = model(torch.tensor([ids])).logits
    assert logits.shape == (1, 10, model.get_output_embeddings().weight.shape[0])
    # A new token scores as its digit does, because their rows are equal.
    assert torch.allclose(logits[..., ids], logits[..., digit_ids(tokenizer)])


def test_growth_is_to_a_multiple_of_64():
    tokenizer = byte_level_bpe()
    model = tiny_llm(len(tokenizer))
    tt.add_to(tokenizer, model)
    num_rows = model.get_input_embeddings().weight.shape[0]
    assert num_rows % 64 == 0
    assert len(tokenizer) <= num_rows < len(tokenizer) + 64
    assert model.config.vocab_size == num_rows


@pytest.mark.parametrize("num_spare", [10, 200])
def test_spare_rows_suffice(num_spare):
    """Qwen3-VL has 151,936 rows for about 151,700 tokens: shrinking it would break it."""
    tokenizer = byte_level_bpe()
    num_rows = len(tokenizer) + num_spare
    model = tiny_llm(num_rows)
    ids = tt.add_to(tokenizer, model)
    assert model.get_input_embeddings().weight.shape[0] == num_rows
    assert torch.equal(rows(model)[ids], rows(model)[digit_ids(tokenizer)])


def test_the_tokenizer_may_come_first():
    tokenizer = byte_level_bpe()
    model = tiny_llm(len(tokenizer) + 64)
    ids = tt.add_to(tokenizer)
    assert tt.add_to(tokenizer, model) == ids
    assert torch.equal(rows(model)[ids], rows(model)[digit_ids(tokenizer)])


def test_a_saved_model_is_not_started_again(tmp_path):
    tokenizer = byte_level_bpe()
    model = tiny_llm(len(tokenizer))
    ids = tt.add_to(tokenizer, model)
    with torch.no_grad():
        model.get_input_embeddings().weight[ids] += 1.0  # training
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again = transformers.LlamaForCausalLM.from_pretrained(tmp_path)
    loaded = transformers.PreTrainedTokenizerFast.from_pretrained(tmp_path)
    assert getattr(again.config, MARK) == ids
    assert tt.add_to(loaded, again) == ids
    assert torch.equal(rows(again), rows(model))


def test_initialize_can_be_left_out():
    tokenizer = byte_level_bpe()
    model = tiny_llm(len(tokenizer) + 64)
    before = rows(model)
    tt.add_to(tokenizer, model, initialize=False)
    assert torch.equal(rows(model), before)


def test_a_bias_of_the_output_starts_too():
    tokenizer = byte_level_bpe()
    model = tiny_llm(len(tokenizer) + 10, is_tied=False)
    model.lm_head = torch.nn.Linear(8, len(tokenizer) + 10)
    ids = tt.add_to(tokenizer, model)
    bias = model.lm_head.bias.detach()
    assert torch.equal(bias[ids], bias[digit_ids(tokenizer)])


@pytest.mark.parametrize("name", tt.CODECS)
def test_every_codec(name):
    tokenizer = byte_level_bpe()
    model = tiny_llm(len(tokenizer))
    codec = tt.CODECS[name]
    before = len(tokenizer)
    ids = tt.add_to(tokenizer, model, name)
    assert len(ids) == len(codec.new_tokens) == len(tokenizer) - before
    text = codec.format_point(tt.TimePosition(61.4, 148.8))
    encoded = tokenizer.encode(text, add_special_tokens=False)
    if ids:
        assert set(encoded) <= set(ids)
        assert len(encoded) == len(codec.slots)
    else:
        assert model.get_input_embeddings().weight.shape[0] == before


def test_many_tokens_read_the_vocabulary_no_more_often(monkeypatch):
    """A dict of 150,000 entries is made each time."""
    numbers = []
    for num_bins in (2, 300):
        tokenizer, calls = byte_level_bpe(), []
        read = tokenizer.get_vocab
        monkeypatch.setattr(tokenizer, "get_vocab", lambda r=read, c=calls: c.append(1) or r())
        tt.add_to(tokenizer, codec=tt.Bins(num_bins=num_bins))
        numbers.append(len(calls))
    assert numbers[0] == numbers[1] > 0


def test_rows_of_longer_numbers_start_as_a_mean():
    tokenizer = byte_level_bpe()
    model = tiny_llm(len(tokenizer) + 100)
    ids = tt.add_to(tokenizer, model, "bins")
    digits = rows(model)[digit_ids(tokenizer)]
    assert torch.allclose(rows(model)[ids[17]], digits[[1, 7]].mean(0))


def test_two_codecs_in_one_model():
    tokenizer = byte_level_bpe()
    model = tiny_llm(len(tokenizer))
    rpt = tt.add_to(tokenizer, model)
    trained = rows(model)[rpt]
    absolute = tt.add_to(tokenizer, model, "absolute_digits")
    assert not set(rpt) & set(absolute)
    assert torch.equal(rows(model)[rpt], trained)


def test_a_token_that_has_a_meaning_already_is_reported():
    content = json.loads(byte_level_bpe().backend_tokenizer.to_str())
    content["model"]["vocab"]["<7>"] = len(content["model"]["vocab"])
    backend = tokenizers.Tokenizer.from_str(json.dumps(content))
    taken = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>")
    with pytest.warns(UserWarning, match="<7>"):
        ids = tt.add_to(taken)
    assert len(set(ids)) == 10


def test_a_model_without_weights_is_refused():
    tokenizer = byte_level_bpe()
    with torch.device("meta"):
        model = tiny_llm(len(tokenizer) + 64)
    with pytest.raises(tt.CodecError, match="meta"):
        tt.add_to(tokenizer, model)


def test_an_encoder_has_input_rows_only():
    """BERT, as inside a Q-Former, has no output embeddings."""
    tokenizer = byte_level_bpe()
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
    )
    model = transformers.BertModel(config)
    ids = tt.add_to(tokenizer, model)
    assert torch.equal(
        model.get_input_embeddings().weight[ids],
        model.get_input_embeddings().weight[digit_ids(tokenizer)],
    )


def test_a_tokenizer_that_still_splits_is_refused():
    class Deaf:
        """Says it added the tokens, and encodes as before."""

        def get_added_vocab(self):
            return {}

        def get_vocab(self):
            return {}

        def add_tokens(self, tokens):
            return len(tokens)

        def convert_tokens_to_ids(self, tokens):
            return list(range(len(tokens)))

        def encode(self, text, add_special_tokens):
            return [99] * len(text)

    with pytest.raises(tt.CodecError, match="still splits <0>"):
        tt.add_to(Deaf())


@pytest.mark.default_data
def test_smollm2():
    """The language model of the embedded default, as `seqsynth fetch default` leaves it."""
    pytest.importorskip("gguf", reason="SmolLM2 comes as GGUF")
    cache = Path(os.environ.get("SEQ2TIME_CACHE") or Path.home() / ".cache" / "seq2time")
    path = next(iter(sorted(cache.rglob("SmolLM2*.gguf"))), None)
    if path is None:
        pytest.skip(f"no SmolLM2 under {cache}: fetch it with `seqsynth fetch default`")
    tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model = transformers.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name)
    num_rows = model.get_input_embeddings().weight.shape[0]
    ids = tt.add_to(tokenizer, model)
    assert ids == list(range(num_rows, num_rows + 10))
    assert model.get_input_embeddings().weight.shape[0] == num_rows + 64
    assert torch.equal(rows(model)[ids], rows(model)[digit_ids(tokenizer)])
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    encoded = tokenizer.encode(ANSWER, add_special_tokens=False)
    assert [number - ids[0] for number in encoded if number in ids] == [0, 7, 2, 9, 0, 8, 0, 0]
    assert tokenizer.decode(encoded, skip_special_tokens=True) == ANSWER
    assert tt.add_to(tokenizer, model) == ids
    processor = tt.time_token_processor(tokenizer)
    kept = {*processor.grammar.bracket_ids, *tokenizer.get_added_vocab().values()}
    texts = tokenizer.batch_decode([[number] for number in range(num_rows) if number not in kept])
    assert len(texts) > 48_000
    assert not any("<" in text or ">" in text for text in texts)
    assert tokenizer.decode(processor.grammar.separator) == " - "
