"""Hugging Face Inference Endpoints, by huggingface_hub; its token is that of `hf auth login`, or HF_TOKEN."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2

from endpoint.errors import ConfigError, Unavailable
from endpoint.managed.definition import Definition, changes, creation

if TYPE_CHECKING:
    from huggingface_hub import HfApi, InferenceEndpoint, InferenceEndpointHardware

HOURS_OF_A_MONTH = 730
ROUTE = "/api/v1/audio/transcriptions"


@dataclass(frozen=True)
class Tried:
    """seconds: from the request to its response, a cold start included. text: of the recording."""

    seconds: float
    text: str


class HuggingFace:
    """Endpoints of a user or organization. namespace: unset: the token's own user."""

    def __init__(self, namespace: str | None = None) -> None:
        """Raises ConfigError where huggingface_hub is not installed."""
        try:
            from huggingface_hub import HfApi
        except ImportError as error:
            raise ConfigError("this needs huggingface_hub: pip install huggingface_hub") from error
        self._api: HfApi = HfApi()
        self._namespace = namespace

    def hardware(self, made: Definition | None = None) -> list[InferenceEndpointHardware]:
        """What can be rented; with a definition only what it names. Raises ConfigError where that is not there."""
        with _errors():
            every = self._api.list_inference_endpoints_hardware(namespace=self._namespace)
        if made is None:
            return every
        wanted = made.compute.model_dump()
        found = [one for one in every if all(getattr(one, name) == value for name, value in wanted.items())]
        if not found:
            there = sorted({f"{one.instance_type} {one.instance_size}" for one in every
                            if (one.vendor, one.region) == (made.compute.vendor, made.compute.region)})  # fmt: skip
            raise ConfigError(f"{_text(wanted)}: there is none; in that region are: {', '.join(there) or 'none'}")
        if found[0].status not in ("available", "low_availability"):
            raise Unavailable(f"{_text(wanted)}: it is {found[0].status}")
        return found

    def create(self, made: Definition, environment: Mapping[str, str]) -> InferenceEndpoint:
        given = creation(made, environment)
        with _errors():
            return self._api.create_inference_endpoint(**given, namespace=self._namespace)

    def update(self, made: Definition, environment: Mapping[str, str]) -> InferenceEndpoint:
        given = changes(made, environment)
        with _errors():
            return self._api.update_inference_endpoint(made.name, **given, namespace=self._namespace)

    def get(self, name: str) -> InferenceEndpoint:
        with _errors():
            return self._api.get_inference_endpoint(name, namespace=self._namespace)

    def wait(self, name: str, seconds: int, every: int = 5) -> InferenceEndpoint:
        """Until it is running and its health route responds. Raises Unavailable where it failed, or took longer."""
        found = self.get(name)
        with _errors():
            return found.wait(timeout=seconds, refresh_every=every)

    def pause(self, name: str) -> InferenceEndpoint:
        with _errors():
            return self._api.pause_inference_endpoint(name, namespace=self._namespace)

    def resume(self, name: str) -> InferenceEndpoint:
        with _errors():
            return self._api.resume_inference_endpoint(name, namespace=self._namespace)

    def scale_to_zero(self, name: str) -> InferenceEndpoint:
        with _errors():
            return self._api.scale_to_zero_inference_endpoint(name, namespace=self._namespace)

    def delete(self, name: str) -> None:
        with _errors():
            self._api.delete_inference_endpoint(name, namespace=self._namespace)

    def test(self, name: str, file: tuple[str, bytes], api_key: str | None, seconds: float) -> Tried:
        """Transcribe a file (name, bytes) there. seconds: longest wait for a replica, and for the response.

        Raises Unavailable where it has no address, or does not respond with 200.
        """
        found = self.get(name)
        if not found.url:
            raise Unavailable(f"{name} is {found.status}, and has no address")
        token = self._token()
        headers = {"X-Scale-Up-Timeout": f"{seconds:.0f}"}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"X-API-Key": api_key} if api_key else {}
        began = time.monotonic()
        try:
            response = httpx2.post(
                found.url.rstrip("/") + ROUTE, files={"file": file}, headers=headers, timeout=seconds
            )
        except httpx2.HTTPError as error:
            raise Unavailable(f"{found.url}: {type(error).__name__}: {error}") from error
        if response.status_code != 200:
            raise Unavailable(f"{found.url}: {response.status_code}: {response.text[:300]}")
        return Tried(time.monotonic() - began, response.json()["text"])

    def _token(self) -> str | None:
        from huggingface_hub import get_token

        return get_token()


def costs(price: float, made: Definition) -> list[str]:
    """What a replica for `price` an hour comes to in a month, all the time and scaled to zero, in words."""
    lines = [f"{price:g} an hour for each replica; all the time {price * HOURS_OF_A_MONTH:.0f} a month"]
    if made.scaling.min_replica == 0 and made.scaling.scale_to_zero_timeout:
        idle = made.scaling.scale_to_zero_timeout / 60
        lines.append(
            f"to zero after {made.scaling.scale_to_zero_timeout} minutes without a request: a call from there "
            f"costs {price * idle:.2f} of idle time, so up to {24 / idle:g} such calls a day cost less"
        )
    return lines


def _text(compute: Mapping[str, Any]) -> str:
    return " ".join(map(str, compute.values()))


@contextmanager
def _errors() -> Iterator[None]:
    """What huggingface_hub raises, as an error of ours."""
    from huggingface_hub.errors import HfHubHTTPError, InferenceEndpointError, LocalTokenNotFoundError

    try:
        yield
    except LocalTokenNotFoundError as error:
        raise ConfigError("no token of Hugging Face's: `hf auth login`, or set HF_TOKEN") from error
    except HfHubHTTPError as error:
        message = (error.server_message or str(error)).strip()
        raise Unavailable(f"Hugging Face: {message}") from error
    except (InferenceEndpointError, TimeoutError) as error:
        raise Unavailable(str(error)) from error
