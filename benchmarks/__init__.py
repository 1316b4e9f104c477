"""
Benchmarks that reproduce the figures in docs/benchmarks.md: ``python -m benchmarks.NAME [--quick]``.

The last line of output is JSON.
"""

import argparse
from typing import Any


class _Set(argparse.Action):
    def __call__(self, parser: Any, namespace: argparse.Namespace, *_: Any) -> None:
        vars(namespace).update(self.const)


def add_quick(parser: argparse.ArgumentParser, **values: object) -> None:
    """
    Add ``--quick``, which limits a benchmark to less than five minutes on two cores.

    Parameters
    ----------
    parser
        The benchmark's parser.
    values
        Option values that ``--quick`` sets; none if the benchmark is always quick.
    """
    shown = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in values.items())
    help_ = shown or "changes nothing: this benchmark always takes less than five minutes"
    parser.add_argument("--quick", action=_Set, const=values, nargs=0, default=argparse.SUPPRESS, help=help_)
