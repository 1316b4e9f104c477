"""
The configurations of the hand-off: one for each shape that a trainer reads, and none with two.

A trainer that finds both ``prompt`` and ``messages`` in a file picks one by rules of its own. So a chat
stands in two configurations: as prompt and completion, which TRL masks by itself, and as messages.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.schema import LINEAGE, MESSAGES, Kind

# A message that says of itself whether it is trained.
MARKED = pa.list_(pa.struct([*MESSAGES.value_type, ("train", pa.bool_())]))
KNOWLEDGE = pa.struct(
    [
        ("choices", pa.list_(pa.string())),  # the answer among others of its kind
        ("gold", pa.int64()),  # which of them is right
        ("in_pairs", pa.bool_()),  # whether a trained pair about the same document has the same answer
    ]
)
KNOWLEDGE_TEST = "knowledge_test"  # both the split that `mix` draws and the configuration


@dataclass(frozen=True)
class Configuration:
    """
    A configuration: its name, whose rows it holds, and how they become its columns.

    Parameters
    ----------
    name
        What `datasets.load_dataset` and the folder call it.
    kind
        Kind of example.
    columns
        Makes its columns from rows of the kind.
    shape
        Its columns, for the card.
    loss
        Which tokens a trainer should train, for the card.
    """

    name: str
    kind: Kind
    columns: Callable[[pa.Table], dict[str, pa.Array | pa.ChunkedArray]]
    shape: str
    loss: str

    @property
    def tests(self) -> bool:
        """Whether it holds test questions and nothing to train on."""
        return self.name == KNOWLEDGE_TEST

    def table(self, rows: pa.Table) -> pa.Table:
        """Give rows of the kind the columns of this configuration."""
        known = {name: rows[name] for name in ("id", "kind", "task", "split")}
        counted = {name: rows[name] for name in ("tokens", "trained_tokens") if name in rows.column_names}
        metadata = {} if self.kind == "reading" else {"metadata": rows["metadata"]}
        if self.kind == "instruction" and not self.tests and "reasoning" in rows.column_names:
            metadata |= {"reasoning": rows["reasoning"]}
        lineage = {"lineage": rows["lineage"].cast(LINEAGE)}
        return pa.table({**known, **self.columns(rows), **counted, **metadata, **lineage})


def _text(rows: pa.Table) -> dict[str, pa.Array | pa.ChunkedArray]:
    return {"text": rows["text"]}


def _completion(rows: pa.Table) -> dict[str, pa.Array | pa.ChunkedArray]:
    return {"prompt": rows["prompt"], "completion": _turns(rows["answer"])}


def _messages(rows: pa.Table) -> dict[str, pa.Array | pa.ChunkedArray]:
    return {"messages": with_answer(rows["prompt"], rows["answer"])}


def _preference(rows: pa.Table) -> dict[str, pa.Array | pa.ChunkedArray]:
    chosen, rejected = _turns(rows["answer"]), _turns(rows["rejected"])
    return {"prompt": rows["prompt"], "chosen": chosen, "rejected": rejected}


def _ranked(rows: pa.Table) -> dict[str, pa.Array | pa.ChunkedArray]:
    chosen, rejected = _by_assistant(rows["answer"]), _by_assistant(rows["rejected"])
    return {"messages": rows["prompt"], "chosen": chosen, "rejected": rejected}


def _question(rows: pa.Table) -> dict[str, pa.Array | pa.ChunkedArray]:
    known = rows["knowledge"].combine_chunks()
    asked = {name: rows[name] for name in ("question", "answer", "evidence")}
    return asked | {part.name: pc.struct_field(known, part.name) for part in KNOWLEDGE}


ANSWER = "the answer and its end token"
CHAT = "`prompt`, `completion`: lists of messages"
MARKS = "`messages`: role, content, train; `train` is true for the turns with a loss"
CONFIGURATIONS = (
    Configuration("reading", "reading", _text, "`text`: a passage, then exercises about it", "every token"),
    Configuration("instructions", "instruction", _completion, CHAT, ANSWER),
    Configuration("instructions_messages", "instruction", _messages, MARKS, ANSWER),
    Configuration("refusals", "refusal", _completion, CHAT, f"{ANSWER}; mix with instructions"),
    Configuration("refusals_messages", "refusal", _messages, MARKS, f"{ANSWER}; mix with instructions"),
    Configuration(
        "preferences",
        "preference",
        _preference,
        "`prompt`, `chosen`, `rejected`: lists of messages",
        "`chosen` over `rejected`",
    ),
    Configuration(
        "preferences_messages",
        "preference",
        _ranked,
        "`messages` (the prompt); `chosen`, `rejected`: one message each",
        "`chosen` over `rejected`",
    ),
    Configuration(
        KNOWLEDGE_TEST,
        "instruction",
        _question,
        "`question`, `answer`, `choices`, `gold`, `in_pairs`",
        "none: for evaluation",
    ),
)


def of_split(kind: str, split: str) -> list[Configuration]:
    """List the configurations that rows of a kind and split go to."""
    tests = split == KNOWLEDGE_TEST
    return [one for one in CONFIGURATIONS if one.kind == kind and one.tests == tests]


def with_answer(prompts: pa.ChunkedArray, answers: pa.ChunkedArray) -> pa.ListArray:
    """Put each answer as the assistant's message behind its prompt, and mark it alone to be trained."""
    prompt = prompts.combine_chunks().cast(MESSAGES)
    before, after = prompt.flatten(), _by_assistant(answers)
    ends = np.cumsum(prompt.value_lengths().to_numpy() + 1)
    last = np.zeros(ends[-1], bool)
    last[ends - 1] = True
    place = np.empty(len(last), np.int64)
    place[~last], place[last] = np.arange(len(before)), len(before) + np.arange(len(prompt))
    turns = pa.concat_arrays([before, after]).take(pa.array(place))
    marked = pa.StructArray.from_arrays(
        [turns.field("role"), turns.field("content"), pa.array(last)], fields=list(MARKED.value_type)
    )
    return pa.ListArray.from_arrays(pa.array([0, *ends], pa.int32()), marked, type=MARKED)


def _turns(said: pa.ChunkedArray) -> pa.ListArray:
    """Make each text a list of one message by the assistant."""
    messages = _by_assistant(said)
    return pa.ListArray.from_arrays(pa.array(range(len(said) + 1), pa.int32()), messages, type=MESSAGES)


def _by_assistant(said: pa.ChunkedArray) -> pa.StructArray:
    role = pa.array(["assistant"] * len(said), pa.string())
    return pa.StructArray.from_arrays([role, said.combine_chunks()], fields=list(MESSAGES.value_type))
