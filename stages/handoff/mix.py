"""
Put the kinds together: which split a row belongs to, how large a share refusals have, in which order.

* A document's rows are all in training or all in validation, drawn by the document's id: a model that has
  seen a paragraph in one row is not tested on it in another. That two documents say the same is left
  to `datagen.stages.filter.dedup`, which comes before.
* Refusals and instructions train the same chat; a model that is shown too many refusals learns to
  refuse (over-refusal). So refusals are cut to a share of both.
* Rows of a partition are ordered by a draw, so that a trainer that reads them as they come does not
  get one document's rows in a row.
"""

from collections.abc import Iterator
from math import floor
from typing import Annotated, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

import datagen.stage
from datagen.schema import fraction
from datagen.stage import Context, Outcome, Partitions, WholeStage

CHAT = ("instruction", "refusal")  # trained together: a share is a share of these
Share = Annotated[float, Field(ge=0, le=1)]


class Options(datagen.stage.Options):
    """Shares."""

    validation: float = Field(0.05, ge=0, lt=1, description="Share of the documents that go to validation")
    max_share: dict[Literal["refusal"], Share] = Field(
        {"refusal": 0.2}, description="Share of instructions and refusals together that a kind has at most"
    )


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Outcome]:
    """Count the kinds, decide which rows are over a share, then go through them again."""
    seed = str(context.seed)
    over: dict[str, str] = {}
    if options.max_share:
        chat = [_chat_rows(table) for table in partitions.columns(["id", "kind"])]
        over = _over_share(pa.concat_tables(chat), options, seed) if chat else {}
    for table in partitions:
        draws = [fraction("order", seed, name) for name in table["id"].to_pylist()]
        rows = table.append_column("split", splits(table, options.validation, seed))
        rows = rows.take(pc.array_sort_indices(pa.array(draws, pa.float64())))
        said = [over.get(name) for name in rows["id"].to_pylist()]
        yield Outcome.split(rows, ["over the share" if detail else None for detail in said], said)


def splits(rows: pa.Table, validation: float, seed: str) -> pa.Array:
    """Draw each row's split by its document; a row of several documents goes with the first."""
    lineage = rows["lineage"].combine_chunks()
    documents = pc.coalesce(pc.struct_field(lineage, "document_id"), rows["id"].combine_chunks())
    known = documents.dictionary_encode()
    drawn = [
        "validation" if fraction("split", seed, document) < validation else "train"
        for document in known.dictionary.to_pylist()
    ]
    return pa.array(drawn, pa.string()).take(known.indices)


def _chat_rows(rows: pa.Table) -> pa.Table:
    return rows.select(["id", "kind"]).filter(pc.is_in(rows["kind"], value_set=pa.array(CHAT, pa.string())))


def _over_share(rows: pa.Table, options: Options, seed: str) -> dict[str, str]:
    """Say which rows of a kind are too many: id -> detail."""
    over: dict[str, str] = {}
    for kind, share in options.max_share.items():
        mine = rows["id"].filter(pc.equal(rows["kind"], kind)).to_pylist()
        others = len(rows) - len(mine)
        room = floor(share / (1 - share) * others + 1e-9) if share < 1 else len(mine)
        detail = f"{len(mine)} rows; with {others} others a share of {share:g} has room for {room}"
        drawn = sorted(mine, key=lambda name: (fraction("share", seed, name), name))
        over |= dict.fromkeys(drawn[room:], detail)
    return over


stage = WholeStage(
    name="mix",
    summary="draw the splits by document and cap the share of refusals",
    takes="examples",
    gives="examples",
    run=run,
    options=Options,
)
