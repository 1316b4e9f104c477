"""
Requests to a model and their completions.

A request carries everything that determines its completion. Its key is the hash of that: model and revision,
rendered messages, sampling parameters, output schema, labels to choose among, text to score, and sample
number. A completion is stored under the key and never requested again.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from operator import add, sub
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json

from datagen.answer_json import json_parts
from datagen.json_types import JsonObject
from datagen.reasoning import begins, reasoning_only, split
from datagen.rows import RequestRow
from datagen.schema import content_id

Message = dict[str, str]
Schema = TypeVar("Schema", bound=BaseModel)


class Reject(Exception):
    """
    A row that must be dropped.

    Raised while a candidate is made; the stage turns it into a dropped row.

    Parameters
    ----------
    reason
        The rule that rejected it: a short phrase, the same for all rows, because drops are counted by reason.
    detail
        What the rule found in this row.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Identity:
    """A model's name and revision, as they enter a request's key; and its licence, which does not."""

    name: str
    revision: str
    licence: str = field(default="", compare=False)


@dataclass(frozen=True)
class Sampling:
    """Sampling parameters. Temperature 0 is greedy."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """
    One request to a model.

    Parameters
    ----------
    row
        Id of the row that the request is about.
    messages
        The rendered chat.
    prompt, prompt_hash
        Prompt file and the hash of its content, for the lineage.
    task
        The stage's task that the request belongs to.
    schema
        JSON schema for guided decoding; None for free text.
    choices
        Labels to score instead of generating: the completion holds the log probability of each as the
        first token of the answer.
    given
        An answer to score instead of generating: the completion holds the log probability of each of its
        tokens, conditioned on the messages and the preceding tokens.
    sample
        Number of the sample, where the same prompt is sampled several times.
    about
        A label by which the stage matches the answer to a part of the row. The model does not see it, and
        it is not part of the key.
    """

    row: str
    messages: list[Message]
    prompt: str
    prompt_hash: str
    task: str
    sampling: Sampling = field(default_factory=Sampling)
    schema: JsonObject | None = None
    choices: tuple[str, ...] = ()
    given: str = ""
    sample: int = 0
    about: str = ""

    def key(self, model: Identity) -> str:
        """Hash everything that determines the completion."""
        payload = {
            "messages": self.messages,
            "sampling": asdict(self.sampling),
            "schema": json.dumps(self.schema),  # unsorted: fields are decoded in this order
            "choices": self.choices,
            "sample": self.sample,
        }
        if self.given:  # omitted if empty, so that older keys stay valid
            payload["given"] = self.given
        return content_id(model.name, model.revision, json.dumps(payload, sort_keys=True, ensure_ascii=False))

    def to_row(self, model: Identity) -> RequestRow:
        """Convert to a row of `datagen.schema.REQUESTS`, with its key."""
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
        """Restore a request from `to_row`."""
        body = from_json(row["body"])
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
    A model's completion of a request.

    Parameters
    ----------
    finish
        ``stop``: complete. ``length``: cut off by the token limit. ``error``: no answer, because the engine
        rejected the request or the model did not finish its reasoning; `error` holds the message.
    logprobs
        Natural log probability of each sampled token, or of each token of the scored text.
    choices
        Natural log probability of each of the request's choices, in the same order.
    prompt_tokens, cached_tokens, completion_tokens
        Tokens in the prompt, of these served from the prefix cache, and tokens generated.
    reasoning
        A reasoning model's chain of thought. It is not part of the answer; `logprobs` cover the answer only.
    circumstances
        Of an error: hash of its possible causes outside the request. A retry is due when the hash changes.
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
    """Separate the reasoning from an answer stored by a version that did not separate them."""
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
    """Counts of completions and tokens. Prompt tokens include cached tokens."""

    completions: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0

    @classmethod
    def of(cls, completion: Completion) -> "Usage":
        """Return the usage of one completion."""
        return cls(1, completion.prompt_tokens, completion.cached_tokens, completion.completion_tokens)

    @property
    def cached_share(self) -> float:
        """Share of prompt tokens served from the prefix cache."""
        return self.cached_tokens / self.prompt_tokens if self.prompt_tokens else 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*map(add, vars(self).values(), vars(other).values()))

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(*map(sub, vars(self).values(), vars(other).values()))


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
            If the engine failed permanently or the token limit cut the answer off.
        """
        if self.completion.finish == "error":
            raise Reject("engine error", self.completion.error)
        if self.completion.finish == "length":
            raise Reject("truncated", self.completion.text)
        return self.completion.text.strip()

    def parse(self, schema: type[Schema]) -> Schema:
        """
        Parse the answer as an instance of its output schema; it may be in a code fence or in running text.

        Raises
        ------
        Reject
            As `text` does, or if the text does not match the schema.
        """
        text = self.text
        first_error: ErrorDetails | None = None
        for part in [text, *json_parts(text)]:
            try:
                return schema.model_validate_json(part)
            except ValidationError as error:
                first_error = first_error or error.errors(include_url=False)[0]
        assert first_error is not None
        where = ".".join(map(str, first_error["loc"]))
        raise Reject("unparsable", f"{where}: {first_error['msg']}: {text}".lstrip(": ")) from None


class Answers:
    """
    The answers to one partition's requests, in request order.

    Parameters
    ----------
    answers
        The answers to all requests so far.
    rounds
        Number of rounds that they answer (`datagen.stage.ModelStage`).
    """

    def __init__(self, answers: Iterable[Answer], rounds: int = 1) -> None:
        self.rounds = rounds
        self._by_row: dict[str, list[Answer]] = {}
        for answer in answers:
            self._by_row.setdefault(answer.request.row, []).append(answer)

    def of(self, row: str) -> list[Answer]:
        """Return the answers about one row; empty if there were no requests about it."""
        return self._by_row.get(row, [])

    @property
    def rows(self) -> int:
        """Number of rows with at least one request."""
        return len(self._by_row)

    def __iter__(self) -> Iterator[Answer]:
        for answers in self._by_row.values():
            yield from answers
