"""
The rows of a finished run about the sampled passages.

Texts and answers are read from the hand-off's files, so that the proof measures what is handed off. Questions
and evidence come from the run's last stage, joined by row id. Memory holds the ids of all passages, and the
rows of the sampled ones.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from datagen.errors import UserError
from datagen.evaluate.prove.settings import HELD_OUT
from datagen.json_types import JsonObject
from datagen.rows import Row
from datagen.run.folder import Run
from datagen.schema import fraction
from datagen.stages.handoff.mix.questions import stands_alone
from datagen.stages.shared.language.rules import code_of, language_of
from datagen.store.digests import digest
from datagen.store.parquet import parts, read_json, read_part

COLUMNS = ["id", "kind", "task", "question", "context", "answer", "evidence", "prompt", "lineage", "reason"]
READ = ("reading", "instructions", "knowledge_test")  # configurations that a proof reads


@dataclass(frozen=True)
class Text:
    """A reading text of the hand-off."""

    id: str
    passage: str
    text: str


@dataclass(frozen=True)
class Pair:
    """A self-contained question, its answer, and the words of the passage that support it."""

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
    The passages that the hand-off trains.

    Parameters
    ----------
    documents
        Passage -> its document, for passages with training rows.
    with_text
        Passages with a reading text.
    with_pairs
        Passages with a self-contained pair.
    held_out
        Documents with validation rows and no training rows.
    """

    documents: dict[str, str] = field(default_factory=dict)
    with_text: set[str] = field(default_factory=set)
    with_pairs: set[str] = field(default_factory=set)
    held_out: set[str] = field(default_factory=set)


@dataclass
class Material:
    """The rows about the sampled passages, and pairs about other documents."""

    passages: dict[str, Row] = field(default_factory=dict)
    texts: list[Text] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    tests: list[Pair] = field(default_factory=list)  # from the knowledge test
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
        If the run has no hand-off with rows about single passages.
    """
    result, trained, validated = Survey(), set[str](), set[str]()
    for split, documents in (("train", trained), ("validation", validated)):
        for product in ("reading", "instructions"):
            for rows in _handed_off(run, product, split, ["lineage"]):
                for passage, document in _origins(rows):
                    documents.add(document)
                    if split == "train" and passage:
                        result.documents[passage] = document
                        if product == "reading":
                            result.with_text.add(passage)
    result.held_out = validated - trained
    alone = {pair.passage for pair in _pairs(run, None)}
    result.with_pairs = alone & result.documents.keys()
    if not result.documents:
        raise UserError(
            f"{run.folder} has no hand-off with training rows about passages. `datagen prove` needs a "
            "finished run with reading texts or instruction pairs"
        )
    return result


def read(run: Run, survey: Survey, drawn: Collection[str], control: Collection[str], seed: str) -> Material:
    """
    Read the rows about the sampled passages.

    Parameters
    ----------
    run
        A finished run.
    survey
        Its passages.
    drawn
        Ids of the passages that the arms train.
    control
        Documents of the format control.
    seed
        Seed for sampling the held-out passages.
    """
    material = Material()
    drawn_documents = {survey.documents[passage] for passage in drawn}
    held: list[tuple[float, str]] = []
    for table in _passages(run):
        document = table["document_id"]
        wanted = pc.or_(
            pc.is_in(table["id"], value_set=pa.array(sorted(drawn), pa.string())),
            pc.is_in(document, value_set=pa.array(sorted(survey.held_out), pa.string())),
        )
        for row in table.filter(wanted).to_pylist():
            if row["document_id"] in survey.held_out:
                held.append((fraction("held out", seed, row["id"]), row["text"]))
            else:
                material.passages[row["id"]] = row
        held = sorted(held)[:HELD_OUT]
    material.held_out = [text for _, text in held]
    for rows in _handed_off(run, "reading", "train", ["id", "text", "lineage"]):
        for row in rows.filter(_about(rows, "passage_id", drawn)).to_pylist():
            material.texts.append(Text(row["id"], row["lineage"]["passage_id"], row["text"]))
    for pair in _pairs(run, drawn_documents | set(control)):
        if pair.passage in material.passages:
            material.pairs.append(pair)
        elif pair.document in control:
            material.others.append(pair)
        else:
            material.counts["pair about a passage that was not drawn"] += 1
    for rows in _handed_off(run, "knowledge_test", "knowledge_test", None):
        for row in rows.filter(_about(rows, "passage_id", drawn)).to_pylist():
            pair = _pair(row, row["answer"])
            material.tests.append(pair)
    material.dropped = [pair for pair in _dropped(run, drawn) if pair.passage in material.passages]
    return material


def _handed_off(run: Run, product: str, split: str, columns: list[str] | None) -> Iterator[pa.Table]:
    for path in sorted((run.folder / "handoff" / product / split).glob("*.parquet")):
        yield read_part(path, columns)


def _passages(run: Run) -> Iterator[pa.Table]:
    """Read the output of the last stage that produces passages."""
    names = [record["stage"] for record in run.stage_records() if record["gives"] == "passages"]
    if not names:
        raise UserError(f"{run.folder} has no table of passages, which `datagen prove` requires")
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
    """Yield the self-contained training pairs about `documents`; if None, about all, without answers."""
    last = [record["stage"] for record in run.stage_records() if record["gives"] == "examples"]
    answers: dict[str, str] = {}
    for rows in _handed_off(run, "instructions", "train", ["id", "completion", "lineage"]):
        if documents is None:  # a survey needs no answers
            answers |= dict.fromkeys(rows["id"].to_pylist(), "")
            continue
        selected = rows.filter(_about(rows, "document_id", documents))
        contents = pc.struct_field(pc.list_flatten(selected["completion"]), "content").to_pylist()
        answers |= dict(zip(selected["id"].to_pylist(), contents, strict=True))
    for path in parts(run.stage_folder(last[-1])) if answers and last else ():
        table = read_part(path, COLUMNS)
        for row in table.filter(pc.is_in(table["id"], value_set=pa.array(answers, pa.string()))).to_pylist():
            if _is_self_contained(row):
                yield _pair(row, answers[row["id"]])


def _dropped(run: Run, passages: Collection[str]) -> Iterator[Pair]:
    """Yield the pairs about `passages` that filters dropped; `mix` is no filter, as it drops for balance."""
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
                if row["answer"] and _is_self_contained(row):
                    yield _pair(row, row["answer"])


def _is_self_contained(row: Row) -> bool:
    return stands_alone(row, language_of(code_of(row)))


def _pair(row: Row, answer: str) -> Pair:
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


def manifest(run: Run) -> JsonObject:
    """
    Read the manifest of the hand-off.

    Raises
    ------
    UserError
        If it cannot be read.
    """
    path = Path(run.folder / "handoff" / "manifest.json")
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}). `datagen prove` needs a finished run") from error


def altered(run: Run, hand_off: JsonObject) -> dict[str, str]:
    """
    Return the files with rows that are not those of the manifest, with their digests; "" if one is missing.

    Parameters
    ----------
    run
        A finished run.
    hand_off
        The manifest of its hand-off.
    """
    home = run.folder / "handoff"
    paths = (path for name in READ for path in (home / name).rglob("*.parquet"))
    present = {path.relative_to(home).as_posix(): digest(path) for path in paths}
    listed = {
        shard["path"]: shard["sha256"]
        for name in READ
        for split in hand_off["configurations"].get(name, {}).values()
        for shard in split["shards"]
    }
    names = sorted(present.keys() | listed.keys())
    return {name: present.get(name, "") for name in names if present.get(name) != listed.get(name)}
