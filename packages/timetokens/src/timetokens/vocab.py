"""Adds the tokens of a codec to a Hugging Face tokenizer and to a model's embeddings.

Nothing of Hugging Face is imported before `add_to` is called, and torch never: models are handled
through their own methods. The tokens are added with special=False, because special tokens vanish
from text decoded with skip_special_tokens=True, and with them every answer's times.
"""

import warnings
from typing import Any, Final

from timetokens.codec import Codec
from timetokens.codecs import as_codec
from timetokens.errors import CodecError

ROWS_MULTIPLE: Final = 64
"""A matrix that has to grow gets a multiple of this many rows (fast on GPUs)."""

MARK: Final = "timetokens_initialized"
"""Attribute of a model's config that lists the token ids whose rows were started; it is saved with
the model, so that a trained checkpoint is never started again."""


def add_to(
    tokenizer: Any,
    model: Any = None,
    codec: str | Codec = "rpt",
    *,
    initialize: bool = True,
) -> list[int]:
    """The ids of the codec's tokens, after adding to tokenizer and model what they lack.

    The embedding matrix only ever grows (to a multiple of 64 rows), and not at all where it has
    spare rows. Rows start as the mean of the rows of the token's plain text, `<7>` as "7", in the
    input and in the output embeddings, whether they are tied or not. Calling it again changes
    nothing: rows that were started once are left alone, also after saving and loading the model.

    Call it before wrapping the model for PEFT. To train the rows with LoRA, pass PEFT's
    `trainable_token_indices={"embed_tokens": ids, "lm_head": ids}`.

    Args:
        tokenizer: a transformers tokenizer, fast or slow.
        model: a transformers model, or None to change the tokenizer only.
        codec: whose tokens; codecs of plain text need none and give [].
        initialize: False leaves the values of new rows alone, for weights that are loaded later.

    Returns:
        One id per token of `codec.new_tokens`, in that order.

    Raises:
        CodecError: a tokenizer that still splits the tokens after adding them, or a model whose
            embeddings cannot be reached.
    """
    codec = as_codec(codec)
    if not codec.new_tokens:
        return []
    ids = _add_tokens(tokenizer, codec)
    if model is not None:
        vocabulary = tokenizer.get_vocab()
        sources = [
            _text_ids(tokenizer, vocabulary, text) for text in codec.new_token_texts.values()
        ]
        _grow(model, max(ids) + 1)
        if initialize:
            _start_rows(model, ids, sources)
    return ids


def _add_tokens(tokenizer: Any, codec: Codec) -> list[int]:
    from tokenizers import AddedToken  # ships with every transformers

    added, vocabulary = tokenizer.get_added_vocab(), tokenizer.get_vocab()
    missing = [token for token in codec.new_tokens if token not in added]
    taken = [token for token in missing if token in vocabulary]
    if taken:
        warnings.warn(
            f"the vocabulary already has {', '.join(taken[:10])} with a meaning of its own; "
            "these tokens now mean places in time",
            stacklevel=3,
        )
    if missing:
        tokenizer.add_tokens(
            [AddedToken(token, special=False, normalized=False) for token in missing]
        )
    ids = [int(number) for number in tokenizer.convert_tokens_to_ids(list(codec.new_tokens))]
    together = tokenizer.encode("".join(codec.new_tokens), add_special_tokens=False)
    new = set(ids)
    if [number for number in together if number in new] != ids:
        raise CodecError(
            f"the tokenizer still splits {codec.new_tokens[0]} after add_tokens: "
            f"{type(tokenizer).__name__} gives ids {together[:20]}"
        )
    return ids


def _text_ids(tokenizer: Any, vocabulary: dict[str, int], text: str) -> list[int]:
    """Ids of a plain text such as "7" or "17", without the word-start piece of SentencePiece."""
    whole = vocabulary.get(text)
    if whole is not None:
        return [int(whole)]
    ids = [int(number) for number in tokenizer.encode(text, add_special_tokens=False)]
    pieces = tokenizer.convert_ids_to_tokens(ids)
    kept = [
        number for number, piece in zip(ids, pieces, strict=True) if piece.strip("\u2581\u0120 ")
    ]
    if not kept:
        raise CodecError(f"the tokenizer has no token for {text!r}, so its row cannot start as one")
    return kept


def _grow(model: Any, num_rows: int) -> None:
    """Makes sure both embedding matrices have `num_rows` rows; never shrinks them."""
    matrices = _matrices(model)
    if min(matrix.shape[0] for matrix in matrices) >= num_rows:
        return
    rows = max(num_rows, *(matrix.shape[0] for matrix in matrices))
    rows = -(-rows // ROWS_MULTIPLE) * ROWS_MULTIPLE
    # The library's own start for new rows costs minutes on large matrices and is overwritten here.
    model.resize_token_embeddings(rows, mean_resizing=False)
    if min(matrix.shape[0] for matrix in _matrices(model)) < num_rows:
        raise CodecError(
            f"{type(model).__name__}.resize_token_embeddings({rows}) left a matrix with fewer rows"
        )


def _start_rows(model: Any, ids: list[int], sources: list[list[int]]) -> None:
    """Sets each new row to the mean of its source rows, once per model."""
    holder = getattr(model, "config", model)
    started = set(getattr(holder, MARK, None) or ())
    todo = [(row, source) for row, source in zip(ids, sources, strict=True) if row not in started]
    for matrix in _matrices(model):
        for row, source in todo:
            matrix.data[row] = matrix.data[source].mean(0)
    if todo:
        setattr(holder, MARK, sorted({*started, *ids}))


def _matrices(model: Any) -> list[Any]:
    """Input embeddings, and output embeddings with their bias where a model has them."""
    get_output = getattr(model, "get_output_embeddings", lambda: None)
    matrices: list[Any] = []
    for layer in (model.get_input_embeddings(), get_output()):
        for name in ("weight", "bias"):
            parameter = getattr(layer, name, None)
            if parameter is not None and not any(parameter is other for other in matrices):
                matrices.append(parameter)
    if not matrices:
        raise CodecError(f"{type(model).__name__} has no input embeddings to add rows to")
    for matrix in matrices:
        if getattr(matrix, "is_meta", False) or matrix.shape[0] == 0:
            raise CodecError(
                "the embeddings have no values here (meta device, or divided among processes): "
                "call add_to after loading the weights and before distributing them"
            )
    return matrices
