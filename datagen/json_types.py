"""Types of parsed JSON."""

from typing import Any, TypeAlias

# A JSON object of a form that is known where it is read: a record or report that datagen wrote, or one whose
# fields were checked. A value of unknown form has the type `object`.
JsonObject: TypeAlias = dict[str, Any]
