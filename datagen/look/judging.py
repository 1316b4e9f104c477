"""
Judge rows in the browser: which rows may be judged, and the file of labels.

The promised precision depends on judging in the order of a random sample: if a row of the check is judged
early, all rows sampled before it count as wrong. The page therefore presents rows in that order, and a person
may pick freely only from the third of the rows that confidence is trained on.
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
        The file of labels. It is read before each verdict, because other programs may write to it.
    maximum
        Number of rows per kind or task with a promise.

    Raises
    ------
    UserError
        If a line of the file is not a label.
    """

    def __init__(self, run: Run, path: Path, maximum: int) -> None:
        self._run, self.path = run, path
        try:
            self._sample, _ = session.queue(run, {}, maximum)
            self.closed = ""
        except UserError as error:  # a run without calibrate or score has nothing to judge
            self._sample, self.closed = [], str(error)
        self._seed = str(run.manifest["recipe"]["seed"])
        session.labels_of(path)

    def verdicts(self) -> dict[str, str]:
        """Map the ids of judged rows to their verdicts."""
        labels = session.labels_of(self.path)
        by_id = {
            name: label["verdict"] for name, label in labels.items() if not name.startswith(file.BY_CONTENT)
        }
        all_verdicts = {name: label["verdict"] for name, label in labels.items()}
        drawn = pa.Table.from_pylist(self._sample, session.COLUMNS)
        by_content = zip(
            (row["id"] for row in self._sample), file.verdicts_of(drawn, all_verdicts), strict=True
        )
        return by_id | {name: verdict for name, verdict in by_content if verdict}

    def queue(self) -> Json:
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

    def judge(self, trails: Trails, name: str, verdict: str) -> Mapping[str, Any]:
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
        label = terminal.label_of(trails.follow(name).row, verdict)
        labels = session.labels_of(self.path)
        labels[file.key(label)] = label
        file.write(labels.values(), self.path)
        return label
