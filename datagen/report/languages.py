"""The languages of a run's documents, and those without language rules."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from datagen.prompt import exists
from datagen.run.folder import Run
from datagen.store.parquet import parts, read_part

UNDETERMINED = "und"

# Folder of language files -> the rules that are skipped without them.
SKIPPED = (
    ("languages", "form and answer of questions, pronouns, declines, negations, unfinished and copied text"),
    ("mined", "mining of exercises: nothing is mined"),
)


class Language(NamedTuple):
    """A language, its number of documents, and the rules skipped for them."""

    code: str
    documents: int
    skipped: tuple[str, ...]

    @property
    def advice(self) -> str:
        """Advice for the user."""
        if self.code == UNDETERMINED:
            return "too short to detect: set language: in the corpus entry"
        return f"add prompts/languages/{self.code}.yaml (docs/languages.md)"


def languages(run: Run) -> list[Language]:
    """List the languages of the documents, most frequent first."""
    counts = Counter[str]()
    folder = _prompts(run)
    for record in run.stage_records():
        if record["gives"] != "documents" or record["takes"]:
            continue
        for path in parts(run.stage_folder(record["stage"])):
            table = read_part(path, ["language"])
            if "language" in table.column_names:
                counts.update(table["language"].to_pylist())
    return [
        Language(code, count, tuple(rules for name, rules in SKIPPED if not exists(f"{name}/{code}", folder)))
        for code, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if code
    ]


def warnings(run: Run) -> list[str]:
    """Return one line for each language with skipped rules."""
    return [
        f"language {language.code}: {language.documents} documents; skipped: {'; '.join(language.skipped)}. "
        f"{language.advice}"
        for language in languages(run)
        if language.skipped
    ]


def _prompts(run: Run) -> Path | None:
    folder = run.manifest.get("prompts")
    return Path(folder) if folder else None
