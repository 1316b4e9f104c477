"""Language detection."""

from collections.abc import Sequence

from datagen.stages.shared.language.classifier import classifier

UNDETERMINED = "und"  # as in ISO 639: too short, or not in a language
LETTERS = 16  # minimum number of letters
CONFIDENCE = 0.3  # minimum probability of the most likely language
CERTAIN = 0.9  # probability from which a short sample decides
SAMPLES = (150, 1000)  # characters from the start and from the middle of a long text
BLOCK = 100  # texts that are classified at once; more leave the processor's cache


def detect_language(text: str) -> str:
    """
    Detect the language of a text from its character n-grams.

    Returns
    -------
    str
        An ISO 639 code such as ``en``; `UNDETERMINED` for a short text, and for code and figures.
    """
    return detect_languages([text])[0]


def detect_languages(texts: Sequence[str]) -> list[str]:
    """
    Detect the languages of texts, as `detect_language` does.

    A short sample decides where it is certain, which takes half the time of a long one.
    """
    codes = []
    for start in range(0, len(texts), BLOCK):
        codes += _detect(texts[start : start + BLOCK])
    return codes


def _detect(texts: Sequence[str]) -> list[str]:
    codes, unsure = [UNDETERMINED] * len(texts), list(range(len(texts)))
    for size in SAMPLES:
        samples = {number: _sample(texts[number], size) for number in unsure}
        judged = {number: sample for number, sample in samples.items() if _has_letters(sample)}
        decided = {number for number in unsure if samples[number] == texts[number]}
        for number, found in zip(judged, classifier().classify(list(judged.values())), strict=True):
            code, probability = found
            codes[number] = UNDETERMINED if probability < CONFIDENCE or code == "zxx" else code
            if probability >= CERTAIN:
                decided.add(number)
        unsure = [number for number in unsure if number not in decided]
    return codes


def _sample(text: str, size: int) -> str:
    middle = len(text) // 2
    return text if len(text) <= 2 * size else f"{text[:size]} {text[middle : middle + size]}"


def _has_letters(text: str) -> bool:
    # Most texts have them at their start.
    return any(sum(map(str.isalpha, part)) >= LETTERS for part in (text[: 2 * LETTERS], text))
