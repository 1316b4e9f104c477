"""What a stage makes of a partition: rows kept and rows dropped, each with its reason and its lineage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from datagen.context import Context
from datagen.request import Answer, Reject
from datagen.schema import LINEAGE, TABLES, example_id, table_of

TRACED = tuple(part.name for part in LINEAGE)

Column: TypeAlias = Sequence[str | None] | pa.Array | pa.ChunkedArray


def _strings(column: Column) -> pa.Array | pa.ChunkedArray:
    if isinstance(column, pa.Array | pa.ChunkedArray):
        return column.cast(pa.string())
    return pa.array(column, pa.string())


@dataclass(frozen=True)
class Outcome:
    """
    What a stage did with a partition.

    Parameters
    ----------
    kept
        The rows that go on.
    dropped
        The rows that do not: columns of `kept`, and ``reason`` and ``detail``.
    figures
        What else the stage counted in the partition. The sums over all stand in its ``stage.json``.
    """

    kept: pa.Table
    dropped: pa.Table
    figures: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def split(cls, rows: pa.Table, reasons: Column, details: Column | None = None) -> Outcome:
        """
        Drop the rows that have a reason, keep the others.

        Parameters
        ----------
        rows
            The partition.
        reasons
            One a row; null for a row that goes on.
        details
            What was seen in each row; null where there is nothing to say.
        """
        reason = _strings(reasons)
        detail = pa.nulls(len(rows), pa.string()) if details is None else _strings(details)
        judged = rows.append_column("reason", reason).append_column("detail", detail)
        return cls(rows.filter(pc.is_null(reason)), judged.filter(pc.is_valid(reason)))

    @classmethod
    def joined(cls, parts: Sequence[Outcome]) -> Outcome:
        """Put the outcomes of parts of a partition together."""
        return cls(
            *(pa.concat_tables([getattr(part, side) for part in parts]) for side in ("kept", "dropped"))
        )

    @classmethod
    def all_kept(cls, rows: pa.Table) -> Outcome:
        """Keep every row."""
        return cls.split(rows, [None] * len(rows))


class Builder:
    """
    Collects the rows that a stage makes, kept and dropped, with their lineage.

    Parameters
    ----------
    gives
        Kind of table: a key of `datagen.schema.TABLES`.
    context
        The running stage.
    prompt, prompt_hash
        Template file behind rows that no model wrote.
    """

    def __init__(self, gives: str, context: Context, prompt: str = "", prompt_hash: str = "") -> None:
        self._schema = TABLES[gives]
        self._has_lineage = "lineage" in self._schema.names
        self._context, self._prompt = context, (prompt, prompt_hash)
        self._kept: list[dict[str, Any]] = []
        self._dropped: list[dict[str, Any]] = []
        self._seen: set[str] = set()

    def keep(
        self,
        row: Mapping[str, Any],
        parent: Mapping[str, Any],
        *answers: Answer,
        others: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """
        Add a row, or drop it as ``repeated`` when an equal one was made from the same parent.

        Parameters
        ----------
        row
            Its fields. Without ``id``, an example gets the hash of its content.
        parent
            The row it was made from: a document, a passage or an example.
        answers
            The answers that it was read from; the first one's prompt is its prompt.
        others
            Further rows it was made from, where there are several.
        """
        full = self._with_lineage(row, parent, answers, others)
        if full["id"] in self._seen:
            self._dropped.append(full | {"reason": "repeated", "detail": "made twice from the same row"})
            return
        self._seen.add(full["id"])
        self._kept.append(full)

    def drop(
        self,
        why: Reject,
        row: Mapping[str, Any],
        parent: Mapping[str, Any],
        *answers: Answer,
        others: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Add a row that does not go on, with as many of its fields as were made."""
        full = self._with_lineage(row, parent, answers, others)
        self._dropped.append(full | {"reason": why.reason, "detail": why.detail})

    def outcome(self) -> Outcome:
        """Hand over what was collected."""
        dropped = pa.schema([*self._schema, ("reason", pa.string()), ("detail", pa.string())])
        return Outcome(table_of(self._schema, self._kept), table_of(dropped, self._dropped))

    def _with_lineage(
        self,
        row: Mapping[str, Any],
        parent: Mapping[str, Any],
        answers: Sequence[Answer],
        others: Sequence[Mapping[str, Any]],
    ) -> dict[str, Any]:
        full = dict(row)
        if self._has_lineage:
            full["lineage"] = lineage(parent, self._context.stage, answers, self._prompt)
            for other in others:
                cost = [*full["lineage"]["requests"], *(other.get("lineage") or {}).get("requests", [])]
                full["lineage"]["requests"] = list(dict.fromkeys(cost))
                full["lineage"]["parents"].append(other["id"])
            full.setdefault("id", example_id(full))
            full.setdefault("logprob", mean_logprob(answers))
        return full


def mean_logprob(answers: Iterable[Answer]) -> float | None:
    """Average the log probability of every token that the answers hold; None without tokens."""
    tokens = [logprob for answer in answers for logprob in answer.completion.logprobs]
    return sum(tokens) / len(tokens) if tokens else None


def lineage(
    parent: Mapping[str, Any], stage: str, answers: Sequence[Answer], template: tuple[str, str] = ("", "")
) -> dict[str, Any]:
    """
    Trace a row to the span of the document, the prompt, the model and all the requests behind it.

    A row made from an example inherits what that one cost; without answers of its own, its model too.
    """
    known = dict(parent.get("lineage") or {})
    if not known:  # a passage
        known = {
            name: parent.get(name) for name in ("document_id", "source", "title", "language", "start", "end")
        }
        known |= {"passage_id": parent.get("id"), "model": "", "revision": "", "requests": []}
    prompt, prompt_hash = template
    if answers:
        prompt, prompt_hash = answers[0].request.prompt, answers[0].request.prompt_hash
        known |= {"model": answers[0].completion.model, "revision": answers[0].completion.revision}
    known |= {
        "stage": stage,
        "prompt": prompt,
        "prompt_hash": prompt_hash,
        "requests": list(dict.fromkeys([*known["requests"], *(answer.completion.key for answer in answers)])),
        "parents": [parent["id"]] if parent.get("id") else [],
    }
    return {name: known.get(name) for name in TRACED}
