"""
Write preference pairs that prefer self-correction within an answer, the earlier the better.

After Course-Correction (arXiv 2407.16637): an answer violates a policy, is cut at several positions, and
corrects itself at each; a correction is better than none, and an earlier one better than a later one. The
paper uses harmful text. Here the policy is a harmless rule that the recipe sets, such as never to quote a
price: a file with the rule and the patterns that detect a violation
(`datagen.stages.generate.self_correction.policy`). There is no default policy.

The answer that violates the policy (the draft) consists of sentences of the passage, or the generator writes
it from them. Its ranks, best first: it omits what the rule forbids; it corrects itself directly after the
violation; later; never. A pair is two ranks of one draft, and both sides share the text before the earlier
correction. There are three tasks:

* ``keeps_the_rule``: the chosen answer stops before the violation.
* ``corrects_earlier``: both violate the rule, in the text that they share, and correct themselves.
* ``corrects_at_all``: both violate it, and the rejected answer continues to the end.

An equal number of drafts give ``needs_no_correction``: an answer without a violation is preferred to the same
answer with a correction, so that the model does not learn to correct itself without need.
"""

import json
from collections.abc import Iterator
from itertools import combinations
from typing import Literal

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.request import Answers, Reject, Request, Sampling
from datagen.rows import Fields
from datagen.schema import chat, content_id, fraction, pick
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.generate.self_correction.drafts import Draft, Wording, quoted, written
from datagen.stages.generate.self_correction.policy import Policy, load_policy
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.render.phrases import say


class Options(datagen.stage.Options):
    """The policy, the drafts and the pairs."""

    policy: str = Field(description="Policy file: corrections/prices, or a file of your own")
    drafts: Literal["quoted", "written"] = Field(
        "quoted", description="Drafts are sentences of the passage, or written by the generator"
    )
    sentences: int = Field(5, ge=3, description="Most sentences per draft")
    cuts: int = Field(2, ge=1, description="Most positions at which a draft is corrected")
    pairs: int = Field(4, ge=1, description="Most pairs per draft, drawn by hash")
    share: float = Field(1.0, ge=0, le=1, description="Share of the passages that are used, drawn by hash")
    max_tokens: int = Field(256, ge=32, description="Longest draft that the generator writes, in tokens")
    wording: str = Field("corrections/words", description="Prompt file: questions and phrases of corrections")
    writing: str = Field("corrections/draft", description="Prompt file: the request for a draft")


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask the generator for drafts, if it writes them."""
    if options.drafts == "quoted":
        return
    prompt = context.prompt(options.writing)
    selection = Selection(rows, options, context)
    for passage in [*selection.breaking, *selection.keeping]:
        yield prompt.ask(
            passage.row["id"],
            task="draft",
            sampling=Sampling(options.max_tokens),
            heading=passage.heading,
            passage=passage.text,
            question=selection.question(passage),
            sentences=options.sentences,
        )


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Write the pairs of each draft; a passage without pairs is dropped with its reason."""
    selection = Selection(rows, options, context)
    policy = selection.policy
    wording = context.prompt(options.wording)
    builder = Builder("examples", context, wording.name, wording.hash)
    for passage, reason in selection.unused:
        builder.drop(reason, {"kind": "preference"}, passage.row)
    for passage in [*selection.breaking, *selection.keeping]:
        completions = answers.of(passage.row["id"])
        question = selection.question(passage)
        fields: Fields = {"kind": "preference", "question": question}
        fields |= {"context": passage.text, "logprob": None}  # not every answer contains the whole draft
        fields["prompt"] = chat(question, passage.text, policy.rule)
        breaks = policy.broken_by(passage.text)
        try:
            if options.drafts == "quoted":
                draft = quoted(passage, policy, options.sentences, breaks=breaks)
            elif completions:
                draft = written(completions[0], passage, policy, options.sentences, breaks=breaks)
            else:
                raise Reject("no draft", "no completion came back")
            for pair in pairs(draft, policy, wording.fields, options):
                builder.keep(fields | pair, passage.row, *completions)
        except Reject as reason:
            builder.drop(reason, fields, passage.row, *completions)
    return builder.outcome()


class Selection:
    """The passages of a partition that break the policy, and an equal number that keep it."""

    def __init__(self, rows: pa.Table, options: Options, context: Context) -> None:
        self.policy = load_policy(context, options.policy)
        self._questions = context.prompt(options.wording).fields["questions"]
        self._seed, languages = str(context.seed), Languages(context)
        self.unused: list[tuple[Passage, Reject]] = []
        self.breaking: list[Passage] = []
        keeping: list[Passage] = []
        for row in rows.to_pylist():
            passage = Passage(row, languages.of(row))
            if fraction("correction", self._seed, row["id"]) >= options.share:
                self.unused.append((passage, Reject("not drawn", f"share {options.share:g}")))
            elif not passage.heading:
                self.unused.append((passage, Reject("nothing to ask about", "no title and no section")))
            else:
                (self.breaking if self.policy.broken_by(passage.text) else keeping).append(passage)
        self.keeping = self._draw(keeping, options)

    def _draw(self, keeping: list[Passage], options: Options) -> list[Passage]:
        """Draw passages that keep the policy: one per passage that breaks it and gives a draft."""
        needed = sum(self._usable(passage, options, breaks=True) for passage in self.breaking)
        drawn: list[Passage] = []
        for passage in sorted(
            keeping, key=lambda passage: fraction("keeping", self._seed, passage.row["id"])
        ):
            if len(drawn) < needed and self._usable(passage, options, breaks=False):
                drawn.append(passage)
            else:
                reason = Reject("keeps the policy", f"{len(drawn)} of {needed} such passages are drawn")
                self.unused.append((passage, reason))
        return drawn

    def _usable(self, passage: Passage, options: Options, *, breaks: bool) -> bool:
        try:
            quoted(passage, self.policy, options.sentences, breaks=breaks)
        except Reject:
            return False
        return True

    def question(self, passage: Passage) -> str:
        """Return the user's question about a passage, by its section or the title of its document."""
        names = [passage.row["title"], *(passage.row.get("section") or ())]
        return say([self._questions], passage.row["id"], subject=names[-1])


def pairs(draft: Draft, policy: Policy, wording: Wording, options: Options) -> Iterator[dict[str, str]]:
    """
    Pair the ranks of a draft, with the better one as the chosen answer.

    A rank is the number of sentences before the correction; None: never. For a draft without a violation,
    never is the best rank.
    """
    places = draft.places(options.cuts)
    if draft.first is None:
        needless = pick(places, "needless", draft.key)
        yield _pair("needs_no_correction", draft, policy, wording, None, needless)
        return
    in_time = [draft.first - 1] if draft.first > 1 else []
    drawn = list(combinations([*in_time, *places, None], 2))
    drawn.sort(key=lambda pair: content_id(draft.key, str(pair)))
    for better, worse in drawn[: options.pairs]:
        task = "corrects_at_all" if worse is None else "corrects_earlier"
        yield _pair("keeps_the_rule" if [better] == in_time else task, draft, policy, wording, better, worse)


def _pair(
    task: str, draft: Draft, policy: Policy, wording: Wording, better: int | None, worse: int | None
) -> dict[str, str]:
    """Write two ranks of a draft, labelled with the sentences before each correction (null: never)."""
    labels = {
        "policy": policy.name,
        "category": policy.category,
        "reason": _reason(draft, policy, better, worse),
        "chosen_corrects_after": better,
        "rejected_corrects_after": worse,
        "broken_by_sentence": draft.first,
        "sentences": len(draft.sentences),
    }
    return {
        "task": task,
        "answer": draft.corrected(better, policy, wording, f"over {worse}"),
        "rejected": draft.corrected(worse, policy, wording, f"under {better}"),
        "metadata": json.dumps(labels),
    }


def _reason(draft: Draft, policy: Policy, better: int | None, worse: int | None) -> str:
    """State why the chosen side is better, for readers of the data set."""
    if draft.first is None:
        return f"the answer does not contain {policy.what}, so there is nothing to correct"
    breach = f"sentence {draft.first}, which contains {policy.what}"
    if better is not None and better < draft.first:
        return f"the chosen answer omits {breach}"
    other = "the rejected one never does" if worse is None else f"the rejected one after sentence {worse}"
    return f"the chosen answer corrects itself after sentence {better} ({breach}), {other}"


stage = ModelStage(
    name="self_correction",
    summary="pair answers that correct themselves early with answers that do so late or never",
    takes="passages",
    gives="examples",
    ask=ask,
    read=read,
    options=Options,
)
