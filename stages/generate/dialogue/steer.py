"""
Make training rows of dialogues: distractors are declined, turns on the topic are answered.

The target is put each distractor first, in its dialogue, and whether it answered after all is a label of the
row (``answered``): the rate that CantTalkAboutThis (arXiv 2404.03820) measures. Three kinds of rows:

* ``off_topic``, a refusal: the dialogue up to a distractor, declined and led back.
* ``on_topic``, an instruction: the dialogue up to a turn on the topic, answered; as many as there are
  distractors in a dialogue, the turns right behind them first, and one of a dialogue without any. A model
  that is shown only refusals learns to refuse.
* ``decline_over_answer``, a preference for the refusal over what the target answered.

The labels of all turns go with each row, in its ``metadata``. That the target answered is told by rule,
without its being right: it says more than the question does, and shows none of the signs of a refusal.
These are our own words, by which a target that was trained on such rows will decline, and those of others
(in English: ``prompts/dialogues/declines.yaml``).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.prompt import Prompt
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.schema import fraction
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.shared.language.matching import attempts
from datagen.stages.shared.language.rules import Language, Languages
from datagen.stages.shared.render.phrases import FIELD

Turns = Sequence[Mapping[str, Any]]


class Options(datagen.stage.Options):
    """How the target is tried."""

    measured: float = Field(1.0, ge=0, le=1, description="Share of the distractors put to the target")
    max_tokens: int = Field(64, ge=8, description="Most tokens of what it says; a cut-off reply counts")
    declining: str = Field("dialogues/declines", description="Its `signs` and statements tell a refusal")
    system: str = Field("dialogues/topics", description="Its rules are declined in words of their own")


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Put each distractor to the target, with all that was said before it."""
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
        said = {int(answer.request.about): answer for answer in answers.of(row["id"])}
        for place in _on_topic(turns):
            made = _example(turns, place, "instruction", "on_topic")
            builder.keep(made | {"evidence": turns[place]["evidence"]}, row)
        for place, turn in enumerate(turns):
            if turn["label"] == "redirect":
                _decline(builder, row, place, said.get(place - 1), signs, languages.of(row))
    return builder.outcome()


def _decline(
    builder: Builder,
    row: Mapping[str, Any],
    place: int,
    said: Answer | None,
    signs: re.Pattern[str],
    language: Language,
) -> None:
    """Write the refusal at a place, and the preference for it where the target answered."""
    turns, distractor = row["turns"], row["turns"][place - 1]
    answered, given = None, [said] if said else []
    if said and said.completion.finish != "error":
        answered = answers_after_all(said.completion.text, distractor["content"], signs, language)
    kind = distractor["distractor"]
    made = _example(turns, place, "refusal", "off_topic", distractor=kind, answered=answered)
    builder.keep(made | {"logprob": None}, row, *given)  # the target's is none of its words
    if answered and said:
        rejected = _example(turns, place, "preference", "decline_over_answer", distractor=kind)
        rejected |= {"rejected": said.completion.text.strip(), "logprob": None}
        if said.completion.finish == "length":
            builder.drop(Reject("truncated", said.completion.text), rejected, row, *given)
        else:
            builder.keep(rejected, row, *given)


def refusal_signs(declining: Prompt, system: Prompt) -> re.Pattern[str]:
    """Compile what tells a refusal: the signs, and our own statements whatever topic they name."""
    ours = [*declining.fields["statements"], *(d for r in system.fields["rules"] for d in r["declines"])]
    said = [".{1,90}".join(map(re.escape, FIELD.split(text.rstrip("."))[::2])) for text in ours]
    return re.compile("|".join([*declining.fields["signs"], *said]), re.IGNORECASE)


def answers_after_all(text: str, question: str, signs: re.Pattern[str], language: Language) -> bool:
    """Tell whether a reply answers a distractor, rightly or not: it attempts to, without a refusal's sign."""
    return attempts(text, question, language=language) and not signs.search(text)


def _on_topic(turns: Turns) -> list[int]:
    """Choose the answers on the topic that are trained on: as many as distractors, at least one."""
    places = [
        place
        for place, turn in enumerate(turns)
        if turn["label"] == "on_topic" and turn["role"] == "assistant"
    ]
    behind = [place for place in places if turns[place - 2]["label"] == "redirect"]
    others = [place for place in reversed(places) if place not in behind]
    count = sum(turn["label"] == "distractor" for turn in turns)
    return [*behind, *others][: max(1, count)]


def _example(turns: Turns, place: int, kind: str, task: str, **labels: Any) -> dict[str, Any]:
    """Make the turn at a place the answer, and what stands before it the prompt."""
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
    summary="decline what leads off the topic, and answer what is on it",
    takes="dialogues",
    gives="examples",
    ask=ask,
    read=read,
    role="target",
    options=Options,
)
