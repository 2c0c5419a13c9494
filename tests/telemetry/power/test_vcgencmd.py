"""The firmware's program, and everything that can go wrong with it."""

import os
import subprocess
import time

import psutil
import pytest

from tests.telemetry.power.boards import Board
from xapp.telemetry.power import vcgencmd
from xapp.telemetry.power.vcgencmd import FirmwareError, Vcgencmd, find_vcgencmd


def test_what_it_prints(board: Board) -> None:
    board.says("get_throttled", "throttled=0x50005\n")
    assert Vcgencmd(board.install()).ask("get_throttled") == "throttled=0x50005\n"


def test_bytes_that_are_no_text_are_replaced(board: Board) -> None:
    assert Vcgencmd(board.install("printf '\\377ok'")).ask("x") == "�ok"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 3", "ended with exit code 3"),
        ("kill -9 $$", "ended with exit code -9"),
        ("cat /dev/zero", "more than 65536 bytes"),
    ],
)
def test_a_call_that_fails(board: Board, script: str, message: str) -> None:
    with pytest.raises(FirmwareError, match=message):
        Vcgencmd(board.install(script)).ask("x")


def test_a_program_that_is_not_there(board: Board) -> None:
    with pytest.raises(FirmwareError, match="No such file"):
        Vcgencmd(str(board.program)).ask("x")
    board.program.write_text("not executable")
    with pytest.raises(FirmwareError, match="Permission denied"):
        Vcgencmd(str(board.program)).ask("x")


@pytest.mark.parametrize(
    "script", ["exec sleep 1000", "echo begun; exec sleep 1000", "exec 1>&-; exec sleep 1000"]
)
def test_a_call_that_hangs_is_ended_and_the_next_ones_rest(board: Board, script: str) -> None:
    firmware = Vcgencmd(board.install(script), timeout_s=0.1)
    before = set(psutil.Process().children())
    with pytest.raises(FirmwareError, match=r"took longer than 0\.1 s"):
        firmware.ask("x")
    left = set(psutil.Process().children()) - before
    assert not [each for each in left if each.status() != psutil.STATUS_ZOMBIE]
    began = time.monotonic()
    with pytest.raises(FirmwareError, match="a moment ago"):
        firmware.ask("x")
    assert time.monotonic() - began < 60, "no process is started"


def test_after_the_rest_it_is_asked_again(board: Board) -> None:
    firmware = Vcgencmd(board.install("exec sleep 1000"), timeout_s=0.05, rest_s=0.0)
    with pytest.raises(FirmwareError, match="longer"):
        firmware.ask("x")
    board.install("echo 1")
    assert firmware.ask("x") == "1\n"


def test_while_a_lost_process_is_there_no_other_one_is_started(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that hangs in the kernel: SIGKILL does not end it."""
    firmware = Vcgencmd(board.install("exec sleep 1000"), timeout_s=0.05, rest_s=0.0)
    with monkeypatch.context() as patch:
        patch.setattr(subprocess.Popen, "kill", lambda _: None)
        patch.setattr(vcgencmd, "_KILL_S", 0.0)
        with pytest.raises(FirmwareError, match="longer"):
            firmware.ask("x")
        with pytest.raises(FirmwareError, match="cannot be ended"):
            firmware.ask("x")
    assert firmware._lost is not None
    os.kill(firmware._lost.pid, 9)
    firmware._lost.wait()
    board.install("echo back")
    assert firmware.ask("x") == "back\n"


def test_a_board_without_the_device_has_no_firmware(monkeypatch: pytest.MonkeyPatch, board: Board) -> None:
    monkeypatch.setattr(vcgencmd, "DEVICE", board.sys / "none")
    assert find_vcgencmd() is None
    assert find_vcgencmd("/opt/vcgencmd") is not None
