"""Languages are data: detection, rules per language, wordings, and lists that a recipe enables."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from datagen.errors import UserError
from datagen.prompt import load
from datagen.stages.exercises.marked.candidates import offered
from datagen.stages.shared.language.detect import UNDETERMINED, detect_language
from datagen.stages.shared.language.matching import abstains, attempts, likeness
from datagen.stages.shared.language.rules import UNKNOWN, Languages, code_of, language_of
from datagen.stages.shared.passage import Passage
from tests.support.rows import context

ROOT = Path(__file__).parents[4]
NOTE = "The catheter is inserted into the vein because the drug must reach the heart quickly."


def test_every_language_has_the_same_keys():
    english, german = (load(f"languages/{code}").fields for code in ("en", "de"))
    assert list(english) == list(german)
    assert (
        english.pop("inversion") and german.pop("inversion") is None
    )  # of a word order that German does not have
    assert [type(value) for value in english.values()] == [type(value) for value in german.values()]


# What stays in the code holds for texts in every language.
WORDS_IN_CODE = {
    "stages/confidence/recycle/accept.py",  # names of columns
    "stages/sources/ingest/readers/mail.py",  # names of headers
    "stages/sources/ingest/readers/manpage.py",  # macros
    "stages/sources/ingest/redact/codes.py",  # words between a name and its value, in several languages
    "stages/sources/ingest/redact/assigned.py",  # names of users and servers, and words between a name and its value
    "stages/sources/ingest/redact/values.py",  # stand-ins for a secret in documentation
    "stages/sources/quality/measures.py",  # Gopher's stop words
}


def test_lists_of_english_words_are_not_in_the_code():
    english = language_of("en")
    words = english.stop | english.relative | english.prepositions | english.modals | english.negations
    words = {word for word in words if len(word) > 1}
    found = {
        str(path.relative_to(ROOT))
        for folder in ("stages", "datagen")
        for path in (ROOT / folder).rglob("*.py")
        for listed in literals(path.read_text(encoding="utf-8"))
        if len(words & listed) > 1
    }
    assert found == WORDS_IN_CODE


def literals(source):
    """Yield the strings of each literal list, and the parts of each string that may be a pattern."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Set, ast.Tuple, ast.List)):
            strings = [part.value for part in node.elts if isinstance(part, ast.Constant)]
            yield {text.strip() for text in strings if isinstance(text, str)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "|" in node.value:
            yield {part.strip() for part in re.split(r"[|()?]|\\b", node.value)}


@pytest.mark.parametrize(
    "text, code",
    [
        ("The committee shall report to the council every two years.", "en"),
        ("Der Ausschuss berichtet dem Rat alle zwei Jahre.", "de"),
        ("Valiokunta raportoi neuvostolle kahden vuoden välein.", "fi"),
        ("委员会每两年向理事会报告一次，并说明其工作情况和计划。", "zh"),
        ("Le comité fait rapport au conseil tous les deux ans.", "fr"),
        ("x = 3", UNDETERMINED),
        ("12 34 56", UNDETERMINED),
        ("", UNDETERMINED),
    ],
)
def test_the_language_of_a_text_is_detected(text, code):
    assert detect_language(text) == code
    assert detect_language(text * 200) == code or code == UNDETERMINED


def test_a_few_letters_have_no_language_and_a_text_is_also_read_in_its_middle():
    assert detect_language("Über die Brücke") == UNDETERMINED
    figures = " ".join(map(str, range(400)))
    assert detect_language(figures + " Der Ausschuss berichtet dem Rat alle zwei Jahre." * 60) == "de"


@pytest.mark.parametrize(
    "answer",
    [
        "Das weiß ich leider nicht.",
        "Keine Ahnung",
        "Darüber habe ich keine Informationen.",
        "Das geht aus dem Text nicht hervor.",
        "Das kann ich nicht sagen.",
    ],
)
def test_german_declines_are_recognised_by_german_rules_only(answer):
    german, english = language_of("de"), language_of("en")
    assert abstains(answer, language=german)
    assert not attempts(answer, "Wer entwarf den Turm?", language=german)
    assert not abstains(answer, language=english)
    assert not abstains("I do not know.", language=german)
    assert not abstains(answer, language=UNKNOWN)


def test_answers_are_compared_by_the_rules_of_their_language():
    german = language_of("de")
    assert likeness("Die Donau", "der Donau", language=german) == 1
    assert likeness("zwölf", "12", language=german) == 1
    assert likeness("zwölf", "12", language=UNKNOWN) == 0
    assert likeness("Das gilt nicht", "Das gilt", language=german) == 0.5


def test_a_row_has_the_language_of_its_document():
    languages = Languages(context())
    assert languages.of({"language": "de", "text": NOTE}) == language_of("de")
    assert languages.of({"lineage": {"language": "de"}, "question": NOTE}) == language_of("de")
    assert code_of({"text": NOTE}) == "en"  # not set, so detected
    assert not languages["fi"].is_known


def test_a_list_is_off_until_a_recipe_enables_it():
    row = {"id": "p", "title": "Care", "text": NOTE}
    kinds = {candidate.kind for candidate in offered(Passage(row, Languages(context())["en"]))}
    assert "clause" in kinds
    assert not list(offered(Passage(row, Languages(context(lists=["us-code"]))["en"])))


def test_a_missing_list_is_named():
    with pytest.raises(UserError, match="lists/nowhere"):
        Languages(context(lists=["nowhere"]))["en"]


def test_wordings_are_in_the_language_of_the_row(tmp_path):
    name = "refusals/does_not_know"
    assert Languages(context()).wording(name, "en").name == name
    assert Languages(context()).wording(name, "de").name == f"{name}.de"
    assert Languages(context()).wording(name, "fi") is None
    (tmp_path / "refusals").mkdir()
    (tmp_path / "refusals" / "does_not_know.fi.yaml").write_text("bare: 1\n")
    own = Languages(context(prompts=str(tmp_path)))
    assert own.wording(name, "fi").name == f"{name}.fi"


@pytest.mark.parametrize("name", ["declines", "chapters", "heading_numbers", "licences"])
def test_an_invalid_pattern_is_named(tmp_path, name):
    (tmp_path / "languages").mkdir()
    (tmp_path / "languages" / "fi.yaml").write_text(yaml.safe_dump({name: ["(en tiedä"]}))
    with pytest.raises(UserError, match=r"languages/fi\.yaml.*regular expression"):
        Languages(context(prompts=str(tmp_path)))["fi"]
