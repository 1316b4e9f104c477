"""Style sheets: ``theme.css`` for all pages, ``report.css`` for the report."""

from importlib import resources

from markupsafe import Markup


def style(file: str) -> Markup:
    """Read a style sheet for inclusion in a page."""
    return Markup(resources.files(__package__).joinpath(file).read_text(encoding="utf-8"))
