"""
Find out whether an unfinished run can still be resumed: its complete stages must be up to date.

The corpus, a file that an option names, or the code may change between the end of a run and its resumption.
Such a run is not continued, because its release would lack an edit, or contain a withdrawn document.
"""

from collections.abc import Mapping

from datagen.recipe.model import Recipe
from datagen.request import Identity
from datagen.run.folder import Run
from datagen.run.stage_key import key_of, step_of
from datagen.store.record import StageRecord


def outdated_stage(recipe: Recipe, run: Run, models: Mapping[str, Identity]) -> str:
    """
    Return the first complete stage of a run whose key has changed; "" if there is none.

    Parameters
    ----------
    recipe
        The recipe.
    run
        A run of the recipe, whose stages are intact.
    models
        Role -> model.
    """
    records: dict[str, StageRecord] = {}
    for name in recipe.stages:
        record = run.stage_record(name)
        if record is None:
            return ""
        if record.get("key") != key_of(step_of(recipe, name, run.folder, models, records), recipe, models):
            return name
        records[name] = record
    return ""
