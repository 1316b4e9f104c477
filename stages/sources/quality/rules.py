"""
Published quality rules: the bounds of each measure.

Their thresholds were set for English web pages. Other documents break them for good reasons: Gopher's rules
keep only a third of the sections of the United States Code. So rules are applied only if the recipe names
them, and a sample shows first what would be dropped.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from datagen.stages.sources.quality.measures import GROUPS, Values


@dataclass(frozen=True)
class Rule:
    """
    Bounds of a measure (`datagen.stages.sources.quality.measures`).

    Parameters
    ----------
    measure
        Its name.
    least, most
        Its bounds, inclusive.
    english
        Whether it applies to English texts only.
    """

    measure: str
    least: float = -math.inf
    most: float = math.inf
    english: bool = False

    def broken_by(self, values: Values) -> np.ndarray:
        """Check which values are outside the bounds."""
        result: np.ndarray = (values < self.least) | (values > self.most)
        return result

    def detail(self, value: float) -> str:
        """Describe how a value breaks the rule."""
        name = self.measure.replace("_", " ")
        bound = f"under {self.least:g}" if value < self.least else f"over {self.most:g}"
        return f"{name} {value:.3g}, {bound}"


# Rae et al. 2021, "Scaling Language Models: Methods, Analysis & Insights from Training Gopher", arXiv
# 2112.11446, appendix A.1; Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified
# Text-to-Text Transformer", JMLR 21(140), section 2.2; Penedo et al. 2024, "The FineWeb Datasets", arXiv
# 2406.17557, section 3.6.
RULES: Mapping[str, tuple[Rule, ...]] = {
    "gopher": (
        Rule("words", 50, 100_000),
        Rule("mean_word_length", 3, 10),
        Rule("symbols_to_words", most=0.1),
        Rule("bullet_lines", most=0.9),
        Rule("ellipsis_lines", most=0.3),
        Rule("alphabetic_words", 0.8),
        Rule("stop_words", 2, english=True),
    ),
    "gopher_repetition": (
        Rule("repeated_lines", most=0.3),
        Rule("repeated_paragraphs", most=0.3),
        Rule("repeated_line_characters", most=0.2),
        Rule("repeated_paragraph_characters", most=0.2),
        *(Rule(f"top_{n}_words", most=most) for n, most in ((2, 0.2), (3, 0.18), (4, 0.16))),
        *(
            Rule(f"repeated_{n}_words", most=most)
            for n, most in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.1))
        ),
    ),
    "c4": (Rule("sentences", 5), Rule("curly_brackets", most=0), Rule("lorem_ipsum", most=0)),
    "fineweb": (
        Rule("punctuated_lines", 0.12),
        Rule("repeated_line_characters", most=0.1),
        Rule("short_lines", most=0.67),
    ),
}
MEASURES = tuple(dict.fromkeys(rule.measure for rules in RULES.values() for rule in rules))


def chosen(
    names: Collection[str], bounds: Mapping[str, tuple[float | None, float | None]]
) -> list[tuple[str, Rule]]:
    """List the rules of these sets, with the recipe's bounds in place of the published ones."""
    result = []
    for name in names:
        for rule in RULES[name]:
            least, most = bounds.get(rule.measure, (rule.least, rule.most))
            least = -math.inf if least is None else least
            result.append((name, replace(rule, least=least, most=math.inf if most is None else most)))
    return result


def judge(
    texts: pa.Array, english: np.ndarray, rules: Collection[tuple[str, Rule]]
) -> list[list[tuple[str, str]]]:
    """
    Judge a column of texts.

    Parameters
    ----------
    texts
        The texts.
    english
        Whether each is English, or of no known language.
    rules
        The result of `chosen`.

    Returns
    -------
    For each text the rules that it breaks: their set with the measure, and the measured value.
    """
    wanted = {rule.measure for _, rule in rules}
    broken: list[list[tuple[str, str]]] = [[] for _ in range(len(texts))]
    for values in _measured(texts, wanted):
        for name, rule in rules:
            if rule.measure in values:
                fails = rule.broken_by(values[rule.measure]) & (english | (not rule.english))
                for at in np.flatnonzero(fails):
                    measure = rule.measure.replace("_", " ")
                    detail = rule.detail(float(values[rule.measure][at]))
                    broken[at].append((f"{name}: {measure}", detail))
    return broken


def _measured(texts: pa.Array, wanted: Collection[str]) -> Iterator[Mapping[str, Values]]:
    """Compute the groups with the wanted measures."""
    for group, measures in GROUPS.items():
        if not set(wanted).isdisjoint(measures):
            yield group(texts)
