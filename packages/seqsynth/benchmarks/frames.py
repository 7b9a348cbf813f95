"""What frames cost: of short clips against other decoders, of JPEGs against Pillow.

Clips are ten seconds of real footage encoded as x264 does by default (crf 23, medium); of each, 8
to 16 frames are asked for, at 1 to 8 a second from a random start, as squares of 224 pixels. All
decoders get one thread on one core and take turns; figures are of processor time. Where there is a
GPU, DALI on it is compared with torchcodec on it and with PyAV on one core, by the clock. `nox -s
bench` installs the other decoders and the footage into a folder that $SEQSYNTH_BENCH_PEERS names.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seqsynth import FrameRef, load_frames
from seqsynth.frames.dali_graph import best_device
from seqsynth.frames.dali_routing import refusal, survey_video

PEERS_VARIABLE = "SEQSYNTH_BENCH_PEERS"
RUNS = 7
WORKER = Path(__file__).with_name("_decode_worker.py")
PEERS = ("decord", "decord2", "torchcodec", "opencv", "pyav_naive")
CLIP_FRAMES = 300
EDGE = 224
# name: width, height, frames between key frames, clips, plans of each
VIDEOS = {
    "240p_gop250": (320, 240, 250, 6, 4),
    "240p_gop12": (320, 240, 12, 6, 4),
    "360p_gop250": (640, 360, 250, 3, 4),
    "720p_gop250": (1280, 720, 250, 2, 4),
}
GPU_PEERS = ("torchcodec_cuda", "ours")
GPU_VIDEOS = {"240p_gop250": (320, 240, 250, 16, 4), "720p_gop250": (1280, 720, 250, 16, 2)}
NEEDS_NO_PACKAGE = ("ours", "pyav_naive")
PICTURES = {(640, 480): 48, (2048, 1536): 6}  # width and height: how many


def run() -> dict[str, dict[str, Any]]:
    """All cases."""
    cases: dict[str, dict[str, Any]] = {}
    for size, count in PICTURES.items():
        cases |= pictures(size, count)
    peers = Path(os.environ.get(PEERS_VARIABLE, ""))
    if not os.environ.get(PEERS_VARIABLE) or not list(peers.glob("footage/**/*.mp4")):
        raise FileNotFoundError(
            f"{PEERS_VARIABLE} names no folder with footage: run nox -s bench -- frames"
        )
    with tempfile.TemporaryDirectory() as folder:
        for name, (width, height, gop, num_clips, num_plans) in VIDEOS.items():
            paths = write_clips(peers, name, (width, height), gop, num_clips)
            cases |= videos(peers, Path(folder), name, plans(paths, num_plans))
        cases |= on_gpu(peers, Path(folder))
    return cases


def videos(
    peers: Path, folder: Path, name: str, plan: list[tuple[str, list[int]]]
) -> dict[str, dict[str, Any]]:
    """Clips a second of every decoder on one set of clips."""
    rates = clip_rates(peers, folder, ("ours", *PEERS), "cpu", plan)
    return {
        f"video_{name}_vs_{decoder}": compared(rates["ours"], rate, "clips/s, one thread")
        for decoder, rate in rates.items()
        if decoder != "ours"
    }


def on_gpu(peers: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """The same of `dali` on a GPU; nothing, and why, where there is none."""
    reason = ""
    if best_device() != "gpu":
        reason = "no GPU that this process can use"
    elif not (peers / "dali").exists():
        reason = f"{peers} holds no DALI: run nox -s bench -- frames where nvidia-smi is"
    if reason:
        print(f"  no cases of DALI: {reason}", flush=True)
        return {}
    cases: dict[str, dict[str, Any]] = {}
    for name, (width, height, gop, num_clips, num_plans) in GPU_VIDEOS.items():
        paths = write_clips(peers, name, (width, height), gop, num_clips)
        refused = [reason for path in paths if (reason := refusal(survey_video(path), "gpu"))]
        rates = clip_rates(peers, folder, ("dali", *GPU_PEERS), "wall", plans(paths, num_plans))
        for decoder, rate in rates.items():
            if decoder != "dali":
                case = compared(rates["dali"], rate, "clips/s, by the clock")
                case["note"] = f"of {len(paths)} clips PyAV got {len(refused)} in DALI's place"
                peer = "pyav" if decoder == "ours" else decoder
                cases[f"video_{name}_dali_vs_{peer}"] = case
    return cases


def compared(ours: float, peer: float, unit: str) -> dict[str, Any]:
    """A case of two rates."""
    return {
        "ours": round(ours, 2),
        "peer": round(peer, 2),
        "ratio": round(ours / peer, 3),
        "unit": unit,
        "runs": RUNS,
    }


def clip_rates(
    peers: Path,
    folder: Path,
    decoders: Sequence[str],
    clock: str,
    plan: list[tuple[str, list[int]]],
) -> dict[str, float]:
    """Clips a second of ours, the first, and of each other that is there; they take turns."""
    with contextlib.ExitStack() as stack:
        workers = {}
        for decoder in decoders:
            try:
                workers[decoder] = stack.enter_context(worker(decoder, clock, peers, folder, plan))
            except (OSError, RuntimeError) as error:
                if decoder == decoders[0]:
                    raise
                print(f"  {decoder} is left out: {error}", flush=True)
        seconds: dict[str, list[float]] = {decoder: [] for decoder in workers}
        for _ in range(RUNS):
            for decoder, one_pass in workers.items():
                seconds[decoder].append(one_pass())
    return {decoder: len(plan) / statistics.median(s) for decoder, s in seconds.items()}


@contextlib.contextmanager
def worker(
    decoder: str, clock: str, peers: Path, folder: Path, plan: list[tuple[str, list[int]]]
) -> Iterator[Callable[[], float]]:
    """A function that makes one pass in a process of its own and returns its seconds."""
    needs_package = decoder not in NEEDS_NO_PACKAGE
    if needs_package and not (peers / decoder).exists():
        raise FileNotFoundError(peers / decoder)
    variables = dict(os.environ, OMP_NUM_THREADS="1")
    if needs_package:
        paths = [str(peers / decoder), *filter(None, [variables.get("PYTHONPATH")])]
        variables["PYTHONPATH"] = os.pathsep.join(paths)
    if decoder.startswith("torchcodec"):
        variables["LD_LIBRARY_PATH"] = ffmpeg_libraries(folder)
    process = subprocess.Popen(
        [sys.executable, str(WORKER), decoder, clock],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None

    def ask(line: str) -> str:
        process.stdin.write(line + "\n")
        process.stdin.flush()
        answer = process.stdout.readline().strip()
        if not answer:
            raise RuntimeError(f"{decoder} ended with status {process.wait()}")
        return answer

    try:
        ask(json.dumps(plan))
        yield lambda: float(ask("go"))
    finally:
        process.stdin.close()
        process.wait()


def ffmpeg_libraries(folder: Path) -> str:
    """Folders in which torchcodec finds the FFmpeg that PyAV brings, under its usual names."""
    import av

    bundled = Path(av.__file__).parent.with_name("av.libs")
    links = folder / "ffmpeg"
    links.mkdir(exist_ok=True)
    for path in bundled.iterdir():
        usual = re.sub(r"-[0-9a-f]{8}\.so\.(\d+).*", r".so.\1", path.name)
        if not (links / usual).exists():
            (links / usual).symlink_to(path)
    return f"{links}{os.pathsep}{bundled}"


def write_clips(peers: Path, name: str, size: tuple[int, int], gop: int, count: int) -> list[str]:
    """Footage back and forth, from a different place for each clip; encoded once, then kept."""
    import av

    folder = peers / "clips"
    folder.mkdir(exist_ok=True)
    sources = sorted(peers.glob("footage/**/*.mp4"))
    chosen = [path for path in sources if path.stem in ("bikes", "bigbuckbunny")]
    paths = []
    for number in range(count):
        path = folder / f"{name}-{number}.mp4"
        paths.append(str(path))
        if path.exists():
            continue
        frames = footage(chosen[number % len(chosen)], size)
        unfinished = path.with_name(f"unfinished-{path.name}")
        with av.open(str(unfinished), "w") as container:
            stream: Any = container.add_stream("libx264", rate=25 if number % 2 else 30)
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            stream.options = {"crf": "23", "preset": "medium", "g": str(gop)}
            for shown in range(CLIP_FRAMES):
                place = (shown + 37 * number) % (2 * len(frames) - 2)
                picture = frames[place if place < len(frames) else 2 * len(frames) - 2 - place]
                frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
                frame.pts = shown
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        unfinished.replace(path)
    return paths


def footage(path: Path, size: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """All frames of a file in another size."""
    import av

    with av.open(str(path)) as container:
        return [
            frame.reformat(*size, "yuv420p", interpolation="BICUBIC").to_ndarray()
            for frame in container.decode(video=0)
        ]


def plans(paths: list[str], num_plans: int) -> list[tuple[str, list[int]]]:
    """8 to 16 frames at 1 to 8 a second from a random start."""
    rng = np.random.default_rng(0)
    drawn = []
    for path in paths * num_plans:
        step = 30 / math.exp(rng.uniform(0, math.log(8)))
        count = min(int(rng.integers(8, 17)), int((CLIP_FRAMES - 1) / step) + 1)
        start = rng.uniform(0, CLIP_FRAMES - 1 - step * (count - 1))
        drawn.append((path, sorted({int(start + step * k) for k in range(count)})))
    return drawn


def pictures(size: tuple[int, int], count: int) -> dict[str, dict[str, Any]]:
    """JPEGs a second against Pillow, which decodes them whole; and what decoding alone gives."""
    import simplejpeg

    def with_pillow() -> NDArray[np.uint8]:
        frames = np.empty((count, EDGE, EDGE, 3), dtype=np.uint8)
        for number, path in enumerate(paths):
            with Image.open(path) as image:
                whole = image.convert("RGB").resize((EDGE, EDGE), Image.Resampling.BICUBIC)
                frames[number] = np.asarray(whole)
        return frames

    with tempfile.TemporaryDirectory() as folder:
        paths = write_pictures(Path(folder), size, count)
        contents = [path.read_bytes() for path in paths]
        refs = [FrameRef(str(path), 0) for path in paths]
        ways: dict[str, Callable[[], Any]] = {
            "ours": lambda: load_frames(refs, EDGE),
            "peer": with_pillow,
            "floor": lambda: [
                simplejpeg.decode_jpeg(content, "RGB", min_height=EDGE, min_width=EDGE)
                for content in contents
            ],
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(RUNS + 1):
            for name, work in ways.items():
                start = time.process_time()
                work()
                seconds[name].append(time.process_time() - start)
        error = ((ways["ours"]().astype(float) - with_pillow()) ** 2).mean()
    rates = {name: count / statistics.median(s[1:]) for name, s in seconds.items()}
    case = compared(rates["ours"], rates["peer"], "images/s, one thread")
    case["note"] = (
        f"JPEG quality 90, {sum(map(len, contents)) / count / 1000:.0f} kB on average; both resize "
        f"bicubically, {10 * math.log10(255**2 / error):.1f} dB apart; decoding alone, at the size "
        f"we need: {rates['floor']:.0f} images/s, {rates['floor'] / rates['peer']:.2f} times Pillow"
    )
    return {f"images_{size[0]}x{size[1]}_vs_pil": case}


def write_pictures(folder: Path, size: tuple[int, int], count: int) -> list[Path]:
    """JPEGs of one size."""
    paths = [folder / f"{number}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        Image.fromarray(photograph(number, *size)).save(path, "JPEG", quality=90)
    return paths


def photograph(seed: int, width: int, height: int) -> NDArray[np.uint8]:
    """Shades with about the detail of photographs: energy falls with the square of frequency."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    amplitude = 1 / np.maximum(frequency, 1 / width) ** 1.6

    def layer() -> NDArray[np.float64]:
        phase = np.exp(2j * np.pi * rng.random(amplitude.shape))
        shades = np.fft.irfft2(amplitude * phase, s=(height, width))
        return shades / shades.std()

    light = layer()
    channels = [128 + 45 * (light + 0.3 * layer()) for _ in range(3)]
    return np.clip(np.stack(channels, axis=-1), 0, 255).astype(np.uint8)
