"""A recipe that names a column which no stage makes is rejected when it is read."""

import pytest

from datagen.columns import Columns
from datagen.errors import UserError
from datagen.recipe.load import load_recipe
from datagen.recipe.registry import BUILT_IN, find_stage
from datagen.schema import TABLES

START = ["name: x", "corpus: [{path: a}]", "stages:", "  ingest:", "  chunk:", "  comprehend:"]
OWN = """
import pyarrow as pa
from datagen.stage import Columns, MapStage, Outcome, scores

def apply(rows, options, context):
    return Outcome.all_kept(rows.append_column("polite", pa.nulls(len(rows), pa.float64())))

undeclared = MapStage("polite", "score", "examples", "examples", apply)
declared = MapStage("polite", "score", "examples", "examples", apply, columns=lambda _: Columns(makes=scores("polite")))
passages = MapStage("all", "keep all passages", "passages", "passages", apply)
"""


def write(folder, *lines):
    (folder / "recipe.yaml").write_text("\n".join([*START, *lines]))
    (folder / "own.py").write_text(OWN)
    return folder / "recipe.yaml"


def mistakes(folder, *lines):
    with pytest.raises(UserError) as error:
        load_recipe(write(folder, *lines))
    return [line.rpartition("/")[2] for line in str(error.value).splitlines()]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["  curate:", "  measure:"],
         "recipe.yaml:7: stages.curate: no earlier stage makes the column 'flaw'; move it after measure"),
        (["  measure:", "  score:", "  curate: {min: {p_ture: {instruction: 0.5}}}"],
         "recipe.yaml:9: stages.curate.min.p_ture: no earlier stage makes the column 'p_ture'; did you mean p_true?"),
        (["  measure:", "  curate:", "    max:", "      leakeage: {instruction: 0.5}"],
         "recipe.yaml:10: stages.curate.max.leakeage: no earlier stage makes the column 'leakeage'; did you mean leakage?"),
        (["  measure:", "  curate: {min: {p_true: {instruction: 0.5}}}", "  score:"],
         "recipe.yaml:8: stages.curate.min.p_true: no earlier stage makes the column 'p_true'; move it after score"),
        (["  measure:", "  curate: {min: {p_true: {instruction: 0.5}}}"],
         "recipe.yaml:8: stages.curate.min.p_true: no earlier stage makes the column 'p_true'; "
         "the stage score does: put it before this one"),
        (["  measure:", "  curate: {min: {question: {instruction: 0.5}}}"],
         "recipe.yaml:8: stages.curate.min.question: question is not a column of numbers; there are logprob, grounding"),
        (["  measure:", "  curate: {min: {words: {instruction: treshold}}}"],
         "recipe.yaml:8: stages.curate.min.words.instruction: no earlier stage makes the column 'treshold'; did you mean threshold?"),
        (["  measure:", "  curate: {min: {confidence: {instruction: 0.5}}}", "  calibrate:"],
         "recipe.yaml:8: stages.curate.min.confidence: no earlier stage makes the column 'confidence'; move it after calibrate"),
        (["  measure:", "  score: {only_if: {logprobs: [-2, 0]}}"],
         "recipe.yaml:8: stages.score.only_if.logprobs: no earlier stage makes the column 'logprobs'; did you mean logprob?"),
        (["  difficulty: {suffix: _weak}", "  compare_difficulty: {weak: ifd_weka, strong: ifd_weak}"],
         "recipe.yaml:8: stages.compare_difficulty.weak: no earlier stage makes the column 'ifd_weka'; did you mean ifd_weak?"),
        (["  measure:", "  calibrate: {scores: [groundign]}"],
         "recipe.yaml:8: stages.calibrate.scores: no earlier stage makes the column 'groundign'; did you mean grounding?"),
        (["  select: {method: {instruction: ifd_ppl}}"],
         "recipe.yaml:7: stages.select.method.instruction: no earlier stage makes the column 'ifd_ppl'; "
         "the stage difficulty does: put it before this one"),
        (["  select: {method: {instruction: entropy}, categories: [tsak]}"],
         "recipe.yaml:7: stages.select.categories: no earlier stage makes the column 'tsak'; did you mean task?"),
        (["  mix: {order: difficulty}"],
         "recipe.yaml:7: stages.mix.difficulty: no earlier stage makes the column 'ifd'; the stage difficulty does"),
        (["  delift_utility:"],
         "recipe.yaml:7: stages.delift_utility: no earlier stage makes the column 'nearest'; the stage delift_neighbours does"),
        (["  accept_answers:", "  reflect_answers:", "models: {generator: {profile: large}}"],
         "recipe.yaml:7: stages.accept_answers: no earlier stage makes the column 'answer_proposal'; move it after reflect_answers"),
        (["  consensus:"],
         "recipe.yaml:7: stages.consensus: no earlier stage makes the column 'outputs'; the stage another_output does"),
        (["  measure:", "  score:", "gates:", "  - kept<0.5", "  - score.p_ture<0.9"],
         "recipe.yaml:11: gates.1: no stage makes the column 'p_ture'; did you mean p_true?"),
        (["  measure:", "gates: [score.p_true<0.9]"],
         "recipe.yaml:8: gates.0: no stage makes the column 'p_true'; the stage score does: add it to the stages"),
        (["  measure:", "gates: [score.flaw<0.9]"],
         "recipe.yaml:8: gates.0: flaw is not a column of numbers; there are logprob"),
        (["  mix:", "gates: [score.phase<0.9]"],
         "recipe.yaml:8: gates.0: no stage makes the column 'phase'; there are logprob"),
        (["  polite: {use: './own.py:declared'}", "  measure:", "  curate: {min: {polit: {instruction: 0.5}}}"],
         "recipe.yaml:9: stages.curate.min.polit: no earlier stage makes the column 'polit'; did you mean polite?"),
        (["  more: {use: instruct}", "  measure:", "  curate: {min: {p_ture: {instruction: 0.5}}}"],
         "recipe.yaml:9: stages.curate.min.p_ture: no earlier stage makes the column 'p_ture'; did you mean p_true?"),
        (["  all: {use: './own.py:passages'}", "  measure:", "  curate: {min: {p_ture: {instruction: 0.5}}}"],
         "recipe.yaml:9: stages.curate.min.p_ture: no earlier stage makes the column 'p_ture'; did you mean p_true?"),
    ],
)  # fmt: skip
def test_a_column_that_no_stage_makes_is_rejected(tmp_path, lines, message):
    [line] = mistakes(tmp_path, *lines)
    assert line.startswith(message)


@pytest.mark.parametrize(
    "lines",
    [
        ["  polite: {use: './own.py:undeclared'}", "  curate: {min: {polite: {instruction: 0.5}}}", "gates: [score.polite<0.9]"],
        ["  polite: {use: './own.py:declared'}", "  measure:", "  curate: {min: {polite: {instruction: 0.5}}}", "gates: [score.polite<0.9]"],
        ["  validate: {validators: ['./own.py:mine']}", "  measure:", "  curate: {min: {mine: {instruction: 0.5}}}"],
        ["  validate: {validators: [solve]}", "  measure:", "  curate: {min: {solve: {instruction: 0.5}}}"],
        ["  measure: {functions: {toxic: './own.py:f'}}", "  curate: {max: {toxic: {instruction: 0.5}}}", "gates: [score.toxic>1.1]"],
        ["  difficulty: {suffix: _s}", "  measure:", "  curate: {min: {ifd_s: {instruction: 50%}}}"],
        ["  measure:", "  calibrate:", "  curate: {min: {confidence: {instruction: threshold}}}"],
        ["  measure:", "  curate: {min: {p_true: {}}}"],
        ["  measure:", "  rated: {use: score, role: target}", "  curate: {min: {p_true: {instruction: 0.5}}}"],
        ["  difficulty:", "  mix: {order: difficulty}", "gates: [score.logprob<0.5, score.ifd>2]"],
        ["  select: {method: {instruction: entropy}, categories: [opening, position, lineage.source]}"],
    ],
)  # fmt: skip
def test_a_column_that_a_stage_makes_or_may_make_is_accepted(tmp_path, lines):
    stages = [line.split(":")[0].strip() for line in lines if line.startswith("  ")]
    assert {*stages} <= {*load_recipe(write(tmp_path, *lines)).stages}


def test_several_wrong_columns_are_reported_at_once(tmp_path):
    lines = mistakes(
        tmp_path,
        "  measure:",
        "  curate: {min: {a: {reading: 1}}, max: {b: {reading: 1}}}",
        "gates: [score.c<1]",
    )
    assert [line.partition(": ")[2].partition(":")[0] for line in lines] == [
        "stages.curate.max.b",
        "stages.curate.min.a",
        "gates.0",
    ]


def test_no_built_in_stage_makes_a_column_of_the_schema():
    for built_in in BUILT_IN:
        stage = find_stage(built_in.name)
        made = (stage.columns and stage.columns(stage.options.model_construct())) or Columns()
        assert not {*made.makes.names} & {*TABLES[stage.gives].names}, built_in.name
