"""Errors in a recipe are reported with file, line, key and fix; a valid one is loaded."""

import json
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.recipe.errors import RecipeError
from datagen.recipe.load import load_recipe
from datagen.recipe.model import json_schema

EXAMPLES = Path(__file__).parents[3] / "examples"


def load(tmp_path, text, **overrides):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return load_recipe(path, overrides)


def mistakes(tmp_path, text):
    with pytest.raises(RecipeError) as error:
        load(tmp_path, text)
    return [line.removeprefix(f"{tmp_path}/") for line in str(error.value).splitlines()]


@pytest.mark.parametrize("name", ["python-reference", "pdf-folder", "families"])
def test_the_examples_are_valid(name):
    assert load_recipe(EXAMPLES / f"{name}.yaml").line()


def test_a_minimal_recipe_runs_the_default_pipeline(tmp_path):
    recipe = load(tmp_path, "name: x\ncorpus: [{path: docs}]")
    names = [name for name, _, _ in recipe.line()]
    assert (names[0], names[-1]) == ("ingest", "handoff")
    assert recipe.models.role("judge") == recipe.models.role("generator")
    assert recipe.folder == tmp_path


# Twelve lists of nine aliases each, within the number that is allowed: 9**11 values.
GROWING = "name: x\ncorpus: [{path: a}]\na0: &a0 [x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("corpus: [{path: a}]", "recipe.yaml:1: name: is required; add it"),
        ("name: x\ncorpus:\n  - path: a\n    txet_field: b", "recipe.yaml:4: corpus.0.txet_field: no such key; did you mean text_field?"),
        ("name: x\ncorpus:\n  - {}", "recipe.yaml:3: corpus.0: give either path: or python: (found {})"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  chunk:\n    max_char: 9", "recipe.yaml:5: stages.chunk.max_char: no such key; did you mean max_chars?"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  chunk: {max_chars: many}", "recipe.yaml:4: stages.chunk.max_chars: should be a whole number (found 'many')"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  chnk:", "recipe.yaml:4: stages.chnk: there is no stage 'chnk'; did you mean chunk?"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  mine: {use: ./none.py:stage}", "recipe.yaml:4: stages.mine: the stage './none.py:stage' cannot be loaded"),
        ("name: x\ncorpus: [{path: a}]\nmodels:\n  generator: {engine: openai, model: m}", "recipe.yaml:4: models.generator.base_url: is required"),
        ("name: x\ncorpus: [{path: a}]\nmodels: {judge: target, target: judge}", "recipe.yaml:3: models: the roles"),
        ("name: x\ncorpus: [{path: a}]\nmodels:\n  jugde: {model: m}", "recipe.yaml:4: models.jugde: no stage uses this role"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  ingest:\n  score: {role: second}", "recipe.yaml:5: stages.score: models has no role 'second'; there are generator"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  ingest:\n  chunk: {role: judge}", "recipe.yaml:5: stages.chunk: it uses no model"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  ingest:\n  mine:\n  chunk:", "recipe.yaml:5: stages.mine: takes passages, but no earlier stage gives any; move it after chunk"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  ingest:\n  mine:", "recipe.yaml:5: stages.mine: takes passages, but no earlier stage gives any; add one"),
        ("name: x\nstages:\n  ingest:\n  chunk:", "recipe.yaml:3: stages.ingest: reads the corpus, but there is none; add corpus:"),
        (f"name: {'x' * 201}\ncorpus: [{{path: a}}]", "recipe.yaml:1: name: should have at most 200"),
        ("name: x", "recipe.yaml:1: stages.ingest: reads the corpus, but there is none"),
        ("name: x\ncorpus: [{path: a}]\nseed: 1\nname: y", "recipe.yaml:1: name: the key appears twice, in lines 1 and 4; remove one"),
        ("name: x\ncorpus:\n  - path: a\n    path: b", "recipe.yaml:3: corpus.0.path: the key appears twice, in lines 3 and 4"),
        ("name: x\ncorpus: [{path: '${NO_SUCH_FOLDER}/a'}]", "recipe.yaml:2: corpus.0.path: the environment variable NO_SUCH_FOLDER is not set; set it"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  ingest:\n  chunk: {max_chars: -1}", "recipe.yaml:5: stages.chunk.max_chars: should be"),
        ("name: x\ncorpus: [{path: a}]\nseed: 2024-02-30", "recipe.yaml: invalid YAML: day is out of range"),
        ("name: x\ncorpus: " + "[" * 3000, "recipe.yaml"),
        ("name: x\x07", "recipe.yaml: invalid YAML"),
        ("name: &a [x]\ncorpus: [" + "*a, " * 200 + "]", "recipe.yaml: 200 YAML aliases, at most 100 are allowed"),
        ("name: x\ncorpus: [a", "recipe.yaml:2: not YAML"),
        ("name: x\ncorpus: &c [{path: a}, *c]", "recipe.yaml: invalid YAML: the alias *c is unknown or contains itself"),
        ("name: x\ncorpus: [{path: a}]\nstages: &s {ingest: {use: *s}}", "recipe.yaml: invalid YAML: the alias *s"),
        (GROWING, "recipe.yaml: invalid YAML: over 200,000 values"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  ingest: {use: 5}", "recipe.yaml:4: stages.ingest: use should be a text"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  ingest: {use: [x]}", "recipe.yaml:4: stages.ingest: use should be a text"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  ingest:\n  score: {role: [judge]}", "recipe.yaml:5: stages.score: models has no role ['judge']"),
        ('name: x\ncorpus: [{path: "a\\0b"}]', "recipe.yaml:2: corpus.0.path: a path cannot contain a NUL"),
        ('name: x\ncorpus: [{path: "\\ud800"}]', "recipe.yaml:2: corpus.0.path: a path cannot contain unpaired"),
        ("name: x\ncorpus: [{path: a}]\ncluster: {workers: 0x" + "f" * 9999 + "}", "recipe.yaml:3: not YAML: an integer over 64 bits"),
        ("name: x\ncorpus: [{path: a}]\nfile: /etc/hosts", "recipe.yaml:3: file: no such key"),
        ("name: x\ncorpus: [{path: a}]\nprompts: none", "recipe.yaml:3: prompts: there is no folder"),
        ("name: x\ncorpus: [{path: a}]\nprompts: recipe.yaml", "recipe.yaml:3: prompts: there is no folder"),
        ("name: x\ncorpus: [{path: a}]\nmodels:\n  generator: {engine: openai, model: m, base_url: http://h, window: 1000000000}", "recipe.yaml:4: models.generator.window: should be at most"),
        ("name: x\ncorpus: [{path: a}]\nmodels:\n  generator: {engine: openai, model: m, base_url: http://h, timeout: .inf}", "recipe.yaml:4: models.generator.timeout: should be at most"),
        ("- a", "recipe.yaml: a recipe is a mapping"),
        ("name: x\ncorpus:\n  - {path: a}\n  - documents", "recipe.yaml:4: corpus.1: should be a mapping, such as `- path: documents`"),
        ("name: x\ncorpus: [{path: a}]\nstages: [ingest]", "recipe.yaml:3: stages: should be a mapping, such as `ingest:`"),
        ("name: x\ncorpus: [{path: a}]\nmodels:\n  jugde: {model: m}", "recipe.yaml:4: models.jugde: no stage uses this role; did you mean judge?"),
        ("name: x\ncorpus: [{path: a}]\nmodels:\n  other: {model: m}", "recipe.yaml:4: models.other: no stage uses this role; the usual roles are generator"),
        ("name: x\ncorpus: [{path: a}]\nmodels:\n  judge: genrator\n", "recipe.yaml:4: models.judge: should be 'generator' or 'target' (found 'genrator'); did you mean generator?"),
        ("name: x\ncorpus: [{path: a}]\nmodels:\n  target:\n    engine: openai\n    modle: m\n    base_url: http://h\n    model: m", "recipe.yaml:6: models.target.modle: no such key; did you mean model?"),
        ("name: x\ncorpus: [{path: a}]\nmodels:\n  target:\n    engine: openai\n    base_url: http://h", "recipe.yaml:4: models.target.model: is required"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  ingest:\n  chunk:\n  mine:\n  mix:\n    max_share:\n      refusl: 0.5", "recipe.yaml:9: stages.mix.max_share.refusl: should be"),
        ("name: x\ncorpus: [{path: a}]\nmodels:\n  generator:\n    engine: opnai\n    model: m", "recipe.yaml:5: models.generator.engine: should be one of 'vllm', 'openai', 'scripted' (found 'opnai'); did you mean openai?"),
        ("name: x\ncorpus: [{path: a}]\nmodels:\n  generator:\n    profile: smal", "recipe.yaml:5: models.generator.profile: there is no profile 'smal'; did you mean small?"),
        ("name: x\ncorpus: [{path: a}]\nmin_rows:\n  refusal: 3", "recipe.yaml:4: min_rows.refusal: should be 'reading', 'instructions', 'refusals' or 'preferences' (found 'refusal'); did you mean refusals?"),
        ("name: x\ncorpus: [{path: a}]\nlists: [us-cod]", "recipe.yaml:3: lists.0: there is no list 'us-cod'; did you mean us-code?"),
        ("name: x\ncorpus: [{path: a}]\ngates:\n  - kept<0.8\n  - yield.curat<0.5", "recipe.yaml:5: gates.1: there is no stage of this name for 'yield.curat'; did you mean yield.curate?"),
        ("name: x\ncorpus: [{path: a}]\ngates: [length.instruction p50<0.8]", "recipe.yaml:3: gates: 'length.instruction p50<0.8': there is no figure 'length.instruction p50'; did you mean length.instructions p50?"),
        ("name: x\ncorpus: [{path: a}]\ngates: [kept<0.8, length.reading p95<0.8]", "recipe.yaml:3: gates: 'length.reading p95<0.8': there is no figure 'length.reading p95'; did you mean length.reading p90?"),
        ("name: x\ncorpus: [{path: a}]\ngates: [kpt<0.8]", "recipe.yaml:3: gates: 'kpt<0.8': there is no figure 'kpt'; did you mean kept?"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  ingest:\n  score: {role: juge}", "recipe.yaml:5: stages.score: models has no role 'juge'; did you mean judge?"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  ingest:\n  chunk:\n  instruct: {tasks: [sumary]}", "recipe.yaml:6: stages.instruct.tasks: there is no task 'sumary'; did you mean summary?"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  ingest:\n  chunk:\n  dedup:\n  mix:", "recipe.yaml:6: stages.dedup: takes examples, but no earlier stage gives any; add one"),
        ("name: x\ncorpus: [{path: ${DOCS}]", "recipe.yaml:2: not YAML: expected ',' or '}', but got '{'; put quotes around a variable: \"${DOCS}\""),
    ],
)  # fmt: skip
def test_an_error_has_line_key_and_fix(tmp_path, text, message):
    [line] = mistakes(tmp_path, text)
    assert line.startswith(message)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (os.mkfifo, "a pipe"),
        (os.mkdir, "a folder"),
        (lambda path: path.symlink_to("nowhere"), "a link to nothing"),
    ],
    ids=["pipe", "folder", "dangling link"],
)
def test_a_prompt_that_is_not_a_file_is_not_replaced_by_the_built_in_one(tmp_path, make, kind):
    own = tmp_path / "own" / "instructions"
    own.mkdir(parents=True)
    make(own / "definition.yaml")
    [line] = mistakes(tmp_path, "name: x\ncorpus: [{path: a}]\nprompts: own")
    assert line.startswith(f"recipe.yaml:3: prompts: {own}/definition.yaml is {kind}, not a file; ")


def test_only_the_first_of_many_errors_are_located(tmp_path):
    keys = "".join(f"k{number}: 1\n" for number in range(1_000))
    lines = mistakes(tmp_path, f"name: x\ncorpus: [{{path: a}}]\n{keys}{keys}")
    assert len(lines) == 21 and lines[0].startswith("recipe.yaml:3: k0: the key appears twice")
    assert lines[-1] == "recipe.yaml: 980 more errors are not shown"


def test_a_library_that_changes_the_shared_loader_does_not_affect_recipes(tmp_path, monkeypatch):
    """lm-format-enforcer, which vLLM imports, makes PyYAML's own loader read dates as text."""
    monkeypatch.setitem(
        yaml.SafeLoader.yaml_constructors,
        "tag:yaml.org,2002:timestamp",
        yaml.SafeLoader.yaml_constructors["tag:yaml.org,2002:str"],
    )
    [line] = mistakes(tmp_path, "name: x\ncorpus: [{path: a}]\nseed: 2024-02-30")
    assert line.startswith("recipe.yaml: invalid YAML: day is out of range")


@pytest.mark.parametrize("content", ["# long\n" * 2_000_000, "\0" * 11_000_000])
def test_a_file_that_is_no_recipe_is_not_read_whole(tmp_path, content):
    path = tmp_path / "r.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match="not a recipe"):
        load_recipe(path)


def test_a_recipe_of_pairs_needs_no_corpus(tmp_path):
    recipe = load(tmp_path, "name: x\nstages:\n  own_pairs: {path: [pairs]}\n  mix:\n  handoff:")
    assert not recipe.corpus and recipe.line()[0][0] == "own_pairs"


def test_a_misspelt_environment_variable_is_suggested(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAGEN_TEST_FOLDER", "docs")
    [line] = mistakes(tmp_path, "name: x\ncorpus:\n  - path: ${DATAGEN_TEST_FOLDR}/a")
    assert line == (
        "recipe.yaml:3: corpus.0.path: the environment variable DATAGEN_TEST_FOLDR is not set; "
        "did you mean DATAGEN_TEST_FOLDER?"
    )


def test_errors_are_in_the_order_of_the_file(tmp_path):
    text = "seed: soon\ncluster: {adress: x}\nmodels: {judge: 5}\ncorpus: [{path: a}]\nname: x y\n"
    lines = [int(line.split(":")[1]) for line in mistakes(tmp_path, text)]
    assert lines == sorted(lines) == [1, 2, 3, 5]


def test_all_errors_are_reported_at_once(tmp_path):
    assert len(mistakes(tmp_path, "name: x y\ncorpus: []\nseed: soon")) == 3


def test_overrides_replace_values_of_the_file(tmp_path):
    text = "name: x\ncorpus: [{path: a}]\nstages: {ingest: , chunk: }"
    recipe = load(tmp_path, text, **{"stages.chunk.max_chars": 900, "seed": 7})
    assert (recipe.seed, recipe.step("chunk")[1].max_chars) == (7, 900)


def test_a_recipe_may_have_its_own_stage(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from datagen.stage import MapStage, Outcome\n"
        "stage = MapStage('shout', 'convert to upper case', 'passages', 'passages', lambda rows, o, c: Outcome.all_kept(rows))\n"
    )
    recipe = load(
        tmp_path,
        "name: x\ncorpus: [{path: a}]\nstages:\n  ingest:\n  chunk:\n  shout: {use: './mine.py:stage'}",
    )
    assert recipe.line()[2][1].summary == "convert to upper case"


def test_a_stage_may_use_its_own_role(tmp_path):
    recipe = load(
        tmp_path,
        "name: x\ncorpus: [{path: a}]\nmodels: {second: {model: m}, third: second}\n"
        "stages: {ingest: , chunk: , instruct: , again: {use: instruct, role: third}}",
    )
    _, _, (_, first, _), (_, again, _) = recipe.line()
    assert (first.role, again.role) == ("generator", "third")
    assert recipe.models.role("third") == recipe.models.role("second") != recipe.models.role("generator")


def test_environment_variables_in_values_are_substituted(tmp_path, monkeypatch):
    monkeypatch.setenv("MANUALS", "/data/manuals")
    text = "name: x\ncorpus: [{path: '${MANUALS}/*.md'}, {path: '${ELSEWHERE:-docs}/a'}, {path: 'a$b{c}'}]"
    assert [source.path for source in load(tmp_path, text).corpus] == [
        "/data/manuals/*.md",
        "docs/a",
        "a$b{c}",
    ]


def test_outputs_are_relative_to_the_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    text = "name: x\ncorpus: [{path: a}]\n"
    assert load(tmp_path, text).output_folder == tmp_path / "outputs"
    assert load(tmp_path, text + "outputs: ../elsewhere").output_folder == tmp_path.parent / "elsewhere"
    assert load(tmp_path, text + "outputs: /data/runs").output_folder == Path("/data/runs")
    # The output folder is not part of a run's fingerprint.
    assert load(tmp_path, text + "outputs: x").model_dump() == load(tmp_path, text).model_dump()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.text(max_size=80), st.builds("name: x\ncorpus: [{{path: a}}]\n{}".format, st.text(max_size=60))
    )
)
def test_any_text_is_a_recipe_or_a_reported_error(tmp_path, text):
    (tmp_path / "recipe.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load_recipe(tmp_path / "recipe.yaml")
    except UserError as error:
        assert "recipe.yaml" in str(error)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_recipe_may_begin_with_a_byte_order_mark_and_end_its_lines_as_on_windows(tmp_path, encoding):
    text = "name: x\r\ncorpus:\r\n  - path: Café\r\n"
    (tmp_path / "recipe.yaml").write_bytes(text.encode(encoding))
    recipe = load_recipe(tmp_path / "recipe.yaml")
    assert recipe.name == "x" and recipe.corpus[0].path == "Café"


def test_a_recipe_in_another_encoding_is_reported_with_its_line(tmp_path):
    (tmp_path / "recipe.yaml").write_bytes("name: x\ncorpus: [{path: Café}]\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"recipe\.yaml:2: it is not UTF-8 text; save it as UTF-8"):
        load_recipe(tmp_path / "recipe.yaml")


def test_a_folder_in_place_of_a_recipe_is_reported(tmp_path):
    with pytest.raises(UserError, match="is a folder; name a recipe"):
        load_recipe(tmp_path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["name", "corpus", "models", "stages", "budget", "cluster", "prompts", "seed"]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3))
def test_any_value_of_a_key_is_valid_or_reported(tmp_path, given_):
    text = yaml.safe_dump({"name": "x", "corpus": [{"path": "a"}]} | given_, allow_unicode=True)
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    try:
        load_recipe(tmp_path / "recipe.yaml")
    except UserError as error:
        assert "recipe.yaml:" in str(error)
        assert "validation error" not in str(error) and "Input should" not in str(error)


def test_the_schema_has_every_stage_and_no_dangling_references():
    schema = json_schema()
    text = json.dumps(schema)
    assert "max_chars" in json.dumps(schema["properties"]["stages"]["properties"]["chunk"])
    referred = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert referred <= set(schema["$defs"])
