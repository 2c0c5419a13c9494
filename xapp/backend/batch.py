"""Batch: the input of one decode."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby

from xapp.backend.sampler import Outcome


@dataclass(frozen=True, slots=True)
class Probe:
    """A request for the probabilities of `tokens` after the batch's token `index`.

    Without tokens: the probability of the likeliest token. `hidden`: for the hidden state of the token
    itself, a token of a prompt. The tokens before it have their cells.
    """

    index: int
    tokens: list[int]
    hidden: bool = False


@dataclass(slots=True)
class Batch:
    """The input of one decode: four parallel lists of equal length, one entry a token.

    `outputs` has the indices after which a token is drawn, ascending. `probes` has the indices after which
    the probabilities of given tokens are read, ascending. `shared` maps an
    index to further, so far empty sequence ids, which share the token's cell. The first `num_decode` tokens
    belong to answers, the others to prompts. `drafts` are the indices of drafts. Each draft follows a token
    of its sequence with an output, and has an output itself. That output is drawn only where the token
    drawn before equals the draft. `apart`: the prompts are computed first, then the answers; there are no
    probes, no drafts and no shared cells. `split` has the numbers of tokens of answers to compute at a time;
    empty: all at once. `num_cells` are in use before the step. `isolated`: all tokens are of the one sequence
    in the separate KV cache, as its sequence id 0. Without `keeps_cells` the batch has texts to embed: their
    sequence ids are the numbers from 0, and each has an output behind its last token. `hurried`: somebody
    waits for one of these texts.
    """

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    seq_ids: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    probes: list["Probe"] = field(default_factory=list)
    shared: dict[int, list[int]] = field(default_factory=dict)
    drafts: set[int] = field(default_factory=set)
    num_decode: int = 0
    apart: bool = False
    split: list[int] = field(default_factory=list)
    num_cells: int = 0
    isolated: bool = False
    keeps_cells: bool = True
    hurried: bool = False

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def quiet(self) -> bool:
        """Whether nobody waits for any of its texts, so that it makes way for other work of the node."""
        return not (self.keeps_cells or self.hurried)

    @property
    def num_read(self) -> int:
        """Cells that attention reads, for all tokens together: a token reads as many as its position."""
        return sum(self.positions) if self.keeps_cells else 0

    def parts(self) -> Iterator["Batch"]:
        """The batches to compute: the whole batch, or its parts by `split`."""
        if len(self.split) < 2:
            yield self
            return
        start = 0
        for count in self.split:
            yield self._part(start, start + count)
            start += count

    def answers(self) -> "Batch":
        """The answers alone."""
        answers = self._part(0, self.num_decode)
        answers.split = self.split
        return answers

    def all_prompts(self) -> "Batch":
        """The prompts alone."""
        return self._part(self.num_decode, len(self)) if self.num_decode else self

    def prompts(self) -> Iterator["Batch"]:
        """The tokens of each prompt."""
        start = self.num_decode
        for _, run in groupby(self.seq_ids[start:]):
            count = sum(1 for _ in run)
            yield self._part(start, start + count)
            start += count

    @property
    def hidden(self) -> list[int]:
        """The tokens whose hidden states are read, ascending."""
        return [probe.index for probe in self.probes if probe.hidden] if self.probes else []

    def only(self, index: int) -> "Batch":
        """One token, with an output."""
        return Batch([self.tokens[index]], [self.positions[index]], [self.seq_ids[index]], [0])

    def without(self, left_out: list[int]) -> "Batch":
        """The batch without some tokens of prompts. Nothing is drawn behind them."""
        gone = set(left_out)
        places = {old: new for new, old in enumerate(each for each in range(len(self)) if each not in gone)}
        return replace(
            self,
            tokens=[self.tokens[old] for old in places],
            positions=[self.positions[old] for old in places],
            seq_ids=[self.seq_ids[old] for old in places],
            outputs=[places[old] for old in self.outputs],
            probes=[replace(each, index=places[each.index]) for each in self.probes if each.index in places],
            shared={places[old]: others for old, others in self.shared.items()},
            drafts={places[old] for old in self.drafts},
        )

    def _part(self, start: int, end: int) -> "Batch":
        return Batch(
            self.tokens[start:end],
            self.positions[start:end],
            self.seq_ids[start:end],
            [index - start for index in self.outputs if start <= index < end],
            drafts={index - start for index in self.drafts if start <= index < end},
        )

    def add(self, token: int, position: int, seq_id: int) -> None:
        """Appends one token without output."""
        self.tokens.append(token)
        self.positions.append(position)
        self.seq_ids.append(seq_id)

    def extend(self, tokens: list[int], start: int, seq_id: int) -> None:
        """Appends consecutive tokens of one sequence from position `start` on, without output."""
        count = len(tokens)
        self.tokens += tokens
        self.positions += range(start, start + count)
        self.seq_ids += [seq_id] * count

    def add_draft(self, token: int, position: int, seq_id: int) -> None:
        """Appends a draft with an output."""
        self.drafts.add(len(self.tokens))
        self.add(token, position, seq_id)
        self.want_output()

    def want_output(self) -> None:
        """Requests an output after the last token."""
        self.outputs.append(len(self.tokens) - 1)

    def is_wrong(self, index: int, before: int, outcome: Outcome) -> bool:
        """Whether a token is a rejected draft: `before`, drawn in its place, is another token or ended the
        answer.
        """
        return index in self.drafts and (before != self.tokens[index] or outcome is not Outcome.OPEN)

    def want_log_probabilities(self, tokens: list[int]) -> None:
        """Requests the probabilities of `tokens` after the last token; []: that of the likeliest token."""
        self.probes.append(Probe(len(self.tokens) - 1, tokens))

    def want_hidden_state(self) -> None:
        """Requests the hidden state of the last token."""
        self.probes.append(Probe(len(self.tokens) - 1, [], hidden=True))
