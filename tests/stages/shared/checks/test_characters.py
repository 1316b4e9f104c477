"""Characters that no reader expects are rejected, unless the passage has them; those of its script are kept."""

import pytest

from datagen.stages.shared import checks
from datagen.stages.shared.language.rules import language_of
from datagen.stages.shared.passage import Passage
from tests.support.rejections import rejection

TEXT = {
    "en": "A reader who returns a book late pays a fee of 50 cents a day.",
    "fa": "خواننده ای که کتاب را دیر برمی گرداند جریمه می پردازد.",
    "ru": "Читатель платит за опоздание 50 копеек в день.",
    "yo": "Ilé náà jẹ\u0301 ti ọba.",
    "ja": "本を遅れて返す人は一日五十円を払う。",
}
HIDDEN, SYMBOL, SCRIPT = "invisible character", "stray symbol", "another script"


def passage(language, more=""):
    row = {"id": "p", "text": TEXT[language] + more, "title": "", "section": [], "language": language}
    return Passage(row, language_of(language))


@pytest.mark.parametrize(
    ("language", "text", "why"),
    [
        ("en", "Late readers pay 50\u00ad cents.", HIDDEN),
        ("en", "Late readers pay.\U000e0049\U000e0067", HIDDEN),  # an instruction in tag characters
        ("en", "Late\u3164readers pay.", HIDDEN),
        ("en", "Late\u180ereaders pay.", HIDDEN),
        ("en", "Late\u2028readers pay.", HIDDEN),
        ("en", "Late readers\ufffd pay.", HIDDEN),
        ("en", "Late readers\ue000 pay.", HIDDEN),
        ("en", "Late readers\x9b pay.", HIDDEN),
        ("en", "Late rea\u200dders pay.", HIDDEN),
        ("fa", "خواننده کتاب را می\u200cپردازد.", ""),  # as Persian is spelt
        ("en", "Late readers pay 50 cents. 😊", SYMBOL),
        ("en", "✅ Late readers pay.", SYMBOL),
        ("en", "Late readers pay \ufe0f50 cents.", SYMBOL),
        ("en", "L\u0336a\u0336te readers pay.", SYMBOL),
        ("en", "Late re\u0301aders pay at 5 °C.", ""),
        ("en", "Late r\u0435aders pay.", SCRIPT),  # a Cyrillic letter that looks like "e"
        ("en", "Late readers pay \u0456t.", SCRIPT),  # Cyrillic, in a word of two letters
        ("en", "Late readers p\u03b1y.", SCRIPT),  # Greek alpha
        ("en", "Late readers pay \u0430 fee.", SCRIPT),
        ("en", "Readers pay 5 μm, or α.", ""),
        ("en", "Readers pay πr², Δmax, 5 kΩm or sinθ.", ""),
        ("en", "Readers pay Δ\u03bfne.", SCRIPT),  # omicron looks like "o"
        ("en", "Readers pay the mean x\u0304, or p\u0302.", ""),
        ("en", "Readers pay the mean x\u0336.", SYMBOL),
        ("en", "Readers pay the mea\u0304x\u0304.", SYMBOL),  # inside a word
        ("yo", "Ọ\u0300rọ\u0300 náà jẹ\u0301 ti ọba.", ""),
        ("yo", "Ọ\u0300\u0301rọ náà jẹ\u0301 ti ọba.", SYMBOL),
        ("ja", "人々は〇を払う。", ""),
        ("ja", "々", ""),
        ("en", "Late readers pay, потому что так.", SCRIPT),
        ("en", "Late readers pay, 因为法律规定.", SCRIPT),
        ("en", "Ｌａｔｅ readers pay.", SCRIPT),
        ("en", "𝐋𝐚𝐭𝐞 readers pay.", SCRIPT),
        ("ru", "Читатель платит за опоздание в библиотеку ISBN.", ""),
        ("ru", "Ч\u0456татель pl\u0430tit.", SCRIPT),
        ("ja", "本をＡＢＣと５０カードで返す。", ""),
    ],
)
def test_characters_that_a_text_should_not_have(language, text, why):
    assert rejection(checks.clean, text, passage(language), "") == why
    assert rejection(checks.clean, text, passage(language, f"\n\n{text}"), "") == ""
