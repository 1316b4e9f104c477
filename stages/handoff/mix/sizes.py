"""The size of each row in the form in which it is handed off, and whether a trainer can use it."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.errors import UserError
from datagen.recipe.registry import stages_of
from datagen.stage import Context
from datagen.stages.handoff.forms import closed_forms, without_passage
from datagen.stages.handoff.mix.ledger import Draws
from datagen.stages.handoff.row_check import Checked, check
from datagen.stages.handoff.tokenizer import Ruler, ruler
from datagen.stages.shared.similarity.sketch import Reader


def hand_off_ruler(context: Context, by: str) -> Ruler:
    """Return the ruler of this recipe's hand-off; a mixture by tokens needs a tokenizer."""
    stages = stages_of(context.recipe, context.folder)
    named = ((name, options) for name, stage, options in stages if stage.name == "handoff")
    name, handoff = next(named, ("handoff", None))
    tokenizer, longest = getattr(handoff, "tokenizer", ""), getattr(handoff, "max_tokens", None)
    measure = ruler(tokenizer, longest, replace(context, stage=name))  # its errors name that stage's options
    if by != "rows" and not measure.model:
        raise UserError(
            f"{context.stage}.by: cannot count tokens of {measure.name!r} here: set handoff.tokenizer, or "
            "by: rows"
        )
    return measure


def sizes_of(
    measure: Ruler, closed: Collection[str], both: Collection[str], reader: Reader
) -> tuple[Checked, dict[str, Draws]]:
    """
    Check the rows of a partition in the form in which they are handed off.

    Returns
    -------
    checked, second forms
        The results, and for each row with both forms the size of its closed-book form: rows, tokens,
        trained_tokens.
    """
    table = reader(None)
    ids = table["id"].to_pylist()
    in_both = np.array([name in both for name in ids], bool)
    sizes = {name: np.zeros(len(table), np.float64) for name in ("rows", "tokens", "trained_tokens")}
    if in_both.any():
        second = check(closed_forms(table.filter(pa.array(in_both))), measure)
        sizes["rows"][in_both] = 1
        for name, counts in (("tokens", second.tokens), ("trained_tokens", second.trained)):
            sizes[name][in_both] = pc.fill_null(counts, 0).to_numpy(zero_copy_only=False)
    return check(without_passage(table, [name in closed for name in ids]), measure), sizes
