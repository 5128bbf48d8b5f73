"""What a request carries of its window."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("vllm", reason="the base build has no vLLM")
from endpoint.engine.inside.model import samples_input
from endpoint.engine.inside.sound import frames_of, key_of, samples_of, shared_of


def test_a_request_is_read_as_it_was_made() -> None:
    made = samples_input([1], np.full(9, 3, np.int16), "words-7", 250)["decoder_prompt"]
    (place,), (key,) = made["mm_placeholders"]["audio"], made["mm_hashes"]["audio"]
    feature = SimpleNamespace(data=made["mm_kwargs"]["audio"][0], mm_position=place, identifier=key)
    request = SimpleNamespace(mm_features=[feature], sampling_params=SimpleNamespace(extra_args={"shared": "digest"}))
    assert samples_of(request).tolist() == [3] * 9
    assert (frames_of(request), key_of(request), shared_of(request)) == (250, "words-7", "digest")


@pytest.mark.parametrize("params", [None, SimpleNamespace(extra_args=None), SimpleNamespace(extra_args={})])
def test_a_window_of_its_own_has_no_name_in_common(params: object) -> None:
    assert shared_of(SimpleNamespace(sampling_params=params)) == ""
