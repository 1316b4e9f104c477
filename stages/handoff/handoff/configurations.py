"""
The configurations of the hand-off: one for each format that trainers read.

A trainer that finds both ``prompt`` and ``messages`` in a file picks one by undocumented rules. So each
chat is in two configurations: as prompt and completion, whose prompt TRL masks, and as messages.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.schema import LINEAGE, MESSAGES, Kind

# A message with a flag that states whether it is trained.
MARKED = pa.list_(pa.struct([*MESSAGES.value_type, ("train", pa.bool_())]))
KNOWLEDGE = pa.struct(
    [
        ("choices", pa.list_(pa.string())),  # the right answer and wrong ones of the same type
        ("gold", pa.int64()),  # index of the right answer
        ("in_pairs", pa.bool_()),  # whether a trained pair of the document has its answer or sentence
    ]
)
KNOWLEDGE_TEST = "knowledge_test"  # name of both the split and the configuration


@dataclass(frozen=True)
class Configuration:
    """
    A configuration of the dataset: its name, its rows, and their format.

    Parameters
    ----------
    name
        Name for `datasets.load_dataset`, and of the folder.
    kind
        Kind of example.
    columns
        Function that creates its columns from rows of the kind.
    shape
        Description of its columns, for the card.
    loss
        Description of the trained tokens, for the card.
    """

    name: str
    kind: Kind
    columns: Callable[[pa.Table], dict[str, pa.Array | pa.ChunkedArray]]
    shape: str
    loss: str

    @property
    def tests(self) -> bool:
        """Whether it holds test questions rather than training data."""
        return self.name == KNOWLEDGE_TEST

    def table(self, rows: pa.Table) -> pa.Table:
        """Convert rows of the kind to the columns of this configuration."""
        columns = {name: rows[name] for name in ("id", "kind", "task", "split")}
        counted = {name: rows[name] for name in ("tokens", "trained_tokens") if name in rows.column_names}
        lineage = {"lineage": rows["lineage"].cast(LINEAGE)}
        kept = {"metadata": rows["metadata"]}
        if self.kind == "instruction" and not self.tests and "reasoning" in rows.column_names:
            kept["reasoning"] = rows["reasoning"]
        return pa.table({**columns, **self.columns(rows), **counted, **kept, **lineage})


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
    knowledge = rows["knowledge"].combine_chunks()
    questions = {name: rows[name] for name in ("question", "answer", "evidence")}
    return questions | {field.name: pc.struct_field(knowledge, field.name) for field in KNOWLEDGE}


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
    """List the configurations for rows of a kind and split."""
    tests = split == KNOWLEDGE_TEST
    return [
        configuration
        for configuration in CONFIGURATIONS
        if configuration.kind == kind and configuration.tests == tests
    ]


def with_answer(prompts: pa.ChunkedArray, answers: pa.ChunkedArray) -> pa.ListArray:
    """Append each answer to its prompt as the assistant's message, the only one marked for training."""
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


def _turns(texts: pa.ChunkedArray) -> pa.ListArray:
    """Convert each text to a list with one message of the assistant."""
    messages = _by_assistant(texts)
    return pa.ListArray.from_arrays(pa.array(range(len(texts) + 1), pa.int32()), messages, type=MESSAGES)


def _by_assistant(texts: pa.ChunkedArray) -> pa.StructArray:
    role = pa.array(["assistant"] * len(texts), pa.string())
    return pa.StructArray.from_arrays([role, texts.combine_chunks()], fields=list(MESSAGES.value_type))
