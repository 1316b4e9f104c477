"""
Measures of how well another sample of a model agrees with an answer.

* ``lexical``: by words (`datagen.stages.shared.language.matching`), with attention to numbers and negation.
  Needs no model.
* ``embedding``: the cosine of mean-pooled embeddings, as in SemScore (arXiv 2401.17072). It recognises
  paraphrases but misses contradictions.
* ``nli``: one minus the probability of a contradiction, averaged over both directions, as in BSDetector
  (arXiv 2308.16175).
* a function of your own, ``package.module:function`` or ``./file.py:function``, called with a list of `Pair`.

A measure returns a number from 0 to 1 per pair. It is called once per partition.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from datagen.errors import UserError
from datagen.recipe.import_string import load
from datagen.stages.shared.language import matching
from datagen.stages.shared.language.rules import UNKNOWN, Language
from datagen.stages.shared.similarity.vectors import encoder

if TYPE_CHECKING:  # its import takes seconds
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BATCH = 32  # pairs per forward pass
NEURAL = ("embedding", "nli")


class Pair(NamedTuple):
    """An answer, and another sample (`said`) of the same question."""

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
        When the measure, which may be the user's, does not return a number from 0 to 1 per pair.
    """
    values = np.asarray(measure(pairs) if pairs else [], np.float64)
    if values.shape != (len(pairs),) or not np.all((values >= 0) & (values <= 1)):
        returned = f"{values.size} values" + (
            f" from {values.min():g} to {values.max():g}" if values.size else ""
        )
        raise UserError(
            f"agreement: for {len(pairs)} pairs the measure returned {returned}; "
            "it must return a number from 0 to 1 for each"
        )
    return values


def find(name: str, model: str, folder: Path) -> Measure:
    """
    Find a measure by its name.

    Parameters
    ----------
    name, model, folder
        The measure; the model of ``embedding`` or ``nli``: ``encoder``, a hub id, or a path; and the folder
        that relative paths of models and functions start from.

    Raises
    ------
    UserError
        When there is no such measure.
    """
    if name == "lexical":
        return lexical
    if name in NEURAL:
        place = encoder.bundled() if model == encoder.NAME else folder / model
        return partial(nli if name == "nli" else embedding, model=str(place if place.is_dir() else model))
    advice = f"Use lexical, {', '.join(NEURAL)} or package.module:function"
    try:
        measure = load(name, folder)
    except UserError as error:
        raise UserError(f"agreement: {error}. {advice}") from error
    if not callable(measure):
        raise UserError(f"agreement: {name} is a {type(measure).__name__}, not a function. {advice}")
    return measure


def same(pair: Pair) -> bool:
    """Test whether both texts have the same words."""
    answer, sample = (matching.words(text, language=pair.language) for text in (pair.answer, pair.said))
    return answer == sample


def lexical(pairs: Sequence[Pair]) -> list[float]:
    """Measure the similarity of the words, averaged over both directions."""
    return [
        sum(
            matching.likeness(text, reference, question, language.stop, language=language)
            for text, reference in ((sample, answer), (answer, sample))
        )
        / 2
        for question, answer, sample, language in pairs
    ]


def nli(pairs: Sequence[Pair], model: str) -> list[float]:
    """
    Measure 1 - (p(contradiction | answer, sample) + p(contradiction | sample, answer)) / 2.

    The question precedes both texts, since two names alone do not contradict each other. The contradiction
    label is read from the model's configuration, not assumed from its position.
    """
    import torch

    tokenizer, network = _load(model, "AutoModelForSequenceClassification")
    labels = {str(label).lower(): int(place) for place, label in network.config.id2label.items()}
    place = next((place for label, place in labels.items() if "contradict" in label), None)
    if place is None:
        raise UserError(f"agreement: {model} has no contradiction label; its labels are {', '.join(labels)}")
    sides = [[f"{question} {text}" for text in (answer, sample)] for question, answer, sample, _ in pairs]
    directions = [*sides, *(side[::-1] for side in sides)]
    contradictions = np.empty(len(directions))
    for start in range(0, len(directions), BATCH):
        premises, claims = zip(*directions[start : start + BATCH], strict=True)
        batch = tokenizer(list(premises), list(claims), padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            probabilities = network(**batch).logits.float().softmax(-1)[:, place].numpy()
        contradictions[start : start + BATCH] = probabilities
    agreements: list[float] = np.clip(1 - contradictions.reshape(2, -1).mean(axis=0), 0, 1).tolist()
    return agreements


def embedding(pairs: Sequence[Pair], model: str) -> list[float]:
    """Measure the cosine of the mean last hidden states of both texts, at least 0."""
    import torch

    tokenizer, network = _load(model, "AutoModel")
    texts = [text for pair in pairs for text in (pair.answer, pair.said)]
    vectors = []
    for start in range(0, len(texts), BATCH):
        with torch.inference_mode():
            batch = tokenizer(
                texts[start : start + BATCH], padding=True, truncation=True, return_tensors="pt"
            )
            mask = batch["attention_mask"][..., None].float()
            states = network(**batch).last_hidden_state.float()
            mean = (states * mask).sum(1) / mask.sum(1)
            vectors.append(torch.nn.functional.normalize(mean, dim=-1).numpy())
    answers, samples = np.concatenate(vectors).reshape(len(pairs), 2, -1).transpose(1, 0, 2)
    cosines: list[float] = np.clip((answers * samples).sum(axis=1), 0, 1).tolist()
    return cosines


@cache
def _load(model: str, kind: str) -> tuple["PreTrainedTokenizerBase", "PreTrainedModel"]:
    """Load a model and its tokenizer, once per process."""
    try:
        import transformers

        tokenizer = transformers.AutoTokenizer.from_pretrained(model)
        return tokenizer, getattr(transformers, kind).from_pretrained(model).eval()
    except ImportError as error:
        raise UserError(f"agreement: {error}. Install it with pip install 'datagen[cpu]'") from error
    except (OSError, ValueError) as error:
        raise UserError(f"agreement: cannot load the model {model!r}: {error}") from error
