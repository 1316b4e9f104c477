"""The sections of a recipe other than its models: corpus, cluster, prices and budget."""

import os
import re
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from datagen.json_types import JsonObject
from datagen.redaction import mask_secrets


class Section(BaseModel):
    """A part of the recipe. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def _known_encoding(name: str) -> str:
    try:
        "".encode(name or "utf-8")
    except LookupError:
        raise ValueError(f"there is no text encoding {name!r}; try windows-1252") from None
    return name


Encoding = Annotated[str, AfterValidator(_known_encoding)]


class Source(Section):
    """
    Documents to read. Give `path` or `python`.

    A file's format is inferred from its extension or its content; docs/documents.md lists the formats. A
    field is given by its path within a record: `body`, `meta.title`, `conversations.*.value`.
    """

    path: str = Field(
        "",
        description="A file, a folder, or a glob such as docs/**/*.html; relative to the recipe. Or a URL "
        "that fsspec supports, such as s3://bucket/docs, gs:// or abfss://",
    )
    python: str = Field(
        "", description="A mapping of titles to texts in an importable module: module:attribute"
    )
    include: tuple[str, ...] = Field(
        (), description="Globs of the files to read, such as *.md or manuals/**; default: all"
    )
    exclude: tuple[str, ...] = Field(
        (), description="Globs of files and folders to exclude, such as *.log or drafts"
    )
    text_field: str = Field("text", description="Records: the field with the text")
    title_field: str = Field("title", description="Records: the field with the title, if any")
    id_field: str = Field("id", description="Records: the field with the record's id, if any")
    fields: dict[str, str] = Field(
        {},
        description="Records: fields to read, as name: path. text, title and id are as above; any "
        "other name becomes metadata",
    )
    encoding: Encoding = Field(
        "", description="Encoding of text that is not UTF-8, such as windows-1252; default: detected"
    )
    language: str = Field(
        "",
        pattern=r"^([a-z]{2,3})?$",
        description="ISO 639 code of all documents, such as de; default: detected per text",
    )
    licence: str = Field("", description="Licence, such as CC-BY-4.0; added to the metadata")
    metadata: JsonObject = Field({}, description="Added to the metadata of each document")

    @model_validator(mode="after")
    def _check_path_or_python(self) -> "Source":
        if bool(self.path) == bool(self.python):
            raise ValueError("give either path: or python:")
        return self

    @field_validator("path")
    @classmethod
    def _check_credentials(cls, path: str) -> str:
        """Reject a URL with credentials, which the run's manifest would store; never show them."""
        if "\0" in path:
            raise ValueError("a path cannot contain a NUL character")
        try:
            os.fsencode(path)
        except UnicodeEncodeError:
            raise ValueError("a path cannot contain unpaired surrogates") from None
        address = re.match(r"[a-z][a-z0-9+.-]*://(?:([^/@]*)@)?(.*)", path, re.DOTALL)
        if address and (":" in (address[1] or "") or mask_secrets(address[2]) != address[2]):
            raise ValueError("remove the key or password from the URL: credentials come from the environment")
        return path

    @property
    def is_remote(self) -> bool:
        """Whether `path` is a URL."""
        return re.match(r"[a-z][a-z0-9+.-]*://", self.path) is not None

    def path_of(self, field: str) -> str:
        """Return the path of "text", "title" or "id" within a record."""
        record_fields = {"text": self.text_field, "title": self.title_field, "id": self.id_field}
        return self.fields.get(field) or record_fields[field]

    @property
    def constants(self) -> JsonObject:
        """Metadata added to each document."""
        return self.metadata | ({"licence": self.licence} if self.licence else {})


class Cluster(Section):
    """
    Where the stages run. The section may be just an address: `cluster: tcp://host:8786`.

    Start the workers of a remote scheduler yourself, with the same version of datagen and the same folders.
    Start workers for engines with `dask worker tcp://host:8786 --resources engine=1 --nthreads 4`.
    """

    address: str = Field(
        "",
        description="Address of a Dask scheduler, such as tcp://host:8786; default: workers on this machine",
    )
    workers: int = Field(
        0, ge=0, description="Worker processes for CPU stages on this machine; 0: one per core"
    )
    partition_mb: float = Field(8, gt=0, description="Text per partition, in MB; bounds a worker's memory")

    @model_validator(mode="after")
    def _check_address(self) -> "Cluster":
        if self.address and not re.fullmatch(r"[a-z]+://\S+:\d+", self.address):
            raise ValueError("the address of a cluster has the form tcp://host:8786")
        if self.address and self.workers:
            raise ValueError("workers are only started on this machine; give either address or workers")
        return self


class Price(Section):
    """
    The price of a model's answers, for plans and the report. It affects no row and no request.

    Prices are per million tokens, per hour of an engine, or both.
    """

    prompt: float = Field(0, ge=0, allow_inf_nan=False, description="Per million input tokens")
    completion: float = Field(0, ge=0, allow_inf_nan=False, description="Per million output tokens")
    cached: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="Per million input tokens from the prefix cache; default: as other input tokens",
    )
    hour: float = Field(0, ge=0, allow_inf_nan=False, description="Per hour of the engine")
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="Code of the currency; one per recipe")
    stated: str = Field(
        "", pattern=r"^(\d{4}-\d{2}-\d{2})?$", description="Date of the price, such as 2026-11-29, in quotes"
    )

    @field_validator("stated")
    @classmethod
    def _real_date(cls, stated: str) -> str:
        if stated:
            date.fromisoformat(stated)
        return stated

    def of(
        self, prompt_tokens: float, cached_tokens: float, completion_tokens: float, hours: float | None
    ) -> float | None:
        """
        Compute the price of answers.

        Parameters
        ----------
        prompt_tokens, cached_tokens, completion_tokens
            Input tokens, those of them from the prefix cache, and output tokens.
        hours
            Hours of the engine; None if unknown.

        Returns
        -------
        An amount in `currency`; None if the engine has a price per hour and the hours are unknown.
        """
        if self.hour and hours is None:
            return None
        cached = self.prompt if self.cached is None else self.cached
        tokens = (
            (prompt_tokens - cached_tokens) * self.prompt
            + cached_tokens * cached
            + completion_tokens * self.completion
        )
        return tokens / 1e6 + self.hour * (hours or 0.0)

    @property
    def terms(self) -> str:
        """The price as text, with its date."""
        terms = []
        if self.prompt or self.completion:
            terms.append(f"{self.prompt:g}/{self.completion:g} per million input/output tokens")
        if self.cached is not None:
            terms.append(f"{self.cached:g} per million cached ones")
        if self.hour:
            terms.append(f"{self.hour:g} per engine hour")
        stated = f" (as of {self.stated})" if self.stated else ""
        return f"{self.currency} {', '.join(terms) or '0'}{stated}"


class Budget(Section):
    """
    Limits on the answers of a run; omitted ones are unlimited.

    A run stops when it reaches a limit. Its answers are kept, and with a higher budget the run continues.
    Reused answers do not count. With one engine, the number of requests is exact, and tokens may exceed the
    limit by those of the requests in flight (the model's window). Each further engine may add its requests in
    flight, and those that it answers in half a second.
    """

    requests: int | None = Field(None, ge=0, description="Maximum answered requests")
    prompt_tokens: int | None = Field(None, ge=0, description="Maximum input tokens, including cached ones")
    completion_tokens: int | None = Field(None, ge=0, description="Maximum output tokens")
