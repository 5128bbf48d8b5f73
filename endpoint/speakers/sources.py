"""What finds speakers, and where it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from endpoint.errors import ConfigError
from endpoint.speakers.worker.protocol import BUILT_IN, PRINTS, PYANNOTE, SEGMENTATION

# What pyannote's packages need beside: the hub's token and cache, the GPU.
_NEEDED = ("CUDA_VISIBLE_DEVICES", "HF_HOME", "HF_HUB_OFFLINE", "HF_TOKEN", "HOME", "PATH", "XDG_CACHE_HOME")


@dataclass(frozen=True)
class Source:
    """kind: BUILT_IN or PYANNOTE. location: a folder; for pyannote also a name on the hub.

    environment: more variables for the process.
    """

    kind: str
    location: str
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def built_in(cls, folder: Path) -> Source:
        return cls(BUILT_IN, str(folder))


def source_of(given: str, environment: Mapping[str, str]) -> Source:
    """What the setting SPEAKER_MODELS names. environment: of this process. Raises ConfigError."""
    folder = Path(given)
    if all((folder / name).exists() for name in (SEGMENTATION, PRINTS)):
        return Source.built_in(folder)
    is_name = not folder.is_dir() and not given.startswith(("/", ".", "~")) and given.count("/") == 1
    if not is_name and not (folder / "config.yaml").exists():
        raise ConfigError(
            f"SPEAKER_MODELS: {given} has neither {SEGMENTATION} and {PRINTS} (endpoint models pull speakers), nor "
            "pyannote's config.yaml"
        )
    return Source(PYANNOTE, given, {name: environment[name] for name in _NEEDED if name in environment})
