# syntax=docker/dockerfile:1
# `make images` builds all three, with the base image pinned by digest (deploy/images.sh). One alone:
#   docker build -t whisper-endpoint .                         for NVIDIA GPUs: the wheels bring CUDA, the host its driver
#   docker build -t whisper-endpoint --build-arg BUILD=cpu .
#   docker build -t whisper-gateway --target gateway .         `endpoint gateway` and `endpoint worker`, without torch
ARG PYTHON_IMAGE=python:3.12-slim
FROM ${PYTHON_IMAGE} AS base
ENV VENV=/opt/endpoint PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app

# The packages are a layer of their own: a change of code does not fetch them again.
FROM base AS gateway-packages
COPY requirements requirements
COPY deploy/install.sh deploy/install.sh
RUN deploy/install.sh gateway packages
COPY pyproject.toml README.md handler.py ./
COPY endpoint endpoint
RUN deploy/install.sh gateway

FROM base AS packages
ARG BUILD=gpu
ARG TORCH_INDEX=
COPY requirements requirements
COPY deploy/install.sh deploy/install.sh
RUN TORCH_INDEX=${TORCH_INDEX} deploy/install.sh ${BUILD} packages
COPY pyproject.toml README.md handler.py ./
COPY endpoint endpoint
RUN deploy/install.sh ${BUILD}

# The bill of materials of an image is made from what is installed in it, by a program that is not.
FROM base AS bill
COPY requirements requirements
COPY deploy/install.sh deploy/install.sh
RUN VENV=/opt/bill deploy/install.sh bill
FROM bill AS gateway-bill
COPY --from=gateway-packages /opt/endpoint /opt/endpoint
RUN /opt/bill/bin/cyclonedx-py environment /opt/endpoint --output-file /opt/bill.json
FROM bill AS endpoint-bill
COPY --from=packages /opt/endpoint /opt/endpoint
RUN /opt/bill/bin/cyclonedx-py environment /opt/endpoint --output-file /opt/bill.json

# Everything written at run time goes to /cache, so the root may be read-only. Mount a volume to keep compiled kernels
# and downloaded models; in memory (--tmpfs /cache) it works as well.
FROM base AS runtime
ENV PATH=/opt/endpoint/bin:${PATH} \
    HOME=/cache XDG_CACHE_HOME=/cache TMPDIR=/cache HF_HOME=/cache/huggingface VLLM_CACHE_ROOT=/cache/vllm \
    TORCHINDUCTOR_CACHE_DIR=/cache/inductor TRITON_CACHE_DIR=/cache/triton NUMBA_CACHE_DIR=/cache/numba \
    PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=8000
RUN useradd --uid 1000 --no-create-home --home-dir /cache endpoint && install -d -o endpoint -g endpoint /cache
VOLUME /cache
EXPOSE 8000
# 503 while the model loads, which takes minutes when it is fetched and compiled for the first time.
HEALTHCHECK --interval=10s --timeout=5s --start-period=15m --retries=3 CMD ["python", "-c", "import os, \
urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health', timeout=4)"]

FROM runtime AS gateway
COPY --from=gateway-packages /opt/endpoint /opt/endpoint
COPY --from=gateway-packages /app /app
COPY --from=gateway-bill /opt/bill.json /opt/bill.json
USER 1000:1000
CMD ["endpoint", "gateway"]

FROM runtime AS endpoint
# A compiler: torch.compile and Triton build small launchers when the model starts.
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
COPY --from=packages /opt/endpoint /opt/endpoint
COPY --from=packages /app /app
COPY --from=endpoint-bill /opt/bill.json /opt/bill.json
USER 1000:1000
CMD ["python", "handler.py"]
