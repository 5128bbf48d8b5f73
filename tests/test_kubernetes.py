"""deploy/kubernetes: what `make check` checks, and that the manifests fit the server. There is no cluster here."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from benchmarks.prometheus import Prometheus, prometheus
from deploy.check import images, policy, schemas
from deploy.check.manifests import FOLDER, Manifest, load, name_of, of_kind, resources, workloads
from endpoint.__main__ import COMMANDS
from endpoint.config import Settings, load_settings
from endpoint.jobs.job import guess_ms
from endpoint.net import free_port
from endpoint.settings.base import split
from endpoint.supervisor import DRAIN_SECONDS
from tests.debian import find_program
from tests.supervised import CLEAN, supervised
from tests.test_architecture import ROOT

MANIFESTS = load()
PODS = dict(workloads(MANIFESTS))
SECRETS = {"ENGINE_TOKEN": "t" * 16, "KEY_PEPPER": "p" * 32}
OURS = {"Deployment/gateway": "gateway", "StatefulSet/engine": "engine"}


def one(name: str, manifests: list[Manifest] = MANIFESTS) -> Manifest:
    return next(manifest for manifest in manifests if name_of(manifest) == name)


def container(name: str) -> Manifest:
    found: Manifest = PODS[name]["spec"]["containers"][0]
    return found


# ---- schemas and policy


def test_every_file_is_in_the_kustomization() -> None:
    assert {path.name for path in FOLDER.glob("*.yaml")} == {*resources(), "kustomization.yaml"}


def test_they_are_valid_in_two_versions_of_kubernetes_and_in_keda() -> None:
    assert len(set(schemas.VERSIONS)) == 2
    assert {manifest["apiVersion"] for manifest in MANIFESTS} == {
        "v1", "apps/v1", "policy/v1", "networking.k8s.io/v1", "keda.sh/v1alpha1",
    }  # fmt: skip
    assert schemas.faults(MANIFESTS) == []


@pytest.mark.parametrize("name", [name_of(manifest) for manifest in MANIFESTS])
def test_an_unknown_field_is_a_fault_of_every_manifest(name: str) -> None:
    broken = deepcopy(one(name))
    broken.setdefault("spec", {})["unknown"] = broken["unknown"] = 1
    assert schemas.faults([broken]) != []


@pytest.mark.parametrize("field", ["replicas", "terminationGracePeriodSeconds"])
def test_a_wrong_type_is_a_fault(field: str) -> None:
    broken = deepcopy(one("Deployment/gateway"))
    (broken["spec"] if field == "replicas" else broken["spec"]["template"]["spec"])[field] = "many"
    assert [line for line in schemas.faults([broken]) if field in line]


def test_the_policy_holds() -> None:
    assert policy.faults(MANIFESTS) == []


BREACHES = {
    "root": ("template.spec.securityContext.runAsNonRoot", None),
    "user 0": ("template.spec.securityContext.runAsUser", 0),
    "seccomp": ("template.spec.securityContext.seccompProfile", {"type": "Unconfined"}),
    "token": ("template.spec.automountServiceAccountToken", True),
    "links": ("template.spec.enableServiceLinks", None),
    "host": ("template.spec.hostIPC", True),
    "grace": ("template.spec.terminationGracePeriodSeconds", None),
    "volume": ("template.spec.volumes", [{"name": "x", "hostPath": {"path": "/"}}]),
    "bound": ("template.spec.volumes", [{"name": "x", "emptyDir": {}}]),
    "writes": ("template.spec.containers.0.securityContext.readOnlyRootFilesystem", False),
    "escalates": ("template.spec.containers.0.securityContext.allowPrivilegeEscalation", None),
    "capable": ("template.spec.containers.0.securityContext.capabilities", {"drop": ["NET_RAW"]}),
    "privileged": ("template.spec.containers.0.securityContext.privileged", True),
    "latest": ("template.spec.containers.0.image", "whisper-gateway:latest"),
    "unlimited": ("template.spec.containers.0.resources.limits.memory", None),
    "unasked": ("template.spec.containers.0.resources.requests.cpu", None),
    "written": ("template.spec.containers.0.env", [{"name": "API_KEY", "value": "k"}]),
    "exposed": ("template.metadata.labels", {"app": "other"}),
} | {probe: (f"template.spec.containers.0.{probe}", None) for probe in policy.PROBES}


@pytest.mark.parametrize("what", BREACHES)
def test_each_breach_is_found(what: str) -> None:
    path, value = BREACHES[what]
    broken = deepcopy(MANIFESTS)
    *way, last = path.split(".")
    at = one("Deployment/gateway", broken)["spec"]
    for step in way:
        at = at[int(step)] if step.isdigit() else at[step]
    if value is None:
        del at[last]
    else:
        at[last] = value
    assert policy.faults(broken) != []


@pytest.mark.parametrize("kind", ["NetworkPolicy", "PodDisruptionBudget"])
def test_isolation_and_budgets_are_missed(kind: str) -> None:
    left = [manifest for manifest in MANIFESTS if manifest["kind"] != kind]
    assert {line.partition(":")[0] for line in policy.faults(left)} >= set(OURS)


def test_secrets_in_the_repository_are_found() -> None:
    written = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"KEY_PEPPER": "p"}}
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "y"}, "data": {}}
    assert len(policy.faults([*MANIFESTS, written, made])) == 2


def test_the_dockerfile_has_no_fault_and_a_bad_one_has(tmp_path: Path) -> None:
    assert images.faults() == []
    bad = tmp_path / "Dockerfile"
    bad.write_text('FROM python:latest\nRUN cd /tmp && pip install x\nUSER endpoint\nCMD ["x"]\n')
    assert {"DL3007", "DL3003", "USER"} <= {
        word for line in images.faults(bad) for word in re.findall(r"DL\d+|USER", line)
    }


def test_kustomize_gives_the_same_with_the_registrys_images() -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("there is no kubectl")
    done = subprocess.run([kubectl, "kustomize", str(FOLDER)], capture_output=True, text=True, check=True)
    made = list(yaml.safe_load_all(done.stdout))
    assert {name_of(manifest) for manifest in made} == {name_of(manifest) for manifest in MANIFESTS}
    assert schemas.faults(made) == policy.faults(made) == []
    named = {entry["name"]: entry for entry in yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["images"]}
    for name, template in workloads(made):
        image = template["spec"]["containers"][0]["image"]
        if name in OURS:
            entry = named[container(name)["image"]]
            assert image == f"{entry['newName']}:{entry['newTag']}"


# ---- what the manifests presume of the server


@pytest.mark.parametrize("name", OURS)
def test_commands_and_settings_exist(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program, command = container(name)["args"]
    assert program == "endpoint"
    assert command in COMMANDS
    for variable in set(SECRETS) - set(CLEAN):
        monkeypatch.delenv(variable, raising=False)
    given = dict(one(f"ConfigMap/{OURS[name]}")["data"]) | SECRETS
    settings = load_settings(**{key.lower(): value for key, value in given.items()})
    assert {key.lower() for key in given} <= set(Settings.model_fields)
    ports = {port["name"]: port["containerPort"] for port in container(name)["ports"]}
    assert ports == {"http": settings.port, "metrics": settings.metrics_port}


@pytest.mark.parametrize("name", OURS)
def test_the_grace_period_covers_the_drain(name: str) -> None:
    delay = float(one(f"ConfigMap/{OURS[name]}")["data"].get("STOP_DELAY_SECONDS", 0))
    most = delay + 2 * DRAIN_SECONDS  # live sessions, then requests
    assert PODS[name]["spec"]["terminationGracePeriodSeconds"] >= most + 10


@pytest.mark.parametrize("name", OURS)
def test_load_balancers_notice_before_the_gateway_stops(name: str) -> None:
    probe = container(name)["readinessProbe"]
    noticed = probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"]
    delay = float(one("ConfigMap/gateway")["data"]["STOP_DELAY_SECONDS"])
    assert noticed < delay or name != "Deployment/gateway"  # the gateway looks at engine servers itself


def test_the_gateway_names_every_engine_server_there_may_be() -> None:
    most = one("ScaledObject/engine")["spec"]["maxReplicaCount"]
    service, port = (
        one("Service/engine")["metadata"]["name"],
        container("StatefulSet/engine")["ports"][0]["containerPort"],
    )
    assert split(one("ConfigMap/gateway")["data"]["ENGINES"]) == [
        f"http://engine-{number}.{service}:{port}" for number in range(most)
    ]
    assert one("StatefulSet/engine")["spec"]["serviceName"] == service
    assert urlsplit(one("ConfigMap/gateway")["data"]["JOBS_URL"]).hostname == one("Service/valkey")["metadata"]["name"]


def test_probes_of_a_gateway_without_engine_servers(tmp_path: Path) -> None:
    """It stays alive, and is not ready: restarting it would not help."""
    with supervised(tmp_path / "log", "-m", "endpoint", "gateway", ENGINES="http://127.0.0.1:1",
                    ENGINE_TOKEN=SECRETS["ENGINE_TOKEN"], JOBS_URL="off", API_PROCESSES=1) as server:  # fmt: skip
        gateway, status = container("Deployment/gateway"), dict[str, int]()
        end = time.monotonic() + 120
        while not status and time.monotonic() < end:
            try:
                for probe in policy.PROBES:
                    path = gateway[probe]["httpGet"]["path"]
                    status[probe] = httpx.get(server.base + path, timeout=60).status_code
            except httpx.TransportError:
                time.sleep(0.2)
        assert status == {"startupProbe": 200, "livenessProbe": 200, "readinessProbe": 503}


# ---- KEDA's query

SPEC = one("ScaledObject/engine")["spec"]
TRIGGER = SPEC["triggers"][0]["metadata"]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, list[str]]]:
    """A Prometheus that scrapes two gateways with one job store and their engine server, labelled as pods are; and the
    gateways' base URLs. A window takes the engine server an hour.
    """
    program, folder = find_program(["prometheus"], "prometheus"), tmp_path_factory.mktemp("keda")
    ports = {pod: free_port() for pod in ("engine-0", "gateway-a", "gateway-b")}
    common = {"ENGINE_TOKEN": SECRETS["ENGINE_TOKEN"], "DECODE_WORKERS": 1, "API_PROCESSES": 1}
    store = {"JOBS_URL": folder / "jobs.db", "JOB_AUDIO": folder / "audio", "JOB_WORKERS": 0}
    slow = {"ENGINE": "fake", "ENGINE_ARGS": '{"delay": 3600}', "JOBS_URL": "off", "METRICS_PORT": ports["engine-0"]}
    with ExitStack() as stack:
        engine = stack.enter_context(supervised(folder / "engine.log", **common, **slow))
        engine.wait()
        bases = []
        for pod in ("gateway-a", "gateway-b"):
            given = common | store | {"ENGINES": engine.base, "METRICS_PORT": ports[pod]}
            front = stack.enter_context(supervised(folder / f"{pod}.log", "-m", "endpoint", "gateway", **given))
            front.wait()
            bases.append(front.base)
        labels = {f"127.0.0.1:{port}": {"namespace": "whisper", "pod": pod} for pod, port in ports.items()}
        yield stack.enter_context(prometheus(program, folder, list(labels), labels)), bases


def test_kedas_query_is_the_audio_that_waits_and_counts_it_once(scraped: tuple[Prometheus, list[str]]) -> None:
    scraping, bases = scraped
    assert until(scraping, 0.0) == 0.0
    sound = (Path(__file__).parent / "audio" / "seven.mp3").read_bytes()
    with httpx.Client(timeout=600) as client:
        for base in bases:  # one store: every gateway shows both jobs
            assert client.post(f"{base}/v1/audio/jobs", files={"file": sound}).status_code == 202
        queued = until(scraping, above=0.0, settled="stt_queue_audio_seconds{class='job'}")
        submitted = client.get(f"{bases[0]}/v1/audio/jobs").json()["data"]
    assert len(submitted) == len(bases)
    assert queued == pytest.approx(len(bases) * guess_ms(len(sound)) / 1000, abs=0.01)


def until(scraping: Prometheus, value: float | None = None, above: float | None = None, settled: str = "") -> float:
    """KEDA's figure, once it is `value`, or above `above` and the same on every gateway. KEDA takes one series only."""
    end = time.monotonic() + 240
    while time.monotonic() < end:
        found = scraping.query(TRIGGER["query"])
        assert len(found) <= 1
        figure = float(found[0]["value"][1]) if found else None
        same = not settled or len({series["value"][1] for series in scraping.query(settled)}) == 1
        if figure is not None and same and (figure == value or (above is not None and figure > above)):
            return figure
        time.sleep(0.5)
    raise AssertionError(scraping.query("stt_queue_audio_seconds"))


def test_no_gateway_is_an_error_for_keda_and_not_an_empty_queue(scraped: tuple[Prometheus, list[str]]) -> None:
    scraping, _ = scraped
    assert scraping.query(TRIGGER["query"].replace("gateway-", "other-")) == []
    assert TRIGGER["ignoreNullValues"] == "false"
    assert SPEC["fallback"]["replicas"] >= SPEC["minReplicaCount"]


def test_readme_names_what_there_is() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for path in re.findall(r"`((?:deploy|tests)/[\w./]+)`", text):
        assert (ROOT / path).exists(), path
    keys = set(re.findall(r"--from-literal=(\w+)=", text))
    assert keys - {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} == {"ENGINE_TOKEN", "KEY_PEPPER", "HF_TOKEN"}
    assert of_kind(MANIFESTS, "Secret") == []
