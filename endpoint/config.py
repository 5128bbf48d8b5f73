"""Settings: read once from the environment (and the command line), frozen, printed with secrets masked.

This module alone touches the environment. Names are upper-case field names: MODEL_ID, PORT, MAX_UPLOAD_MB ...
Names that begin with WHISPER_ are those of older services.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from endpoint.errors import ConfigError
from endpoint.options import VadOptions
from endpoint.settings.access import AccessSettings
from endpoint.settings.base import masked, split
from endpoint.settings.engine import EngineSettings
from endpoint.settings.gateway import GatewaySettings
from endpoint.settings.http import HttpSettings
from endpoint.settings.jobs import JobSettings
from endpoint.settings.limits import LimitSettings
from endpoint.settings.live import LiveSettings
from endpoint.settings.model import ModelSettings
from endpoint.settings.observe import ObserveSettings
from endpoint.settings.postprocess import PostprocessSettings
from endpoint.settings.speakers import SpeakerSettings
from endpoint.settings.words import WordSettings
from endpoint.types import WINDOW_SECONDS

TEST_MODEL = Path(__file__).parent / "demo" / "model"
MOUNTED_MODEL = Path("/repository")  # where Hugging Face Inference Endpoints mount the chosen model
TEST_MODEL_WINDOW_SECONDS = 30.0  # the longest window the test model is accurate on; see its model card

_SIZES = "tiny tiny.en base base.en small small.en medium medium.en large-v2 large-v3 large-v3-turbo"
SHORT_NAMES = {  # short names of models in the settings; a folder of such a name is written with ./
    "test": str(TEST_MODEL),
    "demo": str(TEST_MODEL),  # its older name
    **{size: f"openai/whisper-{size}" for size in _SIZES.split()},
    "large-v1": "openai/whisper-large",
    "large": "openai/whisper-large-v3",  # as openai/whisper has it
    "turbo": "openai/whisper-large-v3-turbo",
}


class Settings(
    PostprocessSettings,
    SpeakerSettings,
    WordSettings,
    EngineSettings,
    GatewaySettings,
    ObserveSettings,
    LiveSettings,
    JobSettings,
    LimitSettings,
    AccessSettings,
    HttpSettings,
    ModelSettings,
    BaseSettings,
):
    """Every setting, with its unit in the description. Unknown command-line flags are refused by the parser.

    The groups stand in reverse: pydantic takes the fields of the last one first.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, populate_by_name=True, protected_namespaces=()
    )

    def shown(self) -> dict[str, Any]:
        """For the log: secrets are masked, also those in addresses."""
        dumped = self.model_dump(mode="json")
        return {name: masked(value) if isinstance(value, str) else value for name, value in dumped.items()}

    def each(self) -> tuple[Settings, ...]:
        """The settings of each model, in the order of MODELS. Raises ConfigError."""
        if not self.models:
            return (self,)
        for other, name in ((self.model_id, "MODEL_ID"), (self.served_model_name, "SERVED_MODEL_NAME")):
            if other:
                raise ConfigError(f"MODELS and {name} are both set; put name=model into MODELS, and unset {name}")
        made = []
        for entry in split(self.models):
            name, equals, model = map(str.strip, entry.partition("="))
            if not name:
                raise ConfigError(f"MODELS: `{entry}` has no name before the =")
            own = {"model_id": model or "demo", "served_model_name": name} if equals else {"model_id": name}
            made.append(self.model_copy(update={"models": "", **own}))
        if not made:
            raise ConfigError("MODELS names no model; leave it out, or list models as name=model, separated by commas")
        return tuple(made)

    @property
    def model_path(self) -> str:
        """What to load: MODEL_ID, else /repository, else the test model."""
        if self.model_id:
            return SHORT_NAMES.get(self.model_id, self.model_id)
        return str(MOUNTED_MODEL if MOUNTED_MODEL.exists() else TEST_MODEL)

    @property
    def model_folder(self) -> Path:
        """Where fetched and converted models are kept."""
        if self.model_cache:
            return Path(self.model_cache)
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whisper-endpoint" / "models"

    @property
    def jobs_file(self) -> Path:
        """SQLite's file; each server of a machine has its own, unless set otherwise."""
        return Path(self.jobs_url) if self.jobs_url else self.state_folder / f"jobs-{self.port}.db"

    @property
    def state_folder(self) -> Path:
        """Where jobs and samples are kept, unless set otherwise."""
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "whisper-endpoint"

    @property
    def runs_vllm(self) -> bool:
        """Whether this server has vLLM's engines of its own."""
        return self.engine == "vllm" and not self.engines

    @property
    def samples_path(self) -> Path:
        """Where recordings are kept as samples."""
        return Path(self.sample_folder) if self.sample_folder else self.state_folder / "samples"

    @property
    def is_test_model(self) -> bool:
        return self.model_path == str(TEST_MODEL)

    @property
    def model_name(self) -> str:
        """The name clients see."""
        if self.served_model_name:
            return self.served_model_name
        if self.engine == "fake" and not self.model_id:
            return "fake"
        if self.is_test_model:
            return "whisper-demo"
        given = self.model_id or self.model_path
        if given.endswith(".pt"):  # OpenAI's file
            return Path(given).stem
        return Path(given).name if os.path.isdir(given) else given

    @property
    def window_seconds(self) -> float:
        if self.max_window_seconds is not None:
            return self.max_window_seconds
        return TEST_MODEL_WINDOW_SECONDS if self.is_test_model else float(WINDOW_SECONDS)

    @property
    def vad(self) -> VadOptions | None:
        """Voice activity detection of requests that do not set it."""
        return VadOptions() if self.vad_filter else None

    def front_processes(self, engines: int) -> int:
        """How many processes serve HTTP for this number of engines."""
        return self.api_processes or max(1, min(2 * engines, len(os.sched_getaffinity(0)) // 8))

    @property
    def decode_processes(self) -> int:
        return self.decode_workers or min(16, len(os.sched_getaffinity(0)))

    @property
    def speaker_processes(self) -> int:
        return self.speaker_workers or max(1, len(os.sched_getaffinity(0)) // 8)


def environment() -> dict[str, str]:
    """A copy of the process's environment: for child processes, and for variables of libraries."""
    return dict(os.environ)


def add_environment(variables: Mapping[str, str], *, keep: bool = False) -> None:
    """Set variables that libraries read when they are imported. keep: those that are set already stay."""
    for name, value in variables.items():
        if not keep or name not in os.environ:
            os.environ[name] = value


def load_settings(flags: list[str] | None = None, *, prog: str = "endpoint", **overrides: Any) -> Settings:
    """Settings from the environment, then `overrides`, then command-line `flags` (--port 80); None overrides nothing.

    Flags mirror the settings; an unknown one ends the process with a usage line, as --help does with all of them.

    Raises ConfigError that names every wrong variable.
    """
    try:
        given = {name: value for name, value in overrides.items() if value is not None}
        if flags is not None:
            given.update(_cli_parse_args=flags, _cli_prog_name=prog, _cli_kebab_case=True)
        return Settings(**given)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise ConfigError("wrong settings: " + "; ".join(lines)) from error
    except SettingsError as error:  # settings in JSON
        objects = "ENGINE_ARGS, MODEL_ALIASES, PRICES, DEFAULT_REPLACEMENTS, VOCABULARIES and LLM_EXTRA_BODY"
        raise ConfigError(f"wrong settings: {error}; {objects} must be JSON objects") from error
