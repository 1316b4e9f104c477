"""
The tables of the pipeline: the schema of each kind, and how rows get their ids.

The main kinds are *documents* (the corpus), *passages* (parts of documents, sized for a prompt) and
*examples* (training examples). The others are intermediate kinds, from which further examples are made:
*seeds*, *questions*, *probes*, *dialogues*, *candidates* (examples that have not passed the quality gate),
and the *nodes* and *syllabi* of a tree of subjects. Ids are content hashes: the same documents and
completions give the same ids on any machine and in any order.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeVar

import pyarrow as pa

from datagen.rows import Row

T = TypeVar("T")

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))

# Models with their licences as the recipe states them; "" if it does not.
CONTRIBUTORS = pa.list_(
    pa.struct([("model", pa.string()), ("revision", pa.string()), ("licence", pa.string())])
)

LINEAGE = pa.struct(
    [
        ("document_id", pa.string()),
        ("source", pa.string()),  # path or URL of the document
        ("title", pa.string()),
        ("language", pa.string()),  # of the document, as an ISO 639 code
        ("start", pa.int64()),  # the span of the document's text, in code points
        ("end", pa.int64()),
        ("passage_id", pa.string()),
        ("stage", pa.string()),  # the stage that made the row
        ("prompt", pa.string()),  # the prompt or template file, without extension
        ("prompt_hash", pa.string()),
        ("model", pa.string()),  # the last model that contributed to the row
        ("revision", pa.string()),
        ("requests", pa.list_(pa.string())),  # keys in completions/ of all requests for the row
        ("parents", pa.list_(pa.string())),  # ids of the rows it was made from
        ("models", CONTRIBUTORS),  # every model that contributed to the row; `model` is the last of them
        ("node", pa.list_(pa.string())),  # path in a tree of subjects, from the root; null outside one
    ]
)

DOCUMENTS = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("title", pa.string()),
        ("text", pa.string()),
        ("format", pa.string()),
        ("metadata", pa.string()),  # a JSON object: the other fields of the record
        ("language", pa.string()),  # an ISO 639 code such as en; und: undetermined
    ]
)

PASSAGES = pa.schema(
    [
        ("id", pa.string()),
        ("document_id", pa.string()),
        ("source", pa.string()),
        ("title", pa.string()),
        ("section", pa.list_(pa.string())),  # headings above the passage, outermost first
        ("text", pa.string()),  # verbatim: document text[start:end]
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("index", pa.int64()),  # position in its document, from 0
        ("language", pa.string()),  # of its document
    ]
)

EXAMPLES = pa.schema(
    [
        ("id", pa.string()),
        ("kind", pa.string()),  # one of KINDS
        ("task", pa.string()),
        ("question", pa.string()),  # without the context
        ("context", pa.string()),  # the passage that the answer must come from; null when closed-book
        ("answer", pa.string()),  # the training target; for a preference, the chosen answer
        ("reasoning", pa.string()),  # before the answer; null where none was written
        ("rejected", pa.string()),  # preferences only
        ("evidence", pa.string()),  # the part of the passage that supports the answer, verbatim
        ("text", pa.string()),  # reading texts only: the whole training text
        ("prompt", MESSAGES),  # the messages before the answer; null for reading texts
        ("logprob", pa.float64()),  # mean log probability of its generated tokens; null where mined
        # A JSON object or null. Of an answer that corrects itself: the label of each turn.
        ("metadata", pa.string()),
        ("lineage", LINEAGE),
    ]
)

# A question with a passage that may not answer it, or the reason why none was made.
NEAR_MISS = pa.struct(
    [
        ("question", pa.string()),  # the row's question, or with a name or number changed
        ("context", pa.string()),
        ("title", pa.string()),  # of the context's document
        ("change", pa.string()),  # passage, name or number
        ("reason", pa.string()),  # why none was made; null where one was
        ("detail", pa.string()),
    ]
)

PROBES = pa.schema(
    [
        *EXAMPLES,
        ("answers", pa.list_(pa.string())),  # the target's closed-book answers, the greedy one first
        ("matches", pa.list_(pa.float64())),  # similarity of each to the passage's answer, 0 to 1
        ("right", pa.list_(pa.bool_())),  # whether each is correct; null where words cannot decide
        ("accuracy", pa.float64()),  # share of correct samples
        ("entropy", pa.float64()),  # of the samples' meanings, in nats
        ("confidence", pa.float64()),  # geometric mean of the greedy answer's token probabilities
        ("label", pa.string()),  # known, unknown or ambiguous, to one target and revision
        ("misled", pa.bool_()),  # whether a misleading prompt makes it err; null where not tried
        ("lure", MESSAGES),  # the misleading prompt
        ("lured", pa.string()),  # the answer to it
        ("near", NEAR_MISS),  # null where not searched
    ]
)

TURNS = pa.list_(
    pa.struct(
        [
            ("role", pa.string()),
            ("content", pa.string()),
            ("label", pa.string()),  # topic (the system message), on_topic, distractor or redirect
            ("distractor", pa.string()),  # kind of distractor
            ("answer", pa.string()),  # of a distractor: its answer, if known
            ("evidence", pa.string()),  # of an answer: the part of the material that supports it
        ]
    )
)

DIALOGUES = pa.schema([("id", pa.string()), ("topic", pa.string()), ("turns", TURNS), ("lineage", LINEAGE)])

# A passage retrieved for a question.
HIT = pa.struct(
    [
        ("id", pa.string()),
        ("document_id", pa.string()),
        ("source", pa.string()),
        ("title", pa.string()),
        ("language", pa.string()),
        ("text", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("share", pa.float64()),  # of the question's content words that it contains
    ]
)

# Questions and instructions without an answer, made from seeds.
QUESTIONS = pa.schema(
    [
        ("id", pa.string()),
        ("task", pa.string()),
        ("question", pa.string()),
        ("answered", pa.bool_()),  # whether retrieval found passages that may answer it; null: not retrieved
        ("passages", pa.list_(HIT)),  # those, best first; where none may answer it, the nearest one
        ("metadata", pa.string()),  # a JSON object: category and seeds
        ("lineage", LINEAGE),  # its parents are the seeds
    ]
)

# The last given node of each branch of a tree of subjects.
NODES = pa.schema(
    [
        ("id", pa.string()),
        ("path", pa.list_(pa.string())),  # names from the root to the node
        ("level", pa.string()),  # of the node: field, sub-field, discipline or subject
        ("language", pa.string()),
        ("lineage", LINEAGE),
    ]
)

SESSIONS = pa.list_(pa.struct([("title", pa.string()), ("concepts", pa.list_(pa.string()))]))

# The syllabus of a subject.
SYLLABI = pa.schema(
    [
        ("id", pa.string()),
        ("path", pa.list_(pa.string())),
        ("language", pa.string()),
        ("sessions", SESSIONS),
        ("lineage", LINEAGE),
    ]
)

# Pending requests, stored with their stage.
REQUESTS = pa.schema(
    [
        ("key", pa.string()),
        ("row", pa.string()),
        ("task", pa.string()),
        ("sample", pa.int64()),
        ("about", pa.string()),
        ("prompt", pa.string()),
        ("prompt_hash", pa.string()),
        ("body", pa.string()),  # JSON: messages, sampling, schema, choices, given
    ]
)

TABLES = {
    "documents": DOCUMENTS,
    "passages": PASSAGES,
    "seeds": EXAMPLES,  # the answer is null where a seed is a question alone
    "questions": QUESTIONS,
    "probes": PROBES,
    "dialogues": DIALOGUES,
    "nodes": NODES,
    "syllabi": SYLLABI,
    "candidates": EXAMPLES,
    "examples": EXAMPLES,
}

Kind = Literal["reading", "instruction", "refusal", "preference"]

# Kind of example -> its folder in the hand-off.
KINDS: dict[Kind, str] = {
    "reading": "reading",
    "instruction": "instructions",
    "refusal": "refusals",
    "preference": "preferences",
}

# Column of rows that a person edited: their texts before the edit, as a JSON object; null in other rows.
ORIGINAL = "original"

IDENTITY = ("kind", "task", "question", "context", "answer", "rejected", "text")


def content_id(*parts: str | None) -> str:
    """
    Hash texts to a 32-digit hexadecimal id.

    Parts are length-prefixed, so that ("ab", "c") and ("a", "bc") differ, and None differs from "".
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = b"\0" if part is None else part.encode("utf-8", "surrogatepass")
        digest.update(f"{-1 if part is None else len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()


def fraction(*parts: str | None) -> float:
    """Return a pseudo-random number in [0, 1) that depends on the parts only, so that re-runs agree."""
    return _as_fraction(content_id(*parts))


def fractions(before: Sequence[str], names: Iterable[str]) -> list[float]:
    """Return ``fraction(*before, name)`` for each name, in half the time: what precedes is hashed once."""
    start = hashlib.blake2b(digest_size=16)
    for part in before:
        start.update(_framed(part))
    drawn = []
    for name in names:
        digest = start.copy()
        digest.update(_framed(name))
        drawn.append(_as_fraction(digest.hexdigest()))
    return drawn


def _framed(part: str) -> bytes:
    """Return a part with its length, as `content_id` hashes it."""
    data = part.encode("utf-8", "surrogatepass")
    return b"%d:%b" % (len(data), data)


def _as_fraction(digest: str) -> float:
    return int(digest[:13], 16) / 16**13


def pick(options: Sequence[T], *parts: str | None) -> T:
    """Choose one option by the hash of the parts."""
    return options[int(content_id(*parts), 16) % len(options)]


def chat(question: str, context: str | None = None, system: str | None = None) -> list[dict[str, str]]:
    """Build the messages before an answer: an optional system message, then context and question."""
    content = question if context is None else f"{context}\n\n{question}"
    turn = [{"role": "user", "content": content}]
    return [{"role": "system", "content": system}, *turn] if system else turn


def example_id(row: Row) -> str:
    """Hash an example's content and the ids of its parents."""
    parents = (row.get("lineage") or {}).get("parents") or []
    return content_id(*(row.get(name) for name in IDENTITY), *parents)


def table_of(schema: pa.Schema, rows: Iterable[Mapping[str, object]]) -> pa.Table:
    """Build a table of a schema from rows; missing fields are null."""
    return pa.Table.from_pylist(list(rows), schema=schema)
