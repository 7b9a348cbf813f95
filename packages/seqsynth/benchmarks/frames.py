"""What frames cost: of short clips against other decoders, of JPEGs against Pillow.

Clips are ten seconds of real footage encoded as x264 does by default (crf 23, medium); of each, 8
to 16 frames are asked for, at 1 to 8 a second from a random start, as squares of 224 pixels. All
decoders get one thread on one core and take turns; figures are of processor time. `nox -s bench`
installs the other decoders and the footage into a folder that $SEQSYNTH_BENCH_PEERS names.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seqsynth import FrameRef, load_frames

PEERS_VARIABLE = "SEQSYNTH_BENCH_PEERS"
RUNS = 5
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
NUM_PICTURES = 48


def run() -> dict[str, dict[str, Any]]:
    """All cases."""
    cases = pictures()
    peers = Path(os.environ.get(PEERS_VARIABLE, ""))
    if not os.environ.get(PEERS_VARIABLE) or not list(peers.glob("footage/**/*.mp4")):
        raise FileNotFoundError(
            f"{PEERS_VARIABLE} names no folder with footage: run nox -s bench -- frames"
        )
    with tempfile.TemporaryDirectory() as folder:
        for name, (width, height, gop, num_clips, num_plans) in VIDEOS.items():
            paths = write_clips(peers, name, (width, height), gop, num_clips)
            cases |= videos(peers, Path(folder), name, plans(paths, num_plans))
    return cases


def videos(
    peers: Path, folder: Path, name: str, plan: list[tuple[str, list[int]]]
) -> dict[str, dict[str, Any]]:
    """Clips a second of every decoder on one set of clips."""
    with contextlib.ExitStack() as stack:
        workers = {}
        for decoder in ("ours", *PEERS):
            with contextlib.suppress(FileNotFoundError):
                workers[decoder] = stack.enter_context(worker(decoder, peers, folder, plan))
        seconds: dict[str, list[float]] = {decoder: [] for decoder in workers}
        for _ in range(RUNS):
            for decoder, one_pass in workers.items():
                seconds[decoder].append(one_pass())
    rates = {decoder: len(plan) / statistics.median(s) for decoder, s in seconds.items()}
    return {
        f"video_{name}_vs_{decoder}": {
            "ours": round(rates["ours"], 2),
            "peer": round(rate, 2),
            "ratio": round(rates["ours"] / rate, 3),
            "unit": "clips/s, one thread",
            "runs": RUNS,
        }
        for decoder, rate in rates.items()
        if decoder != "ours"
    }


@contextlib.contextmanager
def worker(
    decoder: str, peers: Path, folder: Path, plan: list[tuple[str, list[int]]]
) -> Iterator[Callable[[], float]]:
    """A function that makes one pass in a process of its own and returns its CPU seconds."""
    needs_package = decoder not in ("ours", "pyav_naive")
    if needs_package and not (peers / decoder).exists():
        raise FileNotFoundError(peers / decoder)
    variables = dict(os.environ, OMP_NUM_THREADS="1")
    if needs_package:
        paths = [str(peers / decoder), *filter(None, [variables.get("PYTHONPATH")])]
        variables["PYTHONPATH"] = os.pathsep.join(paths)
    if decoder == "torchcodec":
        variables["LD_LIBRARY_PATH"] = ffmpeg_libraries(folder)
    process = subprocess.Popen(
        [sys.executable, str(WORKER), decoder],
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


def pictures() -> dict[str, dict[str, Any]]:
    """JPEGs a second against Pillow, which decodes them whole; and what decoding alone gives."""
    import simplejpeg

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.jpg") for number in range(NUM_PICTURES)]
        for number, path in enumerate(paths):
            content = io.BytesIO()
            Image.fromarray(photograph(number)).save(content, "JPEG", quality=90)
            path.write_bytes(content.getvalue())
        kilobytes = sum(path.stat().st_size for path in paths) / NUM_PICTURES / 1000
        refs = [FrameRef(str(path), 0) for path in paths]

        def with_pillow() -> NDArray[np.uint8]:
            frames = np.empty((NUM_PICTURES, EDGE, EDGE, 3), dtype=np.uint8)
            for number, path in enumerate(paths):
                with Image.open(path) as image:
                    whole = image.convert("RGB").resize((EDGE, EDGE), Image.Resampling.BICUBIC)
                    frames[number] = np.asarray(whole)
            return frames

        contents = [path.read_bytes() for path in paths]
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
    rates = {name: NUM_PICTURES / statistics.median(s[1:]) for name, s in seconds.items()}
    return {
        "images_640x480_vs_pil": {
            "ours": round(rates["ours"]),
            "peer": round(rates["peer"]),
            "ratio": round(rates["ours"] / rates["peer"], 3),
            "unit": "images/s, one thread",
            "runs": RUNS,
            "note": f"JPEG quality 90, {kilobytes:.0f} kB on average; both resize bicubically; "
            f"decoding alone, at half the size: {rates['floor']:.0f} images/s, "
            f"{rates['floor'] / rates['peer']:.2f} times Pillow",
        }
    }


def photograph(seed: int, width: int = 640, height: int = 480) -> NDArray[np.uint8]:
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
