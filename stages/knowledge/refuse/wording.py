"""The texts of refusals and hedged answers: whole sentences from ``prompts/refusals/``, drawn by hash."""

import re
from collections.abc import Sequence

from datagen.prompt import Prompt
from datagen.request import Reject
from datagen.schema import pick
from datagen.stages.knowledge.refuse.secrets import contains, may_paraphrase, reveals
from datagen.stages.shared.language.matching import words
from datagen.stages.shared.language.rules import Language
from datagen.template import fill


def decline(
    wording: Prompt,
    *draw: str,
    language: Language,
    source: str = "",
    secrets: Sequence[str | None] = (),
    question: str = "",
) -> str:
    """
    Compose a refusal: one sentence, optionally followed by one that suggests where to look.

    Parameters
    ----------
    wording
        Its ``sentences`` and ``pointers`` are complete sentences; an empty pointer adds none.
    draw
        Values that seed the choice of sentences.
    language
        The rules by which words are compared.
    source
        The title of the document to look in. A pointer that names it is used only if the title is known and
        does not reveal an answer.
    secrets
        Texts that the refusal must not contain: the answer and its aliases.
    question
        The question, if known; then a title that may be a synonym of the answer is not named.

    Raises
    ------
    Reject
        When every sentence contains an answer.
    """
    answers = [text for text in secrets if text and words(text, language=language)]
    if any(reveals(source, answer, language) for answer in answers) or (
        question and any(may_paraphrase(source, answer, question, language) for answer in answers)
    ):
        source = ""
    pointers = [text for text in wording.fields["pointers"] if source or "{{ source" not in text]
    parts = []
    for name, texts in (("sentence", wording.fields["sentences"]), ("pointer", pointers)):
        silent = [text for text in texts if not any(contains(text, answer, language) for answer in answers)]
        if not silent and name == "sentence":
            raise Reject("every refusal would contain the answer", f"answer: {secrets[0]}")
        parts += [pick(silent, name, *draw)] if silent else []
    where = f"prompts/{wording.name}.yaml"
    return " ".join(fill(part, where, source=source) for part in parts).strip()


def hedge(phrases: Sequence[str], answer: str, *draw: str, **values: str) -> str:
    """Put an answer into a phrase that states its certainty, drawn by hash."""
    ended = answer.rstrip()
    ended = ended if ended.endswith((".", "!", "?", "。", "！", "？")) else f"{ended}."
    text = fill(pick(phrases, *draw), "a hedge in prompts/", answer=ended, **values).strip()
    return text[0].upper() + text[1:]


def title_of(lineage: dict[str, str | None]) -> str:
    """Return the title of a row's document on one line; "" if it is not informative."""
    title = " ".join((lineage["title"] or "").split())
    return title if re.search(r"[^\W\d]{3}", title) and len(title) <= LONGEST_TITLE else ""


LONGEST_TITLE = 120  # characters; longer titles are sentences mistaken for titles
