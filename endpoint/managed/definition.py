"""What an endpoint of Hugging Face's is to be, from a file of TOML; deploy/huggingface/endpoint.toml is one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from endpoint.errors import ConfigError


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Image(_Table):
    url: str
    port: Annotated[int, Field(ge=1024, le=65_535)] = 8000  # the server is no root
    health_route: Annotated[str, Field(pattern="^/")] = "/health"


class Compute(_Table):
    accelerator: str
    vendor: str
    region: str
    instance_type: str
    instance_size: str


class Scaling(_Table):
    """scale_to_zero_timeout: minutes. threshold: of the metric, for each replica."""

    min_replica: Annotated[int, Field(ge=0)] = 0
    max_replica: Annotated[int, Field(ge=1)] = 1
    scale_to_zero_timeout: Annotated[int, Field(ge=1)] | None = None
    metric: Literal["pendingRequests", "hardwareUsage"] | None = None
    threshold: Annotated[float, Field(gt=0)] | None = None


class Definition(_Table):
    """secrets: names of environment variables."""

    name: str
    repository: str
    type: Literal["public", "authenticated", "private"] = "authenticated"
    image: Image
    compute: Compute
    scaling: Scaling = Scaling()
    env: Mapping[str, str] = {}
    secrets: tuple[str, ...] = ()


def read_definition(path: Path, **instead: str) -> Definition:
    """instead: `name` and `image` in the place of those in the file. Raises ConfigError that names the fault."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
        if image := instead.pop("image", None):
            found["image"] = {**found.get("image", {}), "url": image}
        made = Definition.model_validate(found | instead)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {_reason(error)}") from error
    _check(path, made)
    return made


def _reason(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(f"{'.'.join(map(str, line['loc']))}: {line['msg']}" for line in error.errors())


def _check(path: Path, made: Definition) -> None:
    """What would leave an endpoint initializing for ever, or open to everybody."""
    if made.env.get("PORT", "8000") != str(made.image.port):
        raise ConfigError(f"{path}: env.PORT and image.port differ: the endpoint would never be ready")
    if made.scaling.min_replica > made.scaling.max_replica:
        raise ConfigError(f"{path}: scaling.min_replica is above max_replica")
    if (made.scaling.metric is None) != (made.scaling.threshold is None):
        raise ConfigError(f"{path}: scaling.metric and scaling.threshold come together")
    if made.type == "public" and made.env.get("ALLOW_ANONYMOUS", "").lower() == "true":
        raise ConfigError(f"{path}: anyone reaches a public endpoint: give it an API_KEY in place of ALLOW_ANONYMOUS")
    if written := sorted({"API_KEY", "HF_TOKEN", "KEY_PEPPER", "ENGINE_TOKEN", "WEBHOOK_SECRETS"} & made.env.keys()):
        raise ConfigError(f"{path}: {', '.join(written)}: name it in `secrets`, and set it in the environment")


def changes(made: Definition, environment: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of huggingface_hub's update_inference_endpoint. Raises ConfigError where a secret is not set."""
    if missing := [name for name in made.secrets if not environment.get(name)]:
        raise ConfigError(f"secrets that are not in the environment: {', '.join(missing)}")
    scaling = {"scaling_metric": made.scaling.metric, "scaling_threshold": made.scaling.threshold}
    return {
        "repository": made.repository,
        "framework": "custom",
        "task": "automatic-speech-recognition",
        "custom_image": {
            "url": made.image.url,
            "port": made.image.port,
            "healthRoute": made.image.health_route,
        },
        "accelerator": made.compute.accelerator,
        "instance_type": made.compute.instance_type,
        "instance_size": made.compute.instance_size,
        "min_replica": made.scaling.min_replica,
        "max_replica": made.scaling.max_replica,
        "scale_to_zero_timeout": made.scaling.scale_to_zero_timeout,
        **(scaling if made.scaling.metric else {}),
        "env": dict(made.env),
        "secrets": {name: environment[name] for name in made.secrets},
    }


def creation(made: Definition, environment: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of huggingface_hub's create_inference_endpoint. Raises as `changes`."""
    place = {"vendor": made.compute.vendor, "region": made.compute.region, "type": made.type}
    return {"name": made.name, **place, **changes(made, environment)}
