#!/usr/bin/env bash
# Builds the images whisper-gateway, whisper-endpoint (GPU) and whisper-endpoint-cpu, by docker or buildah.
#
#   deploy/images.sh [gateway] [gpu] [cpu]      none named: all of them
#
#   PYTHON_IMAGE  the base image; default the Dockerfile's. Without a digest, the registry's current one is looked up.
#   TAG           of the images; default the version in pyproject.toml
#   TORCH_INDEX   for the CPU image, see install.sh
#
# build/images/ gets what each was made from (base.txt), and its bill of materials (NAME.json, CycloneDX).
set -euo pipefail
cd "$(dirname "$0")/.."

out=build/images
image=${PYTHON_IMAGE:-$(sed -n 's/^ARG PYTHON_IMAGE=//p' Dockerfile)}
tag=${TAG:-$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml | head -n 1)}

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

if docker info >/dev/null 2>&1; then
    builder=docker
elif command -v buildah >/dev/null; then
    builder=buildah
else
    fail "No image builder: docker's daemon is not reached, and there is no buildah. \`make check\` checks the Dockerfile without one."
fi

pinned() {
    local digest
    if [[ $image == *@sha256:* || $image == localhost/* ]]; then
        echo "$image"
        return
    fi
    if [[ $builder == docker ]]; then
        digest=$(docker buildx imagetools inspect "$image" --format '{{.Manifest.Digest}}')
    else
        buildah pull --quiet "$image" >/dev/null
        digest=$(buildah inspect --type image --format '{{.FromImageDigest}}' "$image")
    fi
    [[ $digest == sha256:* ]] || fail "No digest of $image was found."
    echo "$image@$digest"
}

# build TARGET NAME [ARGUMENT...]
build() {
    local target=$1 name=$2 arguments=(--build-arg "PYTHON_IMAGE=$base") argument
    shift 2
    for argument in "$@"; do arguments+=(--build-arg "$argument"); done
    echo "Building $name:$tag"
    if [[ $builder == docker ]]; then
        docker build --target "$target" --tag "$name:$tag" "${arguments[@]}" .
        docker run --rm --entrypoint cat "$name:$tag" /opt/bill.json >"$out/$name.json"
    else
        buildah build --format docker --layers --target "$target" --tag "$name:$tag" "${arguments[@]}" .
        local made
        made=$(buildah from --pull-never "$name:$tag")
        buildah run "$made" -- cat /opt/bill.json >"$out/$name.json"
        buildah rm "$made" >/dev/null
    fi
}

mkdir -p "$out"
base=$(pinned)
echo "$base" >"$out/base.txt"
for kind in "${@:-gateway gpu cpu}"; do
    for one in $kind; do
        case $one in
            gateway) build gateway whisper-gateway ;;
            gpu) build endpoint whisper-endpoint BUILD=gpu ;;
            cpu) build endpoint whisper-endpoint-cpu BUILD=cpu "TORCH_INDEX=${TORCH_INDEX:-}" ;;
            *) fail "usage: deploy/images.sh [gateway] [gpu] [cpu]" ;;
        esac
    done
done
