"""What every pod must have: no root, nothing written to the root file system, probes, limits, no credentials.

Kubernetes' own Pod Security Standards (`restricted`), which the namespace enforces, and what this server needs beside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deploy.check.manifests import Manifest, name_of, of_kind, workloads

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
VOLUMES = {"emptyDir", "persistentVolumeClaim", "configMap", "secret", "projected", "downwardAPI"}


def faults(manifests: Sequence[Manifest]) -> list[str]:
    """A line for each breach."""
    found = []
    for name, template in workloads(manifests):
        spec = template["spec"]
        found += [f"{name}: {fault}" for fault in _pod(spec)]
        for container in [*spec.get("initContainers", ()), *spec["containers"]]:
            found += [f"{name}: {container['name']}: {fault}" for fault in _container(container, spec)]
    return [*found, *_isolation(manifests), *_disruption(manifests), *_secrets(manifests)]


def _pod(spec: dict[str, Any]) -> list[str]:
    context = spec.get("securityContext", {})
    wanted = {
        "securityContext.runAsNonRoot must be true": context.get("runAsNonRoot") is True,
        "securityContext.runAsUser must be a number other than 0": bool(context.get("runAsUser")),
        "securityContext.seccompProfile must be RuntimeDefault": context.get("seccompProfile", {}).get("type")
        == "RuntimeDefault",
        "automountServiceAccountToken must be false": spec.get("automountServiceAccountToken") is False,
        "enableServiceLinks must be false": spec.get("enableServiceLinks") is False,
        "terminationGracePeriodSeconds must be set": "terminationGracePeriodSeconds" in spec,
        "the host's namespaces must not be shared": not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(),
    }
    found = [fault for fault, kept in wanted.items() if not kept]
    for volume in spec.get("volumes", ()):
        if not volume.keys() & VOLUMES:
            found.append(f"volume {volume['name']} is of a kind that is not allowed")
        if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
            found.append(f"volume {volume['name']} has no sizeLimit")
    return found


def _container(container: dict[str, Any], spec: dict[str, Any]) -> list[str]:
    context, resources = container.get("securityContext", {}), container.get("resources", {})
    wanted = {
        "readOnlyRootFilesystem must be true": context.get("readOnlyRootFilesystem") is True,
        "allowPrivilegeEscalation must be false": context.get("allowPrivilegeEscalation") is False,
        "every capability must be dropped": context.get("capabilities") == {"drop": ["ALL"]},
        "it must not be privileged": not context.get("privileged"),
        "it must not run as root": context.get("runAsUser", 1) != 0 and context.get("runAsNonRoot", True),
        "the image must not be `latest`": not container["image"].endswith(":latest"),
        **{f"it has no {probe}": probe in container for probe in PROBES},
        **{f"it has no request of {what}": what in resources.get("requests", {}) for what in ("cpu", "memory")},
        **{f"it has no limit of {what}": what in resources.get("limits", {}) for what in ("cpu", "memory")},
    }
    found = [fault for fault, kept in wanted.items() if not kept and container in spec["containers"]]
    written = [one["name"] for one in container.get("env", ()) if "value" in one and _secret(one["name"])]
    return [*found, *(f"{name} is written into the manifest: take it from a Secret" for name in written)]


def _secret(name: str) -> bool:
    return any(word in name for word in ("TOKEN", "SECRET", "PASSWORD", "API_KEY", "PEPPER"))


def _secrets(manifests: Sequence[Manifest]) -> list[str]:
    found = [f"{name_of(one)}: secrets are made outside of the repository" for one in of_kind(manifests, "Secret")]
    for one in of_kind(manifests, "ConfigMap"):
        found += [f"{name_of(one)}: {key} belongs into a Secret" for key in one["data"] if _secret(key)]
    return found


def _selected(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    return selector.get("matchLabels", {}).items() <= labels.items()


def _isolation(manifests: Sequence[Manifest]) -> list[str]:
    """Everything is refused by default, and each workload has rules of its own."""
    policies = of_kind(manifests, "NetworkPolicy")
    closed = [one for one in policies if one["spec"]["podSelector"] == {} and len(one["spec"]["policyTypes"]) == 2
              and not {"ingress", "egress"} & one["spec"].keys()]  # fmt: skip
    found = [] if closed else ["no NetworkPolicy refuses what is not allowed"]
    own = [one["spec"]["podSelector"] for one in policies if one["spec"]["podSelector"]]
    for name, template in workloads(manifests):
        if not any(_selected(selector, template["metadata"]["labels"]) for selector in own):
            found.append(f"{name}: it has no NetworkPolicy")
    return found


def _disruption(manifests: Sequence[Manifest]) -> list[str]:
    """Whatever has several pods keeps some while nodes are emptied. One pod alone could not be moved."""
    budgets = [one["spec"]["selector"] for one in of_kind(manifests, "PodDisruptionBudget")]
    found = []
    for one in of_kind(manifests, "Deployment", "StatefulSet"):
        labels, replicas = one["spec"]["template"]["metadata"]["labels"], one["spec"].get("replicas")
        if replicas != 1 and not any(_selected(selector, labels) for selector in budgets):
            found.append(f"{name_of(one)}: it has no PodDisruptionBudget")
    return found
