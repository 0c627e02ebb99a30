"""Turns an OpenAPI document into the content of the page at /docs: server-rendered, nothing loaded from elsewhere."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct


class Field(Struct, frozen=True, kw_only=True):
    """A parameter or one part of a shape. `link` is the shape it leads to."""

    name: str
    where: str = ""
    kind: str
    link: str = ""
    required: bool = False
    meaning: str = ""


class Answer(Struct, frozen=True, kw_only=True):
    status: str
    meaning: str
    link: str


class Operation(Struct, frozen=True, kw_only=True):
    method: str
    path: str
    summary: str
    meaning: str
    parameters: tuple[Field, ...]
    answers: tuple[Answer, ...]
    open_at: str


class Shape(Struct, frozen=True, kw_only=True):
    name: str
    meaning: str
    fields: tuple[Field, ...]


def pages_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return the operations and the shapes of an OpenAPI document, for the template."""
    schemas = document.get("components", {}).get("schemas", {})
    return {
        "operations": tuple(_operations(document)),
        "shapes": tuple(_shape(name, schema) for name, schema in schemas.items() if "properties" in schema),
    }


def _operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document.get("paths", {}).items():
        for method, operation in methods.items():
            parameters = tuple(_parameter(parameter) for parameter in operation.get("parameters", ()))
            answers = tuple(_answer(status, found) for status, found in sorted(operation.get("responses", {}).items()))
            plain = method == "get" and not any(parameter.required for parameter in parameters)
            yield Operation(
                method=method.upper(),
                path=path,
                summary=operation.get("summary", ""),
                meaning=operation.get("description", ""),
                parameters=parameters,
                answers=answers,
                open_at=path if plain else "",
            )


def _parameter(parameter: dict[str, Any]) -> Field:
    kind, link = _kind(parameter.get("schema", {}))
    return Field(
        name=parameter["name"],
        where=parameter["in"],
        kind=kind,
        link=link,
        required=parameter.get("required", False),
        meaning=parameter.get("description", ""),
    )


def _answer(status: str, response: dict[str, Any]) -> Answer:
    schemas = [content.get("schema", {}) for content in response.get("content", {}).values()]
    link = next((_kind(schema)[1] for schema in schemas if _kind(schema)[1]), "")
    return Answer(status=status, meaning=response.get("description", ""), link=link)


def _shape(name: str, schema: dict[str, Any]) -> Shape:
    required = schema.get("required", ())
    fields = []
    for field, content in schema["properties"].items():
        kind, link = _kind(content)
        fields.append(
            Field(name=field, kind=kind, link=link, required=field in required, meaning=content.get("description", ""))
        )
    return Shape(name=name, meaning=schema.get("description", ""), fields=tuple(fields))


def _kind(schema: dict[str, Any]) -> tuple[str, str]:
    """Return a schema's type in a few words, and the shape it leads to."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return name, name
    if options := schema.get("anyOf") or schema.get("allOf") or schema.get("oneOf"):
        kinds = [_kind(option) for option in options]
        return " | ".join(kind for kind, _ in kinds), next((link for _, link in kinds if link), "")
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"])), ""
    if schema.get("type") == "array":
        kind, link = _kind(schema.get("items", {}))
        return f"{kind}[]", link
    if schema.get("type") == "object" and isinstance(extra := schema.get("additionalProperties"), dict):
        kind, link = _kind(extra)
        return f"{{…: {kind}}}", link
    return schema.get("format") or str(schema.get("type", "")), ""
