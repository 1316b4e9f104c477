"""Language detection."""

from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

UNDETERMINED = "und"  # as in ISO 639: too short, or not in a language
LETTERS = 16  # minimum number of letters
CONFIDENCE = 0.3  # minimum probability of the most likely language
CERTAIN = 0.9  # probability from which a short sample decides
SAMPLES = (150, 1000)  # characters from the start and from the middle of a long text


def detect_language(text: str) -> str:
    """
    Detect the language of a text from its character n-grams (Lui and Baldwin 2011, langid.py).

    A short sample decides where it is certain, which takes half the time of a long one.

    Returns
    -------
    str
        An ISO 639 code such as ``en``; `UNDETERMINED` for a short text, and for code and figures.
    """
    code = UNDETERMINED
    for size in SAMPLES:
        sample = _sample(text, size)
        if sum(map(str.isalpha, sample)) < LETTERS:
            continue
        code, probability = _identifier().classify(sample)
        if probability >= CERTAIN or sample == text:
            break
    return UNDETERMINED if code == "zxx" else str(code)


def _sample(text: str, size: int) -> str:
    middle = len(text) // 2
    return text if len(text) <= 2 * size else f"{text[:size]} {text[middle : middle + size]}"


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True, min_confidence=CONFIDENCE)
