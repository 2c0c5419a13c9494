"""The contenders of one round, alive at the same time, one working at a time, started anew each round."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec

from perf.callers.callers import Callers
from perf.callers.load_commands import Decode, ServerAddress
from perf.callers.prompt_texts import Work
from perf.callers.text_maker import TextMaker
from perf.closing import Ending
from perf.engine.engine_samples import StepsSample
from perf.engine_config import EngineConfig
from perf.json_child import Child
from perf.server_processes import OurServer
from perf.serving import bare_decode_loop, worker_driver
from perf.serving.start_children import start_bare_loop, start_worker
from perf.stream_figures import Stream, percentile, steady_rate, steady_window
from xapp.config import EngineSettings
from xapp.domain.messages import ModelInfo

Contender = Callable[[Work], tuple[float, list[float]]]
_WARM_UP_TOKENS = 32
_WARM_UP_SEED = 90_000


class Lineup(Ending):
    """The worker first: it sizes itself, and the others take its sizes. Raises ChildError, StartError."""

    def __init__(self, model: str, path: Path, settings: EngineSettings) -> None:
        self._stack = ExitStack()
        try:
            worker = self._stack.enter_context(start_worker(path, settings))
            self.info = msgspec.json.decode(worker.greeting, type=ModelInfo)
            self.engine_config = EngineConfig.of(self.info, settings.batch_tokens)
            bare = self._stack.enter_context(start_bare_loop(path, self.engine_config))
            self.server = self._stack.enter_context(OurServer(model, {}))
            self.server.wait_until_serving()
            texts = self._stack.enter_context(TextMaker(self.server.target))
            callers = self._stack.enter_context(Callers(ServerAddress(grpc=self.server.target)))
        except BaseException:
            self.close()
            raise
        self.contenders: dict[str, Contender] = {
            "bare": lambda work: _bare(bare, work),
            "worker": lambda work: _worker(worker, work),
            "client": lambda work: _client(texts, callers, work),
        }

    def warm_up(self, num_streams: int) -> None:
        """A little of the work for everybody: pages are mapped, kernels chosen, connections made."""
        work = Work(num_streams, num_tokens=_WARM_UP_TOKENS, seed=_WARM_UP_SEED)
        for contender in self.contenders.values():
            with suppress(ValueError):  # so short that its streams need not overlap
                contender(work)

    @property
    def kv_cell_bytes(self) -> float:
        """Of one cell, all layers."""
        return self.info.kv_bytes / self.info.kv_cells_total

    def close(self) -> None:
        """Ends them all."""
        self._stack.close()


def _bare(child: Child, work: Work) -> tuple[float, list[float]]:
    decoded = msgspec.json.decode(child.ask(work), type=bare_decode_loop.Decoded)
    return decoded.tokens_per_second, decoded.steps


def _worker(child: Child, work: Work) -> tuple[float, list[float]]:
    return _seen(msgspec.json.decode(child.ask(worker_driver.Decode(work)), type=list[Stream]))


def _client(texts: TextMaker, callers: Callers, work: Work) -> tuple[float, list[float]]:
    prompts = texts.make(lambda made: made.of(work))
    return _seen(callers.play(Decode(prompts, work.num_tokens)).streams)


def _seen(streams: list[Stream]) -> tuple[float, list[float]]:
    """The rate and the steps, while all streams run. Raises ValueError when they do not."""
    start, end = steady_window(streams)
    return steady_rate(streams), [gap for stream in streams for gap in stream.gaps(start, end)]


def sample_of(round_: int, contender: str, work: Work, found: tuple[float, list[float]]) -> StepsSample:
    """A step of the middle of the work has half of its tokens in the cache."""
    rate, steps = found
    return StepsSample(
        round=round_,
        contender=contender,
        num_streams=work.num_streams,
        tokens_per_second=rate,
        step_p50_s=percentile(steps, 50),
        step_p95_s=percentile(steps, 95),
        step_max_s=max(steps),
        num_steps=len(steps),
        kv_cells=work.num_streams * (work.prompt_tokens + work.num_tokens / 2),
    )
