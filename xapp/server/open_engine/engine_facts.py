"""What openengine.v1 asks of a node: its identity, its models, its load, its health."""

import time
from collections.abc import Sequence

from xapp.domain.sampling import MAX_TOP
from xapp.domain.states import ModelSample, ModelState, ModelStatus
from xapp.openengine import open_engine_pb2 as oe
from xapp.version import installed_version

REVISION = 1
SOURCE = "4def7c50b05e0674a0c3b26917399155535966e4"
"""The revision of the contract's source that has the names and numbers of `open_engine.proto`."""
CELLS_OF_A_BLOCK = 1
"""This node's KV cache has cells of one token, which count as blocks."""


def server_info(instance: str, models: Sequence[ModelStatus]) -> oe.ServerInfo:
    """`models` are those that the caller may use and that serve."""
    return oe.ServerInfo(
        engine_name="genai-xapp",
        engine_version=installed_version(),
        engine_role=oe.ENGINE_ROLE_AGGREGATED,
        instance_id=instance,
        supported_models=[each.name for each in models],
        parallelism=oe.ParallelismInfo(
            tensor_parallel_size=1, pipeline_parallel_size=1, data_parallel_size=1, data_parallel_rank=0
        ),
        kv_connector=oe.KvConnectorInfo(enabled=False),
        schema_revision=REVISION,
        minimum_client_revision=REVISION,
        schema_release=SOURCE,
        capacity=_capacity(models),
    )


def _capacity(models: Sequence[ModelStatus]) -> oe.DeploymentCapacity:
    infos = [each.info for each in models if each.info is not None]
    return oe.DeploymentCapacity(
        kv_block_size=CELLS_OF_A_BLOCK,
        total_kv_blocks=sum(info.kv_cells_total for info in infos),
        max_running_requests=sum(info.num_slots for info in infos),
        max_batched_tokens=sum(info.batch_tokens for info in infos),
        max_loras=0,
    )


def model_info(status: ModelStatus) -> oe.ModelInfo:
    """A model that serves."""
    assert status.info is not None, "the model is loaded"
    return oe.ModelInfo(
        model_id=status.digest or status.name,
        served_model_name=status.name,
        max_context_length=status.info.context_length,
        supports_text_input=True,
        supports_token_ids_input=False,
        generation=_generation(),
        supports_lora=False,
        supports_multimodal=False,
    )


def _generation() -> oe.GenerationCapabilities:
    """Only what `tests/server/test_open_engine.py` and `tests/e2e/test_open_engine.py` try."""
    return oe.GenerationCapabilities(
        prompt_logprobs=oe.LogprobCapabilities(supported=False),
        output_logprobs=oe.LogprobCapabilities(
            supported=True,
            candidate_selection_modes=[oe.CANDIDATE_TOKEN_SELECTION_MODE_TOP_N],
            max_top_n=MAX_TOP,
        ),
        guided_decoding=oe.GuidedDecodingCapabilities(
            supported=True,
            modes=[
                oe.GUIDED_DECODING_MODE_JSON_SCHEMA,
                oe.GUIDED_DECODING_MODE_EBNF_GRAMMAR,
                oe.GUIDED_DECODING_MODE_CHOICE,
                oe.GUIDED_DECODING_MODE_JSON_OBJECT,
            ],
        ),
        max_num_sequences=1,
        supports_priority=True,
        supports_stop_in_output=False,
        supports_cache_salt=True,
        supports_prefix_cache_bypass=False,
    )


def load_info(instance: str, samples: Sequence[ModelSample], *, with_rank: bool) -> oe.LoadInfo:
    """The load of all loaded models together."""
    stats = [each.stats for each in samples]
    running = sum(each.num_running for each in stats)
    waiting = sum(each.num_waiting for each in stats)
    used = sum(each.kv_cells_used for each in stats)
    total = sum(each.kv_cells_total for each in stats)
    info = oe.LoadInfo(
        instance_id=instance,
        timestamp_unix_nanos=time.time_ns(),
        running_requests=running,
        queued_requests=waiting,
        used_kv_blocks=used,
        total_kv_blocks=total,
    )
    info.attributes["predicted_wait_s"] = max((each.wait_s for each in samples), default=0.0)
    if with_rank:
        info.ranks.add(
            data_parallel_rank=0,
            running_requests=running,
            queued_requests=waiting,
            used_kv_blocks=used,
            total_kv_blocks=total,
        )
    return info


_STATES = {
    ModelState.AVAILABLE: oe.HEALTH_STATE_NOT_READY,
    ModelState.LOADING: oe.HEALTH_STATE_STARTING,
    ModelState.READY: oe.HEALTH_STATE_READY,
    ModelState.DRAINING: oe.HEALTH_STATE_DRAINING,
    ModelState.FAILED: oe.HEALTH_STATE_NOT_READY,
}


def state_of_model(status: ModelStatus) -> oe.HealthState.ValueType:
    """The health of one model."""
    return _STATES[status.state]
