"""`InputRules`: what a policy says about one input, beside where it lies: its digest, its rows and its columns."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hallmark.documents.loading import Document
from hallmark.documents.tighter import Earlier, Fixed, Higher, Lower

_DATABASES = ("postgresql", "postgres")
SCHEMES = ("s3", "http", "https", *_DATABASES)
"""Of locations that have to be fetched; every other location is a path."""

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
TypeName = Literal["integer", "number", "string", "boolean", "date", "datetime", "decimal"]


class Column(Document):
    name: str = Field(min_length=1)
    type: TypeName = Field(
        description="`number` takes integers too, `decimal` takes integers too. In CSV and JSON Lines a date is "
        "written 2026-01-31, a datetime 2026-01-31T12:00:00 (or with a blank for the T)."
    )
    nullable: bool = Field(default=True, description="Whether values may be missing.")


class Schema(Document):
    columns: Fixed[list[Column]] = Field(min_length=1)
    order: Fixed[Literal["any", "exact"]] = Field(default="any", description="Whether the columns stand in this order.")
    extra: Earlier[Literal["refuse", "allow"]] = Field(
        default="refuse", description="Columns that are not listed here."
    )

    @model_validator(mode="after")
    def _distinct(self) -> Schema:
        twice = [name for name, count in Counter(column.name for column in self.columns).items() if count > 1]
        if twice:
            raise ValueError(f"the column {twice[0]} is listed twice")
        return self


class RowLimits(Document):
    minimum: Higher[int] = Field(default=1, ge=1)
    maximum: Lower[int | None] = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> RowLimits:
        if self.maximum is not None and self.maximum < self.minimum:
            raise ValueError("maximum is less than minimum")
        return self


class Sql(Document):
    """What is read of a database: one SELECT, or one table."""

    query: Fixed[str | None] = Field(
        default=None, min_length=1, description="A SELECT; `ORDER BY` makes its digest stable."
    )
    table: Fixed[str | None] = Field(
        default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?$", description="`[schema.]table`"
    )
    order_by: Fixed[list[str]] = Field(default=[], description="Columns by which a table's rows are sorted.")

    @model_validator(mode="after")
    def _one(self) -> Sql:
        if (self.query is None) == (self.table is None):
            raise ValueError("name either a query or a table")
        if self.query is not None and self.order_by:
            raise ValueError("orderBy goes with table; a query has its own ORDER BY")
        return self


class S3(Document):
    endpoint: Fixed[str | None] = Field(
        default=None, pattern=r"^https?://[^\s/@]+/?$", description="URL of a server that is not Amazon's."
    )
    region: Fixed[str] = Field(default="us-east-1", pattern=r"^[a-z0-9-]+$")


class TableRules(Document):
    """Rules for one input that lies in a folder."""

    sha256: Fixed[Digest | None] = Field(
        default=None,
        description="Of the file's bytes; of several files, of the sorted lines `<hex>  <relative name>`; of SQL, of "
        "the rows in canonical form.",
    )
    rows: Fixed[Annotated[int, Field(ge=1)] | RowLimits | None] = Field(default=None, description="Exactly, or limits.")
    delimiter: Fixed[str] = Field(default=",", pattern=r'^[^"\r\n\x00-\x08\x80-\U0010ffff]$', description="Of CSV.")
    table_schema: Schema | None = Field(default=None, alias="schema", description="The columns and their types.")
    maximum_bytes: Lower[int] = Field(
        default=16 << 30, ge=1, description="Of what is fetched or unpacked for this input, all its files together."
    )


class InputRules(TableRules):
    """Rules for one input, whatever its location."""

    sql: Sql | None = Field(default=None, description="What is read, where the location is a database.")
    s3: S3 = S3()
    timeout: Lower[int] = Field(default=3600, gt=0, description="Seconds that fetching may take.")


def is_remote(location: str) -> bool:
    """Whether it has to be fetched. A location that looks like one of an unknown kind counts as such."""
    return "://" in location


def is_database(location: str) -> bool:
    """Whether rows are asked for there, and not files."""
    scheme, separator, _ = location.partition("://")
    return bool(separator) and scheme in _DATABASES
