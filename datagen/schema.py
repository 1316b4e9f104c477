"""
The rows that travel down the line: what each kind of table holds, and how its rows get their ids.

Three kinds of table carry the work: *documents* (what was read), *passages* (what a model is shown)
and *examples* (what a model is trained on). *Probes* and *dialogues* stand between examples and examples
made from them. Ids are hashes of content, so a run over the same
documents with the same completions writes the same ids, on any machine and in any order.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import pyarrow as pa

T = TypeVar("T")

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))

LINEAGE = pa.struct(
    [
        ("document_id", pa.string()),
        ("source", pa.string()),  # where the document was read from
        ("title", pa.string()),
        ("language", pa.string()),  # of the document, as an ISO 639 code
        ("start", pa.int64()),  # the span of the document's text, in code points
        ("end", pa.int64()),
        ("passage_id", pa.string()),
        ("stage", pa.string()),  # the stage that made the row
        ("prompt", pa.string()),  # the prompt or template file, without its ending
        ("prompt_hash", pa.string()),
        ("model", pa.string()),  # the last model that had a part in the row
        ("revision", pa.string()),
        ("requests", pa.list_(pa.string())),  # keys into completions/: all that the row cost
        ("parents", pa.list_(pa.string())),  # ids of the rows it was made from
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
        ("language", pa.string()),  # an ISO 639 code such as en; und: not told
    ]
)

PASSAGES = pa.schema(
    [
        ("id", pa.string()),
        ("document_id", pa.string()),
        ("source", pa.string()),
        ("title", pa.string()),
        ("section", pa.list_(pa.string())),  # headings above the passage, the highest first
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
        ("question", pa.string()),  # what is asked, without the context
        ("context", pa.string()),  # the passage that the answer must come from; null when closed-book
        ("answer", pa.string()),  # what the model is trained to say; for a preference, the chosen answer
        ("reasoning", pa.string()),  # how the answer follows, before it; null where none was written
        ("rejected", pa.string()),  # preferences only
        ("evidence", pa.string()),  # the words of the passage that support the answer, verbatim
        ("text", pa.string()),  # reading texts only: the whole training text
        ("prompt", MESSAGES),  # the messages before the answer; null for reading texts
        ("logprob", pa.float64()),  # mean log probability of the tokens it was read from; null where mined
        # A JSON object: what each turn is, where an answer corrects itself; or null.
        ("metadata", pa.string()),
        ("lineage", LINEAGE),
    ]
)

# A question under a passage that may leave it open, or why there is none.
NEAR_MISS = pa.struct(
    [
        ("question", pa.string()),  # as it is put: the row's, or with a name or number changed
        ("context", pa.string()),
        ("title", pa.string()),  # of the context's document
        ("change", pa.string()),  # passage, name or number
        ("reason", pa.string()),  # why there is none; null where there is one
        ("detail", pa.string()),
    ]
)

PROBES = pa.schema(
    [
        *EXAMPLES,
        ("answers", pa.list_(pa.string())),  # what the target said closed-book, the greedy answer first
        ("matches", pa.list_(pa.float64())),  # likeness of each to the passage's answer, 0 to 1
        ("right", pa.list_(pa.bool_())),  # whether each is right; null where words do not tell
        ("accuracy", pa.float64()),  # share of the samples that are right
        ("entropy", pa.float64()),  # of what the samples say, in nats
        ("confidence", pa.float64()),  # geometric mean of the greedy answer's token probabilities
        ("label", pa.string()),  # known, unknown or ambiguous, to one target and revision
        ("misled", pa.bool_()),  # whether it errs on what it knows when misled; null where not tried
        ("lure", MESSAGES),  # what misled it
        ("lured", pa.string()),  # what it said then
        ("near", NEAR_MISS),  # null where none was looked for
    ]
)

TURNS = pa.list_(
    pa.struct(
        [
            ("role", pa.string()),
            ("content", pa.string()),
            ("label", pa.string()),  # topic (the system message), on_topic, distractor or redirect
            ("distractor", pa.string()),  # of a distractor, its kind
            ("answer", pa.string()),  # of a distractor, what would answer it, where that is known
            ("evidence", pa.string()),  # of an answer, the words of the material that support it
        ]
    )
)

DIALOGUES = pa.schema([("id", pa.string()), ("topic", pa.string()), ("turns", TURNS), ("lineage", LINEAGE)])

# Requests that wait to be answered, beside their stage.
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
    "probes": PROBES,
    "dialogues": DIALOGUES,
    "examples": EXAMPLES,
}

Kind = Literal["reading", "instruction", "refusal", "preference"]

# Kind of example -> the folder of the hand-off that it is delivered in.
KINDS: dict[Kind, str] = {
    "reading": "reading",
    "instruction": "instructions",
    "refusal": "refusals",
    "preference": "preferences",
}

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
    """Draw a number in [0, 1) that depends on nothing but the parts: a coin that refreshes keep."""
    return int(content_id(*parts)[:13], 16) / 16**13


def pick(options: Sequence[T], *parts: str | None) -> T:
    """Choose one option by the hash of the parts."""
    return options[int(content_id(*parts), 16) % len(options)]


def chat(question: str, context: str | None = None, system: str | None = None) -> list[dict[str, str]]:
    """Write the messages before an answer: an optional system message, then context and question."""
    content = question if context is None else f"{context}\n\n{question}"
    turn = [{"role": "user", "content": content}]
    return [{"role": "system", "content": system}, *turn] if system else turn


def example_id(row: Mapping[str, Any]) -> str:
    """Hash what an example says and which rows it was made from."""
    parents = (row.get("lineage") or {}).get("parents") or []
    return content_id(*(row.get(name) for name in IDENTITY), *parents)


def table_of(schema: pa.Schema, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Make a table of a schema from rows; a field that a row leaves out is null."""
    return pa.Table.from_pylist(list(rows), schema=schema)
