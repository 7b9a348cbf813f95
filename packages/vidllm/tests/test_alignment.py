"""The closed-form start of the projector, and what training pictures look like under it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from seqsynth import Corpus, FrameRef
from vidllm.assembly import Assembly, start_projector
from vidllm.config import AlignConfig, TrainConfig
from vidllm.features import FeatureStore
from vidllm.model import alignment
from vidllm.model.alignment import align_projector, caption_batches, caption_states, fold_of
from vidllm.prompt_script import VISUAL_TOKEN


def pictures(corpus: Corpus, features: FeatureStore) -> tuple[torch.Tensor, list[str]]:
    images = corpus.train_images
    return (
        features.lookup([FrameRef(image.path, 0) for image in images]),
        [image.caption for image in images],
    )


def centred(x_ND: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(x_ND - x_ND.mean(0), dim=1)


def test_pictures_point_where_their_captions_do(
    assembly: Assembly, corpus: Corpus, features: FeatureStore
) -> None:
    features_NC, captions = pictures(corpus, features)
    projector = assembly.model.projector
    projector.fit_scale(features_NC)
    settings = AlignConfig(layer=2, ridge_strength=1e-3, num_folds=1, gain=1.0)
    before = centred(projector(features_NC)[:, 0].detach())
    align_projector(assembly.model, assembly.prompter, features_NC, captions, config=settings)
    decoder = assembly.model.causal_lm.get_decoder()
    norm, decoder.norm = decoder.norm, torch.nn.Identity()
    targets = centred(caption_states(assembly.model, caption_batches(assembly.prompter, captions)))
    decoder.norm = norm
    after = centred(projector(features_NC)[:, 0].detach())
    assert (before * targets).sum(1).mean() < 0.3
    assert (after * targets).sum(1).mean() > 0.6


def test_training_pictures_are_shown_by_the_fit_of_the_other_folds(
    assembly: Assembly, corpus: Corpus, features: FeatureStore
) -> None:
    features_NC, captions = pictures(corpus, features)
    model, prompter = assembly.model, assembly.prompter
    model.projector.fit_scale(features_NC)
    settings = AlignConfig(layer=1, ridge_strength=10.0, num_folds=3)
    offsets = align_projector(model, prompter, features_NC, captions, config=settings)
    shown = model.projector(features_NC)[:, 0] + offsets.of(model.projector, features_NC, captions)
    with torch.no_grad():
        shown = shown.detach()
        for fold in range(3):
            kept = [place for place, c in enumerate(captions) if fold_of(c, 3) != fold]
            left_out = [place for place, c in enumerate(captions) if fold_of(c, 3) == fold]
            assert left_out
            # A change to a picture of this fold must not reach how the fold is shown.
            changed = features_NC.clone()
            changed[left_out] += 3.0
            again = align_projector(model, prompter, changed, captions, config=settings)
            ours = model.projector(features_NC)[:, 0] + again.of(
                model.projector, features_NC, captions
            )
            torch.testing.assert_close(ours[left_out], shown[left_out], rtol=1e-3, atol=1e-3)
            assert not torch.allclose(ours[kept], shown[kept], rtol=1e-3, atol=1e-3)


def test_the_decoder_is_whole_again_afterwards(
    assembly: Assembly, corpus: Corpus, features: FeatureStore
) -> None:
    features_NC, captions = pictures(corpus, features)
    ids = torch.tensor([[5, 6, 7]])
    before = assembly.model.causal_lm(ids).logits
    align_projector(
        assembly.model, assembly.prompter, features_NC, captions, config=AlignConfig(layer=1)
    )
    assert torch.equal(assembly.model.causal_lm(ids).logits, before)
    with pytest.raises(ValueError, match=r"model\.align\.layer is 3, but the base has 2 layers"):
        align_projector(
            assembly.model, assembly.prompter, features_NC, captions, config=AlignConfig(layer=3)
        )
    assert torch.equal(assembly.model.causal_lm(ids).logits, before)


def test_a_start_is_the_same_every_time(
    assembly: Assembly, config: TrainConfig, corpus: Corpus, features: FeatureStore
) -> None:
    starts = []
    for _ in range(2):
        offsets = start_projector(assembly, config, corpus, features)
        assert offsets is not None
        starts.append((assembly.model.projector.linear.weight.clone(), offsets.features_NC))
    assert torch.equal(starts[0][0], starts[1][0])
    assert torch.equal(starts[0][1], starts[1][1])


def test_states_of_captions_are_kept_and_found_again(
    assembly: Assembly,
    corpus: Corpus,
    features: FeatureStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features_NC, captions = pictures(corpus, features)
    read: list[int] = []

    def counted(*arguments: Any) -> torch.Tensor:
        read.append(1)
        return caption_states(*arguments)

    monkeypatch.setattr(alignment, "caption_states", counted)

    def fit(captions: list[str] = captions, layer: int = 1) -> torch.Tensor:
        settings = AlignConfig(layer=layer)
        model, prompter = assembly.model, assembly.prompter
        align_projector(
            model, prompter, features_NC, captions, config=settings, cache_dir=tmp_path / "kept"
        )
        return torch.as_tensor(model.projector.linear.weight).clone()

    first = fit()
    assert torch.equal(fit(), first)
    assert len(read) == 1
    fit(captions=[*captions[1:], captions[0]])
    fit(layer=2)
    weight = next(p for n, p in assembly.model.named_parameters() if "layers.0" in n)
    with torch.no_grad():
        before = weight.clone()
        weight += 1.0
    fit()
    assert len(read) == 4  # other captions, another layer, other weights
    with torch.no_grad():
        weight.copy_(before)
    for path in (tmp_path / "kept").iterdir():
        path.write_bytes(path.read_bytes()[:-7])
    assert torch.equal(fit(), first)
    assert len(read) == 5  # the file is cut: read again, and kept again
    assert torch.equal(fit(), first)
    assert len(read) == 5


def test_a_random_start_has_no_offsets(
    assembly: Assembly, config: TrainConfig, corpus: Corpus, features: FeatureStore
) -> None:
    random = replace(config, model=replace(config.model, projector_init="random"))
    before = assembly.model.projector.linear.weight.clone()
    assert start_projector(assembly, random, corpus, features) is None
    assert torch.equal(assembly.model.projector.linear.weight, before)


def test_offsets_are_added_to_the_visual_tokens_alone(
    assembly: Assembly, features: FeatureStore
) -> None:
    ids = torch.tensor([[VISUAL_TOKEN, 5, VISUAL_TOKEN]])
    offsets = torch.stack([torch.full((64,), 2.0), torch.full((64,), -1.0)])
    plain = assembly.model.embed(ids, features.features_NC[:2])
    moved = assembly.model.embed(ids, features.features_NC[:2], offsets)
    torch.testing.assert_close(
        moved - plain, torch.stack([offsets[0], torch.zeros(64), offsets[1]])[None]
    )
