"""Published quality rules measure what their sources define, and drop nothing by default."""

import json
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datagen.schema import DOCUMENTS, content_id, table_of
from datagen.stage import Context, Partitions
from datagen.stages.sources.quality import Options, apply, run, stage
from datagen.stages.sources.quality.measures import GROUPS, of_lines, of_pages, of_runs, of_words
from datagen.stages.sources.quality.rules import MEASURES, RULES, chosen

PROSE = (
    "The keeper of the light winds the clock at dusk, and that is the first of the duties that he has. "
    "A bell is rung in fog, with the log to be kept by the mate until the morning comes again. "
    "Whoever finds a lamp out at night calls the master, who may order boats to stay in port. "
    "Oil arrives every other month from the depot and has to be measured before anyone signs for it. "
    "Spare wicks are kept in the store below the stairs."
)
ENGLISH = {"language": "en"}


def documents(*texts, **fields):
    rows = [
        {"id": content_id(text), "source": f"doc-{at}", "text": text, "metadata": "{}"} | ENGLISH | fields
        for at, text in enumerate(texts)
    ]
    return table_of(DOCUMENTS, rows)


def refused(*texts, fields=None, **options):
    outcome = apply(
        documents(*texts, **(fields or {})), None, Options(drop=True, **options), Context("quality")
    )
    assert len(outcome.kept) + len(outcome.dropped) == len(texts)
    return {row["source"]: row["reason"] for row in outcome.dropped.to_pylist()}


def measured(group, *texts):
    return {name: values.tolist() for name, values in group(pa.array(texts)).items()}


def test_words():
    values = measured(of_words, "the cat § 12", "# ... the and", "")
    assert values["words"] == [4, 4, 0]
    assert values["mean_word_length"] == [9 / 4, 10 / 4, 0]
    assert values["alphabetic_words"] == [0.5, 0.5, 0]
    assert values["symbols_to_words"] == [0, 0.5, 0]
    assert values["stop_words"] == [1, 2, 0]


def test_lines():
    values = measured(
        of_lines, "- a\n- b\n\n- a\nwait ...", "One.\n\nOne.\n\nTwo longer lines, without end of it"
    )
    assert values["bullet_lines"] == [0.75, 0]
    assert values["ellipsis_lines"] == [0.25, 0]
    assert values["repeated_lines"] == [0.25, pytest.approx(1 / 3)]
    assert values["repeated_line_characters"] == [3 / 17, 4 / 43]
    assert values["repeated_paragraphs"] == [0, pytest.approx(1 / 3)]
    assert values["punctuated_lines"] == [0.25, pytest.approx(2 / 3)]
    assert values["short_lines"] == [1, pytest.approx(2 / 3)]


def test_runs_of_words():
    values = measured(of_runs, "ab ab ab cd", "a b c d e a b c d e", "a b c d e")
    assert values["top_2_words"] == [1.0, 0.4, 0]  # "ab ab" twice: 8 of 8 letters
    assert values["repeated_5_words"] == [0, 0.5, 0]


def test_pages():
    values = measured(of_pages, "One. Two! Three? v1.2", "f() { } Lorem Ipsum")
    assert values == {"sentences": [3, 0], "curly_brackets": [0, 1], "lorem_ipsum": [0, 1]}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.text(max_size=60), st.sampled_from([PROSE, "", "\n", "a " * 20])), max_size=4))
def test_a_column_is_measured_as_its_texts_are(texts):
    for group, names in GROUPS.items():
        together = group(pa.array(texts, pa.string()))
        assert tuple(together) == names
        for at, text in enumerate(texts):
            alone = group(pa.array([text]))
            assert all(together[name][at] == alone[name][0] for name in names)
            shares = [
                alone[name][0]
                for name in names
                if "word_length" not in name and name.startswith(("rep", "top"))
            ]
            assert all(math.isfinite(share) and 0 <= share <= 1 for share in shares)


def test_each_rule_has_a_measure():
    assert set(MEASURES) <= {name for names in GROUPS.values() for name in names}


def test_good_prose_passes_all_published_rules():
    assert refused(PROSE, rules=list(RULES)) == {}


@pytest.mark.parametrize(
    ("text", "rules", "reason"),
    [
        ("Too short.", "gopher", "gopher: words"),
        (PROSE.replace(" ", " 1999 ", 40), "gopher", "gopher: alphabetic words"),
        ("Der Wärter zieht die Uhr auf. " * 12, "gopher", "gopher: stop words"),
        (
            PROSE + "\n" + "\n".join(["Next page"] * 40),
            "gopher_repetition",
            "gopher_repetition: repeated lines",
        ),
        ("if (x) { return 1; } A. B. C. D. E.", "c4", "c4: curly brackets"),
        ("menu\nhome\ncontact\nabout us", "fineweb", "fineweb: punctuated lines"),
    ],
)
def test_a_document_is_dropped_with_the_broken_rule_as_reason(text, rules, reason):
    assert refused(PROSE, text, rules=[rules]) == {"doc-1": reason}


def test_stop_words_are_required_of_english_texts_only():
    german = " ".join(f"Der Wärter zieht die Uhr Nummer auf, sagt Herr {name}." for name in "ABCDEFGHIJKL")
    assert refused(german, rules=["gopher"], fields={"language": "de"}) == {}


def test_the_recipe_sets_bounds_and_selects_documents():
    text = PROSE.replace(" ", " 1999 ", 40)
    assert refused(text, rules=["gopher"], bounds={"alphabetic_words": [0.3, None]}) == {}
    assert refused(text, rules=["gopher"], only="laws/*") == {}
    assert refused(text, rules=["gopher"], only="doc-*") == {"doc-0": "gopher: alphabetic words"}
    with pytest.raises(ValidationError, match="there is no measure 'alphabet'"):
        Options(bounds={"alphabet": [0, 1]})


@pytest.mark.parametrize("drop", [False, True])
def test_a_sample_shows_the_drops_and_only_drop_applies_them(tmp_path, drop):
    table = documents(PROSE, "Too short.", "Short, too.")
    partitions = Partitions([lambda names: table.select(names) if names else table])
    options, context = Options(rules=["gopher"], drop=drop), Context("quality", output=tmp_path)
    (known,) = run(partitions, options, context)
    outcome = stage.apply(table, known, options, context)
    assert len(outcome.dropped) == (2 if drop else 0)
    notices = json.loads((tmp_path / "notices.json").read_text())
    assert notices[0] == f"of a sample of 3 documents the rules {'drop' if drop else 'would drop'} 2"
    assert notices[1].startswith("gopher: words: 2, such as doc-1, words 2, under 50")
    sample = {
        row["source"]: list(row["broken"]) for row in json.loads((tmp_path / "sample.json").read_text())
    }
    assert sample["doc-0"] == [] and "gopher: words" in sample["doc-2"]


def test_bounds_replace_the_published_ones():
    ((_, rule),) = [
        (name, rule) for name, rule in chosen(["gopher"], {"words": (None, 9)}) if rule.measure == "words"
    ]
    assert rule.broken_by(np.array([1.0, 9.0, 10.0])).tolist() == [False, False, True]
