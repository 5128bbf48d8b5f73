"""What `make gpu` is made of, without an engine: its order, its model folder, its report."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from benchmarks.gpu import report
from benchmarks.gpu.__main__ import end_group, group_lives
from benchmarks.gpu.lines import (
    BASE,
    ENGINE,
    FULL,
    HTTP,
    HUMAN,
    LARGE,
    SMALL,
    STOCK,
    TOKENS,
    TURBO,
    Run,
    picked,
    reached,
    runs,
)
from endpoint.config import Settings
from endpoint.text.judge import compression_ratio

pytest.importorskip("transformers", reason="the base build has no engine")
import msgspec

from benchmarks.gpu import floor, model, parts, steps
from endpoint.engine.checkpoint import alignment_heads
from endpoint.engine.tokens import WhisperTokens
from endpoint.weights.find import check_folder

RUN = Run(HTTP, LARGE, "fp8", 128, 16)
ON_H200 = {"card": "NVIDIA H200", "driver": "580.1", "small": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model.build(TURBO, tmp_path_factory.mktemp("model") / "turbo")


def test_steps_that_admit_are_counted_apart() -> None:
    ran = []
    runner = SimpleNamespace(execute_model=ran.append)
    watch = steps.Watch()
    watch.model_runner = runner
    watch.whisper_watch("steps")
    for tokens, new in ((3, ["a"]), (2, []), (0, []), (2, [])):
        runner.execute_model(SimpleNamespace(num_scheduled_tokens=tokens, scheduled_new_reqs=new))
    rows = msgspec.msgpack.decode(watch.whisper_watched())
    assert [(kind, times) for kind, _, times in rows] == [("admits", 1), ("decodes", 1)]
    assert len(ran) == 4
    assert runner.execute_model == ran.append


# ---- what is measured -----------------------------------------------------------------------------


def test_what_was_promised_comes_first_and_no_name_comes_twice() -> None:
    for size in (FULL, SMALL):
        made = runs(size)
        assert [(run.who, run.model) for run in made[:3]] == [(HUMAN, BASE), (ENGINE, LARGE), (ENGINE, TURBO)]
        assert [(run.who, run.model, run.kv) for run in made[3:5]] == [(HTTP, LARGE, "fp8"), (HTTP, TURBO, "fp8")]
        assert len({run.name for run in made}) == len(made)
        assert {run.kv for run in made} == {"fp8", "bf16"}


def test_a_name_is_a_file_name() -> None:
    assert all(run.name.replace("-", "").replace(".", "").isalnum() for run in runs(FULL))


def test_runs_become_our_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in RUN.environment("/folder").items():
        monkeypatch.setenv(name, value)
    made = Settings()
    assert (made.model_path, made.model_name, made.max_num_seqs) == ("/folder", LARGE, 128)
    assert made.max_num_batched_tokens == 24_000
    assert made.engine_args == {"load_format": "dummy", "kv_cache_dtype": "fp8"}


def test_the_default_run_is_the_default_of_the_settings() -> None:
    made = Settings()
    first = runs(FULL)[2]
    assert (first.slots, 1_500 * first.encoder) == (made.max_num_seqs, made.max_num_batched_tokens)


def test_runs_are_picked_by_model_and_name() -> None:
    some = picked(runs(FULL), [TURBO], ["http*fp8", "stock server"])
    assert [(run.who, run.kv) for run in some] == [(HTTP, "fp8"), (STOCK, "bf16")]
    assert {run.model for run in some} == {TURBO}
    assert picked(runs(FULL), [], []) == runs(FULL)


@pytest.mark.parametrize(("models", "patterns"), [(["large-v2"], []), ([], ["no such"])])
def test_what_cannot_be_picked_is_named(models: list[str], patterns: list[str]) -> None:
    with pytest.raises(ValueError, match="--"):
        picked(runs(FULL), models, patterns)


# ---- the model without weights --------------------------------------------------------------------


def test_our_engine_reads_the_tokens_at_the_ids_of_large_v3(folder: Path) -> None:
    check_folder(folder)
    tokens = WhisperTokens.load(folder)
    assert (tokens.vocabulary, tokens.eot, tokens.sot) == (51_866, 50_257, 50_258)
    assert (tokens.languages["en"], len(tokens.languages)) == (50_259, 100)
    assert (tokens.translate, tokens.transcribe, tokens.slot, tokens.prev) == (50_359, 50_360, 50_361, 50_362)
    assert (tokens.no_speech, tokens.no_timestamps, tokens.first_time) == (50_363, 50_364, 50_365)
    assert tokens.codec.get_vocab_size() == tokens.vocabulary
    assert tokens.decode(tokens.encode(" Hé!")) == " Hé!"
    assert all(tokens.data(number) for number in (0, 255, 256, 50_256))


@pytest.mark.parametrize(("name", "layers"), [(LARGE, 32), (TURBO, 4)])
def test_shapes_are_the_published_ones(name: str, layers: int) -> None:
    config = model.shape(name, None)
    assert (config["d_model"], config["encoder_attention_heads"], config["encoder_ffn_dim"]) == (1280, 20, 5120)
    assert (config["encoder_layers"], config["decoder_layers"], config["num_mel_bins"]) == (32, layers, 128)


def test_the_small_model_differs_in_size_only() -> None:
    small, full = model.shape(LARGE, 1), model.shape(LARGE, None)
    same = {name for name in full if small[name] == full[name]}
    assert same >= {"vocab_size", "num_mel_bins", "max_source_positions", "max_target_positions"}
    assert small["d_model"] % small["decoder_attention_heads"] == 0


def test_words_could_be_timed(folder: Path) -> None:
    assert alignment_heads(folder)


def test_what_is_put_in_place_of_text_is_not_decoded_again() -> None:
    pytest.importorskip("vllm", reason="the base build has no vLLM")
    from benchmarks.gpu.steady import TEXT

    assert compression_ratio(TEXT) < 2.4  # that of the fallback


def test_a_search_costs_more_bytes_and_sharing_saves_most_of_them() -> None:
    greedy, wide, shared = (
        floor.step(LARGE, 128, beams, share) for beams, share in ((1, False), (5, False), (5, True))
    )
    assert greedy.cross == wide.cross == 5 * shared.cross
    assert greedy.copied == 0 < wide.copied
    card = floor.CARDS["H100"]
    rates = [
        floor.windows_per_second(LARGE, card, beams, share) for beams, share in ((1, False), (5, True), (5, False))
    ]
    assert rates == sorted(rates, reverse=True)


def test_every_part_of_a_step_is_measured() -> None:
    found = parts.parts("cpu", 5)
    assert {"the rules", "ranking"} < found.keys()
    assert all(whole >= host >= 0 for whole, host in found.values())


# ---- the report -----------------------------------------------------------------------------------


def row(rate: float, container: str = "wav") -> dict[str, Any]:
    return {"container": container, "at_once": 256, "windows_per_second": rate}


def filled(path: Path, about: dict[str, Any]) -> report.Report:
    found = report.Report(path, about)
    found.add(RUN, [row(70.5), row(66.0, "mp3")], "")
    found.add(Run(ENGINE, LARGE, "fp8", 128, 16), [row(80.0, "")], "not done within 300 s")
    found.add(Run(HTTP, TURBO, "fp8", 128, 16), [], "ValueError: no fp8 here")
    return found


def test_what_comes_is_written_at_once(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    found = report.Report(path, ON_H200)
    found.add(RUN, [row(1.0)], "")
    written = json.loads(path.read_text())
    assert (written["card"], written["runs"][0]["rows"]) == ("NVIDIA H200", [row(1.0)])
    found.add(RUN, [row(1.0), row(2.0, "mp3")], "not done within 9 s", 9.0)
    (run,) = json.loads(path.read_text())["runs"]
    assert (len(run["rows"]), run["failure"], run["slots"]) == (2, "not done within 9 s", 128)


def test_only_http_with_wav_is_held_against_what_was_wanted(tmp_path: Path) -> None:
    rows = filled(tmp_path / "report.json", ON_H200).rows()
    assert (reached(LARGE, rows), reached(TURBO, rows)) == (70.5, None)
    large, turbo = report.verdicts(ON_H200, rows)
    assert "at least 68" in large
    assert large.endswith("70.5, reached")
    assert "at least 130" in turbo
    assert turbo.endswith("not measured")


def test_another_card_and_no_card_are_distinguished(tmp_path: Path) -> None:
    rows = filled(tmp_path / "report.json", ON_H200).rows()
    assert "no H200" in report.verdicts({**ON_H200, "card": "NVIDIA L4"}, rows)[-1]
    for about in ({**ON_H200, "card": None}, {**ON_H200, "small": True}):
        lines = report.verdicts(about, rows)
        assert "not measured" in lines[0]
        assert report.NO_FIGURE in lines[-1]


def test_the_table_has_a_line_for_what_was_measured_and_for_what_failed(tmp_path: Path) -> None:
    console = Console(width=200, record=True, file=StringIO())
    filled(tmp_path / "report.json", ON_H200).show(console)
    text = console.export_text()
    assert "http mp3" in text
    assert "66.0" in text
    assert "no fp8 here" in text
    assert "not done within 300 s" in text  # beside what it had measured by then


def test_half_a_line_is_no_row_yet(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    assert report.read(path) == []
    path.write_text(json.dumps(row(3.0)) + '\n{"container": "mp')
    assert report.read(path) == [row(3.0)]


@pytest.mark.parametrize(
    ("printed", "status", "reason"),
    [
        (
            "x\nValueError: no fp8 KV cache\nRuntimeError: Engine core failed. See root cause above. {}\n",
            1,
            "no fp8 KV",
        ),
        ("x\n(EngineCore pid=3) ERROR NotImplementedError: FP8 with this backend\n", 1, "FP8 with"),
        ("killed\n", -9, "status -9"),
        ("whatever\n", None, "not done within 12 s"),
    ],
)
def test_why_a_run_failed(printed: str, status: int | None, reason: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(printed)
    assert reason in report.why(log, status, 12.0)


def test_a_run_ends_with_all_it_started() -> None:
    child = "import time; time.sleep(60)"
    program = f"import subprocess, sys; print(flush=True); subprocess.run([sys.executable, '-c', {child!r}])"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert group_lives(process)
        end_group(process)
        assert not group_lives(process)


def test_without_a_gpu_it_says_so() -> None:
    if report.about(small=False)["card"] is not None:
        pytest.skip("there is one")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert report.NO_FIGURE in done.stdout


def test_the_tokens_of_a_window_are_those_of_real_speech() -> None:
    assert FULL.tokens == TOKENS == 114
