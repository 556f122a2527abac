"""What "tighter" means for a key of a policy, marked where the key is declared: `minimum: Higher[float]`.

A policy may extend another one (`hallmark.documents.inheritance`). A key that a higher level names, a lower level may
name again only as its marker says. A key without a marker is taken for `FIXED`, and a test of the policy's documents
refuses it.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, TypeVar

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema


class Tighter(Enum):
    """What a lower level may make of a value that a higher one gave; the schema has it as `x-lower-levels`."""

    HIGHER = "as high or higher; null would be no limit"
    LOWER = "as low or lower; null would be no limit"
    EARLIER = "the same or one that stands before it in the list of values"
    ON = "true stays true"
    OFF = "false stays false"
    FEWER = "a part of the list"
    FEWER_OF_ALL = "a part of the list; an empty list would be everything"
    MORE = "the whole list, and more"
    EACH = "each entry as it is or tighter, and more entries"
    FIXED = "the same"
    FREE = "anything"

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The key's JSON schema with what lower levels may do."""
        return {**handler(schema), "x-lower-levels": self.value}


T = TypeVar("T")

Higher = Annotated[T, Tighter.HIGHER]
Lower = Annotated[T, Tighter.LOWER]
Earlier = Annotated[T, Tighter.EARLIER]
StaysOn = Annotated[T, Tighter.ON]
StaysOff = Annotated[T, Tighter.OFF]
Fewer = Annotated[T, Tighter.FEWER]
FewerOfAll = Annotated[T, Tighter.FEWER_OF_ALL]
More = Annotated[T, Tighter.MORE]
Each = Annotated[T, Tighter.EACH]
Fixed = Annotated[T, Tighter.FIXED]
Free = Annotated[T, Tighter.FREE]
