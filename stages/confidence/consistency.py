"""
Ask each question again, and ask whether its answer is right: BSDetector's confidence (arXiv 2308.16175).

* ``consistency``, the paper's observed consistency O: the generator answers the question again, `samples`
  times at a temperature, with the passage. Each sample agrees with the row's answer by alpha * s + (1 -
  alpha) * r (section 3.1): s from `datagen.stages.confidence.agreement`, r whether both have the same
  words. O is the mean.
* ``reflection``, its self-reflection certainty S: two questions on whether the answer is correct, incorrect,
  or the model is not sure, worth 1, 0 and 0.5 (section 3.2). The paper generates a letter and counts it;
  here the letters' probabilities are weighted, over all orders of the options.
* ``bsdetector``, C = beta * O + (1 - beta) * S (section 3.3); null unless both are available.

alpha and beta are the paper's. The paper samples an explanation before the answer (set
``prompt: judges/explained_answer`` and a matching `max_tokens`); the default prompt requests the answer
alone, in the wording that the bundled model was trained with.

``role: target`` asks the model that will be trained.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from datagen.prompt import Prompt, PromptSource
from datagen.request import Answer, Answers, Request, Sampling
from datagen.stage import Columns, Context, ModelStage, Outcome, scores
from datagen.stages.confidence import agreement
from datagen.stages.confidence.score_columns import KINDS, Undecided, scored, undecided
from datagen.stages.shared import judge
from datagen.stages.shared.language.rules import Languages

SAMPLE, REFLECTION = "sample", "reflection"
WEIGHTS = (1.0, 0.0, 0.5)  # correct, incorrect, not sure


class Options(Undecided):
    """How many samples are drawn, and how their agreement is measured."""

    samples: int = Field(5, ge=1, description="Samples per question")
    temperature: float = Field(1.0, gt=0, description="Temperature of the samples")
    max_tokens: int = Field(
        64, ge=4, description="Maximum length of a sample, in tokens; truncated samples count"
    )
    prompt: PromptSource = Field(
        "instructions/answer",
        description="Prompt of the samples: a file or the prompt itself; "
        "judges/explained_answer: with an explanation first",
    )
    agreement: str = Field(
        "lexical",
        description="How samples are compared with the answer: lexical, embedding, nli, "
        "package.module:function or ./file.py:function",
    )
    agreement_model: str = Field(
        "",
        description="Model of embedding or nli: encoder, a folder relative to the recipe, or a hub id",
    )
    reflection: str = Field("judges/reflection", description="Prompt file of the questions about the answer")
    orders: int = Field(3, ge=1, le=3, description="Orders of the options asked; 3 cancel letter bias")
    alpha: float = Field(0.8, ge=0, le=1, description="Weight of agreement; equality has 1 - alpha")
    beta: float = Field(0.7, ge=0, le=1, description="Weight of consistency; reflection has 1 - beta")

    @model_validator(mode="after")
    def _model(self) -> "Options":
        if (self.agreement in agreement.NEURAL) != bool(self.agreement_model):
            raise ValueError(
                "agreement_model is the model of agreement: embedding or nli; set both or neither"
            )
        return self


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask every question that has a passage again, and ask whether its answer is right."""
    sample_prompt, reflection = context.prompt(options.prompt), context.prompt(options.reflection)
    sampling, seed = Sampling(options.max_tokens, options.temperature), str(context.seed)
    for row in undecided(rows, options, "id", "question", "context", "evidence", "answer", "lineage"):
        if not (passage := row["context"] or row["evidence"]):
            continue
        shown = {"passage": passage, "question": row["question"]}
        heading = (row["lineage"] or {}).get("title") or ""
        for sample in range(options.samples):
            yield sample_prompt.ask(
                row["id"], task=SAMPLE, sampling=sampling, sample=sample, heading=heading, **shown
            )
        for question in reflection.fields["questions"]:
            yield from judge.ask(
                reflection,
                row["id"],
                *(seed, row["question"], row["answer"], question),
                task=REFLECTION,
                orders=options.orders,
                answer=row["answer"],
                asked=question,
                **shown,
            )


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Add the score columns; no row is dropped."""
    reflected = []
    for row in rows["id"].to_pylist():
        about = [answer for answer in answers.of(row) if answer.request.task == REFLECTION]
        value = judge.expectation(about, WEIGHTS)
        reflected.append(np.nan if value is None else value)
    consistency, reflection = observed(rows, answers, options, context), np.array(reflected, np.float64)
    both = options.beta * consistency + (1 - options.beta) * reflection
    return scored(rows, {"consistency": consistency, "reflection": reflection, "bsdetector": both})


def observed(rows: pa.Table, answers: Answers, options: Options, context: Context) -> np.ndarray:
    """Compute the mean agreement of each row's samples with its answer; nan for a row without samples."""
    prompt, languages = context.prompt(options.prompt), Languages(context)
    pairs, owners = [], []
    for place, row in enumerate(rows.select(["id", "question", "answer", "lineage"]).to_pylist()):
        for sample in answers.of(row["id"]):
            text = _answer_of(sample, prompt) if sample.request.task == SAMPLE else None
            if text is not None:
                pairs.append(agreement.Pair(row["question"], row["answer"], text, languages.of(row)))
                owners.append(place)
    measure = agreement.find(options.agreement, options.agreement_model, context.folder)
    similarity = agreement.agree(measure, pairs)
    same = np.array([agreement.same(pair) for pair in pairs], np.float64)
    agreements = options.alpha * similarity + (1 - options.alpha) * same
    row_of = np.array(owners, np.int64)
    count = np.bincount(row_of, minlength=len(rows))
    total = np.bincount(row_of, weights=agreements, minlength=len(rows))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _answer_of(sample: Answer, prompt: Prompt) -> str | None:
    """Return a sample's answer, which may be truncated; None if there is none."""
    if sample.completion.finish == "error":
        return None
    text = sample.completion.text
    if mark := prompt.fields.get("answer_after"):
        _, separator, text = text.rpartition(mark)
        if not separator:
            return None
    return text.strip()


def columns(options: Options) -> Columns:
    """Return what is read, and the scores."""
    return Columns(options.reads(), scores("consistency", "reflection", "bsdetector"))


stage = ModelStage(
    name="consistency",
    summary="ask the generator each question again, and whether the answer is right",
    takes="examples",
    gives="examples",
    ask=ask,
    read=read,
    columns=columns,
    options=Options,
    kinds=KINDS,
)
