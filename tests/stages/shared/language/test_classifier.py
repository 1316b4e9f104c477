from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from datagen.stages.shared.language import detect
from datagen.stages.shared.language.classifier import classifier

SENTENCES = [
    "The committee shall report to the council every two years.",
    "Der Ausschuss berichtet dem Rat alle zwei Jahre über die Maßnahmen.",
    "DER AUSSCHUSS BERICHTET DEM RAT",
    "Le comité fait rapport au conseil tous les deux ans.",
    "El comité informará al consejo cada dos años; e\u0301l no.",
    "Valiokunta raportoi neuvostolle kahden vuoden välein.",
    "委员会每两年向理事会报告一次，并说明其工作情况和计划。",
    "委員会は二年ごとに理事会に報告しなければならない。",
    "Комитет докладывает Совету каждые два года.",
    "Одбор подноси извештај савету сваке две године.",
    "Odbor podnosi izveštaj savetu svake dve godine.",
    "ترفع اللجنة تقريرا إلى المجلس كل سنتين.",
    "समिति हर दो वर्ष में परिषद को रिपोर्ट करेगी।",
    "위원회는 2년마다 이사회에 보고하여야 한다.",
    "for (i = 0; i < n; i++) { sum += x[i]; }",
    "12 34 56 78",
    "",
]
TEXT = (
    st.lists(st.sampled_from(SENTENCES), max_size=40).map(" ".join)
    | st.text(max_size=80)
    | st.text("abc eün\ud800", max_size=400)
)


@cache
def reference():
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def detected(text):
    """Detect the language of one text with py3langid."""
    code = detect.UNDETERMINED
    for size in detect.SAMPLES:
        sample = detect._sample(text, size)
        if sum(map(str.isalpha, sample)) < detect.LETTERS:
            continue
        code, probability = reference().classify(sample)
        code = detect.UNDETERMINED if probability < detect.CONFIDENCE or code == "zxx" else code
        if probability >= detect.CERTAIN or sample == text:
            break
    return code


@given(st.lists(TEXT, max_size=5))
def test_texts_are_classified_together_as_py3langid_classifies_each(texts):
    expected = [reference().classify(text) for text in texts]
    found = classifier().classify(texts)
    assert [code for code, _ in found] == [code for code, _ in expected]
    assert [p for _, p in found] == pytest.approx([p for _, p in expected], abs=1e-5)


@given(st.lists(TEXT, max_size=5))
def test_texts_are_detected_together_as_each_alone(texts):
    assert detect.detect_languages(texts) == [detected(text) for text in texts]
