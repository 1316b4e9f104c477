"""
Write preference pairs for correcting oneself in the middle of an answer, the earlier the better.

After Course-Correction (arXiv 2407.16637): an answer goes wrong, is cut at several places, and corrects
itself at each; a correction is better than none, and an earlier one better than a later one. What goes wrong
there is harmful text. Here it is a harmless policy of the recipe's own, such as never to quote a price: a
file with the rule and the patterns by which a violation is found
(`datagen.stages.generate.self_correction.policy`). There is no default, for no rule is everybody's.

The answer that breaks the rule (the draft) is made of the passage's own sentences, or written by the
generator from them. Its ranks, best first: it leaves out what the rule forbids; it corrects itself after the
sentence that breaks the rule; later; never. A pair is two ranks of one draft, and both sides share all
that stands before the earlier correction. Three tasks:

* ``keeps_the_rule``: the chosen one stops in time.
* ``corrects_earlier``: both break the rule, in the words that they share, and correct themselves.
* ``corrects_at_all``: both break it, and the rejected one goes on to the end.

And as many drafts give a ``needs_no_correction``: an answer that breaks no rule is preferred whole to the
same one corrected, so that correcting does not become a habit.
"""

import json
from collections.abc import Iterator
from itertools import combinations
from typing import Any, Literal

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.request import Answers, Reject, Request, Sampling
from datagen.schema import chat, content_id, fraction, pick
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.generate.self_correction.drafts import Draft, Wording, quoted, written
from datagen.stages.generate.self_correction.policy import Policy, load_policy
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.render.phrases import say


class Options(datagen.stage.Options):
    """Which rule, how drafts are made and how many pairs each gives."""

    policy: str = Field(description="The rule: corrections/prices, or a file of your own")
    drafts: Literal["quoted", "written"] = Field(
        "quoted", description="Sentences of the passage, or what the generator makes of them"
    )
    sentences: int = Field(5, ge=3, description="Most sentences of a draft")
    cuts: int = Field(2, ge=1, description="Places at which a draft is corrected, at most")
    pairs: int = Field(4, ge=1, description="Pairs of a draft, at most; drawn where there are more")
    share: float = Field(1.0, ge=0, le=1, description="Share of the passages that are looked at")
    max_tokens: int = Field(256, ge=32, description="Longest draft that the generator writes, in tokens")
    wording: str = Field("corrections/words", description="What is asked, and words that correct")
    writing: str = Field("corrections/draft", description="What the generator is asked")


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask the generator for drafts, where it writes them."""
    if options.drafts == "quoted":
        return
    prompt = context.prompt(options.writing)
    chosen = Chosen(rows, options, context)
    for passage in [*chosen.breaking, *chosen.keeping]:
        yield prompt.ask(
            passage.row["id"],
            task="draft",
            sampling=Sampling(options.max_tokens),
            heading=passage.heading,
            passage=passage.text,
            question=chosen.question(passage),
            sentences=options.sentences,
        )


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Write the pairs of each draft; a passage that gives none is dropped with its reason."""
    chosen = Chosen(rows, options, context)
    wording = context.prompt(options.wording)
    builder = Builder("examples", context, wording.name, wording.hash)
    for passage, why in chosen.unused:
        builder.drop(why, {"kind": "preference"}, passage.row)
    for passage in [*chosen.breaking, *chosen.keeping]:
        given = answers.of(passage.row["id"])
        made: dict[str, Any] = {"kind": "preference", "question": chosen.question(passage)}
        made |= {"context": passage.text, "logprob": None}  # a model's draft is no part of every answer
        made["prompt"] = chat(made["question"], passage.text, chosen.policy.rule)
        breaks = chosen.policy.broken_by(passage.text)
        try:
            if options.drafts == "quoted":
                draft = quoted(passage, chosen.policy, options.sentences, breaks=breaks)
            elif given:
                draft = written(given[0], passage, chosen.policy, options.sentences, breaks=breaks)
            else:
                raise Reject("no draft", "no completion came back")
            for pair in pairs(draft, chosen.policy, wording.fields, options):
                builder.keep(made | pair, passage.row, *given)
        except Reject as why:
            builder.drop(why, made, passage.row, *given)
    return builder.outcome()


class Chosen:
    """The passages of a partition that break the policy, and as many that keep it."""

    def __init__(self, rows: pa.Table, options: Options, context: Context) -> None:
        self.policy = load_policy(context, options.policy)
        self._asks = context.prompt(options.wording).fields["questions"]
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
        """Draw passages that keep the policy: one for each that breaks it and can be made a draft."""
        wanted = sum(self._usable(passage, options, breaks=True) for passage in self.breaking)
        drawn: list[Passage] = []
        for passage in sorted(keeping, key=lambda one: fraction("keeping", self._seed, one.row["id"])):
            if len(drawn) < wanted and self._usable(passage, options, breaks=False):
                drawn.append(passage)
            else:
                why = Reject("keeps the policy", f"{len(drawn)} of {wanted} such passages are drawn")
                self.unused.append((passage, why))
        return drawn

    def _usable(self, passage: Passage, options: Options, *, breaks: bool) -> bool:
        try:
            quoted(passage, self.policy, options.sentences, breaks=breaks)
        except Reject:
            return False
        return True

    def question(self, passage: Passage) -> str:
        """Say what the user asks about a passage: by its section, or the title of its document."""
        names = [passage.row["title"], *(passage.row.get("section") or ())]
        return say([self._asks], passage.row["id"], subject=names[-1])


def pairs(draft: Draft, policy: Policy, wording: Wording, options: Options) -> Iterator[dict[str, str]]:
    """
    Pair the ranks of a draft, the better one chosen.

    A rank is the number of sentences before the correction; None stands for never. Of a draft that breaks
    no rule, never is the best.
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
    """Write two ranks of a draft, and after how many sentences each corrects itself (null: never)."""
    labels = {
        "policy": policy.name,
        "category": policy.category,
        "reason": task.replace("_", " "),
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


stage = ModelStage(
    name="self_correction",
    summary="pair answers that correct themselves early with those that do so late or never",
    takes="passages",
    gives="examples",
    ask=ask,
    read=read,
    options=Options,
)
