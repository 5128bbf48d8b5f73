"""deploy/*.yml: of Compose's own schema, and what they name exists. There is no container engine where this runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml

from endpoint.__main__ import COMMANDS
from endpoint.config import load_settings
from tests.supervised import CLEAN
from tests.test_architecture import ROOT

DEPLOY = ROOT / "deploy"
SCHEMA = json.loads((Path(__file__).parent / "compose-spec.json").read_text(encoding="utf-8"))  # Apache 2.0
VARIABLE = re.compile(r"\$\{(\w+)(?::?[-?]([^}]*))?\}")
FILES = sorted(path.name for path in DEPLOY.glob("*.yml") if "services:" in path.read_text(encoding="utf-8"))


def composed(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))
    return loaded


def example() -> dict[str, str]:
    lines = (DEPLOY / "env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def filled(value: object, variables: dict[str, str]) -> str:
    return VARIABLE.sub(lambda found: variables.get(found[1]) or found[2] or "", str(value))


OURS = composed("compose.yml")["services"]
OWN = {name: service for name, service in OURS.items() if "build" in service}
SECRETS = {"API_KEY": "k" * 16, "ENGINE_TOKEN": "t" * 16}


@pytest.mark.parametrize("name", FILES)
def test_composes_own_schema_holds(name: str) -> None:
    jsonschema.Draft7Validator(SCHEMA).validate(composed(name))


def test_there_are_a_gateway_two_engines_and_a_store() -> None:
    assert set(OURS) >= {"gateway", "engine-a", "engine-b", "valkey"}
    assert len(OWN) == 3


@pytest.mark.parametrize("service", OWN)
def test_commands_and_settings_exist(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program, command, *flags = OWN[service]["command"]
    assert (program, flags) == ("endpoint", [])
    assert command in COMMANDS
    for name in set(example()) - set(CLEAN):
        monkeypatch.delenv(name, raising=False)
    given = {name.lower(): filled(value, SECRETS) for name, value in OWN[service]["environment"].items()}
    settings = load_settings(**{name: value for name, value in given.items() if value})
    assert set(given) <= set(type(settings).model_fields)
    for engine in filter(None, settings.engines.split(",")):
        address = urlsplit(engine)
        assert address.hostname in OWN
        assert address.port == settings.port
    if settings.engines:
        assert urlsplit(settings.jobs_url).hostname in OURS


def test_every_variable_is_in_the_example_and_the_other_way_round() -> None:
    text = (DEPLOY / "compose.yml").read_text(encoding="utf-8")
    defaults = dict(VARIABLE.findall(text))
    assert set(defaults) == set(example())
    for name, value in example().items():
        if name not in SECRETS:
            assert value == defaults[name]
        else:
            assert value == ""  # nobody runs it with a secret that everybody knows
            assert f"${{{name}:?" in text


def test_volumes_are_declared_and_dependencies_exist() -> None:
    whole = composed("compose.yml")
    for service in OURS.values():
        mounts = {mount.partition(":")[0] for mount in service.get("volumes", [])}
        assert {mount for mount in mounts if not mount.startswith("./")} <= set(whole["volumes"])
        assert all((DEPLOY / mount).exists() for mount in mounts if mount.startswith("./"))
        assert set(service.get("depends_on", {})) <= set(OURS)


def test_the_profile_observe_is_that_of_observe_yml_with_these_servers() -> None:
    profiles = {name: service for name, service in OURS.items() if "profiles" in service}
    observed = composed("observe.yml")
    assert set(profiles) == set(observed["services"])
    assert set(observed["volumes"]) <= set(composed("compose.yml")["volumes"])
    for name, service in profiles.items():
        assert service["extends"] == {"file": "observe.yml", "service": name}
    (targets,) = yaml.safe_load((DEPLOY / "prometheus" / "compose.yml").read_text(encoding="utf-8"))
    assert {target.partition(":")[0] for target in targets["targets"]} == set(OWN)
    ports = {int(target.partition(":")[2]) for target in targets["targets"]}
    assert ports == {service["environment"]["METRICS_PORT"] for service in OWN.values()}


def test_only_the_gateway_can_be_reached_and_nothing_writes_to_its_root() -> None:
    assert [name for name, service in OURS.items() if "ports" in service] == ["gateway"]
    assert all(service["read_only"] for service in OWN.values())
