"""
Judge and edit rows in the browser: which rows may be judged, and the file of labels.

The promised precision depends on judging in the order of a random sample: if a row of the check is judged
early, all rows sampled before it count as wrong. The page therefore presents rows in that order, and a person
may pick freely only from the third of the rows that confidence is trained on. Every row may be edited: an
edit of a row that cannot be judged yet has no verdict.
"""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.look.edit_state import Edits, EditState
from datagen.look.history import LastRow, Trail
from datagen.look.trail import Trails
from datagen.run.folder import Run
from datagen.stages.confidence.labels import draw, edits, file, session, terminal


class Conflict(UserError):
    """The labels have changed since they were read."""


class Judging:
    """
    The labels of a run.

    Parameters
    ----------
    run, trails
        The run, and the histories of its rows.
    path
        The file of labels. It is read before each verdict, because other programs may write to it.
    maximum
        Number of rows per kind or task with a promise.

    Raises
    ------
    UserError
        If a line of the file is not a label.
    """

    def __init__(self, run: Run, trails: Trails, path: Path, maximum: int) -> None:
        self._trails, self.path = trails, path
        self._edits = Edits(run)
        self._last_rows: dict[str, LastRow | None] = {}  # of the rows with an edit; None: not in the run
        try:
            self._sample, _ = session.queue(run, {}, maximum)
            self.closed = ""
        except UserError as error:  # a run without examples
            self._sample, self.closed = [], str(error)
        self._seed = str(run.manifest["recipe"]["seed"])
        session.labels_of(path)

    def verdicts(self) -> dict[str, str]:
        """Map the ids of judged rows to their verdicts."""
        all_verdicts = file.verdicts_among(session.labels_of(self.path))
        by_id = {
            name: verdict for name, verdict in all_verdicts.items() if not name.startswith(file.BY_CONTENT)
        }
        drawn = pa.Table.from_pylist(self._sample, session.COLUMNS)
        by_content = zip(
            (row["id"] for row in self._sample), file.verdicts_of(drawn, all_verdicts), strict=True
        )
        return by_id | {name: verdict for name, verdict in by_content if verdict}

    def edits(self) -> dict[str, EditState]:
        """Map the ids of rows with an edit in the file of labels to its state in this run."""
        return self._states(session.labels_of(self.path))

    def edit_list(self) -> list[JsonObject]:
        """List the edits in the file of labels, also those of rows that this run does not have."""
        labels = session.labels_of(self.path)
        return [
            {"id": name, "state": edit.state, "reason": edit.reason, "has_row": bool(self._last_rows[name])}
            | {"source": labels[name].get("source"), "fields": sorted(labels[name]["edit"])}
            for name, edit in self._states(labels).items()
        ]

    def _states(self, labels: Mapping[str, file.Label]) -> dict[str, EditState]:
        with_edit = {name: label for name, label in labels.items() if "edit" in label}
        unknown = with_edit.keys() - self._last_rows.keys()
        if unknown:
            self._last_rows |= dict.fromkeys(unknown) | self._trails.last_rows(unknown)
        states = {
            name: self._edits.state(name, label, self._last_rows[name]) for name, label in with_edit.items()
        }
        return {name: state for name, state in states.items() if state}

    def edit_of(self, trail: Trail) -> JsonObject:
        """Return the new texts of a row in the file of labels, and the edit's state and its summary."""
        name = trail.row["id"]
        label = session.labels_of(self.path).get(name, {})
        edit = self._edits.state(name, label, trail.last)
        return {
            "edit": label.get("edit", {}),
            "edit_state": edit.state if edit else "",
            "edit_summary": edit.summary if edit else "",
        }

    def queue(self) -> JsonObject:
        """Return the numbers of sampled and judged rows, and the next rows."""
        verdicts = self.verdicts()
        open_rows = [row for row in self._sample if row["id"] not in verdicts]
        judged = [row["id"] for row in self._sample if row["id"] in verdicts]
        order = draw.gaps_first(judged, open_rows, self._seed)
        return {
            "closed": self.closed,
            "drawn": len(self._sample),
            "judged": len(judged),
            "next": [row["id"] for row in order[:2]],
        }

    def may_judge(self, name: str) -> bool:
        """Check whether a row can be judged now without biasing the random sample."""
        if self.closed:
            return False
        queue = self.queue()
        is_for_training = not draw.draws([name], self._seed)[0][0]
        return is_for_training or name in queue["next"] or name in self.verdicts()

    def judge(self, name: str, verdict: str) -> file.Label:
        """
        Write a verdict on a row into the file.

        Raises
        ------
        UserError
            If the verdict is invalid, or the row does not exist or cannot be judged yet.
        """
        if verdict not in file.VERDICTS:
            raise UserError(f"{verdict!r} is not a verdict; use one of {', '.join(file.VERDICTS)}")
        if not self.may_judge(name):
            raise UserError(
                f"row {name} cannot be judged yet: rows are judged in the order of a random sample"
            )
        label = terminal.label_of(self._trails.follow(name).row, verdict)
        with file.changing(self.path) as labels:
            file.add(label, labels)
            return labels[name]

    def edit(self, name: str, texts: Mapping[str, str], seen: Mapping[str, str] | None = None) -> file.Label:
        """
        Write new texts of a row into the file; without texts, withdraw its edit.

        A row that may be judged and has no verdict is judged wrong: as it was generated, it needed the edit.
        Withdrawing the edit withdraws that verdict.

        Parameters
        ----------
        name
            The row's id.
        texts
            New texts by field.
        seen
            The row's edit in the file on which the new one is based; None: replace any.

        Raises
        ------
        Conflict
            If the row's edit in the file is no longer `seen`.
        UserError
            If the row does not exist, or the edit cannot be applied to it.
        """
        trail = self._trails.follow(name)
        if texts and (reason := trail.last.why_fixed):
            raise UserError(f"row {name} cannot be edited: {reason}")
        label = edits.new_label(trail.row, texts, trail.scores) if texts else {"id": name, "edit": {}}
        with file.changing(self.path) as labels:
            if seen is not None and seen != labels.get(name, {}).get("edit", {}):
                raise Conflict(
                    f"the edit of row {name[:12]} has changed since it was opened here, in another window or "
                    "program. Nothing was saved: copy your text, cancel, and edit the row again"
                )
            if texts and name not in self.verdicts() and self.may_judge(name):
                label |= terminal.label_of(trail.row, file.WRONG) | {file.BY_EDIT: True}
            file.add(label, labels)
            return labels[name]
