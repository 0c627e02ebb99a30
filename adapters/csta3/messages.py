"""Reads and writes the XML of ECMA-323 by local names: the namespace differs by edition, the prefix by maker."""

import re
from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement, tostring

NAMESPACE: Final = "http://www.ecma-international.org/standards/ecma-323/csta/"
_MAX_ID: Final = 128
_NUMBERED: Final = re.compile(r"N<([^>]*)>")
_SCHEME: Final = re.compile(r"^(?:tel|sips?):", re.IGNORECASE)
_DECLARATION: Final = re.compile(r"^\ufeff?\s*<\?xml[^>]*\?>")
_FORBIDDEN: Final = ("<!DOCTYPE", "<!ENTITY")


def read(content: bytes) -> Element | str:
    """Return the root element, or a word for the reason why there is none.

    A document type could define entities that grow without end or fetch a file. No CSTA message has one, so a message
    with one is refused unread. The text is decoded here, so that no declared encoding can hide one.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    if any(word in text.upper() for word in _FORBIDDEN):
        return "forbidden_xml"
    if "\x00" in text:
        # No XML has one; to the parser it would be the sign of another encoding.
        return "bad_xml"
    try:
        return ElementTree.fromstring(_DECLARATION.sub("", text).strip())
    except (ElementTree.ParseError, ValueError):
        return "bad_xml"


def name(element: Element) -> str:
    """Return the element's name without its namespace."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def children(element: Element | None, wanted: str) -> Iterator[Element]:
    for child in element if element is not None else ():
        if name(child) == wanted:
            yield child


def child(element: Element | None, *path: str) -> Element | None:
    """Return the first element down a path of names."""
    for step in path:
        element = next(children(element, step), None)
    return element


def text(element: Element | None, *path: str) -> str:
    """Return the text at the end of a path; empty where there is none."""
    found = child(element, *path)
    return (found.text or "").strip()[:_MAX_ID] if found is not None else ""


def whole(element: Element | None, *path: str) -> int | None:
    """Return the non-negative whole number at the end of a path."""
    found = text(element, *path)
    return int(found) if len(found) < 7 and found.isascii() and found.isdigit() else None


def device(element: Element | None, *path: str) -> str:
    """Return the bare device of `N<3021061290002>;noa=nk`, `tel:+46…;ext=1` or a plain one; empty when not known."""
    found = child(element, *path)
    inner = child(found, "deviceIdentifier")
    told = text(inner if inner is not None else found)
    if numbered := _NUMBERED.match(told):
        return numbered[1]
    return _SCHEME.sub("", told.partition(";")[0]).strip()


def connection(element: Element | None, *path: str) -> tuple[str, str]:
    """Return a connection's call and device."""
    found = child(element, *path)
    return text(found, "callID"), device(found, "deviceID")


def request(kind: str, edition: str, **parts: str) -> Element:
    """Return a request with elements below it, each named by its path: `monitorObject__deviceObject="7100"`."""
    root = Element(kind, {"xmlns": NAMESPACE + edition})
    for path, content in parts.items():
        *above, last = path.split("__")
        parent = root
        for step in above:
            known = child(parent, step)
            parent = known if known is not None else SubElement(parent, step)
        SubElement(parent, last).text = content
    return root


def written(root: Element) -> bytes:
    body: str = tostring(root, encoding="unicode")
    return b'<?xml version="1.0" encoding="UTF-8"?>' + body.encode()
