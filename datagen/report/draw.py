"""
Draw Vega-Lite specifications as SVG, in a process of its own.

The drawing library holds a JavaScript engine. What it cannot take ends a process without an exception, and a
run must not end because of its report. Run as a module, it reads a JSON list of specifications and writes a
JSON list of drawings.
"""

import json
import logging
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

SECONDS = 120  # that all drawings of a report may take
ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML

log = logging.getLogger(__name__)


def draw(specifications: Sequence[Any]) -> list[str]:
    """Draw specifications; an empty list where that fails, which is logged."""
    if not specifications:
        return []
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=json.dumps(legal(specifications)),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=SECONDS,
            check=True,
        )
        drawings: list[str] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        log.warning(f"the charts of the report could not be drawn: {error}. Their numbers are in its tables")
        return []
    return drawings


def legal(value: Any) -> Any:
    """Replace characters that XML cannot hold, in all texts of a JSON value."""
    if isinstance(value, str):
        return ILLEGAL.sub("�", value)
    if isinstance(value, dict):
        return {legal(name): legal(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [legal(part) for part in value]
    return value


def main() -> None:
    """Read specifications from standard input and write drawings to standard output."""
    import vl_convert

    json.dump([vl_convert.vegalite_to_svg(each) for each in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
