"""
What a finished run offers to a proof, read for the passages that were drawn.

Texts and answers come from the hand-off's own files, so that what is proved is what is handed off; a row's
question and evidence come from the table of the run's last stage, by the row's id. Memory holds the ids of
all passages and the rows of the drawn ones.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from datagen.errors import UserError
from datagen.evaluate.prove.settings import HELD_OUT
from datagen.run.folder import Run
from datagen.schema import fraction
from datagen.stages.handoff.mix.questions import stands_alone
from datagen.stages.shared.language.rules import code_of, language_of
from datagen.store.parquet import parts, read_part

COLUMNS = ["id", "kind", "task", "question", "context", "answer", "evidence", "prompt", "lineage", "reason"]


@dataclass(frozen=True)
class Text:
    """A reading text of the hand-off."""

    id: str
    passage: str
    text: str


@dataclass(frozen=True)
class Pair:
    """A question that stands alone, with its answer and the words of the passage that support it."""

    id: str
    passage: str
    document: str
    question: str
    answer: str
    evidence: str = ""
    language: str = ""


@dataclass
class Survey:
    """
    Which passages the hand-off trains, by document.

    Parameters
    ----------
    documents
        Passage -> its document, of the training rows about one passage.
    with_text
        Passages with a reading text.
    with_pairs
        Passages with a pair that stands alone.
    held_out
        Documents with validation rows and no training rows.
    """

    documents: dict[str, str] = field(default_factory=dict)
    with_text: set[str] = field(default_factory=set)
    with_pairs: set[str] = field(default_factory=set)
    held_out: set[str] = field(default_factory=set)


@dataclass
class Material:
    """The rows about the drawn passages, and the pairs about other documents."""

    passages: dict[str, dict[str, Any]] = field(default_factory=dict)
    texts: list[Text] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    tests: list[Pair] = field(default_factory=list)  # of the hand-off's knowledge test
    others: list[Pair] = field(default_factory=list)  # about documents of the control
    dropped: list[Pair] = field(default_factory=list)
    held_out: list[str] = field(default_factory=list)  # passages of validation documents
    counts: Counter[str] = field(default_factory=Counter)


def survey(run: Run) -> Survey:
    """
    List the passages that the hand-off trains.

    Raises
    ------
    UserError
        When the run has no hand-off with rows about single passages.
    """
    found, trained, validated = Survey(), set[str](), set[str]()
    for split, documents in (("train", trained), ("validation", validated)):
        for product in ("reading", "instructions"):
            for rows in _handed_off(run, product, split, ["lineage"]):
                for passage, document in _origins(rows):
                    documents.add(document)
                    if split == "train" and passage:
                        found.documents[passage] = document
                        if product == "reading":
                            found.with_text.add(passage)
    found.held_out = validated - trained
    alone = {pair.passage for pair in _pairs(run, None)}
    found.with_pairs = alone & found.documents.keys()
    if not found.documents:
        raise UserError(
            f"{run.folder} has no hand-off with training rows about passages. `datagen prove` needs a "
            "finished run with reading texts or instruction pairs"
        )
    return found


def read(run: Run, known: Survey, drawn: Collection[str], control: Collection[str], seed: str) -> Material:
    """
    Read the rows of a draw.

    Parameters
    ----------
    run
        A finished run.
    known
        Its passages.
    drawn
        Ids of the passages that the arms train.
    control
        Documents whose pairs the format control trains.
    seed
        Draws the held-out passages.
    """
    found = Material()
    drawn_documents = {known.documents[passage] for passage in drawn}
    held: list[tuple[float, str]] = []
    for table in _passages(run):
        document = table["document_id"]
        wanted = pc.or_(
            pc.is_in(table["id"], value_set=pa.array(sorted(drawn), pa.string())),
            pc.is_in(document, value_set=pa.array(sorted(known.held_out), pa.string())),
        )
        for row in table.filter(wanted).to_pylist():
            if row["document_id"] in known.held_out:
                held.append((fraction("held out", seed, row["id"]), row["text"]))
            else:
                found.passages[row["id"]] = row
        held = sorted(held)[:HELD_OUT]
    found.held_out = [text for _, text in held]
    for rows in _handed_off(run, "reading", "train", ["id", "text", "lineage"]):
        for row in rows.filter(_about(rows, "passage_id", drawn)).to_pylist():
            found.texts.append(Text(row["id"], row["lineage"]["passage_id"], row["text"]))
    for pair in _pairs(run, drawn_documents | set(control)):
        if pair.passage in found.passages:
            found.pairs.append(pair)
        elif pair.document in control:
            found.others.append(pair)
        else:
            found.counts["pair about a passage that was not drawn"] += 1
    for rows in _handed_off(run, "knowledge_test", "knowledge_test", None):
        for row in rows.filter(_about(rows, "passage_id", drawn)).to_pylist():
            pair = _pair(row, row["answer"])
            found.tests.append(pair)
    found.dropped = [pair for pair in _dropped(run, drawn) if pair.passage in found.passages]
    return found


def _handed_off(run: Run, product: str, split: str, columns: list[str] | None) -> Iterator[pa.Table]:
    for path in sorted((run.folder / "handoff" / product / split).glob("*.parquet")):
        yield read_part(path, columns)


def _passages(run: Run) -> Iterator[pa.Table]:
    """Read the passages as the last stage that gives any has left them."""
    names = [record["stage"] for record in run.stage_records() if record["gives"] == "passages"]
    if not names:
        raise UserError(f"{run.folder} has no table of passages, and `datagen prove` needs one")
    for path in parts(run.stage_folder(names[-1])):
        yield read_part(path)


def _origins(rows: pa.Table) -> Iterator[tuple[str, str]]:
    lineage = rows["lineage"].combine_chunks()
    columns = (pc.struct_field(lineage, name).to_pylist() for name in ("passage_id", "document_id"))
    for passage, document in zip(*columns, strict=True):
        yield passage or "", document or ""


def _about(rows: pa.Table, part: str, wanted: Collection[str]) -> pa.Array:
    origin = pc.struct_field(rows["lineage"].combine_chunks(), part)
    return pc.is_in(origin, value_set=pa.array(sorted(wanted), pa.string()))


def _pairs(run: Run, documents: Collection[str] | None) -> Iterator[Pair]:
    """Yield the training pairs that stand alone, of these documents; None for all, without their answers."""
    last = [record["stage"] for record in run.stage_records() if record["gives"] == "examples"]
    answers: dict[str, str] = {}
    for rows in _handed_off(run, "instructions", "train", ["id", "completion", "lineage"]):
        if documents is None:  # for a survey: which there are
            answers |= dict.fromkeys(rows["id"].to_pylist(), "")
            continue
        mine = rows.filter(_about(rows, "document_id", documents))
        said = pc.struct_field(pc.list_flatten(mine["completion"]), "content").to_pylist()
        answers |= dict(zip(mine["id"].to_pylist(), said, strict=True))
    for path in parts(run.stage_folder(last[-1])) if answers and last else ():
        table = read_part(path, COLUMNS)
        for row in table.filter(pc.is_in(table["id"], value_set=pa.array(answers, pa.string()))).to_pylist():
            if _alone(row):
                yield _pair(row, answers[row["id"]])


def _dropped(run: Run, passages: Collection[str]) -> Iterator[Pair]:
    """Yield the pairs about some passages that filters dropped, `mix` apart: its shares judge no row."""
    for record in run.stage_records():
        folder = run.stage_folder(record["stage"])
        if record["gives"] != "examples" or (folder / "mixture.json").is_file():
            continue
        for path in parts(folder / "dropped"):
            table = read_part(path, COLUMNS)
            if "question" not in table.column_names or "lineage" not in table.column_names:
                continue
            about = _about(table, "passage_id", passages)
            kind = pc.equal(table["kind"], "instruction")
            for row in table.filter(pc.and_(about, kind)).to_pylist():
                if row["answer"] and _alone(row):
                    yield _pair(row, row["answer"])


def _alone(row: dict[str, Any]) -> bool:
    return stands_alone(row, language_of(code_of(row)))


def _pair(row: dict[str, Any], answer: str) -> Pair:
    lineage = row["lineage"] or {}
    return Pair(
        id=row["id"],
        passage=lineage.get("passage_id") or "",
        document=lineage.get("document_id") or "",
        question=row["question"],
        answer=answer,
        evidence=row.get("evidence") or "",
        language=code_of(row),
    )


def manifest(run: Run) -> dict[str, Any]:
    """
    Read the manifest of the hand-off.

    Raises
    ------
    UserError
        When there is none.
    """
    path = Path(run.folder / "handoff" / "manifest.json")
    try:
        known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): `datagen prove` needs a finished run") from error
    return known
