"""The figure of the pipeline in the README is drawn from the registry."""

import re

from datagen.recipe.registry import BUILT_IN
from datagen.report.figure import draw_pipeline
from tests.support import ROOT


def test_the_figure_in_the_docs_is_current():
    drawn = draw_pipeline()
    assert (ROOT / "docs/pipeline.svg").read_text() == drawn, "run: datagen stages --svg > docs/pipeline.svg"


def test_every_stage_is_drawn_once_and_in_grey_outside_the_default_pipeline():
    names = re.findall(r'<text( class="opt")? x="[^"]+" y="[^"]+">([a-z_]+)</text>', draw_pipeline())
    assert sorted(name for _, name in names) == sorted(stage.name for stage in BUILT_IN)
    assert {name for grey, name in names if not grey} == {stage.name for stage in BUILT_IN if stage.default}
