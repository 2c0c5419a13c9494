"""Who was measured, in a result file, where the run started its own servers."""

from perf.engine_config import EngineConfig
from perf.record.result_schema import Target


def targets_of(
    model: str, digest: str, engine_config: EngineConfig | None, flags: list[str] | None
) -> list[Target]:
    """Ours, and llama-server where it was started."""
    ours = Target("ours", "grpc", "loopback", model, digest, "genai-xapp", engine_config=engine_config)
    peer = Target("llama-server", "openai", "loopback", model, digest, "llama-server", flags or [])
    return [ours] if flags is None else [ours, peer]
