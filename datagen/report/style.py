"""The style sheets of pages: ``theme.css`` for all of them, ``report.css`` for the report."""

from importlib import resources

from markupsafe import Markup


def style(file: str) -> Markup:
    """Read a style sheet, to be put into a page."""
    return Markup(resources.files(__package__).joinpath(file).read_text(encoding="utf-8"))
