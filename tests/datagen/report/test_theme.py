"""The colours of all pages have the contrast that WCAG 2.2 demands, in light and in dark mode."""

import re
from itertools import product

import pytest

from datagen.template import content

PAIRS = {
    name: colours
    for name, *colours in re.findall(
        r"--(\w+): light-dark\(#(\w{6}), #(\w{6})\)", content("datagen.report", "theme.css")
    )
}
TEXT, GRAPHIC = 4.5, 3.0  # least contrast, success criteria 1.4.3 and 1.4.11


def luminance(colour):
    channels = [int(colour[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(name, ground, mode):
    darker, lighter = sorted(luminance(PAIRS[colour][mode]) for colour in (name, ground))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("mode", [0, 1])
def test_contrast(mode):
    for name, ground in (*product(("ink", "soft", "c1", "c2"), ("page", "card")), ("ink", "mark")):
        assert contrast(name, ground, mode) >= TEXT, (name, ground)
    for name in ("kept", "dropped", "c1", "c2", "c3", "c4", "c5", "c6"):
        assert contrast(name, "page", mode) >= GRAPHIC, name
