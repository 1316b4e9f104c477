"""Language detection."""

from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

UNDETERMINED = "und"  # as in ISO 639: too short, or not in a language
LETTERS = 16  # minimum number of letters
CONFIDENCE = 0.3  # minimum probability of the most likely language
HEAD = 1000  # characters from the start and from the middle of a long text


def detect_language(text: str) -> str:
    """
    Detect the language of a text from its character n-grams (Lui and Baldwin 2011, langid.py).

    Returns
    -------
    str
        An ISO 639 code such as ``en``; `UNDETERMINED` for a short text, and for code and figures.
    """
    if len(text) > 2 * HEAD:
        middle = len(text) // 2
        text = text[:HEAD] + " " + text[middle : middle + HEAD]
    if sum(map(str.isalpha, text)) < LETTERS:
        return UNDETERMINED
    code, _ = _identifier().classify(text)
    return UNDETERMINED if code == "zxx" else str(code)


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True, min_confidence=CONFIDENCE)
