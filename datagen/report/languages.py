"""The languages of a run's documents, and of which of them nothing is known."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from datagen.prompt import exists
from datagen.run.folder import Run
from datagen.store.parquet import parts

UNDETERMINED = "und"

# What only a language's files can decide, and what is done without them.
SKIPPED = (
    ("languages", "form and answer of questions, pronouns, declines, negations, unfinished and copied text"),
    ("mined", "mining of exercises: nothing is mined"),
)


class Spoken(NamedTuple):
    """A language, its documents, and the rules that were skipped for them; none where all apply."""

    code: str
    documents: int
    skipped: tuple[str, ...]

    @property
    def advice(self) -> str:
        """What the user can do."""
        if self.code == UNDETERMINED:
            return "too short to tell: set language: in the corpus entry"
        return f"add prompts/languages/{self.code}.yaml (docs/languages.md)"


def languages(run: Run) -> list[Spoken]:
    """List the languages of the documents that were read, the most frequent first."""
    counts = Counter[str]()
    folder = _prompts(run)
    for record in run.stage_records():
        if record["gives"] != "documents" or record["takes"]:
            continue
        for path in parts(run.stage_folder(record["stage"])):
            if "language" in pq.read_schema(path).names:
                counts.update(pq.read_table(path, columns=["language"])["language"].to_pylist())
    return [
        Spoken(code, count, tuple(what for name, what in SKIPPED if not exists(f"{name}/{code}", folder)))
        for code, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        if code
    ]


def warnings(run: Run) -> list[str]:
    """Say in a line for each language which rules were skipped, where any were."""
    return [
        f"language {one.code}: {one.documents} documents; skipped: {'; '.join(one.skipped)}. {one.advice}"
        for one in languages(run)
        if one.skipped
    ]


def _prompts(run: Run) -> Path | None:
    own = run.manifest.get("prompts")
    return Path(own) if own else None
