"""
Row types: one TypedDict for each Arrow schema of `datagen.schema`.

Nullable fields are ``| None``. Tests check that types and schemas agree.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias, TypedDict

Row: TypeAlias = Mapping[str, Any]  # of any table, with the columns that earlier stages added
Fields: TypeAlias = dict[str, object]  # of a row that is being made


class MessageRow(TypedDict):
    """A turn of a chat."""

    role: str
    content: str


class ContributorRow(TypedDict):
    """A model that contributed to a row, with its licence."""

    model: str
    revision: str
    licence: str


class LineageRow(TypedDict):
    """The document span, prompt, model and requests that a row was made from."""

    document_id: str | None
    source: str | None
    title: str | None
    language: str | None
    start: int | None
    end: int | None
    passage_id: str | None
    stage: str
    prompt: str
    prompt_hash: str
    model: str
    revision: str
    requests: list[str]
    parents: list[str]
    models: list[ContributorRow] | None
    node: list[str] | None


class DocumentRow(TypedDict):
    """A document of the corpus."""

    id: str
    source: str
    title: str | None
    text: str
    format: str
    metadata: str
    language: str


class PassageRow(TypedDict):
    """A part of a document, sized for a prompt."""

    id: str
    document_id: str
    source: str
    title: str | None
    section: list[str] | None
    text: str
    start: int
    end: int
    index: int
    language: str


class ExampleRow(TypedDict):
    """A training example."""

    id: str
    kind: str
    task: str
    question: str | None
    context: str | None
    answer: str | None
    reasoning: str | None
    rejected: str | None
    evidence: str | None
    text: str | None
    prompt: list[MessageRow] | None
    logprob: float | None
    metadata: str | None
    lineage: LineageRow


class HitRow(TypedDict):
    """A passage retrieved for a question."""

    id: str
    document_id: str
    source: str
    title: str | None
    language: str
    text: str
    start: int
    end: int
    share: float


class QuestionRow(TypedDict):
    """A question or instruction without an answer."""

    id: str
    task: str
    question: str
    answered: bool | None
    passages: list[HitRow] | None
    metadata: str | None
    lineage: LineageRow


class NearMissRow(TypedDict):
    """A question with a passage that may not answer it, or the reason why none was made."""

    question: str | None
    context: str | None
    title: str | None
    change: str | None
    reason: str | None
    detail: str | None


class ProbeRow(ExampleRow):
    """An example with the target model's answers to its question."""

    answers: list[str] | None
    matches: list[float] | None
    right: list[bool | None] | None
    accuracy: float | None
    entropy: float | None
    confidence: float | None
    label: str | None
    misled: bool | None
    lure: list[MessageRow] | None
    lured: str | None
    near: NearMissRow | None


class TurnRow(TypedDict):
    """A labelled turn of a dialogue."""

    role: str
    content: str
    label: str
    distractor: str | None
    answer: str | None
    evidence: str | None


class DialogueRow(TypedDict):
    """A dialogue on a topic."""

    id: str
    topic: str
    turns: list[TurnRow]
    lineage: LineageRow


class NodeRow(TypedDict):
    """The last given node of a branch of a tree of subjects."""

    id: str
    path: list[str]
    level: str
    language: str
    lineage: LineageRow


class SessionRow(TypedDict):
    """A class session of a syllabus."""

    title: str
    concepts: list[str]


class SyllabusRow(TypedDict):
    """The syllabus of a subject."""

    id: str
    path: list[str]
    language: str
    sessions: list[SessionRow] | None
    lineage: LineageRow


class RequestRow(TypedDict):
    """A pending request."""

    key: str
    row: str
    task: str
    sample: int
    about: str
    prompt: str
    prompt_hash: str
    body: str
