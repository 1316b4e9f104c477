"""
Edits: new texts for rows, written by people into the labels file.

``{"id": "7918d5...", "edit": {"answer": "..."}, "original": {"answer": "..."}, "scores": {"p_true": 0.2}}``.
The fields of an edit:

* ``edit``: new texts by field. Which fields a row has depends on its kind (`FIELDS`).
* ``original``: the texts that they replace. If the row has other texts, the edit is not applied.
* ``scores``: the scores of the row as it was edited.
* ``source``, ``document_id``: the row's document, for the report on an edit whose row no longer exists.

`datagen browse` writes all of them; a line of your own needs only ``id`` and ``edit``.

`datagen.stages.confidence.apply_edits` applies edits. An edited row keeps its id, so that its verdict, its
place in the random sample and its history remain. A verdict is about the text that the person saw, which
`is_on_original` determines.
"""

import json
from collections.abc import Mapping

from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.rows import Row
from datagen.schema import EXAMPLES, ORIGINAL
from datagen.stages.confidence.labels.file import Label

# Kind of row -> the fields that can be edited.
FIELDS = {
    "instruction": ("question", "answer"),
    "refusal": ("question", "answer"),
    "preference": ("question", "answer", "rejected"),
    "reading": ("text",),
}


def problem(row: Row, label: Label) -> str:
    """Return why an edit cannot be applied to a row as it was generated; "" if it can."""
    edit, fields = label["edit"], FIELDS.get(row["kind"] or "", ())
    if other := [name for name in edit if name not in fields or not row.get(name)]:
        return f"the row has no {other[0]}"
    if blank := [name for name, text in edit.items() if not _is_visible(text)]:
        return f"the new {blank[0]} is blank"
    if broken := [name for name, text in edit.items() if not is_unicode(text)]:
        return f"the new {broken[0]} is not valid Unicode"
    if moved := [name for name, text in label.get("original", {}).items() if row.get(name) != text]:
        return f"the {moved[0]} of the row has changed"
    if all(row[name] == text for name, text in edit.items()):
        return "the row already has this text"
    if "question" in edit and row.get("prompt") and _place(row) is None:
        return "the question is not in the prompt"
    return ""


def edited(row: JsonObject, edit: Mapping[str, str], stage: str) -> JsonObject:
    """
    Return a row with the new texts.

    The lineage names `stage` as the one that made the row, and keeps document, requests and models. Columns
    that describe the old text are null.
    """
    changes = {name: text for name, text in edit.items() if row[name] != text}
    result: JsonObject = dict.fromkeys(row) | {name: row.get(name) for name in EXAMPLES.names} | changes
    result["logprob"] = None
    if "question" in changes and row.get("prompt"):
        result["prompt"] = _with_question(row, changes["question"])
    result["lineage"] = (row["lineage"] or {}) | {"stage": stage}
    return result | {ORIGINAL: json.dumps({name: row[name] for name in changes}, ensure_ascii=False)}


def original_of(row: Row) -> dict[str, str]:
    """Return the texts of a row before its edit; empty if it has none."""
    return dict(json.loads(row.get(ORIGINAL) or "{}"))


def restored(row: Row) -> JsonObject:
    """Return a row as it was before its edit."""
    texts = original_of(row)
    before: JsonObject = {**row, **texts, ORIGINAL: None}
    if "question" in texts and row.get("prompt"):
        before["prompt"] = _with_question(row, texts["question"])
    return before


def is_on_original(label: Label) -> bool:
    """Return whether a label's verdict is about the text before its edit, judged by the texts it repeats."""
    edit = label.get("edit") or {}
    return any(label.get(name) != text for name, text in edit.items())


def new_label(row: Row, edit: Mapping[str, str], scores: Mapping[str, float]) -> Label:
    """
    Build the label of an edit.

    Parameters
    ----------
    row
        The row as the run shows it; it may have an earlier edit.
    edit
        New texts by field; those that equal the original are omitted.
    scores
        The scores of the row.

    Raises
    ------
    UserError
        If the edit cannot be applied.
    """
    before, was_edited = restored(row), original_of(row)
    current = {name: row[name] for name in was_edited}
    texts = {name: text for name, text in (current | dict(edit)).items() if text != before.get(name)}
    label: Label = {"id": row["id"], "edit": texts}
    if reason := problem(before, label):
        raise UserError(f"the edit cannot be saved: {reason}")
    lineage = row.get("lineage") or {}
    label["original"] = {name: before[name] for name in texts}
    label |= {name: lineage[name] for name in ("source", "document_id") if lineage.get(name)}
    return label | ({} if was_edited else {"scores": dict(scores)})


def _is_visible(text: str) -> bool:
    return any(character.isprintable() and not character.isspace() for character in text)


def is_unicode(text: str) -> bool:
    """Check whether a text has no unpaired surrogates, which tables cannot store."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _place(row: Row) -> int | None:
    """Find the question in the last message of the prompt; None if it is absent or ambiguous."""
    content, question = row["prompt"][-1]["content"] or "", row["question"]
    if content.endswith(question):
        return len(content) - len(question)
    return content.index(question) if content.count(question) == 1 else None


def _with_question(row: Row, question: str) -> list[dict[str, str]]:
    *turns, last = row["prompt"]
    place = _place(row)
    if place is None:  # excluded by `problem`
        return [*turns, last]
    content = last["content"]
    after = content[place + len(row["question"]) :]
    return [*turns, last | {"content": content[:place] + question + after}]
