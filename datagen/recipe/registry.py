"""
The stage registry: all stages, in the order of the pipeline, and their lookup by name.

Built-in stages are declared only in `BUILT_IN`. The default pipeline, ``datagen stages`` and docs/recipe.md
are derived from it. Other packages add stages through the entry point group ``datagen.stages``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from datagen.errors import UserError, hint
from datagen.json_types import JsonObject
from datagen.recipe.import_string import load
from datagen.recipe.offers import Offers, import_string, offers
from datagen.stage import MapStage, ModelStage, Options, SourceStage, Stage, WholeStage

GROUP = "datagen.stages"


@dataclass(frozen=True)
class BuiltIn:
    """
    A built-in stage.

    Parameters
    ----------
    name
        Its name in recipes.
    where
        ``module:attribute`` below ``datagen.stages``. The first part of the module is the phase.
    default
        Whether a recipe without ``stages:`` runs it.
    sees_run
        Whether it reads more of the run than its tables: the recipe, all models, or earlier stages.
        Such a stage starts when all stages before it are complete.
    """

    name: str
    where: str
    default: bool = False
    sees_run: bool = False

    @property
    def import_string(self) -> str:
        """The full import string."""
        return f"{GROUP}.{self.where}"

    @property
    def phase(self) -> str:
        """The phase of the pipeline, which is the stage's folder below ``stages/``."""
        return self.where.partition(".")[0]


BUILT_IN = (
    BuiltIn("ingest", "sources.ingest:stage", default=True),
    BuiltIn("quality", "sources.quality:stage"),
    BuiltIn("relevance", "sources.relevance:stage"),
    BuiltIn("chunk", "sources.chunk:stage", default=True),
    BuiltIn("dedup_passages", "filter.dedup:passages", default=True),
    BuiltIn("decontaminate_passages", "filter.decontaminate:passages", default=True),
    BuiltIn("propose_headings", "sources.propose_headings:stage"),
    BuiltIn("taxonomy", "sources.taxonomy:stage"),
    BuiltIn("mine", "reading.mine:stage", default=True),
    BuiltIn("long_spans", "reading.long_spans:stage"),
    BuiltIn("outline_pairs", "reading.outline_pairs:stage"),
    BuiltIn("comprehend", "reading.comprehend:stage", default=True),
    BuiltIn("own_pairs", "sources.own_pairs:stage"),
    BuiltIn("seeds", "sources.seeds:stage"),
    BuiltIn("from_seeds", "generate.from_seeds:stage"),
    BuiltIn("from_search", "generate.from_search:stage"),
    BuiltIn("novelty", "generate.novelty:stage"),
    BuiltIn("retrieve", "generate.retrieve:stage"),
    BuiltIn("answer_questions", "generate.answer_questions:stage"),
    BuiltIn("instruct", "generate.instruct:stage", default=True),
    BuiltIn("balance", "generate.balance:stage", sees_run=True),
    BuiltIn("paragraph_pairs", "generate.paragraph_pairs:stage"),
    BuiltIn("functions", "generate.functions:stage"),
    BuiltIn("across_passages", "generate.across_passages:stage"),
    BuiltIn("non_instructional", "generate.non_instructional:stage"),
    BuiltIn("dialogue", "generate.dialogue:stage"),
    BuiltIn("steer", "generate.dialogue.steer:stage"),
    BuiltIn("self_correction", "generate.self_correction:stage"),
    BuiltIn("subjects", "generate.subjects.tree:stage"),
    BuiltIn("syllabus", "generate.subjects.syllabus:stage"),
    BuiltIn("coursework", "generate.subjects.coursework:stage"),
    BuiltIn("another_output", "generate.ensemble.outputs:stage"),
    BuiltIn("consensus", "generate.ensemble.vote:stage"),
    BuiltIn("expand", "generate.operators.expand:expand"),
    BuiltIn("refine", "generate.operators.expand:refine"),
    BuiltIn("expand_pairs", "generate.operators.expand_pairs:stage"),
    BuiltIn("chain", "generate.operators.chain:stage"),
    BuiltIn("formats", "generate.format_control.rewrite:stage"),
    BuiltIn("describe_formats", "generate.format_control.describe:stage"),
    BuiltIn("assess", "generate.operators.assess:stage"),
    BuiltIn("probe", "knowledge.probe:stage", default=True),
    BuiltIn("second_opinion", "knowledge.second_opinion:stage"),
    BuiltIn("resolve_contradictions", "knowledge.contradictions:stage", default=True),
    BuiltIn("open_questions", "knowledge.open_questions:stage"),
    BuiltIn("unanswerable", "knowledge.unanswerable:stage", default=True),
    BuiltIn("refuse", "knowledge.refuse:stage", default=True),
    BuiltIn("reflect_questions", "confidence.recycle.reflect:questions"),
    BuiltIn("accept_questions", "confidence.recycle.accept:questions"),
    BuiltIn("reflect_answers", "confidence.recycle.reflect:answers_"),
    BuiltIn("accept_answers", "confidence.recycle.accept:answers_"),
    BuiltIn("propose", "confidence.auto_correct:propose"),
    BuiltIn("validate", "confidence.validate:stage"),
    BuiltIn("apply_edits", "confidence.apply_edits:stage", sees_run=True),
    BuiltIn("measure", "confidence.measure:stage", default=True, sees_run=True),
    BuiltIn("score", "confidence.score:stage"),
    BuiltIn("consistency", "confidence.consistency:stage"),
    BuiltIn("auto_correct", "confidence.auto_correct:stage"),
    BuiltIn("difficulty", "confidence.difficulty:stage"),
    BuiltIn("compare_difficulty", "confidence.compare_difficulty:stage"),
    BuiltIn("compare_generators", "confidence.compare_generators:stage", sees_run=True),
    BuiltIn("meta_rank", "confidence.meta_rank:stage"),
    BuiltIn("licences", "filter.licences:stage"),
    BuiltIn("curate", "filter.curate:stage", default=True),
    BuiltIn("dedup", "filter.dedup:stage", default=True),
    BuiltIn("semantic_dedup", "filter.semantic_dedup:stage"),
    BuiltIn("decontaminate", "filter.decontaminate:stage", default=True),
    BuiltIn("delift_neighbours", "select.delift.neighbours:stage"),
    BuiltIn("delift_utility", "select.delift.pairwise_utility:stage"),
    BuiltIn("select", "select.select:stage", default=True, sees_run=True),
    BuiltIn("calibrate", "confidence.calibrate:stage", default=True, sees_run=True),
    BuiltIn("replay", "handoff.replay:stage"),
    BuiltIn("mix", "handoff.mix:stage", default=True, sees_run=True),
    BuiltIn("handoff", "handoff.handoff:stage", default=True, sees_run=True),
)

DEFAULT_PIPELINE = tuple(stage.name for stage in BUILT_IN if stage.default)


@cache
def installed_stages() -> Mapping[str, str]:
    """Map stage names to import strings: built-in stages in pipeline order, then others by name."""
    return {name: next(iter(places)) for name, places in _offers().items()}


@cache
def _offers() -> Offers:
    return offers(GROUP, {stage.name: stage.import_string for stage in BUILT_IN})


def is_built_in(use: str) -> bool:
    """Return whether a name or import string is that of a built-in stage."""
    return installed_stages().get(use, use) in {stage.import_string for stage in BUILT_IN}


def stages_of(recipe: JsonObject, folder: Path) -> Iterator[tuple[str, Stage, Options]]:
    """
    Find the stages of a recipe in the form of `Context.recipe` and ``manifest.json``.

    Parameters
    ----------
    recipe
        Its sections as plain values; ``stages`` maps names to options.
    folder
        The recipe's folder, which paths of its own stages are relative to.

    Yields
    ------
    Name in the recipe, the stage and its options.
    """
    for name, section in recipe.get("stages", {}).items():
        options = dict(section or {})
        stage = find_stage(options.pop("use", name), folder)
        options.pop("role", None)
        yield name, stage, stage.options.model_validate(options)


@cache
def find_stage(use: str, folder: Path = Path()) -> Stage:
    """
    Find a stage by its name, by ``package.module:name`` or by ``./file.py:name``.

    Parameters
    ----------
    use
        The name or import string.
    folder
        The folder that ``./file.py`` is relative to.

    Raises
    ------
    UserError
        If there is no such stage, or if several packages offer the name.
    """
    where = import_string(use, _offers(), "the stage")
    if ":" not in where:
        raise UserError(
            f"there is no stage {use!r}; {hint(use, installed_stages())} "
            "(for your own stage, set use: package.module:stage or use: ./file.py:stage)"
        )
    stage = load(where, folder, "the stage")
    if not isinstance(stage, SourceStage | MapStage | ModelStage | WholeStage):
        raise UserError(f"{use!r} is a {type(stage).__name__}, not a stage (see datagen/stage.py)")
    return stage
