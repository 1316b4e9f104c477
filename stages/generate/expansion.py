"""
Write new questions and instructions from seeds: the common part of the stages `from_seeds` and `from_search`.

Each seed leads some prompts. A prompt shows its leading seed with others drawn by hash
(`datagen.stages.shared.seed_sampling`) and asks for a list of new texts. The seeds of the prompt are their
parents. Each text is checked individually here; `datagen.stages.generate.novelty` compares it with all kept
texts.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, Field, create_model

import datagen.stage
from datagen.prompt import Prompt
from datagen.request import Answer, Answers, Message, Reject, Request, Sampling
from datagen.rows import ExampleRow, Fields, Row
from datagen.schema import content_id
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.shared import checks
from datagen.stages.shared.language.rules import Language, Languages
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.seed_sampling import sample_seeds
from datagen.stages.shared.similarity.novelty import Novelty

SHORTEST, LONGEST = 4, 150  # words of an instruction (Self-Instruct)
KEY = re.compile(r"[\"'“”](?:new|text|category)[\"'“”]\s*:")  # of the demanded JSON
Check = Callable[[str, Language], None]


class Expansion(datagen.stage.Options):
    """How many prompts are sent, and what each asks for."""

    shown: int = Field(3, ge=1, description="Seeds in a prompt, drawn by hash")
    prompts: int = Field(4, ge=1, description="Prompts that each seed leads")
    per_prompt: int = Field(4, ge=1, le=20, description="New texts that a prompt asks for")
    enough: int | None = Field(
        None,
        ge=1,
        description="Send one prompt of each seed at a time, until so many new texts passed the checks. Left "
        "out: all prompts are sent",
    )
    by_target: bool = Field(
        False,
        description="Self-Specialization: reject the recipe unless the model to be trained (target) writes "
        "the texts and answers them",
    )
    domain: str = Field("", description="Domain of the new texts, in a few words; may be empty")
    categories: tuple[str, ...] = Field(
        (), description="Categories of tasks, one of which each new text gets; left out: none"
    )
    max_tokens: int = Field(512, ge=32, description="Maximum length of a completion, in tokens")
    temperature: float = Field(0.7, ge=0, description="0: always the likeliest answer")
    top_p: float = Field(1.0, gt=0, le=1, description="Share of the likeliest tokens to draw from")


@dataclass(frozen=True)
class _Writer:
    """The requests of a stage, and the rows of their answers; the parameters are those of `expansion`."""

    name: str
    prompt_file: str
    check: Check

    def requests(
        self, seeds: pa.Table, settings: Expansion, context: Context
    ) -> Iterator[tuple[int, Request]]:
        """Build all requests, each with its number among those that its seed leads."""
        prompt, sampling = context.prompt(self.prompt_file), _sampling(settings)
        questions = dict(zip(seeds["id"].to_pylist(), seeds["question"].to_pylist(), strict=True))
        asked = set[tuple[object, ...]]()
        for row in questions:
            for number in range(settings.prompts):
                sampled = sample_seeds(list(questions), row, number, settings.shown, context.seed)
                sample = number
                while (*sampled, sample) in asked:  # a small pool: an equal request would get the same answer
                    sample += settings.prompts
                asked.add((*sampled, sample))
                yield (
                    number,
                    prompt.ask(
                        row,
                        task=self.name,
                        sampling=sampling,
                        schema=_schema(settings.per_prompt, settings.categories),
                        sample=sample,
                        about=json.dumps(sampled),
                        seeds=[questions[seed] for seed in sampled],
                        count=settings.per_prompt,
                        domain=settings.domain,
                        categories=settings.categories,
                    ),
                )

    def ask(self, seeds: pa.Table, settings: Expansion, context: Context) -> Iterator[Request]:
        for number, request in self.requests(seeds, settings, context):
            if not settings.enough or not number:
                yield request

    def follow(
        self, seeds: pa.Table, answers: Answers, settings: Expansion, context: Context
    ) -> Iterator[Request]:
        if settings.enough and self.new_texts(seeds, answers, settings, context) < settings.enough:
            for number, request in self.requests(seeds, settings, context):
                if number == answers.rounds:
                    yield request

    def new_texts(self, seeds: pa.Table, answers: Answers, settings: Expansion, context: Context) -> int:
        """Count the texts that `novelty` will keep if it compares only them and the seeds."""
        kept = Novelty()
        kept.keep([text or "" for text in seeds["question"].to_pylist()])
        before, items = len(kept), self.written(seeds, answers, settings, context)
        kept.judge([str(item["question"]) for *_, item in items if not isinstance(item, Reject)])
        return len(kept) - before

    def written(
        self, seeds: pa.Table, answers: Answers, settings: Expansion, context: Context
    ) -> Iterator[tuple[Row, Answer, list[Row], Fields | Reject]]:
        """Yield seed, answer, other seeds, and the row of each text or the reason to drop it."""
        prompt, languages = context.prompt(self.prompt_file), Languages(context)
        rows = {row["id"]: row for row in seeds.to_pylist()}
        for row in rows.values():
            for answer in answers.of(row["id"]):
                sampled = [rows[seed] for seed in json.loads(answer.request.about)]
                others = [seed for seed in sampled if seed["id"] != row["id"]]
                for item in _read(
                    answer, self.name, settings, self.check, sampled, prompt, languages.of(row)
                ):
                    yield row, answer, others, item

    def read(self, seeds: pa.Table, answers: Answers, settings: Expansion, context: Context) -> Outcome:
        builder = Builder("questions", context)
        for row, answer, others, item in self.written(seeds, answers, settings, context):
            if isinstance(item, Reject):
                builder.drop(item, {"task": self.name}, row, answer, others=others)
            else:
                builder.keep(item, row, answer, others=others)
        return builder.outcome()


def expansion(
    name: str, summary: str, prompt_file: str, options: type[Expansion], check: Check
) -> ModelStage[Expansion]:
    """
    Make a stage that writes new questions from seeds.

    Parameters
    ----------
    name, summary, options
        Of the stage.
    prompt_file
        Its prompt file; the templates receive ``seeds``, ``count``, ``domain`` and ``categories``.
    check
        Raises `Reject` for an unsuitable text; it runs after the checks that all such stages share.
    """
    writer = _Writer(name, prompt_file, check)
    return ModelStage(
        name=name,
        summary=summary,
        takes="seeds",
        gives="questions",
        ask=writer.ask,
        follow=writer.follow,
        rounds=lambda settings: settings.prompts if settings.enough else 1,
        read=writer.read,
        options=options,
    )


def _sampling(settings: Expansion) -> Sampling:
    return Sampling(max_tokens=settings.max_tokens, temperature=settings.temperature, top_p=settings.top_p)


@cache
def _schema(count: int, categories: tuple[str, ...]) -> type[BaseModel]:
    fields: dict[str, Any] = {"text": (str, ...)}
    if categories:
        fields["category"] = (str, Field(json_schema_extra={"enum": list(categories)}))
    item = create_model("Item", **fields)
    return create_model("New", new=(list[item], Field(min_length=1, max_length=count)))


def _read(
    answer: Answer,
    task: str,
    settings: Expansion,
    check: Check,
    seeds: Sequence[ExampleRow],
    prompt: Prompt,
    language: Language,
) -> Iterator[Fields | Reject]:
    """Read the list in an answer; yield for each item a row, or the reason to drop it."""
    try:
        written = answer.parse(_schema(settings.per_prompt, settings.categories)).model_dump()["new"]
    except Reject as why:
        yield why
        return
    seed_texts = [row["question"] or "" for row in seeds]
    seed_passage = Passage({"text": "\n".join(seed_texts)}, language)
    instruction = "\n".join(turn["content"] for turn in _without_seeds(prompt, settings))
    for item in written:
        text = " ".join(item["text"].split())
        try:
            checks.clean(text, seed_passage, instruction)
            _well_formed(text, prompt)
            check(text, language)
            if settings.categories and item["category"] not in settings.categories:
                raise Reject("unknown category", f"{item['category']}: {text}")
            if text.casefold() in (seed.casefold() for seed in seed_texts):
                raise Reject("copies a seed", text)
        except Reject as why:
            yield why
            continue
        parents = [row["id"] for row in seeds]
        labels = {"seeds": parents} | ({"category": item["category"]} if settings.categories else {})
        yield {
            "id": content_id(task, text, *parents),
            "task": task,
            "question": text,
            "metadata": json.dumps(labels, ensure_ascii=False),
        }


def _without_seeds(prompt: Prompt, settings: Expansion) -> list[Message]:
    return prompt.render(
        seeds=[], count=settings.per_prompt, domain=settings.domain, categories=settings.categories
    )


def _well_formed(text: str, prompt: Prompt) -> None:
    """Reject what Self-Instruct rejects: too few or too many words, other media, a bad first character."""
    count = len(words_of(text))
    if not SHORTEST <= count <= LONGEST:
        raise Reject("too short" if count < SHORTEST else "too long", f"{count} words: {text[:80]}")
    if (key := KEY.search(text)) or not _paired(text):
        raise Reject("template leftover", f"{key[0] if key else 'an unpaired brace'} in: {text}")
    if not (text[0].isalnum() or text[0] in "\"'“«¿¡`("):
        raise Reject("begins with a mark", text)
    for pattern in prompt.fields["unwanted"]:
        if match := re.search(pattern, text, re.IGNORECASE):
            raise Reject("needs what no text has", f"{match[0]} in: {text}")


def _paired(text: str) -> bool:
    """Check whether every brace has its partner. Brackets may have none: "[0, 1)"."""
    depths = list(accumulate((sign == "{") - (sign == "}") for sign in text))
    return not depths[-1] and min(depths) >= 0
