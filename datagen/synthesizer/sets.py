"""
Labelled sets: paragraphs with questions, split into training and holdout.

The holdout is selected by the hash of the paragraph's text, so it does not depend on the order of the sets in
a recipe, and no task is trained on it. Evaluations use `load` too.
"""

import gzip
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.outside_json import parse
from datagen.paths import regular
from datagen.recipe.sections import Source
from datagen.request import Reject
from datagen.schema import content_id, fraction
from datagen.stages.confidence.labels.file import WRONG, labels_in, verdicts_among, verdicts_of
from datagen.stages.confidence.labels.session import labels_of
from datagen.stages.exercises.marked.candidates import candidates
from datagen.stages.exercises.tasks.marked_question import accepts, suits
from datagen.stages.shared.language.rules import language_of
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.segment.sentences import DOTTED, split_sentences, unwrap
from datagen.stages.sources.chunk.cut import cut
from datagen.stages.sources.ingest.convert import records
from datagen.stages.sources.ingest.formats import format_of
from datagen.stages.sources.ingest.record import File, Record
from datagen.store.parquet import parts, read_part
from datagen.synthesizer.questions import question_to
from datagen.synthesizer.recipe import LabelledSet, Mapping, SynthesizerRecipe

SHORTEST = 200  # minimum characters of a passage of a corpus
CONFIRMED = "marked_question"  # the task whose pairs a round trip confirms


@dataclass(frozen=True)
class Question:
    """
    A question about a paragraph.

    Parameters
    ----------
    text
        The question.
    answer, start
        The answer as written in the paragraph, and its position in code points; "" and -1 if the set has
        none.
    verdict
        ``yes``, ``no`` or ``maybe``; "" if the set has none.
    conclusion
        The answer in whole sentences, at the paragraph's end; "" if the set has none.
    id
        The set's id of the question, which XQuAD's translations share.
    """

    text: str
    answer: str = ""
    start: int = -1
    verdict: str = ""
    conclusion: str = ""
    id: str = ""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of a set, with its questions and licence; `held_out` if it is in the holdout."""

    set: str
    title: str
    text: str
    questions: tuple[Question, ...]
    held_out: bool = False
    licence: str = ""

    @property
    def id(self) -> str:
        """The hash of its text, the same for equal paragraphs of different sets."""
        return content_id(" ".join(self.text.casefold().split()))


def load(recipe: SynthesizerRecipe) -> list[Paragraph]:
    """
    Read all paragraphs of a recipe's sets, with the holdout marked.

    If one copy of a duplicated paragraph is held out, all are.

    Raises
    ------
    UserError
        If a file is missing or does not have the stated format.
    """
    paragraphs = []
    for labelled in recipe.sets:
        path = recipe.file.parent / labelled.path
        try:
            limited = _limited(_read(path, labelled, recipe.file.parent), labelled.most)
            paragraphs += [_held_out(paragraph, path, labelled, recipe.seed) for paragraph in limited]
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path} is not in the format {labelled.format}: {type(error).__name__} {error}. "
                "Set its format, and for records the field names under mapping"
            ) from error
    holdout = {paragraph.id for paragraph in paragraphs if paragraph.held_out}
    return [replace(p, held_out=p.id in holdout) for p in paragraphs if p.questions]


def sentence_at(text: str, start: int) -> str:
    """Return the sentence at a position of a text, on one line."""
    return next((unwrap(text[begin:end]) for begin, end in split_sentences(text) if begin <= start < end), "")


def _read(path: Path, labelled: LabelledSet, base: Path) -> Iterator[Paragraph]:
    match labelled.format:
        case "squad":
            return _squad(_json(path))
        case "records":
            return _records(path, labelled)
        case "corpus":
            return _corpus(path, labelled)
        case _:
            labels = (
                labels_in([base / labelled.labels]) if labelled.labels else labels_of(path / "labels.jsonl")
            )
            return _run(path, verdicts_among(labels))


def _limited(paragraphs: Iterator[Paragraph], maximum: int | None) -> Iterator[Paragraph]:
    """Stop after `most` questions."""
    count = 0
    for paragraph in paragraphs:
        if maximum is not None and count >= maximum:
            return
        count += len(paragraph.questions)
        yield paragraph


def _held_out(paragraph: Paragraph, path: Path, labelled: LabelledSet, seed: int) -> Paragraph:
    held_out = fraction("held out", paragraph.id, str(seed)) < labelled.holdout
    name = path.parent.name if labelled.format == "run" else path.name.split(".json")[0]
    return replace(paragraph, set=name, held_out=held_out, licence=labelled.licence)


def _squad(data: JsonObject) -> Iterator[Paragraph]:
    for article in data["data"]:
        for paragraph in article["paragraphs"]:
            questions = [
                Question(
                    " ".join(record["question"].split()),
                    _bare(record["answers"][0]["text"]),
                    record["answers"][0]["answer_start"],
                    id=str(record["id"]),
                )
                for record in paragraph["qas"]
                if record["answers"]
            ]
            yield Paragraph("", article["title"].replace("_", " "), paragraph["context"], tuple(questions))


def _records(path: Path, labelled: LabelledSet) -> Iterator[Paragraph]:
    fields = labelled.mapping or Mapping(passage="passage", question="question")
    data = _json(path)
    for name, record in data.items() if isinstance(data, dict) else enumerate(data):
        conclusion = _text(record, fields.conclusion)
        text = _cut(_text(record, fields.passage), labelled.max_chars - len(conclusion))
        text = f"{text} {conclusion}".strip()
        answer = _bare(_text(record, fields.answer))
        question = Question(
            _text(record, fields.question),
            answer,
            text.find(answer) if answer else -1,
            _text(record, fields.verdict).lower(),
            conclusion,
            str(name),
        )
        yield Paragraph("", _text(record, fields.title), text, (question,))


def _corpus(path: Path, labelled: LabelledSet) -> Iterator[Paragraph]:
    """
    Read documents, split them into passages, and select answers and write questions by rule.

    Files are read in hash order, so that the first ones are a random sample. A pair must pass the checks of
    the task, so the model learns no question that they would drop. Passages with only one question are
    skipped, because computing their prefix costs as much as for four.
    """
    words = language_of("en")
    files = list(path.rglob("*")) if path.is_dir() else [path]
    for file in sorted(files, key=lambda file: content_id(file.name)):
        document = File(file.resolve(), file.name, Source(path=str(file)))
        if not file.is_file() or format_of(document) is None:
            continue
        for record in records(document):
            if not isinstance(record, Record):
                continue
            for span in cut(record.text, labelled.max_chars, SHORTEST):
                text = record.text[span.start : span.end]
                row = {"id": content_id(text), "title": record.title, "section": [], "text": text}
                if len(questions := _rule_questions(Passage(row, words))) >= 2:
                    yield Paragraph("", record.title, text, tuple(questions))


def _rule_questions(passage: Passage) -> list[Question]:
    questions: dict[str, Question] = {}
    for candidate in candidates(passage, 40):
        text = question_to(candidate, passage)
        if text and text not in questions:
            try:
                suits(text, candidate, passage.words)
                accepts(text, candidate.answer, candidate.sentence, passage)
            except Reject:
                continue
            if answer := _written(passage.text, candidate.sentence, candidate.answer):
                questions[text] = Question(text, answer[0], answer.start())
    return list(questions.values())


def _written(text: str, sentence: str, answer: str) -> re.Match[str] | None:
    """Find an answer in its sentence of a text, with the text's line ends and capitals."""
    pattern = re.compile(r"\s+".join(map(re.escape, answer.split())), re.IGNORECASE)
    for begin, end in split_sentences(text):
        if unwrap(text[begin:end]) == sentence:
            return pattern.search(text, begin, end)
    return None


def _run(folder: Path, verdicts: dict[str, str]) -> Iterator[Paragraph]:
    """
    Read the pairs of a run that its round trips confirmed and that no label calls wrong.

    Training on filtered samples of the model itself is the step of ReST-EM (arXiv 2312.06585).
    """
    pairs: dict[tuple[str, str], list[Question]] = defaultdict(list)
    for part in parts(folder / "stages" / "instruct"):
        table = read_part(part)
        for row, verdict in zip(table.to_pylist(), verdicts_of(table, verdicts), strict=True):
            if row["task"] != CONFIRMED or verdict == WRONG:
                continue
            text, answer = row["context"], _bare(row["answer"])
            if written := _written(text, unwrap(row["evidence"] or ""), answer):
                pairs[row["lineage"]["title"] or "", text].append(
                    Question(row["question"], written[0], written.start(), id=row["id"])
                )
    if not pairs:
        raise UserError(f"{folder} has no pair of the task {CONFIRMED}; give the folder of a finished run")
    for (title, text), questions in pairs.items():
        yield Paragraph("", title, text, tuple(questions))


def _json(path: Path) -> Any:
    """Read JSON or JSON lines, compressed or not."""
    try:
        data = regular(path).read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        text = data.decode("utf-8")
        if ".jsonl" in path.name or ".ndjson" in path.name:
            return [parse(line) for line in text.split("\n") if line.strip()]
        return parse(text)
    except (OSError, ValueError) as error:
        raise UserError(f"the labelled set {path} cannot be read: {error}") from error


def _text(record: JsonObject, field: str) -> str:
    value = record[field] if field else ""
    return " ".join(" ".join(value).split() if isinstance(value, list) else str(value).split())


def _cut(text: str, max_chars: int) -> str:
    """Truncate a text to whole sentences of at most `most` characters, but keep the first sentence."""
    ends = [end for _, end in split_sentences(text)]
    return text[: max([end for end in ends if end <= max_chars] or ends[:1] or [0])]


def _bare(answer: str) -> str:
    """Remove the sentence's punctuation at the end of an answer."""
    bare = answer.strip().rstrip(",;:")
    return bare if DOTTED.fullmatch(bare.rstrip(".").split(" ")[-1]) else bare.rstrip(".")
