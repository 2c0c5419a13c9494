"""Each finding of `genai-xapp doctor`, with what to do."""

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from xapp.backend.features import of_build, of_cpu
from xapp.backend.sizing import Node
from xapp.cli import main
from xapp.cli.doctor import machine, model, services, software
from xapp.cli.doctor.finding import Finding, Level
from xapp.config import Settings, load_settings
from xapp.node_plan.planned import CpuPlace, NodePlan, PlannedService

PI_5 = "processor : 0\nFeatures\t: fp asimd evtstrm aes crc32 atomics asimdhp cpuid asimddp\n"


def settings(**environ: object) -> Settings:
    return load_settings({key: str(value) for key, value in environ.items()})


def doctor(environ: dict[str, str], *args: str) -> Result:
    return CliRunner(env=environ).invoke(main, ["doctor", "--quick", *args])


def level_and_text(finding: Finding) -> tuple[Level, str]:
    assert (finding.advice == "") == (finding.level is Level.OK)
    return finding.level, finding.text


def test_features_are_read_from_the_build_and_the_cpu() -> None:
    assert of_build("CPU : NEON = 1 | ARM_FMA = 1 | DOTPROD = 0 | SVE_CNT = 16 | ") == {
        "NEON",
        "ARM_FMA",
        "SVE_CNT",
    }
    assert of_cpu(PI_5) == {"NEON", "DOTPROD"}
    assert of_cpu("flags : sse2 avx2 fma\n") == {"AVX2", "FMA"}
    assert of_cpu("") == set()


def test_a_build_for_a_lesser_cpu_is_slower() -> None:
    level, text = level_and_text(software.compare({"NEON"}, {"NEON", "DOTPROD"}))
    assert level is Level.WARN
    assert "DOTPROD" in text


def test_a_build_for_another_cpu_is_told_from_other_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(code: int, said: str) -> None:
        done = subprocess.CompletedProcess([], code, "", said)
        monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)

    ended(-4, "")
    assert "signal 4" in software.check_build().text
    ended(1, "Traceback\nOSError: libgomp.so.1 is missing\n")
    assert level_and_text(software.check_build()) == (
        Level.FAIL,
        "the library does not load: OSError: libgomp.so.1 is missing",
    )


def test_a_build_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("python", 60)

    monkeypatch.setattr(subprocess, "run", hang)
    assert software.check_build().level is Level.FAIL


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    there = settings(XAPP_MODELS_DIR=tmp_path)
    level, text = level_and_text(model.check_model(there))
    assert level is Level.FAIL
    assert "does not exist" in text
    assert "models pull smollm2-135m-q4_1" in model.check_model(there).advice
    assert model.check_memory(there).level is Level.WARN


def test_a_model_that_is_broken(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + bytes(20))
    found = model.check_model(settings(XAPP_MODELS_DIR=tmp_path, XAPP_MODEL="m"))
    assert found.level is Level.FAIL


def test_a_folder_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 5 << 20}))
    level, text = level_and_text(model.check_folder(settings(XAPP_MODELS_DIR=tmp_path / "later")))
    assert (level, text) == (Level.WARN, f"{tmp_path / 'later'} has 5 MiB free")


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert model.check_folder(settings(XAPP_MODELS_DIR=tmp_path)).level is Level.WARN


@pytest.mark.slow
def test_a_model_that_does_not_fit(default_model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "available_bytes", lambda: 50 << 20)
    found = model.check_memory(settings(XAPP_MODEL=default_model_path))
    assert found.level is Level.FAIL
    assert "50 MiB are available" in found.text


@pytest.mark.parametrize(
    ("free_mb", "total_mb", "level", "text"),
    [
        (8000, 8000, Level.OK, "the services take 1,100 MB of 8,000 MB that are free"),
        (900, 8000, Level.WARN, "memory is tight"),
        (400, 400, Level.FAIL, "text 500 MB (XAPP_MODEL)"),
    ],
)
def test_all_services_together(
    free_mb: int, total_mb: int, level: Level, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_ = PlannedService("text", "generate", "XAPP_MODEL", 500_000_000, 1_100_000_000, 4, CpuPlace.TEXT)
    plan = NodePlan((model_,), Node(free_mb * 1_000_000, 4), total_mb * 1_000_000)
    monkeypatch.setattr(services, "plan_of_this_node", lambda _: plan)
    found = level_and_text(services.check_services(settings()))
    assert found[0] is level
    assert text in found[1]


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = machine.check_ports(settings(XAPP_GRPC_PORT=taken.getsockname()[1], XAPP_HTTP_PORT=0))
    assert found.level is Level.WARN
    assert "is the port in use?" in found.text


@pytest.mark.parametrize(("says", "level"), [(True, Level.OK), (False, Level.WARN), (None, Level.OK)])
def test_the_clock(says: bool | None, level: Level, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_synchronised", lambda: says)
    assert machine.check_clock().level is level


def test_a_clock_that_was_never_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 3600.0)
    assert machine.check_clock().level is Level.FAIL


@pytest.mark.parametrize(
    ("heat", "slowed", "level"),
    [(50.0, False, Level.OK), (None, None, Level.OK), (85.0, False, Level.WARN), (60.0, True, Level.WARN)],
)
def test_heat(heat: float | None, slowed: bool | None, level: Level, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "hottest_celsius", lambda: heat)
    monkeypatch.setattr(machine, "throttled", lambda: slowed)
    assert machine.check_heat().level is level


@pytest.mark.parametrize(("mode", "level"), [(0o600, Level.OK), (0o644, Level.WARN), (None, Level.FAIL)])
def test_files_with_secrets(mode: int | None, level: Level, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    if mode is not None:
        tokens.touch(mode)
        tokens.chmod(mode)
    assert machine.check_secrets(settings(XAPP_TOKENS_FILE=tokens)).level is level


def test_a_wrong_setting_ends_the_checks() -> None:
    result = doctor({"XAPP_SLOTS": "0"})
    assert result.exit_code == 1
    assert "fail settings  XAPP_SLOTS" in result.stdout


def test_the_report_says_what_to_do(tmp_path: Path) -> None:
    result = doctor({"XAPP_MODELS_DIR": str(tmp_path)})
    assert result.exit_code == 1
    assert "→ genai-xapp models pull smollm2-135m-q4_1" in result.stdout


@pytest.mark.slow
def test_a_machine_that_can_serve(default_model_path: Path) -> None:
    result = CliRunner().invoke(main, ["doctor", "--json", "--model", str(default_model_path)])
    found = {line["about"]: line for line in map(json.loads, result.stdout.splitlines())}
    assert result.exit_code == 0, result.stdout
    assert {"settings", "llama.cpp", "folder", "model", "memory", "services"} < set(found)
    assert {"helpers", "ports", "clock", "heat", "energy", "secrets"} < set(found)
    assert "TTFT" in found["speed"]["text"]
