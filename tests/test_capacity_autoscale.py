"""The number of engines, and that its defaults are those of deploy/kubernetes/scaling.yaml."""

from __future__ import annotations

from deploy.check.manifests import load, name_of
from endpoint.capacity.autoscale import Autoscaler, Rules

RULES = Rules(threshold=100, least=1, most=8, poll=15, settle=60, up=4, down=1)


def test_as_many_as_the_audio_needs_at_most_four_more_a_minute() -> None:
    scaler = Autoscaler(RULES)
    assert scaler.decide(0, 250, 1) == 3
    assert scaler.decide(15, 5_000, 3) == 5
    assert scaler.decide(30, 5_000, 5) == 5
    assert scaler.decide(60, 5_000, 5) == 7
    assert scaler.decide(75, 5_000, 7) == 8  # `most`


def test_within_a_tenth_nothing_changes() -> None:
    assert Autoscaler(RULES).decide(0, 219, 2) == 2
    assert Autoscaler(RULES).decide(0, 221, 2) == 3


def test_fewer_only_once_they_were_enough_for_a_while_and_one_a_minute() -> None:
    scaler = Autoscaler(RULES)
    assert scaler.decide(0, 400, 4) == 4
    assert [scaler.decide(at, 0, 4) for at in (15, 30, 45, 60)] == [4] * 4
    assert scaler.decide(75, 0, 4) == 3
    assert scaler.decide(90, 0, 3) == 3
    assert scaler.decide(135, 0, 3) == 2
    assert scaler.decide(195, 0, 2) == 1
    assert scaler.decide(255, 0, 1) == 1


def test_a_rise_in_between_starts_the_while_again() -> None:
    scaler = Autoscaler(RULES)
    scaler.decide(0, 400, 4)
    scaler.decide(60, 400, 4)
    assert scaler.decide(75, 0, 4) == 4


def test_defaults_are_those_of_the_manifest() -> None:
    spec = next(one for one in load() if name_of(one) == "ScaledObject/engine")["spec"]
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    (up,), (down,) = behavior["scaleUp"]["policies"], behavior["scaleDown"]["policies"]
    assert {up["periodSeconds"], down["periodSeconds"]} == {60}
    assert Rules(float(spec["triggers"][0]["metadata"]["threshold"])) == Rules(
        1800, spec["minReplicaCount"], spec["maxReplicaCount"], poll=spec["pollingInterval"],
        settle=behavior["scaleDown"]["stabilizationWindowSeconds"], up=up["value"], down=down["value"],
    )  # fmt: skip
