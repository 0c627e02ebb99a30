"""Makes the page of a report a tagged PDF, by WeasyPrint and pikepdf: the extra `pdf`.

Run as a program it reads the page from its input and writes the PDF to its output: so a monitor has it made in another
process, and nobody waits for the second that it takes.
"""

import io
import logging
import sys
from typing import Any, Final

from queue_monitor.whole_output import whole_output

MISSING: Final = "a PDF needs {what} (docs/rapporter.md); {reason}"
_EXTRA: Final = "weasyprint and pikepdf, packages in requirements/run.txt"
_LIBRARIES: Final = "libraries of the system, on Debian: apt-get install libpangoft2-1.0-0 libharfbuzz-subset0"


class MissingPdf(Exception):
    """Raised when the maker of PDFs is not installed; the message says how to install it."""


def pdf_of(page: bytes) -> bytes:
    """Return the PDF of a page. The same page gives the same bytes on the same machine. Raises `MissingPdf`."""
    try:
        import pikepdf
        import weasyprint
    except (ImportError, OSError) as error:  # OSError: a library of the system that WeasyPrint loads
        what = _EXTRA if isinstance(error, ImportError) else _LIBRARIES
        raise MissingPdf(MISSING.format(what=what, reason=str(error).splitlines()[0])) from error
    for name in ("weasyprint", "weasyprint.progress", "fontTools", "pikepdf"):
        logging.getLogger(name).setLevel(logging.ERROR)
    made = weasyprint.HTML(string=page.decode(), url_fetcher=_refuse).write_pdf(pdf_variant="pdf/ua-1")
    with pikepdf.open(io.BytesIO(made)) as document:
        _set_scopes(document, document.Root.StructTreeRoot, in_head=False)
        out = io.BytesIO()
        document.save(out, deterministic_id=True)
    return out.getvalue()


def _refuse(url: str, *_: object, **__: object) -> Any:
    raise ValueError(f"a report needs no other file, and {url[:80]} was asked for")


def _set_scopes(document: Any, element: Any, *, in_head: bool) -> None:
    """Mark each header cell as the head of a column or a row, which WeasyPrint leaves out."""
    import pikepdf

    kind = str(element.get("/S", ""))
    if kind == "/TH":
        scope = pikepdf.Name("/Column" if in_head else "/Row")
        own = element.get("/A")
        attributes = own if isinstance(own, pikepdf.Array) else [] if own is None else [own]
        added = pikepdf.Dictionary(O=pikepdf.Name("/Table"), Scope=scope)
        element.A = pikepdf.Array([*attributes, added])
    children = element.get("/K")
    for child in children if isinstance(children, pikepdf.Array) else [children]:
        if isinstance(child, pikepdf.Dictionary) and "/S" in child:
            _set_scopes(document, child, in_head=in_head or kind == "/THead")


def main() -> int:
    """Read a page and write its PDF; return 1, with a sentence, where the maker is missing."""
    try:
        made = pdf_of(sys.stdin.buffer.read())
    except MissingPdf as error:
        sys.stderr.write(f"{error}\n")
        return 1
    with whole_output() as out:
        out.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
