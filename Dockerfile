# syntax=docker/dockerfile:1
# docker build -t whisper-endpoint .                     for NVIDIA GPUs: the wheels bring CUDA, the host its driver
# docker build -t whisper-endpoint --build-arg BUILD=cpu .
FROM python:3.12-slim

# A compiler: torch.compile and Triton build small launchers when the model starts.
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*

ARG BUILD=gpu
ARG TORCH_INDEX=
ENV VENV=/opt/endpoint PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app

# The packages are a layer of their own: a change of code does not fetch them again.
COPY requirements requirements
COPY deploy/install.sh deploy/install.sh
RUN TORCH_INDEX=${TORCH_INDEX} deploy/install.sh ${BUILD} packages

COPY pyproject.toml README.md handler.py ./
COPY endpoint endpoint
RUN deploy/install.sh ${BUILD}

# Everything written at run time goes to /cache, so the root may be read-only. Mount a volume to keep compiled kernels
# and downloaded models; in memory (--tmpfs /cache) it works as well.
ENV PATH=/opt/endpoint/bin:${PATH} \
    HOME=/cache XDG_CACHE_HOME=/cache TMPDIR=/cache HF_HOME=/cache/huggingface VLLM_CACHE_ROOT=/cache/vllm \
    TORCHINDUCTOR_CACHE_DIR=/cache/inductor TRITON_CACHE_DIR=/cache/triton NUMBA_CACHE_DIR=/cache/numba \
    PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=8000
RUN useradd --uid 1000 --no-create-home --home-dir /cache endpoint && install -d -o endpoint -g endpoint /cache
USER endpoint
VOLUME /cache
EXPOSE 8000

# 503 while the model loads, which takes minutes when it is fetched and compiled for the first time.
HEALTHCHECK --interval=10s --timeout=5s --start-period=15m --retries=3 CMD ["python", "-c", "import os, \
urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health', timeout=4)"]

CMD ["python", "handler.py"]
