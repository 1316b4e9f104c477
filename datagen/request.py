"""
What is asked of a model and what comes back.

A request carries everything that determines its answer, and its key is the hash of that: the model
and its revision, the rendered messages, the sampling parameters, the output schema, the labels to
choose among, the text to score and the sample number. A completion is stored under the key and never
asked for again.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from datagen.answer_json import json_parts
from datagen.reasoning import begins, reasoning_only, split
from datagen.rows import RequestRow
from datagen.schema import content_id

Message = dict[str, str]
Schema = TypeVar("Schema", bound=BaseModel)


class Reject(Exception):
    """
    A row that must not go on.

    Raised while a candidate is made; the stage turns it into a dropped row.

    Parameters
    ----------
    reason
        Which rule refused it: a short phrase that is the same for every row it refuses, since drops
        are counted by reason.
    detail
        What was seen in this row.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Identity:
    """A model by name and revision: the part of a request's key that says who answers."""

    name: str
    revision: str


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn. Temperature 0 is greedy."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """
    One question to a model.

    Parameters
    ----------
    row
        Id of the row that it is asked about.
    messages
        The rendered chat.
    prompt, prompt_hash
        Prompt file and hash of its content, for the lineage.
    task
        Which of the stage's tasks it is.
    schema
        JSON schema that the answer is decoded under; None for free text.
    choices
        Labels to score instead of writing: the completion holds the log probability of each as the
        first token of the answer.
    given
        An answer to score instead of writing one: the completion holds the log probability of each of its
        tokens after the messages and those before it.
    sample
        Number of the sample, where one question is asked several times.
    about
        What of the row it is about, for the stage to find again. The model does not see it, and it is
        no part of the key.
    """

    row: str
    messages: list[Message]
    prompt: str
    prompt_hash: str
    task: str
    sampling: Sampling = field(default_factory=Sampling)
    schema: dict[str, Any] | None = None
    choices: tuple[str, ...] = ()
    given: str = ""
    sample: int = 0
    about: str = ""

    def key(self, model: Identity) -> str:
        """Hash everything that determines the answer."""
        asked = {
            "messages": self.messages,
            "sampling": asdict(self.sampling),
            "schema": json.dumps(self.schema),  # in its own order, in which the fields are decoded
            "choices": self.choices,
            "sample": self.sample,
        }
        if self.given:  # left out else, as from the keys of before there was any
            asked["given"] = self.given
        return content_id(model.name, model.revision, json.dumps(asked, sort_keys=True, ensure_ascii=False))

    def to_row(self, model: Identity) -> RequestRow:
        """Write it as a row of `datagen.schema.REQUESTS`, with its key."""
        body = {
            "messages": self.messages,
            "sampling": asdict(self.sampling),
            "schema": self.schema,
            "choices": self.choices,
            "given": self.given,
        }
        return {
            "key": self.key(model),
            "row": self.row,
            "task": self.task,
            "sample": self.sample,
            "about": self.about,
            "prompt": self.prompt,
            "prompt_hash": self.prompt_hash,
            "body": json.dumps(body, ensure_ascii=False),
        }

    @classmethod
    def from_row(cls, row: RequestRow) -> "Request":
        """Read what `to_row` wrote."""
        body = json.loads(row["body"])
        sampling = body["sampling"]
        return cls(
            row=row["row"],
            messages=body["messages"],
            prompt=row["prompt"],
            prompt_hash=row["prompt_hash"],
            task=row["task"],
            sampling=Sampling(**sampling | {"stop": tuple(sampling["stop"])}),
            schema=body["schema"],
            choices=tuple(body["choices"]),
            given=body["given"],
            sample=row["sample"],
            about=row["about"],
        )


@dataclass(frozen=True)
class Completion:
    """
    What a model answered.

    Parameters
    ----------
    finish
        ``stop``: complete. ``length``: cut off by the token limit. ``error``: there is no answer, `error`
        says why: the engine rejected the request, or the model did not come to the end of its reasoning.
    logprobs
        Natural log probability of each sampled token, or of each token of the text given to score.
    choices
        Natural log probability of each of the request's choices, in their order.
    prompt_tokens, cached_tokens, completion_tokens
        Tokens read, tokens of these served from the prefix cache, tokens written.
    reasoning
        What a reasoning model thought before its answer. It is no part of the answer, and `logprobs` are of
        the answer's tokens alone.
    circumstances
        Of an error: what may have caused it beside the request, as a hash. Under others it is asked again.
    """

    key: str
    text: str
    finish: str
    model: str
    revision: str
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    logprobs: tuple[float, ...] = ()
    choices: tuple[float, ...] = ()
    error: str = ""
    reasoning: str = ""
    circumstances: str = ""


def separated(completion: Completion) -> Completion:
    """Take the reasoning out of an answer that an earlier version stored as it came."""
    if completion.reasoning or completion.error or not ("</" in completion.text or begins(completion.text)):
        return completion
    thought = split(completion.text)
    if not (thought.reasoning or thought.cut):
        return completion
    done = replace(completion, text=thought.answer, reasoning=thought.reasoning, logprobs=())
    if thought.cut or not thought.answer.strip():
        why = reasoning_only("length" if thought.cut else "stop", completion.completion_tokens)
        done = replace(done, finish="error", error=why, choices=())
    return done


@dataclass(frozen=True)
class Usage:
    """What generation took: completions and tokens. Cached tokens are part of the prompt tokens."""

    completions: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0

    @classmethod
    def of(cls, completion: Completion) -> "Usage":
        """Say what one completion took."""
        return cls(1, completion.prompt_tokens, completion.cached_tokens, completion.completion_tokens)

    @property
    def cached_share(self) -> float:
        """Share of the prompt tokens that came from the prefix cache."""
        return self.cached_tokens / self.prompt_tokens if self.prompt_tokens else 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(getattr(self, part.name) + getattr(other, part.name) for part in fields(self)))

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(*(getattr(self, part.name) - getattr(other, part.name) for part in fields(self)))


@dataclass(frozen=True)
class Answer:
    """A request with its completion."""

    request: Request
    completion: Completion

    @property
    def text(self) -> str:
        """
        The complete text of the answer.

        Raises
        ------
        Reject
            When the engine failed for good or the token limit cut the answer off.
        """
        if self.completion.finish == "error":
            raise Reject("engine error", self.completion.error)
        if self.completion.finish == "length":
            raise Reject("truncated", self.completion.text)
        return self.completion.text.strip()

    def parse(self, schema: type[Schema]) -> Schema:
        """
        Read the answer as an instance of its output schema, also from a code fence or among other words.

        Raises
        ------
        Reject
            Also when the text is not what the schema asks for.
        """
        text = self.text
        first: ErrorDetails | None = None
        for part in [text, *json_parts(text)]:
            try:
                return schema.model_validate_json(part)
            except ValidationError as error:
                first = first or error.errors(include_url=False)[0]
        assert first is not None
        where = ".".join(map(str, first["loc"]))
        raise Reject("unparsable", f"{where}: {first['msg']}: {text}".lstrip(": ")) from None


class Answers:
    """The answers to one partition's requests, in the order they were asked."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._by_row: dict[str, list[Answer]] = {}
        for answer in answers:
            self._by_row.setdefault(answer.request.row, []).append(answer)

    def of(self, row: str) -> list[Answer]:
        """List the answers about one row; empty where nothing was asked."""
        return self._by_row.get(row, [])

    @property
    def rows(self) -> int:
        """How many rows something was asked about."""
        return len(self._by_row)

    def __iter__(self) -> Iterator[Answer]:
        for answers in self._by_row.values():
            yield from answers
