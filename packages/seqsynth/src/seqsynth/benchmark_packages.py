"""The packages of the further benchmarks: a film, and clips that video generators have made.

They are fetched when asked for (`seqsynth fetch film`, `seqsynth fetch clips`); training and the
benchmark of the default do without.
"""

from functools import partial
from pathlib import PurePosixPath

from seqsynth.default_packages import DEFAULT_PACKAGES, Package
from seqsynth.generated_list import generated_list

FILM = Package(
    part="film",
    holds="the film Big Buck Bunny, 596 s, 720p ((c) Blender Foundation)",
    registry="pypi",
    requirement="moviepy==2.2.1",
    filename="moviepy-2.2.1.tar.gz",
    num_bytes=58_431_438,
    sha256="c80cb56815ece94e5e3e2d361aa40070eeb30a09d23a24c4e684d03e16deacb1",
    licence="CC-BY-3.0",
    wanted=lambda path: path.endswith("/resources/bbb.mp4"),
    inner="moviepy-2.2.1/docs/_static/medias/getting_started/moviepy_10_minutes/"
    "moviepy_10_minutes.zip",
    is_sdist=True,
    is_needed=True,
)


def _is_listed(part: str, path: str) -> bool:
    """Whether the file is one of the clips that `generated_clips.toml` lists for a part."""
    name = PurePosixPath(path).name
    return any(clip.part == part and clip.file == name for clip in generated_list().clips)


GENERATED_API = Package(
    part="generated-api",
    holds="AI-generated clips, 350 px, of hosted models",
    registry="pypi",
    requirement="comfyui-workflow-templates-media-api==0.3.84",
    filename="comfyui_workflow_templates_media_api-0.3.84-py3-none-any.whl",
    num_bytes=100_148_800,
    sha256="c2d6a5999ac39e4f37f47ae231c92557defe5addb2cc6ab5c11410b4d5a2910a",
    licence="MIT",
    wanted=partial(_is_listed, "generated-api"),
    is_needed=True,
)
GENERATED_VIDEO = Package(
    part="generated-video",
    holds="AI-generated clips, 350 px, mostly of open models",
    registry="pypi",
    requirement="comfyui-workflow-templates-media-video==0.3.101",
    filename="comfyui_workflow_templates_media_video-0.3.101-py3-none-any.whl",
    num_bytes=104_342_671,
    sha256="6270fd61c8c3931b6f0031abac7d4c90ced624de6c7918bff85b89e6c3d7493c",
    licence="MIT",
    wanted=partial(_is_listed, "generated-video"),
    is_needed=True,
)

FETCH_SETS: dict[str, tuple[Package, ...]] = {
    "default": DEFAULT_PACKAGES,
    "film": (FILM,),
    "clips": (GENERATED_API, GENERATED_VIDEO),
}
"""What `seqsynth fetch` can bring, by name."""
