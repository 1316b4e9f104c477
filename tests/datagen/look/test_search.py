"""Search: words in any order, phrases, scripts, and the texts that it covers."""

import unicodedata

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.look.excerpts import EXCERPT
from datagen.look.index import Index
from datagen.look.search import MOST_TERMS, fold, search_for, terms_of
from datagen.run.folder import open_run
from datagen.schema import EXAMPLES, PASSAGES, table_of
from datagen.store.parquet import part_name, write_json, write_table

DATABASE = duckdb.connect()
TEXTS = {
    "words": {"question": "When does the FERRY leave?", "answer": "It leaves " + "x " * 400 + "at noon."},
    "lines": {"question": "Which pier?", "answer": "From pier\n    two, at\u00a0high water (tide 4.2 m)."},
    "german": {"question": "Wie heißt die Straße?", "answer": "Äußere Hafenstraße"},
    "decomposed": {"question": "Where is the cafe\u0301?", "answer": "A\u0308u\u00dfere Strasse"},
    "greek": {"question": "ΟΔΥΣΣΕΥΣ", "answer": "ο Οδυσσεύς επέστρεψε"},
    "chinese": {"question": "渡轮什么时候离开码头？", "answer": "中午十二点"},
    "thai": {"question": "เรือออกกี่โมง", "answer": "เที่ยงวัน"},
    "arabic": {"question": "متى تغادر العبّارة؟", "answer": "عند الظهر"},
    "hindi": {"question": "नौका कब निकलती है?", "answer": "दोपहर में"},
    "preference": {"question": "How deep?", "answer": "four fathoms", "rejected": "about a furlong"},
    "reading": {"text": "The lighthouse keeper counts the herring boats."},
    "context": {"question": "What now?", "answer": "Nothing.", "context": "An osprey nests\non the mast."},
    "passage": {"question": "What else?", "answer": "Nothing.", "lineage": {"passage_id": "p"}},
    "title": {"question": "What else?", "answer": "Nothing.", "lineage": {"title": "Ordnance of 1731"}},
    "percent": {"question": "100% or 50_000?", "answer": "a\\b 'quoted' [x] (y) {z} $5 ^ a+b a|b * # ~"},
    "compatible": {"question": "\uf900", "answer": "neither normal form"},
    "empty": {"question": "", "answer": None},
    "bare": {"lineage": {"passage_id": "p"}},
    "far": {"lineage": {"passage_id": "long"}},
}


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")

    def stage(name, gives, schema, rows):
        write_table(table_of(schema, rows), folder / "stages" / name / part_name(0))
        record = {"stage": name, "takes": "documents", "gives": gives, "dropped": {}}
        write_json(record, folder / "stages" / name / "stage.json")

    long = f"{'Waves break. ' * 60}The Lantern is lit. {'Waves break. ' * 60}"
    passages = [{"id": "p", "text": "A cormorant dives\r\n  for eels."}, {"id": "long", "text": long}]
    stage("cut", "passages", PASSAGES, passages)
    stage("write", "examples", EXAMPLES, [{"id": name, "kind": "k", **row} for name, row in TEXTS.items()])
    manifest = {"recipe": {"name": "search", "seed": 0, "stages": {}}, "stages": ["cut", "write"]}
    write_json(manifest | {"state": "running", "fingerprint": "f"}, folder / "manifest.json")
    index = Index(open_run(folder))
    yield index
    index.close()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("ferry leave", "words"),
        ("noon ferry", "words"),  # in any order, from two fields, beyond the start of the answer
        ("  NOON\tferr ", "words"),
        ("noon osprey", ""),  # in two rows
        ('"the ferry leave"', "words"),
        ('"leave the ferry"', ""),
        ('"leave? it"', ""),  # the end of the question and the start of the answer
        ('"does the ferry', "words"),  # while the phrase is typed
        ('ferry "noon', "words"),
        ("“does the ferry” noon", "words"),
        ('"pier two"', "lines"),
        ('"two, at high water"', "lines"),
        ('"(tide 4.2 m)"', "lines"),
        ('"(tide 4x2 m)"', ""),  # a phrase is no pattern
        ("STRAẞE hafenstra", "german"),
        ("äussere", ""),
        ("Äußere", "german decomposed"),
        ("café", "decomposed"),
        ("cafe\u0301", "decomposed"),
        ("οδυσσεύς", "greek"),
        ("οδυσσευσ", "greek"),
        ("码头 渡轮", "chinese"),
        ("ออก", "thai"),
        ("\uf900 normal", "compatible"),
        ("العبّارة", "arabic"),
        ("निकलती नौका", "hindi"),
        ("fathoms furlong", "preference"),
        ("herring lighthouse", "reading"),
        ('"osprey nests on" now', "context"),
        ('"cormorant dives for"', "passage bare"),
        ("cormorant else", "passage"),  # one word in the passage, one in the row
        ("ordnance", "title"),
        ("50_000", "percent"),
        ("100%", "percent"),
        ("a\\b", "percent"),
        ("''", ""),
        ("'quoted' [x] (y)", "percent"),
        ('"[x] (y) {z} $5 ^ a+b a|b * # ~"', "percent"),
    ],
)
def test_a_search_finds_the_rows_that_have_all_terms(index, query, expected):
    assert {row[0] for row in index.rows({"text": query})["rows"]} == set(expected.split())


@pytest.mark.parametrize(
    ("query", "name", "excerpt"),
    [
        ("ferry", "words", None),  # the question shows it
        ("ferry noon", "words", ("text", "… x x x x x x x x x x x x x at noon.")),
        ("cormorant", "passage", ("passage", "a cormorant dives for eels.")),
        ("else eels", "passage", ("passage", "a cormorant dives for eels.")),
        ("osprey", "context", ("passage", "an osprey nests on the mast.")),
        ("HAFENSTRA", "german", ("text", "äußere hafenstraße")),
        ("furlong", "preference", ("text", "about a furlong")),  # not the texts before it
        ("ordnance", "title", ("text", "ordnance of 1731")),
        ("cafe\u0301", "decomposed", None),
        ("caf\u00e9", "decomposed", None),
        ("herring", "reading", None),
        ("", "words", None),
        ("", "empty", None),  # neither text nor passage
        ("", "bare", ("passage", "A cormorant dives\r\n  for eels.")),
        ("dives", "bare", ("passage", "A cormorant dives\r\n  for eels.")),
    ],
)
def test_a_list_shows_where_the_first_hidden_term_is(index, query, name, excerpt):
    [row] = [row for row in index.rows({"text": query})["rows"] if row[0] == name]
    assert row[EXCERPT] == excerpt


def test_a_term_far_into_a_long_passage_is_shown(index):
    [row] = [row for row in index.rows({"text": "lantern"})["rows"] if row[0] == "far"]
    where, shown = row[EXCERPT]
    assert where == "passage" and shown.startswith("… ") and shown.endswith(" …") and len(shown) < 200
    assert shown.index("lantern") < 40


@pytest.mark.parametrize("query", ["", "  ", '""', '"  "', '"'])
def test_a_search_for_nothing_does_not_filter(index, query):
    assert index.rows({"text": query})["total"] == len(TEXTS)


def test_a_search_has_a_limit_of_terms(index):
    words = [f"w{number}" for number in range(MOST_TERMS)]
    assert terms_of(" ".join(words * 2)) == [[word] for word in words]  # repeated ones count once
    with pytest.raises(UserError, match=f"at most {MOST_TERMS}"):
        index.rows({"text": " ".join([*words, "more"])})


@pytest.mark.parametrize(
    "space",
    [chr(code) for code in range(0x3001) if unicodedata.category(chr(code)) in ("Zs", "Zl", "Zp")]
    + list("\t\n\v\f\r\x85"),
)
@pytest.mark.parametrize("around", ["{}", " {}", "{} ", " {} ", "{0}{0}", "{0} {0}"])
def test_any_white_space_between_words_is_a_space(space, around):
    text = f"pier{around.format(space)}two"
    [[folded]] = DATABASE.execute(f"select {fold('?')}", [text]).fetchall()
    assert folded == "pier two"


@given(
    words=st.lists(st.text(min_size=1, max_size=6).filter(lambda text: not set('"“”„‟«»') & set(text))),
    data=st.data(),
)
def test_every_run_of_words_of_a_text_is_found_as_a_phrase(words, data):
    words = " ".join(words).split()
    text = "before\n" + " \n\t".join(words)
    start = data.draw(st.integers(0, len(words)))
    phrase = " ".join(words[start : data.draw(st.integers(start, len(words)))])
    DATABASE.execute("create or replace table passages (search varchar)")
    folded = f"select {fold('?')} as search, 0 as passage"
    DATABASE.execute(f"create or replace table rows as {folded}", [text])
    if search := search_for(f'"{phrase}"'):
        sql = f"{search.passages.sql} select count(*) from rows {search.joined} where {search.rows.sql}"
        values = [*search.passages.values, *search.rows.values]
        assert DATABASE.execute(sql, values).fetchone() == (1,)
