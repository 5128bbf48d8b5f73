"""Fields of voice activity detection: chunking_strategy in its three forms, and vad_filter."""

from __future__ import annotations

import json

import pytest

from endpoint.options import Options, VadOptions
from tests.api_support import AUDIO, StandIn, assert_error, client_of

PATH = "/v1/audio/transcriptions"
STRATEGY = "chunking_strategy"
CUSTOM = {"type": "server_vad", "threshold": 0.7, "prefix_padding_ms": 100, "silence_duration_ms": 900}


async def asked(fields: dict[str, object], path: str = PATH, **settings: object) -> Options:
    core = StandIn()
    async with client_of(core, **settings) as client:
        response = await client.post(path, files={"file": AUDIO}, data=fields)
    assert response.status_code == 200, response.text
    ((_, options),) = core.calls
    return options


@pytest.mark.parametrize(
    ("fields", "vad"),
    [
        ({}, VadOptions()),
        ({STRATEGY: "auto"}, VadOptions()),
        ({STRATEGY: '"auto"'}, VadOptions()),
        ({STRATEGY: json.dumps(CUSTOM)}, VadOptions(0.7, 100, 900)),
        ({f"{STRATEGY}[{name}]": str(value) for name, value in CUSTOM.items()}, VadOptions(0.7, 100, 900)),
        ({STRATEGY: '{"type": "server_vad"}'}, VadOptions()),
        ({STRATEGY: '{"type": "server_vad", "threshold": null}'}, VadOptions()),
        ({f"{STRATEGY}[type]": "server_vad", "vad_filter": "true"}, VadOptions()),
        ({STRATEGY: "none"}, None),
        ({STRATEGY: "OFF"}, None),
        ({"vad_filter": "false"}, None),
        ({"vad_filter": "true"}, VadOptions()),
        ({STRATEGY: "auto", "vad_filter": "false"}, None),
        ({STRATEGY: "none", "vad_filter": "false"}, None),
    ],
)
@pytest.mark.parametrize("path", [PATH, "/v1/audio/translations"])
async def test_every_form_of_it(fields: dict[str, object], vad: VadOptions | None, path: str) -> None:
    assert (await asked(fields, path)).vad == vad


@pytest.mark.parametrize(
    ("fields", "vad"),
    [
        ({}, None),
        ({STRATEGY: "auto"}, None),
        ({"vad_filter": "true"}, VadOptions()),
        ({STRATEGY: json.dumps(CUSTOM)}, VadOptions(0.7, 100, 900)),
    ],
)
async def test_the_server_decides_where_the_request_does_not(fields: dict[str, object], vad: VadOptions | None) -> None:
    assert (await asked(fields, vad_filter=False)).vad == vad


@pytest.mark.parametrize(
    ("fields", "param", "part"),
    [
        ({STRATEGY: "clever"}, STRATEGY, "`auto`"),
        ({STRATEGY: "{"}, STRATEGY, "`auto`"),
        ({STRATEGY: "[" * 5000}, STRATEGY, "`auto`"),
        ({STRATEGY: "[1]"}, STRATEGY, "`auto`"),
        ({STRATEGY: "null"}, STRATEGY, "`auto`"),
        ({STRATEGY: '{"threshold": 0.5}'}, STRATEGY, "type: Field required"),
        ({STRATEGY: '{"type": "semantic_vad"}'}, STRATEGY, "type: "),
        ({STRATEGY: '{"type": "server_vad", "threshold": 1.5}'}, STRATEGY, "threshold: "),
        ({STRATEGY: '{"type": "server_vad", "threshold": NaN}'}, STRATEGY, "threshold: "),
        ({STRATEGY: '{"type": "server_vad", "threshold": "{x}"}'}, STRATEGY, "threshold: "),
        ({STRATEGY: '{"type": "server_vad", "prefix_padding_ms": -1}'}, STRATEGY, "prefix_padding_ms: "),
        ({STRATEGY: '{"type": "server_vad", "silence_duration_ms": 1e9}'}, STRATEGY, "silence_duration_ms: "),
        ({STRATEGY: '{"type": "server_vad", "{eagerness}": "low"}'}, STRATEGY, "{eagerness}: "),
        ({f"{STRATEGY}[threshold]": "0.5"}, STRATEGY, "type: Field required"),
        ({f"{STRATEGY}[type]": ["server_vad", "other"]}, STRATEGY, "more than once"),
        ({STRATEGY: "auto", f"{STRATEGY}[type]": "server_vad"}, STRATEGY, "more than once"),
        ({f"{STRATEGY}[type]": "server_vad", STRATEGY: "auto"}, STRATEGY, "more than once"),
        ({"vad_filter": "perhaps"}, "vad_filter", "boolean"),
        ({STRATEGY: "none", "vad_filter": "true"}, "vad_filter", "contradicts"),
        ({STRATEGY: '{"type": "server_vad"}', "vad_filter": "false"}, "vad_filter", "contradicts"),
    ],
)
async def test_what_is_wrong_is_named(fields: dict[str, object], param: str, part: str) -> None:
    core = StandIn()
    async with client_of(core) as client:
        response = await client.post(PATH, files={"file": AUDIO}, data=fields)
    message = assert_error(response, 400, "invalid_value", param)
    assert message.startswith(f"{param}: ")
    assert part in message
    assert not core.calls
