"""The templates of the pages, each made into code once in a process, at its first use.

The lead's takes a tenth of a second, for which neither a start nor each of several programs in a process need wait.
"""

from functools import cache
from pathlib import Path
from typing import Final

from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

_FOLDER: Final = Path(__file__).parent / "templates"
PAGES: Final = Jinja2Templates(directory=_FOLDER)
"""The small pages, and the wall's."""


@cache
def template(name: str) -> Template:
    """Return the template in that file, which may use no name that it is not given."""
    return Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template(name)
