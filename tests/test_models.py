"""The names of models, and starting, checking and closing all models."""

from __future__ import annotations

import pytest

from endpoint.admission import Load
from endpoint.config import TEST_MODEL, Settings
from endpoint.errors import ConfigError, EngineFailed, ModelNotFound, NotReady
from endpoint.models import OPENAI_MODELS, Models, Names, Peers
from tests.api_support import StandIn

TWO = {"engine": "fake", "models": "large=openai/whisper-large-v3, small=demo"}


def names(**settings: object) -> Names:
    return Names.of(Settings(**TWO | settings))


# ---- names ----------------------------------------------------------------------------------------


def test_the_first_is_the_default_and_openais_names_mean_it() -> None:
    made = names()
    assert (made.default, made.listed) == ("large", ("large", "small"))
    assert {made.find(name) for name in ("", "large", "openai/whisper-large-v3", *OPENAI_MODELS)} == {"large"}
    assert {made.find(name) for name in ("small", "demo")} == {"small"}


def test_another_can_be_the_default() -> None:
    made = names(default_model="small")
    assert made.find("") == made.find("whisper-1") == "small"
    assert made.listed == ("large", "small")


def test_one_model_is_known_by_its_name_and_by_what_was_loaded() -> None:
    made = Names.of(Settings(model_id="openai/whisper-tiny", served_model_name="mine"))
    assert {made.find(name) for name in ("", "mine", "openai/whisper-tiny", "whisper-1")} == {"mine"}
    assert Names.of(Settings(model_id=str(TEST_MODEL))).listed == ("whisper-demo",)


@pytest.mark.parametrize("name", ["other", "Small", "large ", "gpt-4o", "/"])
def test_other_names_are_refused_and_the_served_ones_listed(name: str) -> None:
    with pytest.raises(ModelNotFound, match="served: large, small") as refused:
        names().find(name)
    assert refused.value.param == "model"


def test_aliases_come_before_openais_names() -> None:
    made = names(model_aliases={"whisper-1": "small", "fast": "small"})
    assert (made.find("whisper-1"), made.find("fast"), made.find("gpt-4o-transcribe")) == ("small", "small", "large")
    assert made.listed == ("large", "small")
    assert [made.shown(name) for name in ("fast", "whisper-1", "large", "")] == ["small", "small", "large", "large"]


def test_only_allowed_names_are_known_and_listed() -> None:
    made = names(model_aliases={"fast": "small"}, allowed_models="large, fast")
    assert made.listed == ("large", "fast")
    assert (made.find("fast"), made.find("large"), made.find("")) == ("small", "large", "large")
    for name in ("small", "whisper-1", "openai/whisper-large-v3"):
        with pytest.raises(ModelNotFound, match="served: large, fast"):
            made.find(name)


def test_a_name_that_is_not_allowed_is_never_shown() -> None:
    made = names(allowed_models="whisper-1,gpt-4o-transcribe")
    assert made.listed == ("whisper-1", "gpt-4o-transcribe")
    assert [made.shown(name) for name in ("", "gpt-4o-transcribe")] == ["whisper-1", "gpt-4o-transcribe"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"models": "a=demo,a=x/y"}, "MODELS: two models are called a"),
        ({"models": "demo,demo"}, "MODELS: two models are called whisper-demo"),
        ({"models": "=demo"}, "MODELS: `=demo` has no name"),
        ({"models": " , "}, "MODELS names no model"),
        ({"model_id": "x/y"}, "MODELS and MODEL_ID are both set"),
        ({"served_model_name": "mine"}, "MODELS and SERVED_MODEL_NAME are both set"),
        ({"default_model": "medium"}, "DEFAULT_MODEL: medium is not served; served: large, small"),
        (
            {"model_aliases": {"fast": "tiny"}},
            "MODEL_ALIASES: fast stands for tiny, which is not served",
        ),
        ({"model_aliases": {"large": "small"}}, "MODEL_ALIASES: large is the name of a served model"),
        ({"model_aliases": {"a": "b", "b": "small"}}, "MODEL_ALIASES: a stands for b"),
        ({"allowed_models": "large,tiny"}, "ALLOWED_MODELS: tiny is neither served nor an alias"),
        ({"allowed_models": "small"}, "ALLOWED_MODELS has no name of large"),
    ],
)
def test_names_that_do_not_fit_together_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        names(**settings)
    assert refused.value.message.startswith(message)


# ---- models ---------------------------------------------------------------------------------------


class Core(StandIn):
    """Records when it is started and closed."""

    def __init__(self, name: str, notes: list[str]) -> None:
        super().__init__()
        self.name, self.notes = name, notes
        self.close_failure: Exception | None = None

    async def start(self) -> None:
        self.notes.append(f"start {self.name}")
        await super().start()

    async def close(self) -> None:
        self.notes.append(f"close {self.name}")
        if self.close_failure is not None:
            raise self.close_failure


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def cores(notes: list[str]) -> dict[str, Core]:
    return {name: Core(name, notes) for name in ("large", "small")}


@pytest.fixture
def models(cores: dict[str, Core]) -> Models:
    return Models(names(), cores)


def test_a_name_leads_to_its_model(models: Models, cores: dict[str, Core]) -> None:
    assert models.find("") is models.find("whisper-1") is cores["large"]
    assert models.find("demo") is cores["small"]
    with pytest.raises(ModelNotFound):
        models.find("other")


async def test_they_start_one_after_the_other_and_all_are_closed(models: Models, notes: list[str]) -> None:
    await models.start()
    await models.close()
    assert notes[:2] == ["start large", "start small"]
    assert sorted(notes[2:]) == ["close large", "close small"]


async def test_a_model_that_does_not_start_is_reported(
    models: Models, cores: dict[str, Core], notes: list[str]
) -> None:
    cores["large"].start_failure = EngineFailed("no memory")
    with pytest.raises(EngineFailed, match="no memory"):
        await models.start()
    assert notes == ["start large"]


async def test_a_failure_to_close_leaves_none_open(models: Models, cores: dict[str, Core], notes: list[str]) -> None:
    for core in cores.values():
        core.close_failure = RuntimeError("stuck")
    with pytest.raises(RuntimeError, match="stuck"):
        await models.close()
    assert sorted(notes) == ["close large", "close small"]


async def test_all_is_well_when_every_model_can_serve_requests(models: Models, cores: dict[str, Core]) -> None:
    await models.check()
    cores["small"].state = EngineFailed("it died")
    with pytest.raises(EngineFailed, match="small: it died"):
        await models.check()
    await models.check_any()
    cores["small"].state = NotReady("loading", retry_after=7)
    with pytest.raises(NotReady) as loading:
        await models.check()
    assert loading.value.retry_after == 7


async def test_when_no_model_can_serve_the_error_of_the_default_is_raised(
    models: Models, cores: dict[str, Core]
) -> None:
    cores["large"].state = NotReady("large loads")
    await models.check_any()
    cores["small"].state = EngineFailed("small died")
    with pytest.raises(NotReady, match="large loads"):
        await models.check_any()


async def test_nobody_is_well_before_all_processes_are_ready(cores: dict[str, Core]) -> None:
    """A health check may reach one process, and the next request another."""
    ready, load = [0, 0], Load.of(2)
    first, second = (Models(names(), cores, Peers(ready, load, number)) for number in range(2))
    await first.start()
    assert ready == [1, 0]
    with pytest.raises(NotReady, match="another process"):
        await first.check()
    await first.check_any()
    await second.start()
    await first.check()
    await second.check()
