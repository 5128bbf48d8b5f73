"""Manifests against the schemas of Kubernetes' own API, of two versions, and of KEDA's.

The first are those of the package kubernetes-validate. Fields that a schema does not know are faults.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import kubernetes_validate

from deploy.check.manifests import Manifest, name_of

VERSIONS = ("1.30", "1.37")  # the oldest that is supported here, and the newest that the package knows
KEDA = json.loads((Path(__file__).parent / "keda-scaledobject.json").read_text(encoding="utf-8"))


def faults(manifests: Sequence[Manifest]) -> list[str]:
    """A line for each manifest that a schema refuses, with the version and the field."""
    found = []
    for manifest in manifests:
        if manifest["apiVersion"] == "keda.sh/v1alpha1" and manifest["kind"] == "ScaledObject":
            errors = jsonschema.Draft202012Validator(KEDA).iter_errors(manifest)
            found += [f"{name_of(manifest)}: KEDA: {error.json_path}: {error.message}" for error in errors]
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(manifest, version, strict=True)
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
                where = "/".join(map(str, getattr(error, "absolute_path", ())))
                found.append(f"{name_of(manifest)}: Kubernetes {version}: {where}: {error.message}")
    return found
