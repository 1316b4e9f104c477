"""
New questions and instructions written from seeds: what the stages `from_seeds` and `from_search` share.

Each seed leads some prompts, which show it with others drawn by hash
(`datagen.stages.shared.seed_sampling`), and asks for a list of new ones. What is written is checked by
itself here; it is compared with everything kept in `datagen.stages.generate.novelty`. The seeds of the
prompt are the parents of what it gave.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, Field, create_model

import datagen.stage
from datagen.prompt import Prompt
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.schema import content_id
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.shared import checks
from datagen.stages.shared.language.rules import Language, Languages
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.seed_sampling import sample_seeds

SHORTEST, LONGEST = 4, 150  # words of an instruction (Self-Instruct)
Row = Mapping[str, Any]
Check = Callable[[str, Language], None]


class Expansion(datagen.stage.Options):
    """How many prompts are written, and what each asks for."""

    shown: int = Field(3, ge=1, description="Seeds in a prompt, drawn by hash")
    prompts: int = Field(4, ge=1, description="Prompts that each seed leads")
    per_prompt: int = Field(4, ge=1, le=20, description="New ones that a prompt asks for")
    domain: str = Field("", description="The domain that new ones are about, in a few words; may be empty")
    categories: tuple[str, ...] = Field(
        (), description="Categories of tasks, of which each new one is given one; left out: none"
    )
    max_tokens: int = Field(512, ge=32, description="Longest answer, in tokens")
    temperature: float = Field(0.7, ge=0, description="0: always the likeliest answer")
    top_p: float = Field(1.0, gt=0, le=1, description="Share of the likeliest tokens to draw from")


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
        Its prompt; the templates are given ``seeds``, ``count``, ``domain`` and ``categories``.
    check
        Raises `Reject` for a text that it must not give; the checks of all such stages come first.
    """

    def ask(seeds: pa.Table, given: Expansion, context: Context) -> Iterator[Request]:
        prompt, sampling = context.prompt(prompt_file), _sampling(given)
        asked = dict(zip(seeds["id"].to_pylist(), seeds["question"].to_pylist(), strict=True))
        for row in asked:
            for number in range(given.prompts):
                shown = sample_seeds(list(asked), row, number, given.shown, context.seed)
                yield prompt.ask(
                    row,
                    task=name,
                    sampling=sampling,
                    schema=_schema(given.per_prompt, given.categories),
                    sample=number,
                    about=json.dumps(shown),
                    seeds=[asked[one] for one in shown],
                    count=given.per_prompt,
                    domain=given.domain,
                    categories=given.categories,
                )

    def read(seeds: pa.Table, answers: Answers, given: Expansion, context: Context) -> Outcome:
        prompt, languages = context.prompt(prompt_file), Languages(context)
        rows = {row["id"]: row for row in seeds.to_pylist()}
        builder = Builder("questions", context)
        for row in rows.values():
            for answer in answers.of(row["id"]):
                shown = [rows[one] for one in json.loads(answer.request.about)]
                others = [one for one in shown if one["id"] != row["id"]]
                for made in _read(answer, name, given, check, shown, prompt, languages.of(row)):
                    if isinstance(made, Reject):
                        builder.drop(made, {"task": name}, row, answer, others=others)
                    else:
                        builder.keep(made, row, answer, others=others)
        return builder.outcome()

    return ModelStage(
        name=name,
        summary=summary,
        takes="seeds",
        gives="questions",
        ask=ask,
        read=read,
        options=options,
    )


def _sampling(given: Expansion) -> Sampling:
    return Sampling(max_tokens=given.max_tokens, temperature=given.temperature, top_p=given.top_p)


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
    given: Expansion,
    check: Check,
    seeds: Sequence[Row],
    prompt: Prompt,
    language: Language,
) -> Iterator[dict[str, Any] | Reject]:
    """Read an answer's list; each part is a row or the reason why not."""
    try:
        written = answer.parse(_schema(given.per_prompt, given.categories)).model_dump()["new"]
    except Reject as why:
        yield why
        return
    shown = [row["question"] for row in seeds]
    plain = Passage({"text": "\n".join(shown)}, language)
    asked = "\n".join(turn["content"] for turn in _without_seeds(prompt, given))
    for one in written:
        text = " ".join(one["text"].split())
        try:
            checks.clean(text, plain, asked)
            _well_formed(text, prompt)
            check(text, language)
            if given.categories and one["category"] not in given.categories:
                raise Reject("unknown category", f"{one['category']}: {text}")
            if text.casefold() in (seed.casefold() for seed in shown):
                raise Reject("copies a seed", text)
        except Reject as why:
            yield why
            continue
        parents = [row["id"] for row in seeds]
        noted = {"seeds": parents} | ({"category": one["category"]} if given.categories else {})
        yield {
            "id": content_id(task, text, *parents),
            "task": task,
            "question": text,
            "metadata": json.dumps(noted, ensure_ascii=False),
        }


def _without_seeds(prompt: Prompt, given: Expansion) -> Any:
    return prompt.render(seeds=[], count=given.per_prompt, domain=given.domain, categories=given.categories)


def _well_formed(text: str, prompt: Prompt) -> None:
    """Reject what Self-Instruct rejects: too few or too many words, other media, an odd beginning."""
    count = len(words_of(text))
    if not SHORTEST <= count <= LONGEST:
        raise Reject("too short" if count < SHORTEST else "too long", f"{count} words: {text[:80]}")
    if not (text[0].isalnum() or text[0] in "\"'“«¿¡`("):
        raise Reject("begins with a mark", text)
    for pattern in prompt.fields["unwanted"]:
        if found := re.search(pattern, text, re.IGNORECASE):
            raise Reject("needs what no text has", f"{found[0]} in: {text}")
