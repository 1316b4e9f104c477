"""Chain-of-Instructions: each link works on the previous output."""

from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from datagen.stages.generate.operators.chain import FITS, OUTPUT, stage
from tests.support.asked import ask
from tests.support.generators import HOSTILE_TEXT
from tests.support.pairs import ANSWER, LONG_ANSWER, RENEWAL, labels, parent, says_no, says_yes

SHORT = "The tenant files a notice with the registrar, who sends a copy to the owner."
SOUND = {
    "shorten": SHORT,
    "title": "Renew a standard lease",
    "points": "- The tenant of a lease files a notice.\n- The notice goes to the registrar, from the tenant.",
    "steps": "1. The tenant files a notice with the registrar.\n2. The registrar sends a copy to the owner.",
    "json": '{"subject": "the tenant of a lease", "statement": "the tenant files a notice with the registrar"}',
    "question": "How does the tenant renew a standard lease with the registrar?",
}
# For each link, an output that a careless check would accept.
WRONG = {
    "shorten": (SHORT[:-1] + " within 45 days.", "number not in passage"),
    "title": ("A long title that goes on for more words than it may have", "too long"),
    "points": ("The tenant files a notice.", "not the demanded format"),
    "steps": ("1. The tenant files a notice.\n3. The owner may object.", "not the demanded format"),
    "json": ('```json\n{"subject": "lease"}\n```', "not the demanded format"),
    "question": ("The tenant renews a standard lease with the registrar.", "not a question"),
}


def row():
    return parent(RENEWAL, LONG_ANSWER)


def model(outputs=SOUND, fits=says_yes):
    return lambda request: fits(request) if request.task == FITS else outputs[request.about.split()[1]]


def only(tmp_path, *names):
    """Write a recipe folder whose chains have only these links."""
    file = Path(__file__).parents[4] / "prompts/operators/links.yaml"
    fields = yaml.safe_load(file.read_text(encoding="utf-8"))
    fields["links"] = {name: fields["links"][name] for name in names}
    folder = tmp_path / "-".join(names) / "operators"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "links.yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")
    return {"prompts": str(folder.parent)}


@pytest.mark.parametrize("length", [2, 3])
def test_a_chain_has_the_requested_links_and_each_takes_the_previous_output(tmp_path, length):
    recipe = only(tmp_path, "points", "json")
    (made,), dropped, _ = ask(stage, [row()], model(), recipe=recipe, length=length)
    assert not dropped
    links = labels(made)["links"]
    assert len(links) == length and links[0]["id"] == row()["id"]
    assert (links[0]["instruction"], links[0]["output"]) == (RENEWAL, LONG_ANSWER)
    assert links[0]["input"] is None
    for before, after in pairwise(links):
        assert after["input"] == before["output"]
    assert len({link["id"] for link in links}) == length
    assert made["lineage"]["parents"] == [row()["id"]] and made["task"] == "chain_of_instructions"


def test_the_model_works_on_the_previous_output_and_not_on_the_first(tmp_path):
    (made,), _, requests = ask(stage, [row()], model(), recipe=only(tmp_path, "points", "json"), length=3)
    outputs = {request.about: request for request in requests if request.task == OUTPUT}
    _, second, third = labels(made)["links"]
    asked = outputs[f"2 {third['id']}"].messages[-1]["content"]
    assert second["output"] in asked and LONG_ANSWER not in asked
    assert LONG_ANSWER in outputs[f"1 {second['id']}"].messages[-1]["content"]


def test_question_and_answer_have_every_step(tmp_path):
    (made,), _, _ = ask(stage, [row()], model(), recipe=only(tmp_path, "points", "json"), length=3)
    for link in labels(made)["links"]:
        assert link["instruction"] in made["question"]
        assert link["output"] in made["answer"]
    places = [made["answer"].index(link["output"]) for link in labels(made)["links"]]
    assert places == sorted(places)


def test_an_output_that_does_not_fit_the_next_instruction_ends_the_chain():
    kept, (dropped,), _ = ask(stage, [row()], model(fits=says_no))
    assert not kept and dropped["reason"] == "output does not fit the next link"


@pytest.mark.parametrize(("fits", "kept"), [(0.99, 1), (0.999, 0), (0.0, 1)])
def test_the_least_probability_that_an_output_fits_is_an_option(fits, kept):
    sure = ask(stage, [row()], model(), fits=fits)[0]  # says_yes: 0.9975
    assert len(sure) == kept
    doubtful = ask(stage, [row()], model(fits=says_no), fits=fits)[0]
    assert len(doubtful) == (fits == 0)


def test_an_unsound_second_link_is_not_followed_by_a_third():
    _, _, requests = ask(stage, [row()], model(dict.fromkeys(SOUND, "Cows graze on hills.")), length=3)
    assert {request.about.split()[0] for request in requests} == {"1"}


@pytest.mark.parametrize("name", WRONG)
def test_each_link_is_kept_when_sound_and_dropped_when_subtly_wrong(tmp_path, name):
    recipe = only(tmp_path, name)
    (made,), _, _ = ask(stage, [row()], model(), recipe=recipe)
    assert labels(made)["links"][1]["output"] == SOUND[name]
    reply, reason = WRONG[name]
    kept, (dropped,), _ = ask(stage, [row()], model({name: reply}), recipe=recipe)
    assert not kept and dropped["reason"] == reason


@pytest.mark.parametrize(
    ("name", "reply", "reason"),
    [
        ("question", "How does the tenant renew a standard lease?", "repeats its parent"),
        ("shorten", f"{SHORT[:-1]}, and not to the tenant.", "adds a negation"),
        ("points", "- The tenant files no notice.\n- The owner may object.", "adds a negation"),
    ],
)
def test_a_link_that_reverses_its_input_or_asks_the_first_question_is_dropped(tmp_path, name, reply, reason):
    _, (dropped,), _ = ask(stage, [row()], model({name: reply}), recipe=only(tmp_path, name))
    assert dropped["reason"] == reason


def test_a_third_link_that_works_on_the_first_output_is_dropped(tmp_path):
    """The title is the second output, and all words of the third are from the first."""
    first = '{"subject": "registrar", "statement": "records the notice in the land register"}'
    said = model(SOUND | {"json": first})
    _, (dropped,), requests = ask(stage, [row()], said, recipe=only(tmp_path, "title", "json"), length=3)
    names = [request.about for request in requests if request.task == OUTPUT]
    assert names == ["1 title", "2 json"] and dropped["reason"] == "adds to its input"


def test_a_link_that_only_repeats_or_invents_is_dropped(tmp_path):
    recipe = only(tmp_path, "question")
    for reply, reason in [
        ("How do cows graze on hills near every village?", "adds to its input"),
        (LONG_ANSWER, "too long"),
    ]:
        _, (dropped,), _ = ask(stage, [row()], model({"question": reply}), recipe=recipe)
        assert dropped["reason"] == reason
    _, (dropped,), _ = ask(
        stage, [parent(answer=ANSWER)], model({"json": ANSWER}), recipe=only(tmp_path, "json")
    )
    assert dropped["reason"] == "not the demanded format"


def test_an_output_that_differs_from_its_input_by_white_space_is_dropped(tmp_path):
    rows, reply = [parent(RENEWAL, SOUND["points"])], SOUND["points"].replace("\n", "\n\n")
    _, (dropped,), _ = ask(stage, rows, model({"points": reply}), recipe=only(tmp_path, "points"))
    assert dropped["reason"] == "repeats its input"


def test_a_cut_object_is_no_output(tmp_path):
    record = '{"rule": "a tenant who wants to renew files a notice with the registrar", "term": "12 years"}'
    recipe, own = only(tmp_path, "title"), parent(RENEWAL, record)
    kept, (dropped,), _ = ask(stage, [own], model({"title": '{"rule": "a tenant who'}), recipe=recipe)
    assert not kept and dropped["reason"] == "template leftover"
    assert ask(stage, [own], model({"title": "Tenant files a notice with the registrar"}), recipe=recipe)[0]


def test_an_output_too_short_for_every_link_gives_no_chain():
    kept, (dropped,), requests = ask(stage, [parent(answer="12 years")], model())
    assert not kept and not requests and dropped["reason"] == "no link fits"


def test_a_row_in_a_language_without_links_is_dropped():
    other = row()
    other["lineage"] = other["lineage"] | {"language": "fr"}
    kept, (dropped,), _ = ask(stage, [other], model())
    assert not kept and dropped["reason"] == "no links in its language"


def test_a_german_row_gets_german_links():
    german = row()
    german["lineage"] = german["lineage"] | {"language": "de"}
    _, _, requests = ask(stage, [german], lambda _: {"text": "", "choices": []})
    fields = yaml.safe_load(
        (Path(__file__).parents[4] / "prompts/operators/links.de.yaml").read_text("utf-8")
    )
    known = [link["instruction"] for link in fields["links"].values()]
    assert all(any(text in request.messages[-1]["content"] for text in known) for request in requests)


@pytest.mark.parametrize("name", HOSTILE_TEXT)
def test_hostile_output_never_enters_a_chain(tmp_path, name):
    recipe = only(tmp_path, "shorten")
    kept, _, _ = ask(stage, [row()], model({"shorten": HOSTILE_TEXT[name](SHORT)}), recipe=recipe)
    if "thought" in name:  # reasoning is taken off before a stage reads the answer
        assert "hm" not in kept[0]["answer"].split() and "think" not in kept[0]["answer"]
    else:
        assert not kept
