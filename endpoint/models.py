"""The models of one server: the names that clients may send, and starting, checking and closing all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, MutableSequence, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from endpoint.admission import Load
from endpoint.config import Settings
from endpoint.errors import ConfigError, EndpointError, EngineFailed, ModelNotFound, NotReady
from endpoint.settings.base import split
from endpoint.types import EngineLoad

if TYPE_CHECKING:
    from endpoint.core.transcriber import Transcriber

# Names of OpenAI's models mean the default model: some clients cannot send any other name.
OPENAI_MODELS = frozenset(
    {
        "whisper-1",
        "gpt-transcribe",
        "gpt-4o-transcribe",
        "gpt-4o-mini-transcribe",
        "gpt-4o-mini-transcribe-2025-12-15",
        "gpt-4o-transcribe-diarize",
        "gpt-live-transcribe",
        "gpt-realtime-whisper",
    }
)


@dataclass(frozen=True)
class Names:
    """The names that clients may send.

    default: the served model where a request names none. meaning: name that may be sent -> served model.
    listed: the names shown in /v1/models.
    """

    default: str
    meaning: Mapping[str, str]
    listed: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> Names:
        """From MODELS or MODEL_ID, DEFAULT_MODEL, MODEL_ALIASES and ALLOWED_MODELS. Raises ConfigError."""
        each = settings.each()
        served = [one.model_name for one in each]
        if twice := [name for name, count in Counter(served).items() if count > 1]:
            raise ConfigError(f"MODELS: two models are called {twice[0]}; write name=model to rename one")
        own = {one.model_id: one.model_name for one in reversed(each) if one.model_id}
        return cls.among(settings, served, own)

    @classmethod
    def among(cls, settings: Settings, served: Sequence[str], more: Mapping[str, str]) -> Names:
        """Of models by their names. more: other name -> served model, by which clients may ask as well.

        From DEFAULT_MODEL, MODEL_ALIASES and ALLOWED_MODELS. Raises ConfigError.
        """
        default = settings.default_model or served[0]
        if default not in served:
            raise ConfigError(f"DEFAULT_MODEL: {default} is not served; {_these(served)}")
        meaning = dict.fromkeys(OPENAI_MODELS, default)
        meaning |= more
        meaning |= {name: name for name in served}
        for alias, name in settings.model_aliases.items():
            if name not in served:
                raise ConfigError(f"MODEL_ALIASES: {alias} stands for {name}, which is not served; {_these(served)}")
            if alias in served and alias != name:
                raise ConfigError(f"MODEL_ALIASES: {alias} is the name of a served model")
            meaning[alias] = name
        allowed = split(settings.allowed_models)
        if unknown := [name for name in allowed if name not in meaning]:
            raise ConfigError(f"ALLOWED_MODELS: {unknown[0]} is neither served nor an alias; {_these(served)}")
        if allowed:
            meaning = {name: meaning[name] for name in allowed}
        if default not in meaning.values():
            raise ConfigError(
                f"ALLOWED_MODELS has no name of {default}, which requests without a model get; add it, or set "
                "DEFAULT_MODEL"
            )
        shown = [meaning[name] if meaning[name] in meaning else name for name in allowed or served]
        return cls(default, meaning, tuple(dict.fromkeys(shown)))

    @property
    def sole(self) -> bool:
        """Whether there is only one."""
        return len(set(self.meaning.values())) == 1

    def find(self, name: str) -> str:
        """The served model that `name` means; "" means the default. Raises ModelNotFound."""
        if not name:
            return self.default
        if name not in self.meaning:
            raise ModelNotFound(f"The model `{name[:200]}` is not served here; {_these(self.listed)}.", param="model")
        return self.meaning[name]

    def shown(self, name: str) -> str:
        """The name to show for the model that `name` means: its own name, or an alias where only that may be sent."""
        own = self.find(name)
        if own in self.meaning:
            return own
        return name or next(other for other, meant in self.meaning.items() if meant == own)


def _these(names: Sequence[str]) -> str:
    return f"served: {', '.join(names)}"


@dataclass(frozen=True)
class Peers:
    """What the API processes of one server share: one number for each process.

    ready: 1 once the models of the process are loaded. load: work under way. number: the index of this process.
    """

    ready: MutableSequence[int]
    load: Load
    number: int = 0

    @classmethod
    def none(cls) -> Peers:
        """The peers of a server with one API process."""
        return cls([1], Load.of(1))


class After(Protocol):
    """What works on the transcripts of every model."""

    def after(self, transcriber: Transcriber) -> Transcriber: ...

    async def close(self) -> None: ...


class Models:
    """All models of one server, which start and stop together."""

    def __init__(
        self,
        names: Names,
        transcribers: Mapping[str, Transcriber],
        peers: Peers | None = None,
        after: After | None = None,
        *,
        finds_speakers: bool = True,
    ) -> None:
        """transcribers: by the name of the served model; they share one decoder. finds_speakers: as far as is known."""
        self.names, self._after, self.finds_speakers = names, after, finds_speakers
        self._transcribers = dict(transcribers)
        self.peers = peers or Peers.none()

    def find(self, name: str) -> Transcriber:
        """The model that `name` means. Raises ModelNotFound."""
        found = self._transcribers[self.names.find(name)]
        return found if self._after is None else self._after.after(found)

    async def start(self) -> None:
        """Load one model after the other, as vLLM measures the free memory at each start. Raises EngineFailed."""
        for transcriber in self._transcribers.values():
            await transcriber.start()
        self.peers.ready[self.peers.number] = 1

    async def close(self) -> None:
        async with AsyncExitStack() as stack:  # closes all of them, even if one fails
            if self._after is not None:
                stack.push_async_callback(self._after.close)
            for transcriber in self._transcribers.values():
                stack.push_async_callback(transcriber.close)

    async def check(self) -> None:
        """Raises NotReady while a model is loading, and EngineFailed with the name of a model that is dead."""
        for name, transcriber in self._transcribers.items():
            try:
                await transcriber.check()
            except EngineFailed as error:
                raise EngineFailed(f"{name}: {error.message}") from error
        if not all(self.peers.ready):  # the next request may reach another process
            raise NotReady("another process is still loading")

    async def loads(self) -> Mapping[str, EngineLoad]:
        """What the engines of the models on this machine do. Raises NotReady, EngineFailed."""
        loads = {name: getattr(one, "load", None) for name, one in self._transcribers.items()}
        return {name: await load() for name, load in loads.items() if load is not None}

    async def check_any(self) -> None:
        """If no model can serve a request, raise the error of the default model's check."""
        failure: EndpointError | None = None
        for transcriber in (self.find(""), *self._transcribers.values()):
            try:
                return await transcriber.check()
            except EndpointError as error:
                failure = failure or error
        assert failure is not None
        raise failure
