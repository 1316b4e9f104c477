"""
Ask each question again, and ask whether its answer is right: BSDetector's confidence (arXiv 2308.16175).

* ``consistency``, the paper's observed consistency O: the generator answers the question again, `samples`
  times at a temperature, with the passage. Each sample agrees with the row's answer by alpha * s + (1 -
  alpha) * r (section 3.1): s from `datagen.stages.confidence.agreement`, r whether the two are the same
  words. O is the mean.
* ``reflection``, its self-reflection certainty S: two questions on whether the answer is correct, incorrect,
  or the model is not sure, worth 1, 0 and 0.5 (section 3.2). The paper has a letter written and counts it;
  here the letters' probabilities are weighed, over all orders of the options.
* ``bsdetector``, C = beta * O + (1 - beta) * S (section 3.3); null unless both are there.

alpha and beta are the paper's. It draws its samples with an explanation before the answer
(``prompt: judges/explained_answer``, `max_tokens` to match); by default the answer alone is asked for, in the
words that the bundled model knows.

``role: target`` asks the model that will be trained.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from datagen.prompt import Prompt, PromptSource
from datagen.request import Answer, Answers, Request, Sampling
from datagen.stage import Context, ModelStage, Outcome
from datagen.stages.confidence import agreement
from datagen.stages.confidence.score_columns import KINDS, Undecided, scored, undecided
from datagen.stages.shared import judge
from datagen.stages.shared.language.rules import Languages

SAMPLE, REFLECTION = "sample", "reflection"
WEIGHTS = (1.0, 0.0, 0.5)  # correct, incorrect, not sure


class Options(Undecided):
    """How often the generator is asked, and what counts as agreement."""

    samples: int = Field(5, ge=1, description="Answers drawn again")
    temperature: float = Field(1.0, gt=0, description="Temperature of the samples")
    max_tokens: int = Field(64, ge=4, description="Longest sample, in tokens; a cut-off one counts")
    prompt: PromptSource = Field(
        "instructions/answer",
        description="How the question is put again, a file or the prompt itself; "
        "judges/explained_answer: with an explanation first",
    )
    agreement: str = Field(
        "lexical",
        description="How samples are compared with the answer: lexical, embedding, nli, "
        "package.module:function or ./file.py:function",
    )
    agreement_model: str = Field(
        "",
        description="Model of embedding or nli: encoder, a folder, relative to the recipe, or a hub's id",
    )
    reflection: str = Field("judges/reflection", description="What is asked about the answer")
    orders: int = Field(3, ge=1, le=3, description="Orders of the options asked; 3 cancel the letters' bias")
    alpha: float = Field(0.8, ge=0, le=1, description="Weight of agreement against equality")
    beta: float = Field(0.7, ge=0, le=1, description="Weight of consistency against reflection")

    @model_validator(mode="after")
    def _model(self) -> "Options":
        if (self.agreement in agreement.NEURAL) != bool(self.agreement_model):
            raise ValueError(
                "agreement_model names the model of agreement: embedding or nli; give both or none"
            )
        return self


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask every question that has a passage again, and what the model thinks of its answer."""
    again, reflection = context.prompt(options.prompt), context.prompt(options.reflection)
    sampling, seed = Sampling(options.max_tokens, options.temperature), str(context.seed)
    for row in undecided(rows, options, "id", "question", "context", "evidence", "answer", "lineage"):
        if not (passage := row["context"] or row["evidence"]):
            continue
        shown = {"passage": passage, "question": row["question"]}
        heading = (row["lineage"] or {}).get("title") or ""
        for sample in range(options.samples):
            yield again.ask(
                row["id"], task=SAMPLE, sampling=sampling, sample=sample, heading=heading, **shown
            )
        for asked in reflection.fields["questions"]:
            yield from judge.ask(
                reflection,
                row["id"],
                *(seed, row["question"], row["answer"], asked),
                task=REFLECTION,
                orders=options.orders,
                answer=row["answer"],
                asked=asked,
                **shown,
            )


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Add the columns; every row stays."""
    reflected = []
    for row in rows["id"].to_pylist():
        about = [answer for answer in answers.of(row) if answer.request.task == REFLECTION]
        value = judge.expectation(about, WEIGHTS)
        reflected.append(np.nan if value is None else value)
    consistency, reflection = observed(rows, answers, options, context), np.array(reflected, np.float64)
    both = options.beta * consistency + (1 - options.beta) * reflection
    return scored(rows, {"consistency": consistency, "reflection": reflection, "bsdetector": both})


def observed(rows: pa.Table, answers: Answers, options: Options, context: Context) -> np.ndarray:
    """Average how well the samples of each row agree with its answer; nan for a row without any."""
    prompt, languages = context.prompt(options.prompt), Languages(context)
    pairs, owners = [], []
    for place, row in enumerate(rows.select(["id", "question", "answer", "lineage"]).to_pylist()):
        for sample in answers.of(row["id"]):
            said = _said(sample, prompt) if sample.request.task == SAMPLE else None
            if said is not None:
                pairs.append(agreement.Pair(row["question"], row["answer"], said, languages.of(row)))
                owners.append(place)
    measure = agreement.find(options.agreement, options.agreement_model, context.folder)
    like = agreement.agree(measure, pairs)
    same = np.array([agreement.same(pair) for pair in pairs], np.float64)
    one = options.alpha * like + (1 - options.alpha) * same
    row_of = np.array(owners, np.int64)
    count = np.bincount(row_of, minlength=len(rows))
    total = np.bincount(row_of, weights=one, minlength=len(rows))
    result: np.ndarray = np.divide(total, count, out=np.full(len(rows), np.nan), where=count > 0)
    return result


def _said(sample: Answer, prompt: Prompt) -> str | None:
    """Give a sample's answer, which the token limit may have cut off; None where there is none."""
    if sample.completion.finish == "error":
        return None
    text = sample.completion.text
    if mark := prompt.fields.get("answer_after"):
        _, found, text = text.rpartition(mark)
        if not found:
            return None
    return text.strip()


stage = ModelStage(
    name="consistency",
    summary="ask the generator each question again and whether it stands by the answer",
    takes="examples",
    gives="examples",
    ask=ask,
    read=read,
    options=Options,
    kinds=KINDS,
)
