"""Instructions from a tree of subjects: GLAN's contract, with planted answers."""

import json
from dataclasses import replace

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.schema import TABLES, table_of
from datagen.stages.generate.subjects import coursework, syllabus, tree
from tests.support.asked import WHO, answers_to, ask
from tests.support.generators import GERMAN, HOSTILE, HOSTILE_TEXT
from tests.support.pairs import labels, reply_text
from tests.support.rows import context

TREE = {
    "Law": {"Private law": {"Property law": ["Leases", "Easements"]}},
    "Farming": {"Crops": {"Orchards": None}},
    "Baking": None,
}
FULL = {"Law": {"Private law": {"Property law": ["Leases", "Easements"]}}}


def nodes(given_tree, **options):
    made = tree.stage.options(tree=given_tree, **options)
    where = context("subjects")
    (task,) = tree.stage.plan(made, where)
    (outcome,) = tree.stage.read(task, made, where)
    assert not len(outcome.dropped)
    return outcome.kept.to_pylist()


def branch(level, path):
    """Name two children of a node, each with its subtree."""
    names = [f"{path.split(' > ')[-1]} {kind}" for kind in ("theory", "practice")]
    if level == 1:
        return {"names": names}
    return {"parts": [{"name": name, "below": branch(level - 1, name)} for name in names]}


def sessions(subject):
    return {
        "sessions": [
            {
                "title": f"Basics of {subject}",
                "concepts": [f"{subject} history", f"{subject} terms", f"{subject} rules"],
            },
            {"title": f"Advanced {subject}", "concepts": [f"{subject} disputes", f"{subject} reform"]},
        ]
    }


FRAMES = [
    "How do {} shape what a professional has to decide?",
    "Explain with an example of your own why {} matter to a court.",
    "Compare {} and say which of them a beginner should learn first.",
    "A town plans a reform. Which part do {} play in its budget?",
    "What would go wrong in practice if nobody knew {}?",
    "Design a short exam about {} with a marking scheme.",
    "Trace through history how {} came to be taught at all.",
]


def teacher(request):
    """Answer every request of the family well."""
    message = request.messages[-1]["content"]
    if request.task == syllabus.COMPLETE:
        head, _, path = message.splitlines()[0].partition(": ")
        return reply_text(branch({"Field": 3, "Sub-field": 2, "Discipline": 1}[head], path))
    if request.task == syllabus.SYLLABUS:
        return reply_text(sessions(message.splitlines()[0].split(" > ")[-1]))
    if request.task == coursework.QUESTION:
        concepts = message.partition("Key concepts: ")[2].splitlines()[0]
        frame = FRAMES[sum(map(ord, concepts)) % len(FRAMES)]
        return reply_text({"question": frame.format(concepts)})
    return reply_text(
        {"answer": f"First, a budget sets limits on {message[:60]}. Then a guild weighs costs and risks."}
    )


def syllabi(given_tree=FULL, model=teacher, **options):
    return ask(syllabus.stage, nodes(given_tree), model, **options)


def course(given_tree=FULL, model=teacher, **options):
    kept, _, _ = syllabi(given_tree)
    return ask(coursework.stage, kept, model, **options)


def all_requests(given_tree):
    """Map the key of every request of all stages to the path of the node that it is about."""
    rows = nodes(given_tree)
    kept, _, requests = ask(syllabus.stage, rows, teacher)
    _, _, more = ask(coursework.stage, kept, teacher)
    paths = {row["id"]: tuple(row["path"]) for row in [*rows, *kept]}
    about = [tuple(json.loads(r.about)) if r.task == syllabus.SYLLABUS else paths[r.row] for r in requests]
    return {
        r.key(WHO): path
        for r, path in zip([*requests, *more], [*about, *(paths[r.row] for r in more)], strict=True)
    }


def test_the_tree_is_read_down_to_its_leaves_with_their_levels():
    by_path = {tuple(row["path"]): row for row in nodes(TREE)}
    assert {path: row["level"] for path, row in by_path.items()} == {
        ("Law", "Private law", "Property law", "Leases"): "subject",
        ("Law", "Private law", "Property law", "Easements"): "subject",
        ("Farming", "Crops", "Orchards"): "discipline",
        ("Baking",): "field",
    }
    for path, row in by_path.items():
        assert row["lineage"]["node"] == list(path) and row["language"] == "en"
    assert {row["language"] for row in nodes(TREE, language="de")} == {"de"}


def test_a_tree_in_a_file_equals_one_in_the_recipe(tmp_path):
    (tmp_path / "tree.yaml").write_text(yaml.safe_dump(TREE), encoding="utf-8")
    options, where = tree.stage.options(tree="tree.yaml"), replace(context("subjects"), folder=tmp_path)
    (task,) = tree.stage.plan(options, where)
    (outcome,) = tree.stage.read(task, options, where)
    assert {row["id"] for row in outcome.kept.to_pylist()} == {row["id"] for row in nodes(TREE)}
    before = tree.stage.digest(options, where)
    (tmp_path / "tree.yaml").write_text(yaml.safe_dump(FULL), encoding="utf-8")
    assert tree.stage.digest(options, where) != before


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"Law": {"": None}},
        {"Law": ["Leases", "leases"]},
        {"Law": ["Leases", "Leases"]},
        {"Law": 7},
        {"Law": [7]},
        {"Law": {"a": {"b": {"c": {"d": None}}}}},
        {"x" * 200: None},
        {"Law<|im_end|>": None},
        {"...": None},
    ],
)
def test_an_invalid_tree_is_an_error_that_names_the_option(wrong):
    with pytest.raises(UserError, match=r"stages\.subjects\.tree"):
        nodes(wrong)


def test_a_missing_or_broken_file_is_an_error(tmp_path):
    (tmp_path / "broken.yaml").write_text("a: [", encoding="utf-8")
    (tmp_path / "list.yaml").write_text("- a", encoding="utf-8")
    for name in ("missing.yaml", "broken.yaml", "list.yaml"):
        with pytest.raises(UserError, match=name):
            tree.stage.plan(tree.stage.options(tree=name), replace(context("subjects"), folder=tmp_path))


def test_a_given_subject_needs_one_request_and_other_nodes_are_completed_first():
    kept, dropped, requests = syllabi(FULL)
    assert not dropped and len(requests) == 2 and {request.task for request in requests} == {"syllabus"}
    kept, dropped, requests = syllabi({"Law": {"Private law": {"Property law": None}}})
    assert not dropped and [request.task for request in requests] == ["complete", "syllabus", "syllabus"]
    assert [row["path"][-1] for row in kept] == ["Property law theory", "Property law practice"]
    kept, _, requests = syllabi({"Baking": None})
    assert len(kept) == 8 and all(len(row["path"]) == 4 and row["path"][0] == "Baking" for row in kept)


def test_children_sessions_and_concepts_are_bounded_by_the_options():
    kept, _, requests = syllabi(
        {"Law": {"Private law": {"Property law": None}}}, children=1, sessions=1, concepts=2
    )
    assert len(kept) == 1
    assert [len(session["concepts"]) for session in kept[0]["sessions"]] == [2]
    asked = " ".join(request.messages[-1]["content"] for request in requests)
    assert "1 at each step" in asked and "1 class sessions" in asked and "2 key concepts" in asked


def test_a_syllabus_names_its_node_its_requests_and_models():
    kept, _, requests = syllabi({"Law": {"Private law": {"Property law": None}}})
    lineage = kept[0]["lineage"]
    assert lineage["node"] == kept[0]["path"] and len(lineage["requests"]) == 2
    assert [model["model"] for model in lineage["models"]] == ["planted"]
    assert lineage["parents"] == [requests[0].row]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ({"sessions": []}, "unparsable"),
        ({"sessions": [{"title": "A", "concepts": []}]}, "unparsable"),
        ({"sessions": [{"title": "", "concepts": ["x"]}]}, "not a name"),
        ({"sessions": [{"title": "A", "concepts": ["x", "X"]}]}, "repeated concept"),
        ({"sessions": [{"title": "A", "concepts": ["The lease", "Leases"]}]}, "repeated concept"),
        (
            {"sessions": [{"title": "Lease", "concepts": ["x"]}, {"title": "The Leases", "concepts": ["y"]}]},
            "repeated session",
        ),
        (
            {"sessions": [{"title": "A", "concepts": ["x"]}, {"title": "a", "concepts": ["y"]}]},
            "repeated session",
        ),
        ({"sessions": [{"title": "A", "concepts": ["<|im_end|>"]}]}, "not a name"),
        ({"sessions": [{"title": "A", "concepts": ["x" * 101]}]}, "not a name"),
    ],
)
def test_an_unsound_syllabus_is_dropped(reply, reason):
    kept, dropped, _ = syllabi(model=lambda _: reply_text(reply))
    assert not kept and {row["reason"] for row in dropped} == {reason}


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ({"names": []}, "unparsable"),
        ({"names": ["Property law"]}, "repeated name"),  # the node itself
        ({"names": ["The property laws"]}, "repeated name"),
        ({"names": ["Leases", "leases"]}, "repeated name"),
        ({"names": ["Leases", "Lease"]}, "repeated name"),
        ({"names": ["..."]}, "not a name"),
        ("prose", "unparsable"),
    ],
)
def test_an_invalid_or_repeated_name_is_dropped(reply, reason):
    def model(request):
        return reply_text(reply) if request.task == syllabus.COMPLETE else teacher(request)

    _, dropped, _ = syllabi({"Law": {"Private law": {"Property law": None}}}, model)
    assert reason in {row["reason"] for row in dropped}


def test_names_that_differ_in_more_than_articles_and_plurals_are_different():
    names = ["C", "C++", "C#", "Vitamin A", "Vitamins", "The", "A", "Type A", "Type B"]

    def model(request):
        return reply_text({"names": names}) if request.task == syllabus.COMPLETE else teacher(request)

    kept, _, _ = syllabi({"Law": {"Private law": {"Property law": None}}}, model, children=20)
    assert [row["path"][-1] for row in kept] == names


@pytest.mark.parametrize(
    ("concept", "kept"),
    [
        ("The Basics", False),
        ("The Advanced", False),
        ("Key concepts", False),
        ("Concept 1", False),
        ("Introduction to Leases", False),
        ("Principles of Property Law", False),
        ("It is", False),
        ("Leases", True),
        ("Introduction of rent control", True),
        ("The law of notice", True),
    ],
)
def test_an_empty_concept_drops_its_syllabus(concept, kept):
    planted = {"sessions": [{"title": "Basics", "concepts": ["Rent", concept]}]}
    rows, dropped, _ = ask(
        syllabus.stage, [row for row in nodes(FULL) if "Leases" in row["path"]], lambda _: reply_text(planted)
    )
    assert [row["reason"] for row in dropped] == ([] if kept else ["empty concept"])
    assert len(rows) == kept


@pytest.mark.parametrize("name", sorted(HOSTILE.keys() - {"a list"}))
def test_no_hostile_completion_becomes_a_subject_a_syllabus_or_a_pair(name):
    spoil = HOSTILE[name]
    for given_tree in (FULL, {"Law": None}):
        assert not syllabi(given_tree, lambda request: spoil(json.loads(teacher(request))))[0]
    assert not course(model=lambda request: spoil(json.loads(teacher(request))))[0]


def test_every_pair_names_its_node_and_its_key_concepts_and_asks_for_them():
    kept, dropped, requests = course()
    assert not dropped and len(kept) == 2 * 3 and len(requests) == 12
    for row in kept:
        told_labels = labels(row)
        assert row["lineage"]["node"] == told_labels["node"] and told_labels["node"][:3] == [
            "Law",
            "Private law",
            "Property law",
        ]
        assert told_labels["concepts"] and all(
            concept in row["question"] for concept in told_labels["concepts"]
        )
        assert row["context"] is None and row["prompt"] == [{"role": "user", "content": row["question"]}]


def test_single_session_questions_take_one_session_and_double_ones_connect_two():
    kept, _, _ = course(single=3, double=0)
    assert {len(labels(row)["sessions"]) for row in kept} == {1}
    kept, _, _ = course(single=0, double=2)
    for row in kept:
        told_labels = labels(row)
        assert len(told_labels["sessions"]) == 2 and 2 <= len(told_labels["concepts"]) <= 5
        subject = told_labels["node"][-1]
        both = [set(session["concepts"]) for session in sessions(subject)["sessions"]]
        assert all(part.intersection(told_labels["concepts"]) for part in both)


CONCEPTS = st.lists(st.text("abcdef", min_size=1, max_size=3), min_size=1, max_size=8, unique=True)


@settings(max_examples=50)
@given(st.lists(CONCEPTS, min_size=1, max_size=4), st.integers(0, 4), st.integers(0, 4), st.integers(0, 99))
def test_assignments_keep_the_bounds_of_the_paper_for_any_syllabus(concepts, single, double, seed):
    plan = [{"title": f"s{number}", "concepts": part} for number, part in enumerate(concepts)]
    drawn = coursework.assignments(["a"], plan, coursework.Options(single=single, double=double), seed)
    assert len(drawn) == len(set(drawn)) <= single + double
    assert drawn == coursework.assignments(
        ["a"], plan, coursework.Options(single=single, double=double), seed
    )
    for assignment in drawn:
        assert 1 <= len(assignment.concepts) <= 5 and len(assignment.concepts) == len(
            set(assignment.concepts)
        )
        parts = [session["concepts"] for session in plan if session["title"] in assignment.sessions]
        assert set(assignment.concepts) <= {concept for part in parts for concept in part}
        assert all(set(part) & set(assignment.concepts) for part in parts)


@pytest.mark.parametrize(
    ("task", "reply", "reason"),
    [
        ("question", {"question": "How do bananas ripen in warm valleys?"}, "not about its concepts"),
        ("question", {"question": "Why?"}, "too short"),
        ("question", {"question": GERMAN}, "another language"),
        ("answer", {"answer": ""}, "empty"),
        ("answer", {"answer": "Bananas ripen when trains depart."}, "not about the question"),
        ("answer", {"answer": "The rules set limits, and then a professional"}, "unfinished sentence"),
        ("answer", {"answer": GERMAN}, "another language"),
    ],
)
def test_a_pair_that_is_not_about_its_concepts_or_is_broken_is_dropped(task, reply, reason):
    kept, dropped, _ = course(
        model=lambda request: reply_text(reply) if request.task == task else teacher(request)
    )
    assert not kept and {row["reason"] for row in dropped} == {reason}


@pytest.mark.parametrize("name", [name for name in HOSTILE_TEXT if "thought" not in name])
@pytest.mark.parametrize("task", ["question", "answer"])
def test_hostile_text_never_enters_a_pair(task, name):
    def model(request):
        good = json.loads(teacher(request))
        return reply_text(
            {k: HOSTILE_TEXT[name](v) for k, v in good.items()} if request.task == task else good
        )

    assert not course(model=model)[0]


@pytest.mark.parametrize("varied", ["", " now and here in every land of ours"])
def test_a_repeated_question_is_kept_once(varied):
    asked = "How do history, terms, rules, disputes and reform of leases and easements differ"

    def model(request):
        if request.task == coursework.QUESTION:
            more = " ".join(varied.split(" ")[: int(request.about) + 1])
            return reply_text({"question": f"{asked}{more}?"})
        return reply_text(
            {"answer": "Their history began with landlords, and their rules came from merchants."}
        )

    kept, dropped, _ = course(model=model)
    assert len(kept) == 2 and {row["reason"] for row in dropped} == {"repeated"}


def test_the_figures_count_the_pairs_of_every_subject():
    kept, _, _ = syllabi()
    table, options = table_of(TABLES["syllabi"], kept), coursework.Options()
    where = replace(context("coursework"), model=WHO)

    def model(request):
        return "prose" if "Easements" in request.messages[-1]["content"] else teacher(request)

    requests = list(coursework.ask(table, options, where))
    answers = answers_to(requests, model, WHO)
    requests += coursework.follow(table, answers, options, where)
    figures = coursework.read(table, answers_to(requests, model, WHO), options, where).figures
    above = "Law > Private law > Property law"
    assert figures == {f"{above} > Leases": 3, f"{above} > Easements": 0}


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"Farming": {"Crops": {"Vineyards": None}}}, "Farming > Crops > Vineyards"),
        ({"Law": {"Private law": {"Property law": ["Leases", "Mortgages"]}}}, "Law > Private law > Property law > Mortgages"),
        ({"Cooking": None}, "Cooking"),
        ({"Law": {"Civil law": {"Property law": ["Leases", "Easements"]}}}, "Law > Civil law"),
    ],
)  # fmt: skip
def test_a_changed_node_regenerates_only_its_subtree(changed, path):
    path = tuple(path.split(" > "))
    before, after = all_requests(TREE), all_requests(TREE | changed)
    new = {about for key, about in after.items() if key not in before}
    assert new and all(about[: len(path)] == path for about in new)
    elsewhere = {key for key, about in after.items() if about[: len(path)] != path}
    assert elsewhere <= before.keys()


NAMES = st.text(max_size=6) | st.integers() | st.none() | st.booleans()
TREES = st.recursive(
    NAMES,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=6), part, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200)
@given(st.dictionaries(st.text(max_size=6), TREES, max_size=3))
def test_any_tree_gives_distinct_nodes_or_an_error(value):
    try:
        leaves = nodes(value)
    except UserError:
        return
    paths = [tuple(row["path"]) for row in leaves]
    assert paths and len(set(paths)) == len(paths)
    assert all(1 <= len(path) <= 4 and all(name.strip() for name in path) for path in paths)
