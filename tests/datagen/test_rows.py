"""Row types and Arrow schemas agree."""

from types import NoneType, UnionType
from typing import get_args, get_origin, get_type_hints, is_typeddict

import pyarrow as pa
import pytest

from datagen import rows, schema

PAIRS = {
    "DocumentRow": schema.DOCUMENTS,
    "PassageRow": schema.PASSAGES,
    "ExampleRow": schema.EXAMPLES,
    "ProbeRow": schema.PROBES,
    "DialogueRow": schema.DIALOGUES,
    "HitRow": schema.HIT,
    "QuestionRow": schema.QUESTIONS,
    "RequestRow": schema.REQUESTS,
    "LineageRow": schema.LINEAGE,
    "NearMissRow": schema.NEAR_MISS,
    "MessageRow": schema.MESSAGES.value_type,
    "ContributorRow": schema.CONTRIBUTORS.value_type,
    "NodeRow": schema.NODES,
    "SessionRow": schema.SESSIONS.value_type,
    "SyllabusRow": schema.SYLLABI,
    "TurnRow": schema.TURNS.value_type,
}
PLAIN = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def arrow(hint):
    """Return the Arrow type of a field's Python type, nullable or not."""
    if isinstance(hint, UnionType):
        (hint,) = [part for part in get_args(hint) if part is not NoneType]
    if get_origin(hint) is list:
        return pa.list_(arrow(*get_args(hint)))
    if is_typeddict(hint):
        return pa.struct([(name, arrow(part)) for name, part in get_type_hints(hint).items()])
    return PLAIN[hint]


@pytest.mark.parametrize("name", PAIRS)
def test_a_row_has_the_fields_of_its_schema_in_their_order(name):
    hints = get_type_hints(getattr(rows, name))
    assert {field: arrow(hint) for field, hint in hints.items()} == {
        field.name: field.type for field in PAIRS[name]
    }
    assert list(hints) == [field.name for field in PAIRS[name]]


def test_every_row_and_every_table_is_covered():
    assert set(PAIRS) == {name for name, part in vars(rows).items() if is_typeddict(part)}
    assert all(table in PAIRS.values() for table in schema.TABLES.values())
