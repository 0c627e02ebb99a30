"""The words of a page, as a reader has them."""

import html
import re


def plain(page: str) -> str:
    """Without tags, with single spaces."""
    words = re.sub(r"<(script|style)[^>]*>.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(words).replace("\N{NO-BREAK SPACE}", " ").split())
