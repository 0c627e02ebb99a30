"""The words for a file that is no TOML: what stands there, and a guess at what people write who do not know TOML."""

import re
from typing import Final

from queue_monitor.config.mistakes import Mistake

_TWICE: Final = re.compile(r"cannot declare \((.+?),?\) twice")
_OUTSIDE_QUOTES: Final = re.compile(r"""("[^"]*"|'[^']*'|#.*)""")
_HINTS: Final = (
    (re.compile(r"=\s*-?\d+,\d"), "a decimal has a point, such as 0.9"),
    (re.compile(r"[\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb]"), 'quotation marks are straight: "text"'),
    (
        re.compile(r"^\s*(\[{1,2}[^=]*[^\x00-\x7f]|[^=\[]*[^\x00-\x7f][^=]*=)"),
        'a name with other letters than a to z stands in quotation marks, such as [queues."Förskola"]',
    ),
    (
        re.compile(r"^\s*\[{1,2}[^=\]]*\w\s+\w"),
        'a name with a space stands in quotation marks: [queues."Bygg och miljö"]',
    ),
)


def syntax_mistake(key: str, what: str, line: str) -> Mistake:
    """Return the mistake of a line that cannot be read; `key` is its place, `what` the reader's own words."""
    if what == "cannot overwrite a value":
        return Mistake(key, "a key that stands there already", "each key once in its table")
    if table := _TWICE.fullmatch(what):
        name = ".".join(part.strip().strip("'") for part in table[1].split(","))
        return Mistake(key, f"[{name}] stands twice", "one such table with all of its keys")
    bare = _OUTSIDE_QUOTES.sub("", line)
    hint = next((words for form, words in _HINTS if form.search(bare)), "")
    return Mistake(key, what, 'TOML, such as key = "text"', hint=hint)
