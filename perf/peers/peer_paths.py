"""Where peers are built, and from which lock."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements" / "llama.txt"
FOLDER = ROOT / ".build" / "peers"
PYTHON_SERVER = FOLDER / "llama-cpp-python"
PYTHON_SERVER_PYTHON = PYTHON_SERVER / "bin" / "python"
PYTHON_SERVER_STAMP = PYTHON_SERVER / "installed"
