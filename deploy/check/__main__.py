"""Check manifests and Dockerfile: python -m deploy.check. Prints every fault; the status is 1 if there is one."""

from __future__ import annotations

import sys

from deploy.check import images, manifests, policy, schemas


def main() -> int:
    documents = manifests.load()
    found = [*schemas.faults(documents), *policy.faults(documents), *images.faults()]
    for fault in found:
        print(fault, file=sys.stderr)
    if not found:
        versions = " and ".join(schemas.VERSIONS)
        print(f"{len(documents)} manifests are valid in Kubernetes {versions}; they and the Dockerfile keep the policy")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
