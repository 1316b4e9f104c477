"""Row types and Arrow schemas agree."""

from types import NoneType, UnionType
from typing import get_args, get_origin, get_type_hints, is_typeddict

import pyarrow as pa
import pytest

from datagen import rows, schema
from tests.support.nulls import ROW_OF, nulls

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


def filled(hint):
    """Return a value without nulls of a field's Python type."""
    if isinstance(hint, UnionType):
        (hint,) = [part for part in get_args(hint) if part is not NoneType]
    if get_origin(hint) is list:
        return [filled(*get_args(hint))]
    if is_typeddict(hint):
        return {name: filled(part) for name, part in get_type_hints(hint).items()}
    return hint()


@pytest.mark.parametrize("name", PAIRS)
def test_a_null_is_found_where_the_row_type_has_no_none(name):
    row_type = getattr(rows, name)
    assert list(nulls(filled(row_type), row_type, name)) == []
    for field, hint in get_type_hints(row_type).items():
        row = filled(row_type) | {field: None}
        allowed = isinstance(hint, UnionType) and NoneType in get_args(hint)
        assert list(nulls(row, row_type, name)) == ([] if allowed else [f"{name}.{field}"])


def test_every_kind_of_table_has_a_row_type():
    assert ROW_OF.keys() == schema.TABLES.keys()
    assert all(PAIRS[row_type.__name__] is schema.TABLES[kind] for kind, row_type in ROW_OF.items())
