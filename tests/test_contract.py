"""What authors of clients in other languages need of the contract."""

from pathlib import Path

import pytest
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileOptions

from xapp.inference.v1 import inference_pb2, models_pb2

ROOT = Path(__file__).parents[1]
FILES = (inference_pb2.DESCRIPTOR, models_pb2.DESCRIPTOR)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_generators_for_go_and_java_need_no_options(file: FileDescriptor) -> None:
    options: FileOptions = file.GetOptions()
    module = (ROOT / "clients/go/go.mod").read_text().split()[1]
    assert options.go_package == f"{module}/inference/v1;inferencev1"
    assert (options.java_package, options.java_multiple_files) == ("xapp.inference.v1", True)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_contract_imports_only_what_every_compiler_brings(file: FileDescriptor) -> None:
    assert all(each.name.startswith("google/protobuf/") for each in file.dependencies)


@pytest.mark.parametrize("folder", ["xapp", "perf", "docs", "clients"])
def test_nobody_is_told_to_fetch_the_package_from_an_index(folder: str) -> None:
    texts = [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.md")]
    assert texts
    assert [str(path) for path in texts if "genai-xapp[" in path.read_text()] == []
