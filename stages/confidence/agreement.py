"""
How well what a model says again agrees with an answer: a choice of measures.

* ``lexical``: by their words (`datagen.stages.shared.language.matching`), numbers and negation minded. Needs
no model.
* ``embedding``: the cosine of mean-pooled embeddings, as SemScore (arXiv 2401.17072). It sees a paraphrase
  and does not see a contradiction.
* ``nli``: one less the probability of a contradiction, in both directions, as BSDetector (arXiv 2308.16175).
* a function of yours, ``package.module:function`` or ``./file.py:function``, called with a list of `Pair`.

A measure gives a number from 0 to 1 a pair. It is called once a partition.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from datagen.errors import UserError
from datagen.recipe.import_string import load
from datagen.stages.shared.language import matching
from datagen.stages.shared.language.rules import UNKNOWN, Language
from datagen.stages.shared.similarity.vectors import encoder

BATCH = 32  # pairs that a model reads at once
NEURAL = ("embedding", "nli")


class Pair(NamedTuple):
    """An answer, and what was said again to the same question."""

    question: str
    answer: str
    said: str
    language: Language = UNKNOWN


Measure = Callable[[Sequence[Pair]], Sequence[float]]


def agree(measure: Measure, pairs: Sequence[Pair]) -> np.ndarray:
    """
    Measure all pairs.

    Raises
    ------
    UserError
        When the measure, which may be the user's, does not give a number from 0 to 1 for each.
    """
    given = np.asarray(measure(pairs) if pairs else [], np.float64)
    if given.shape != (len(pairs),) or not np.all((given >= 0) & (given <= 1)):
        seen = f"{given.size} values" + (f" from {given.min():g} to {given.max():g}" if given.size else "")
        raise UserError(
            f"agreement: {len(pairs)} pairs gave {seen}; a measure gives each a number from 0 to 1"
        )
    return given


def find(name: str, model: str, folder: Path) -> Measure:
    """
    Find a measure by its name.

    Parameters
    ----------
    name, model, folder
        The measure, and the model of one that has one: ``encoder``, a hub's id, or a path, which starts
        from the folder, as that of a file of one's own does.

    Raises
    ------
    UserError
        When there is none.
    """
    if name == "lexical":
        return lexical
    if name in NEURAL:
        place = encoder.bundled() if model == encoder.NAME else folder / model
        return partial(nli if name == "nli" else embedding, model=str(place if place.is_dir() else model))
    try:
        result: Measure = load(name, folder)
        return result
    except UserError as error:
        advice = f"Write lexical, {', '.join(NEURAL)} or package.module:function"
        raise UserError(f"agreement: {error}. {advice}") from error


def same(pair: Pair) -> bool:
    """Tell whether the two have the same words."""
    answer, said = (matching.words(text, language=pair.language) for text in (pair.answer, pair.said))
    return answer == said


def lexical(pairs: Sequence[Pair]) -> list[float]:
    """Measure the likeness of the words, in both directions: each answer is once the reference."""
    return [
        sum(
            matching.likeness(some, other, question, language.stop, language=language)
            for some, other in ((said, answer), (answer, said))
        )
        / 2
        for question, answer, said, language in pairs
    ]


def nli(pairs: Sequence[Pair], model: str) -> list[float]:
    """
    Measure 1 - (p(contradiction | answer, said) + p(contradiction | said, answer)) / 2.

    The question stands before each, since a name does not contradict another by itself. Which of the
    model's labels is the contradiction is read from its configuration, not from a position.
    """
    import torch

    tokenizer, network = _load(model, "AutoModelForSequenceClassification")
    labels = {str(label).lower(): int(place) for place, label in network.config.id2label.items()}
    place = next((place for label, place in labels.items() if "contradict" in label), None)
    if place is None:
        raise UserError(f"agreement: {model} has no label for a contradiction; it has {', '.join(labels)}")
    sides = [[f"{question} {text}" for text in (answer, said)] for question, answer, said, _ in pairs]
    directions = [*sides, *(side[::-1] for side in sides)]
    found = np.empty(len(directions))
    for start in range(0, len(directions), BATCH):
        premises, claims = zip(*directions[start : start + BATCH], strict=True)
        with torch.inference_mode():
            said = tokenizer(list(premises), list(claims), padding=True, truncation=True, return_tensors="pt")
            found[start : start + BATCH] = network(**said).logits.float().softmax(-1)[:, place].numpy()
    result: list[float] = np.clip(1 - found.reshape(2, -1).mean(axis=0), 0, 1).tolist()
    return result


def embedding(pairs: Sequence[Pair], model: str) -> list[float]:
    """Measure the cosine of the mean of each text's last hidden states; below 0 it is 0."""
    import torch

    tokenizer, network = _load(model, "AutoModel")
    texts = [text for pair in pairs for text in (pair.answer, pair.said)]
    found = []
    for start in range(0, len(texts), BATCH):
        with torch.inference_mode():
            read = tokenizer(texts[start : start + BATCH], padding=True, truncation=True, return_tensors="pt")
            mask = read["attention_mask"][..., None].float()
            states = network(**read).last_hidden_state.float()
            mean = (states * mask).sum(1) / mask.sum(1)
            found.append(torch.nn.functional.normalize(mean, dim=-1).numpy())
    one, other = np.concatenate(found).reshape(len(pairs), 2, -1).transpose(1, 0, 2)
    result: list[float] = np.clip((one * other).sum(axis=1), 0, 1).tolist()
    return result


@cache
def _load(model: str, kind: str) -> tuple[Any, Any]:
    """Load a model with its tokenizer, once a process."""
    try:
        import transformers

        tokenizer = transformers.AutoTokenizer.from_pretrained(model)
        return tokenizer, getattr(transformers, kind).from_pretrained(model).eval()
    except ImportError as error:
        raise UserError(f"agreement: {error}. Install it with pip install 'datagen[cpu]'") from error
    except (OSError, ValueError) as error:
        raise UserError(f"agreement: the model {model!r} cannot be loaded: {error}") from error
