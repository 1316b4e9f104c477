"""The card of the hand-off: what a reader wants to know, under the header that `datasets` reads."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml

import datagen
from datagen.schema import KINDS
from datagen.stage import NOTICES, Context
from datagen.store.parquet import sync
from datagen.template import render_file

TRACED = ("stage", "model", "revision", "prompt", "prompt_hash")  # of the lineage: who made a row


@dataclass
class Tally:
    """What the card counts: rows by product, task and split, and by who made them."""

    rows: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    makers: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def add(self, product: str, split: str, rows: pa.Table) -> None:
        """Count rows of one product and split."""
        self.rows.update((product, task or "", split) for task in rows["task"].to_pylist())
        lineage = rows["lineage"].combine_chunks()
        traced = ([part or "" for part in pc.struct_field(lineage, name).to_pylist()] for name in TRACED)
        self.makers.update(zip(*traced, strict=True))


def write_card(folder: Path, tally: Tally, promises: Sequence[Mapping[str, Any]], context: Context) -> None:
    """
    Write ``README.md``.

    Its header lists as configurations the products that have rows, each with the splits that have some.
    """
    rows: dict[str, dict[str, Counter[str]]] = {}
    for (product, task, split), count in sorted(tally.rows.items()):
        rows.setdefault(product, {}).setdefault(task, Counter())[split] = count
    made = {product: rows[product] for product in KINDS.values() if product in rows}
    splits = {product: sorted(set().union(*tasks.values())) for product, tasks in made.items()}
    header: dict[str, object] = {"pretty_name": context.recipe["name"], "tags": ["datagen", "synthetic"]}
    if made:
        header["configs"] = [_config(product, splits[product]) for product in made]
    card = render_file(
        __package__,
        "card.md.j2",
        header=yaml.safe_dump(header, sort_keys=False).strip(),
        recipe=context.recipe,
        version=datagen.__version__,
        products=list(KINDS.values()),
        splits=sorted(set().union(*splits.values())),
        rows=made,
        promises=promises,
        notices=list(_notices(context)),
        makers=sorted(tally.makers.items()),
    )
    path = folder / "README.md"
    path.write_text(card, encoding="utf-8")
    sync(path)


def _notices(context: Context) -> Iterator[tuple[str, str]]:
    """What stages before this one say that a user must know: stage and line."""
    for name in context.recipe.get("stages", {}):
        path = context.run_folder / "stages" / name / NOTICES
        if path.exists():
            yield from ((name, line) for line in json.loads(path.read_text(encoding="utf-8")))


def _config(product: str, splits: list[str]) -> dict[str, object]:
    files = [{"split": split, "path": f"{product}/{split}-*.parquet"} for split in splits]
    return {"config_name": product, "data_files": files}
