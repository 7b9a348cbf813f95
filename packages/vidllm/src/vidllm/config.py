"""Every setting of a run, as frozen records with their defaults; a stage's: vidllm.stage_config.

A recipe (`vidllm.recipes`) is a function that returns a `TrainConfig`; the command line edits it;
the run folder keeps it as `config.json`. Derived numbers are properties, never second fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import timetokens as tt
from vidllm.setting_checks import require
from vidllm.stage_config import StageConfig, Supervised

Layout = Literal["interleaved", "code_first", "block"]
Template = Literal["plain", "chat"]
Turns = Literal["apart", "dialogue"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AlignConfig:
    """How the projector is fitted before training; see vidllm.model.alignment."""

    layer: int = 8
    """Decoder layers after which captions are read: what a picture should look like."""
    ridge_strength: float = 6000.0
    """The penalty of the regression, for standardised features."""
    gain: float = 16.0
    """Factor on what tells pictures apart; a long vector is hardly turned by the first layers."""
    mean_share: float = 1.0
    """How much of the captions' mean state every picture keeps."""
    num_folds: int = 8
    """Training shows a picture as the fit of the other folds predicts it; 1: as the fit does."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        for name in ("layer", "num_folds"):
            value = getattr(self, name)
            require(value >= 1, f"model.align.{name}", value, "give at least 1")
        for name in ("ridge_strength", "gain"):
            value = getattr(self, name)
            require(value > 0, f"model.align.{name}", value, "give more than 0")
        require(
            0 <= self.mean_share <= 1, "model.align.mean_share", self.mean_share, "give a share"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """What the model is made of."""

    adapter: str = "tiny"
    """Which base model: a key of vidllm.adapters.ADAPTERS."""
    base: str = ""
    """For adapters that load any base (vlm): its folder, or its name on the Hugging Face hub."""
    weights: Literal["float32", "bfloat16"] = "float32"
    """What the weights of such a base are kept in."""
    visual_route: Literal["images", "video"] = "images"
    """images: a picture for each frame; video: as the base reads videos (two frames of one file
    share a picture in Qwen-VL, a frame has a quarter of the tokens in LLaVA-OneVision)."""
    min_pixels: int = 0
    """Qwen-VL: a smaller picture is enlarged to this many pixels; 0: never."""
    max_pixels: int = 0
    """Qwen-VL: a larger picture is made smaller, which saves visual tokens; 0: never."""
    connector_learns: bool = False
    """Train what lies between a VLM's vision and language too, at
    optim.projector_learning_rate."""
    eye: str = "efficientnet_lite0"
    """The frozen image network, by the adapter's name for it."""
    image_sizes: tuple[int, ...] = (128,)
    """Pixels a side that the eye sees; of several sizes the features stand side by side."""
    eye_features: Literal["pooled", "pooled_logits"] = "pooled"
    """What the projector gets: the pooled features, or these and the class logits."""
    num_visual_tokens: int = 1
    """Input embeddings that the language model gets for each frame."""
    projector: Literal["linear", "mlp"] = "linear"
    """The map from features to input embeddings; mlp adds a residual hidden layer."""
    projector_hidden: int = 1024
    """Width of the hidden layer of the mlp projector."""
    projector_init: Literal["aligned", "random"] = "aligned"
    """aligned: fitted to how the language model reads captions, before training (`AlignConfig`)."""
    align: AlignConfig = field(default_factory=AlignConfig)
    """How the projector is aligned."""
    num_layers: int = 0
    """Keep only the first N layers of the language model; 0 keeps all."""
    codec: str = "rpt"
    """How places are written: a key of timetokens.CODECS."""
    lora_rank: int = 32
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    lora_targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        sizes = self.image_sizes
        require(len(sizes) > 0, "model.image_sizes", sizes, "give at least one")
        require(min(sizes) >= 32, "model.image_sizes", sizes, "give 32 or more")
        for name in ("min_pixels", "max_pixels"):
            value = getattr(self, name)
            require(value >= 0, f"model.{name}", value, "give 0 (no bound) or more")
        bounds = (self.min_pixels, self.max_pixels)
        require(
            0 in bounds or self.min_pixels <= self.max_pixels,
            "model.min_pixels and max_pixels",
            bounds,
            "give min_pixels <= max_pixels",
        )
        for name in ("num_visual_tokens", "projector_hidden", "lora_rank", "lora_alpha"):
            value = getattr(self, name)
            require(value >= 1, f"model.{name}", value, "give at least 1")
        require(
            not self.base or self.adapter not in ("tiny", "random"),
            "model.base",
            self.base,
            f"the adapter {self.adapter} has a base of its own; --model.adapter vlm takes yours",
        )
        codecs = f"choose one of {', '.join(tt.CODECS)}, or start the file that adds it to CODECS"
        require(self.codec in tt.CODECS, "model.codec", self.codec, codecs)
        require(self.num_layers >= 0, "model.num_layers", self.num_layers, "give 0 (all) or more")
        require(
            0 <= self.lora_dropout < 1,
            "model.lora_dropout",
            self.lora_dropout,
            "give a share below 1",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptConfig:
    """How an example becomes text (vidllm.prompting)."""

    layout: Layout = "interleaved"
    """interleaved: `<image> is CODE`; code_first: `CODE: <image>`; block: pictures, then codes."""
    template: Template = "plain"
    """plain: question, space, answer; chat: the ChatML turns of instruction-tuned models."""
    supervise: Supervised = "answers"
    """What carries loss in answers that only say where: all tokens, or those of the codes alone."""
    turns: Turns = "apart"
    """apart: each question sees the sequence alone, as if it were the first; dialogue: also the
    questions and answers before it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """What is trained on."""

    corpus: Literal["default", "shapes"] = "default"
    """default: the fetched pictures; shapes: drawn on the spot, for trials without downloads."""
    cache_dir: str = ""
    """Where downloads and features lie; empty: seqsynth's own choice."""
    templates: str = "paper"
    """Wording of the questions: a name or file that seqsynth.load_templates takes."""
    clip_frame_step: int = 4
    """Of an animation every n-th frame has features of its own; the others take those before."""
    root: str = ""
    """A folder with manifests (`seqsynth index`): what they list is used instead of data.corpus."""
    mixture: str = ""
    """A mixture or recipe of seqsynth, by name or TOML file, for stages that name none; none: the
    stages' own shares."""
    max_skipped_share: float = 0.05
    """The run stops when more of its examples had to give way because a file cannot be read."""
    without_places: bool = False
    """The control: the same sequences, asked for captions alone, no where and no what-is-where."""
    stages: tuple[StageConfig, ...] = (StageConfig(name="images", num_steps=200),)
    num_workers: int = 0
    """Processes that prepare batches; the batches are the same with any number."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        require(len(self.stages) >= 1, "data.stages", self.stages, "give at least one stage")
        names = [stage.name for stage in self.stages]
        require(len(set(names)) == len(names), "data.stages", names, "give each its own name")
        require(self.num_workers >= 0, "data.num_workers", self.num_workers, "give 0 or more")
        require(
            self.clip_frame_step >= 1,
            "data.clip_frame_step",
            self.clip_frame_step,
            "give at least 1",
        )
        for stage in self.stages:
            require(
                not (self.without_places and stage.film_weight),
                f"stage {stage.name!r} film_weight",
                stage.film_weight,
                "give 0: data.without_places has no use for the film",
            )
            mixture = self.mixture_of(stage)
            require(
                not (self.without_places and mixture),
                f"stage {stage.name!r} mixture",
                mixture,
                "leave it out: data.without_places takes no places out of a mixture's examples",
            )
        share = self.max_skipped_share
        require(0 <= share <= 1, "data.max_skipped_share", share, "give a share from 0 to 1")

    def mixture_of(self, stage: StageConfig) -> str:
        """The mixture that a stage draws from; "" where it has shares of its own."""
        return stage.mixture or self.mixture


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimConfig:
    """How it is optimised. AdamW; every stage has its own warm-up and decay."""

    global_batch_size: int = 4
    """Examples an optimizer step, over all processes and accumulations."""
    micro_batch_size: int = 4
    """Examples a process takes at a time; the rest of the global batch is accumulated exactly."""
    max_steps: int = 0
    """Shrink or stretch all stages in proportion to this many steps together; 0: as they say."""
    projector_learning_rate: float = 5e-4
    lora_learning_rate: float = 5e-4
    token_learning_rate: float = 5e-4
    """For the rows of the position tokens."""
    group_by_length: bool = False
    """Examples of like length share a micro batch: the same global batches with less padding."""
    weight_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.98
    max_grad_norm: float = 1.0

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        for name in ("global_batch_size", "micro_batch_size"):
            value = getattr(self, name)
            require(value >= 1, f"optim.{name}", value, "give at least 1")
        require(
            self.global_batch_size % self.micro_batch_size == 0,
            "optim.global_batch_size",
            self.global_batch_size,
            f"give a multiple of optim.micro_batch_size ({self.micro_batch_size})",
        )
        require(self.max_steps >= 0, "optim.max_steps", self.max_steps, "give 0 or more")
        rates = ("projector_learning_rate", "lora_learning_rate", "token_learning_rate")
        for name in (*rates, "weight_decay"):
            value = getattr(self, name)
            require(value >= 0, f"optim.{name}", value, "give 0 or more")
        require(
            self.max_grad_norm > 0, "optim.max_grad_norm", self.max_grad_norm, "give more than 0"
        )
        for name in ("beta1", "beta2"):
            value = getattr(self, name)
            require(0 <= value < 1, f"optim.{name}", value, "give a share below 1")

    def accumulation_steps(self, num_processes: int) -> int:
        """Micro batches a process takes for one optimizer step.

        Raises:
            ValueError: the global batch cannot be split evenly over the processes.
        """
        per_pass = self.micro_batch_size * num_processes
        if self.global_batch_size % per_pass:
            raise ValueError(
                f"optim.global_batch_size is {self.global_batch_size}: give a multiple of "
                f"micro_batch_size x processes = {self.micro_batch_size} x {num_processes}"
            )
        return self.global_batch_size // per_pass


@dataclass(frozen=True, kw_only=True, slots=True)
class ComputeConfig:
    """How the work is laid out on the machine. What is learned is the same up to rounding."""

    bf16: bool = False
    """Mixed precision in bfloat16."""
    gradient_checkpointing: bool = False
    """Compute activations twice instead of keeping them."""
    fsdp: bool = False
    """Shard parameters, gradients and AdamW's state over the processes (FSDP2)."""
    deepspeed: str = ""
    """A DeepSpeed configuration (JSON file), handed to the trainer as it is."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        both = self.fsdp and bool(self.deepspeed)
        require(not both, "compute.deepspeed", self.deepspeed, "choose it or compute.fsdp")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """A whole run."""

    recipe: str = "tiny"
    """The recipe it came from; kept so that a run can say what it is."""
    model: ModelConfig = field(default_factory=ModelConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    report_to: tuple[str, ...] = ()
    """Trackers that the trainer also reports to, by its names: tensorboard, wandb, mlflow, ..."""
    seed: int = 0
    checkpoint_every: int = 50
    """Optimizer steps between checkpoints."""
    keep_checkpoints: int = 2

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        require(
            self.checkpoint_every >= 1, "checkpoint_every", self.checkpoint_every, "give at least 1"
        )
        require(
            self.keep_checkpoints >= 1, "keep_checkpoints", self.keep_checkpoints, "give at least 1"
        )
        require(0 <= self.seed < 2**32, "seed", self.seed, "give 0 up to 2**32 - 1")
        shortest = len(self.data.stages)
        require(
            self.optim.max_steps == 0 or self.optim.max_steps >= shortest,
            "optim.max_steps",
            self.optim.max_steps,
            f"give 0 or at least one step for each of the {shortest} stages",
        )

    @property
    def stage_steps(self) -> tuple[int, ...]:
        """Optimizer steps of each stage, after max_steps; they sum to num_steps."""
        planned = [stage.num_steps for stage in self.data.stages]
        if not self.optim.max_steps:
            return tuple(planned)
        return _proportional(planned, self.optim.max_steps)

    @property
    def num_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return sum(self.stage_steps)


def _proportional(planned: list[int], total: int) -> tuple[int, ...]:
    """`total` split like `planned`, every part at least 1 (largest remainder)."""
    spare = total - len(planned)
    exact = [spare * part / sum(planned) for part in planned]
    parts = [int(share) for share in exact]
    by_remainder = sorted(range(len(planned)), key=lambda i: (parts[i] - exact[i], i))
    for i in by_remainder[: spare - sum(parts)]:
        parts[i] += 1
    return tuple(part + 1 for part in parts)
