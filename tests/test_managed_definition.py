"""Definitions of managed endpoints: the shipped one, and what is refused before anything is rented."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from endpoint.config import Settings
from endpoint.errors import ConfigError
from endpoint.managed.definition import changes, creation, read_definition
from tests.test_architecture import ROOT

SHIPPED = ROOT / "deploy" / "huggingface" / "endpoint.toml"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def changed(folder: Path, *edits: tuple[str, str]) -> Path:
    text = SHIPPED.read_text(encoding="utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    path = folder / "endpoint.toml"
    path.write_text(text)
    return path


def test_the_shipped_one_fits_the_image_and_huggingface_hub() -> None:
    made = read_definition(SHIPPED)
    inspect.signature(HfApi.create_inference_endpoint).bind(None, **creation(made, {}))
    inspect.signature(HfApi.update_inference_endpoint).bind(None, made.name, **changes(made, {}))
    assert f"EXPOSE {made.image.port}" in DOCKERFILE
    assert f"{made.image.health_route}'" in DOCKERFILE
    assert {name.lower() for name in made.env} <= set(Settings.model_fields)


def test_name_and_image_can_be_given(tmp_path: Path) -> None:
    made = read_definition(SHIPPED, name="other", image="a/b:1")
    assert (made.name, made.image.url, made.image.port) == ("other", "a/b:1", 8000)


REFUSED = {
    "env.PORT": [("port = 8000", "port = 9000")],
    "min_replica": [("min_replica = 0", "min_replica = 3")],
    "come together": [("threshold = 16.0", "#")],
    "anyone reaches": [('"authenticated"', '"public"')],
    "name it in `secrets`": [("[env]", '[env]\nAPI_KEY = "k"')],
    "scaling.max_replicas": [("max_replica", "max_replicas")],
    "image.port": [("port = 8000", "port = 80")],
    "compute.region": [("region =", "# region =")],
    "type": [('"authenticated"', '"secret"')],
    "Invalid|Expected": [("[env]", "[env")],
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_would_not_work_is_refused(tmp_path: Path, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        read_definition(changed(tmp_path, *REFUSED[reason]))


def test_secrets_come_from_the_environment(tmp_path: Path) -> None:
    made = read_definition(changed(tmp_path, ("secrets = []", 'secrets = ["API_KEY"]')))
    assert creation(made, {"API_KEY": "k"})["secrets"] == {"API_KEY": "k"}
    with pytest.raises(ConfigError, match="API_KEY"):
        creation(made, {})
    with pytest.raises(ConfigError, match="No such file"):
        read_definition(tmp_path / "none.toml")
