"""From samples to the rows of the table, with the bars of embeddings."""

from collections.abc import Sequence

from perf.bar_table import Sample, ratios, row, values
from perf.record.result_schema import Figure


def rows(samples: Sequence[Sample]) -> list[Figure]:
    """The rows of what was measured, and of what was not."""

    def found(key: str) -> list[float]:
        return list(values(samples, key).values())

    return [
        row("sentences/s of 32 tokens, one call at a time", "", found("grpc.1"), None),
        row(
            "the same ÷ bare llama.cpp, batch of 64",
            "",
            ratios(samples, "grpc.1", "bare.64"),
            0.9,
            at_most=False,
        ),
        row(
            "the same ÷ bare llama.cpp at its fastest batch", "", ratios(samples, "grpc.1", "bare.best"), None
        ),
        row("two calls at a time ÷ its fastest batch", "", ratios(samples, "grpc.2", "bare.best"), None),
        row("worst gap of 3 streams alone", "ms", found("gap.alone_ms"), None),
        row("worst gap while 1,000 passages are embedded", "ms", found("gap.beside_ms"), 150),
        row("mean gap meanwhile", "ms", found("gap.beside_mean_ms"), None),
        row("1,000 passages of 32 tokens meanwhile", "s", found("passages_s"), None),
        row("cores that other programs took meanwhile", "", found("others.cores"), None),
    ]
