"""
Compare a proof with that of the same hand-off with the answers of its pairs shuffled among the questions.

    RUN=outputs/python-reference/latest COPY=outputs/python-reference/poisoned
    python -m benchmarks.poisoned_handoff $RUN $COPY
    datagen prove $RUN --target bundled-chat --tokens 14540 --seeds 2
    datagen prove $COPY --target bundled-chat --tokens 14540 --seeds 2 --arms pairs
    python -m benchmarks.poisoned_handoff $RUN $COPY --compare

The first command writes the shuffled copy of a finished run. The last compares P(gold) after training on the
pairs of each, on the sentences that both proofs ask about: right pairs should help with their own facts only.
"""

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import add_quick
from datagen.errors import UserError
from datagen.evaluate.prove.effect import bootstrap, p_gold
from datagen.json_types import JsonObject
from datagen.schema import content_id
from datagen.store.parquet import read_json, write_table


def poison(run: Path, copy: Path) -> int:
    """Copy what a proof reads, with shuffled answers; return the number of pairs with another answer."""
    leave_out = shutil.ignore_patterns("completions", "proof")
    shutil.copytree(run, copy, ignore=leave_out)
    paths = sorted((copy / "handoff" / "instructions" / "train").glob("*.parquet"))
    tables = [pq.read_table(path, partitioning=None) for path in paths]
    ids = [id_ for table in tables for id_ in table["id"].to_pylist()]
    targets = [answer for table in tables for answer in table["completion"].to_pylist()]
    order = sorted(range(len(ids)), key=lambda place: content_id("poison", ids[place]))
    moved = dict(zip(order, order[1:] + order[:1], strict=True))
    place = changed = 0
    for path, table in zip(paths, tables, strict=True):
        answers = [targets[moved[place + row]] for row in range(len(table))]
        changed += sum(answer != targets[place + row] for row, answer in enumerate(answers))
        place += len(table)
        column = table.schema.get_field_index("completion")
        write_table(
            table.set_column(column, "completion", pa.array(answers, table.schema.field(column).type)), path
        )
    return changed


def compare(run: Path, copy: Path) -> JsonObject:
    """
    Compare the latest proofs of a run and of its shuffled copy.

    Returns
    -------
    dict
        For the facts of the pairs (`seen`) and others (`unseen`): the number of items, and the mean of
        P(gold) after the right pairs minus that after the shuffled ones, with its 95 % interval.
    """
    right, shuffled = (folder / "proof" / _latest(folder) for folder in (run, copy))
    items = _items(right).items() & _items(shuffled).items()
    results: JsonObject = {}
    for name, seen in (("seen", True), ("unseen", False)):
        chosen = sorted((id_, passage) for id_, (passage, is_seen) in items if is_seen is seen)
        ids = [id_ for id_, _ in chosen]
        if not ids:
            raise UserError(f"the proofs of {run} and {copy} have no {name} sentences in common")
        differences = _difference(right, shuffled, ids)
        low, high, _ = bootstrap(differences, [passage for _, passage in chosen])
        results[name] = {"items": len(ids), "difference": float(differences.mean()), "interval": [low, high]}
    return results


def _latest(run: Path) -> str:
    return str(read_json(run / "proof" / "latest.json")["folder"])


def _items(proof: Path) -> Mapping[str, tuple[str, bool]]:
    """Map the items on sentences, whose right answers do not come from pairs, to their passage and `seen`."""
    plan = read_json(proof / "plan.json")
    return {
        item["id"]: (item["passage"], item["seen"]) for item in plan["items"] if item["family"] == "cloze"
    }


def _difference(right: Path, shuffled: Path, ids: Sequence[str]) -> npt.NDArray[np.float64]:
    """Subtract P(gold) of the fits on shuffled pairs from that of the others, by seed: (seeds, items)."""
    fits, others = _fits(right), _fits(shuffled)
    seeds = sorted(fits.keys() & others.keys())
    if not seeds:
        raise UserError(f"{right} and {shuffled} have no fit on pairs with the same seed")
    scores = [[p_gold(fits[seed][id_][0]) - p_gold(others[seed][id_][0]) for id_ in ids] for seed in seeds]
    return np.array(scores, np.float64)


def _fits(proof: Path) -> dict[int, JsonObject]:
    """Read the fits on pairs: seed -> item -> log probabilities of its choices."""
    fits = map(read_json, (proof / "fits").glob("pairs-*.json"))
    return {fit["seed"]: fit["items"] for fit in fits}


def main() -> None:
    """Write the copy, or compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="a finished run")
    parser.add_argument("copy", type=Path, help="the folder of its shuffled copy")
    parser.add_argument("--compare", action="store_true", help="compare the proofs of both")
    add_quick(parser)
    arguments = parser.parse_args()
    run = arguments.run.resolve()
    if arguments.compare:
        print(json.dumps(compare(run, arguments.copy.resolve())))
    else:
        print(json.dumps({"changed": poison(run, arguments.copy)}))


if __name__ == "__main__":
    main()
