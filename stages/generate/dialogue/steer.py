"""
Turn dialogues into training rows: distractors are declined, turns on topic are answered.

First the target model receives each distractor in its dialogue. Whether it answers is a label of the row
(``answered``): the rate that CantTalkAboutThis (arXiv 2404.03820) measures. There are three kinds of rows:

* ``off_topic``, a refusal: the dialogue up to a distractor, declined and redirected.
* ``on_topic``, an instruction: the dialogue up to an answered turn on topic. A dialogue gives as many of
  these as it has distractors, at least one, the turns directly after distractors first, because a model
  trained on refusals only learns to refuse everything.
* ``decline_over_answer``, a preference for the refusal over the answer of the target.

The ``metadata`` of each row lists the labels of all turns. A rule decides whether the target answered,
correctly or not: the reply adds to the question and has no sign of a refusal. The signs are our own phrases,
with which a target trained on such rows will decline, and common ones (in English:
``prompts/dialogues/declines.yaml``).
"""

import json
import re
from collections.abc import Iterator, Sequence

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.prompt import Prompt
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.rows import DialogueRow, Fields, TurnRow
from datagen.schema import fraction
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.shared.language.matching import attempts
from datagen.stages.shared.language.rules import Language, Languages
from datagen.stages.shared.render.phrases import FIELD

Turns = Sequence[TurnRow]


class Options(datagen.stage.Options):
    """How the target is tested."""

    measured: float = Field(1.0, ge=0, le=1, description="Share of the distractors that the target is given")
    max_tokens: int = Field(64, ge=8, description="Longest reply of the target; a truncated reply counts")
    declining: str = Field(
        "dialogues/declines", description="Prompt file whose `signs` and statements identify refusals"
    )
    system: str = Field("dialogues/topics", description="Prompt file whose rules have their own refusals")


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Give the target each distractor, with the dialogue before it."""
    prompt, seed = context.prompt(options.declining), str(context.seed)
    for row in rows.to_pylist():
        for place, turn in enumerate(row["turns"]):
            if turn["label"] == "distractor" and fraction("measured", seed, row["id"], str(place)) < (
                options.measured
            ):
                yield Request(
                    row=row["id"],
                    messages=_messages(row["turns"][: place + 1]),
                    prompt=prompt.name,
                    prompt_hash=prompt.hash,
                    task="off_topic",
                    sampling=Sampling(options.max_tokens),
                    about=str(place),
                )


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Write the rows of each dialogue."""
    prompt = context.prompt(options.declining)
    signs, languages = refusal_signs(prompt, context.prompt(options.system)), Languages(context)
    builder = Builder("examples", context, prompt.name, prompt.hash)
    for row in rows.to_pylist():
        turns = row["turns"]
        replies = {int(answer.request.about): answer for answer in answers.of(row["id"])}
        for place in _on_topic(turns):
            example = _example(turns, place, "instruction", "on_topic")
            builder.keep(example | {"evidence": turns[place]["evidence"]}, row)
        for place, turn in enumerate(turns):
            if turn["label"] == "redirect":
                _decline(builder, row, place, replies.get(place - 1), signs, languages.of(row))
    return builder.outcome()


def _decline(
    builder: Builder,
    row: DialogueRow,
    place: int,
    reply: Answer | None,
    signs: re.Pattern[str],
    language: Language,
) -> None:
    """Write the refusal at a position, and a preference for it if the target answered."""
    turns, distractor = row["turns"], row["turns"][place - 1]
    answered, replies = None, [reply] if reply else []
    if reply and reply.completion.finish != "error":
        answered = answers_distractor(reply.completion.text, distractor["content"], signs, language)
    kind = distractor["distractor"]
    example = _example(turns, place, "refusal", "off_topic", distractor=kind, answered=answered)
    builder.keep(example | {"logprob": None}, row, *replies)  # the target did not write this answer
    if answered and reply:
        example = _example(turns, place, "preference", "decline_over_answer", distractor=kind)
        example |= {"rejected": reply.completion.text.strip(), "logprob": None}
        if reply.completion.finish == "length":
            builder.drop(Reject("truncated", reply.completion.text), example, row, *replies)
        else:
            builder.keep(example, row, *replies)


def refusal_signs(declining: Prompt, system: Prompt) -> re.Pattern[str]:
    """Compile a pattern that detects refusals: the common signs, and our own statements with any topic."""
    ours = [*declining.fields["statements"], *(d for r in system.fields["rules"] for d in r["declines"])]
    statements = [".{1,90}".join(map(re.escape, FIELD.split(text.rstrip("."))[::2])) for text in ours]
    return re.compile("|".join([*declining.fields["signs"], *statements]), re.IGNORECASE)


def answers_distractor(text: str, question: str, signs: re.Pattern[str], language: Language) -> bool:
    """Check whether a reply attempts to answer a distractor, correctly or not, without declining."""
    return attempts(text, question, language=language) and not signs.search(text)


def _on_topic(turns: Turns) -> list[int]:
    """Select the answers on topic to train on: as many as distractors, at least one."""
    places = [
        place
        for place, turn in enumerate(turns)
        if turn["label"] == "on_topic" and turn["role"] == "assistant"
    ]
    after_redirect = [place for place in places if turns[place - 2]["label"] == "redirect"]
    others = [place for place in reversed(places) if place not in after_redirect]
    count = sum(turn["label"] == "distractor" for turn in turns)
    return [*after_redirect, *others][: max(1, count)]


def _example(turns: Turns, place: int, kind: str, task: str, **labels: object) -> Fields:
    """Write a row whose answer is the turn at a position and whose prompt is the turns before it."""
    labels = {"turns": [turn["label"] for turn in turns[: place + 1]], **labels}
    return {
        "kind": kind,
        "task": task,
        "question": turns[place - 1]["content"],
        "answer": turns[place]["content"],
        "prompt": _messages(turns[:place]),
        "metadata": json.dumps(labels),
    }


def _messages(turns: Turns) -> list[dict[str, str]]:
    return [{"role": turn["role"], "content": turn["content"]} for turn in turns]


stage = ModelStage(
    name="steer",
    summary="turn dialogues into rows that decline distractors and answer questions on topic",
    takes="dialogues",
    gives="examples",
    ask=ask,
    read=read,
    role="target",
    options=Options,
)
