"""Examples of every answer for the OpenAPI document, made from the shapes so that they never differ from them."""

from typing import Any, Final

from queue_monitor import texts
from queue_monitor.api.guard.limits import BODY_BYTES

_BY_NAME: Final[dict[str, Any]] = {
    "act": "acknowledge",
    "alert": "long_wait",
    "by": "Anna",
    "cause": "booking",
    "cause_words": "växeln räknar på annat sätt",
    "channel": "sms",
    "clock_rate": 1.0,
    "counted_as": "abandoned_late",
    "counter": "let_go",
    "counter_words": "lämnat kön utan svar",
    "day": "2026-03-02",
    "definition": "D2",
    "definition_words": "besvarade inom 5 min av alla inkomna till kö",
    "detail": "",
    "episode": "f3b1c0",
    "error": "",
    "events": {"applied": 2412, "duplicate": 31},
    "expected_wait_words": "2–6 minuter",
    "formula": "answered_in_time / offered",
    "hours_words": "kl. 8.00–17.00",
    "kind": "weekday",
    "label": "Kundcenter",
    "language": "sv",
    "last_queue": "Kundcenter",
    "level": "contact",
    "name": "Kundcenter",
    "offered": "answered_in_time + answered_late + …",
    "organisation": "Kundcenter",
    "origin": "192.0.2.7",
    "outcome": "abandoned",
    "period": "day",
    "queue": "Kundcenter",
    "queues": ["Kundcenter"],
    "recipient": "teamledare",
    "rejected": {},
    "result": "sent",
    "since": "2026-01-01",
    "state": "raised",
    "status": "ok",
    "step": "hour",
    "subject": "f3b1c0",
    "switch": "pbx",
    "time_zone": "Europe/Stockholm",
    "updated": "10.12",
    "version": "0.2.0",
    "who": "teamledaren",
    "words": "92,4 %",
}
_RATIO: Final = 0.924
_MOMENT: Final = "2026-03-02T09:12:00Z"
_DEPTH: Final = 12


def with_examples(document: dict[str, Any]) -> None:
    """Give an example to every JSON answer of the document that has a shape of ours."""
    schemas = document.get("components", {}).get("schemas", {})
    for operation in (operation for methods in document["paths"].values() for operation in methods.values()):
        for status, answer in operation.get("responses", {}).items():
            content = answer.get("content", {}).get("application/json", {})
            name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            if name == "ErrorBody":
                content["example"] = _error(status)
            elif name in schemas:
                content["example"] = _of(schemas[name], schemas, "", _DEPTH)


def _error(status: str) -> dict[str, Any]:
    said = {
        "400": ("backwards", "from (2026-03-02T00:00:00+01:00) måste vara före to (2026-03-01T00:00:00+01:00)."),
        "401": (
            "unauthorized",
            _refused("no_token"),
        ),
        "403": ("forbidden", _refused("wrong_role")),
        "409": ("crisis_stands", "En kris är redan utlyst: vattenläcka på Porsön."),
        "404": ("unknown_queue", "Det finns ingen kö som heter ”Bygg”. Köer som finns: Kundcenter."),
        "413": ("too_big", _refused("too_big")),
        "429": ("too_many_requests", _refused("too_often")),
        "503": ("database_away", "Databasen går inte att nå just nu. Försök igen om en stund."),
    }
    error, detail = said.get(status, ("bad_choice", "”minute” går inte att välja som step. Välj bland: hour, day."))
    choices = {"404": ["Kundcenter"], "422": ["hour", "day"]}
    return {"error": error, "detail": detail, "choices": choices.get(status, [])}


def _refused(reason: str) -> str:
    return texts.say(f"error.refused.{reason}", "sv", limit=BODY_BYTES)


def _of(schema: dict[str, Any], schemas: dict[str, Any], name: str, depth: int) -> Any:
    if "$ref" in schema:
        return _of(schemas[schema["$ref"].rpartition("/")[2]], schemas, name, depth)
    if options := schema.get("anyOf") or schema.get("oneOf"):
        known = [option for option in options if option.get("type") != "null"]
        return _of(known[0], schemas, name, depth)
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        return {field: _of(part, schemas, field, depth - 1) for field, part in schema["properties"].items()}
    if kind in ("string", "array", "object") and name in _BY_NAME and _fits(_BY_NAME[name], schema):
        return _BY_NAME[name]
    if kind == "object":
        return {_key(name): _of(schema.get("additionalProperties") or {}, schemas, "", depth - 1)}
    if kind == "array":
        return [_of(schema["items"], schemas, name, depth - 1)] if depth > 0 else []
    return _plain(schema, name)


def _key(name: str) -> str:
    return {"service_level": "D2", "periods": "day", "risk": "day", "words": "sv"}.get(name, "key")


def _fits(value: Any, schema: dict[str, Any]) -> bool:
    """Return whether the example of a name has this type: `since` is a day in one shape and a time in another."""
    kinds = {"string": str, "array": list, "object": dict}
    if not isinstance(value, kinds[schema["type"]]):
        return False
    if isinstance(value, list):
        return bool(schema["items"].get("type") == "string")
    return schema.get("format") is None or (schema["format"] == "date" and value[:2] == "20")


def _plain(schema: dict[str, Any], name: str) -> Any:
    match schema.get("type"), schema.get("format"):
        case "string", "date-time":
            return _MOMENT
        case "string", "date":
            return "2026-03-02"
        case "string", _:
            return schema.get("enum", [""])[0]
        case "boolean", _:
            return name in ("open", "up", "known", "in_opening_hours", "start_known", "reachable", "headline")
        case "integer", _:
            return 300 if name == "limit_seconds" else 20 if name == "short_abandon_seconds" else 3
        case "number", _:
            return 42.0 if "seconds" in name else 540.0 if "minutes" in name else _RATIO
        case _:
            return None
