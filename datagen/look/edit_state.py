"""The state of an edit in a run: pending, applied, refused or withdrawn, and the words for it."""

import json
from typing import NamedTuple

from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.look.history import LastRow
from datagen.run.folder import Run
from datagen.stages.confidence import apply_edits
from datagen.stages.confidence.labels import edits
from datagen.stages.confidence.labels.file import Label

PENDING, APPLIED, REFUSED, WITHDRAWN = ("pending", "applied", "refused", "withdrawn")
NO_STAGE = "needs the stage apply_edits, which the recipe of this run does not have"
GONE = "this run has no row with this id"
NEXT_RUN = {PENDING: "the next run applies it", WITHDRAWN: "the next run restores the former text"}


class EditState(NamedTuple):
    """
    The state of an edit.

    Parameters
    ----------
    state
        pending, applied, refused or withdrawn.
    reason
        Why it is refused, or what it needs; may be empty.
    """

    state: str
    reason: str

    @property
    def summary(self) -> str:
        """The state, with its reason or with what the next run does."""
        return ": ".join(part for part in (self.state, self.reason or NEXT_RUN.get(self.state)) if part)


class Edits:
    """
    The edits that a run has tried to apply.

    Parameters
    ----------
    run
        The run.

    Raises
    ------
    UserError
        If its list of edits cannot be read.
    """

    def __init__(self, run: Run) -> None:
        stages = run.manifest["recipe"]["stages"]
        name = apply_edits.stage.name
        self._applies = any((options or {}).get("use", stage) == name for stage, options in stages.items())
        self._outcomes: dict[str, JsonObject] = {}
        for stage in run.manifest["stages"]:
            self._outcomes |= _outcomes(run, stage)

    def state(self, name: str, label: Label, last: LastRow | None) -> EditState | None:
        """
        Return the state of a row's edit, or None if there is none.

        Parameters
        ----------
        name
            The row's id.
        label
            Its label; empty if it has none.
        last
            The row after the last stage that it reached; None if the run does not have it.
        """
        edit = label.get("edit")
        row = last.row if last else {}
        before, applied = edits.restored(row), {field: row[field] for field in edits.original_of(row)}
        if not edit:
            gone = applied and edit is not None
            return EditState(WITHDRAWN, "") if gone else EditState(APPLIED, "") if applied else None
        if applied == {field: text for field, text in edit.items() if before.get(field) != text} != {}:
            return EditState(APPLIED, "")
        outcome = self._outcomes.get(name, {})
        if outcome.get("edit", edit) == edit and (reason := outcome.get("reason")):
            return EditState(REFUSED, str(reason))
        if last is None:
            return EditState(REFUSED, GONE)
        if reason := last.why_fixed or edits.problem(before, label):
            return EditState(REFUSED, reason)
        return EditState(PENDING, "" if self._applies else NO_STAGE)


def _outcomes(run: Run, stage: str) -> dict[str, JsonObject]:
    path = run.stage_folder(stage) / apply_edits.OUTCOMES
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        outcomes = [json.loads(line) for line in lines if line]
        return {outcome["id"]: outcome for outcome in outcomes}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"cannot read {path}: {error}. Run the recipe again to write it") from error
