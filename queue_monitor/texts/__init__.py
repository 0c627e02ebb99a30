"""Every sentence and number format that a person sees. A language is one file, such as `sv.toml`.

The wallboard's script formats its ticking numbers by the same rules; a test holds the two together.
"""

from queue_monitor.texts.format import (
    NONE,
    Labelled,
    alert_message,
    alert_words,
    chance,
    clock,
    count,
    date_words,
    definition_words,
    label,
    moment_words,
    opening,
    outcome_words,
    percent,
    plain_percent,
    reason_words,
    span,
    status_words,
    target_words,
    wait,
    wait_in_words,
    wait_range,
)
from queue_monitor.texts.languages import LANGUAGES, known_language, say, words

__all__ = [
    "LANGUAGES",
    "NONE",
    "Labelled",
    "alert_message",
    "alert_words",
    "chance",
    "clock",
    "count",
    "date_words",
    "definition_words",
    "known_language",
    "label",
    "moment_words",
    "opening",
    "outcome_words",
    "percent",
    "plain_percent",
    "reason_words",
    "say",
    "span",
    "status_words",
    "target_words",
    "wait",
    "wait_in_words",
    "wait_range",
    "words",
]
