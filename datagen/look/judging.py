"""
Verdicts that are given in the browser: which rows may be judged, and the file that they go to.

A promise rests on rows that are judged in the order of a random draw: if a checking row is judged early, all
rows drawn before it count as wrong. So the page asks for rows in that order, and lets a person pick rows
freely only from the third that confidence is learnt from.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from datagen.errors import UserError
from datagen.look.trail import Trails
from datagen.run.folder import Run
from datagen.stages.confidence.labels import draw, file, session, terminal

Json = dict[str, Any]


class Judging:
    """
    The labels of a run.

    Parameters
    ----------
    run
        The run.
    path
        The file of labels. It is read before each verdict, since others may write to it.
    most
        Rows of each kind or task that has a promise.

    Raises
    ------
    UserError
        When a line of the file is no label.
    """

    def __init__(self, run: Run, path: Path, most: int) -> None:
        self._run, self.path = run, path
        try:
            self._drawn, _ = session.queue(run, {}, most)
            self.closed = ""
        except UserError as error:  # a run without calibrate or score has nothing to judge
            self._drawn, self.closed = [], str(error)
        self._seed = str(run.manifest["recipe"]["seed"])
        session.labels_of(path)

    def verdicts(self) -> dict[str, str]:
        """Map the ids of judged rows to their verdicts."""
        labels = session.labels_of(self.path)
        found = {
            name: label["verdict"] for name, label in labels.items() if not name.startswith(file.BY_CONTENT)
        }
        given = {name: label["verdict"] for name, label in labels.items()}
        drawn = pa.Table.from_pylist(self._drawn, session.COLUMNS)
        by_content = zip((row["id"] for row in self._drawn), file.verdicts_of(drawn, given), strict=True)
        return found | {name: verdict for name, verdict in by_content if verdict}

    def queue(self) -> Json:
        """Tell how many rows are drawn and judged, and which are next."""
        verdicts = self.verdicts()
        left = [row for row in self._drawn if row["id"] not in verdicts]
        judged = [row["id"] for row in self._drawn if row["id"] in verdicts]
        order = draw.gaps_first(judged, left, self._seed)
        return {
            "closed": self.closed,
            "drawn": len(self._drawn),
            "judged": len(judged),
            "next": [row["id"] for row in order[:2]],
        }

    def may_judge(self, name: str) -> bool:
        """Tell whether a verdict on a row leaves the random sample as it is."""
        if self.closed:
            return False
        queue = self.queue()
        teaches = not draw.draws([name], self._seed)[0][0]
        return teaches or name in queue["next"] or name in self.verdicts()

    def give(self, trails: Trails, name: str, verdict: str) -> Mapping[str, Any]:
        """
        Write a verdict on a row into the file.

        Raises
        ------
        UserError
            When it is none, there is no such row, or the row is not to be judged yet.
        """
        if verdict not in file.VERDICTS:
            raise UserError(f"{verdict!r} is no verdict: one of {', '.join(file.VERDICTS)}")
        if not self.may_judge(name):
            raise UserError(
                f"row {name} is not to be judged yet: rows are judged in the order of a random draw"
            )
        label = terminal.label_of(trails.follow(name).row, verdict)
        labels = session.labels_of(self.path)
        labels[file.key(label)] = label
        file.write(labels.values(), self.path)
        return label
