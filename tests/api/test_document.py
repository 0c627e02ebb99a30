"""The OpenAPI document held against the running program: whatever it lists is asked, in right and in wrong ways.

Schemathesis makes the questions up from the document. No answer may be a 5xx, and none other than is documented: its
status, its headers, its kind of content, its shape.
"""

from collections.abc import Iterator
from typing import Final

import pytest

from tests.api.centre import Centre, centre

QUEUES: Final = ("Kundcenter", "support|luleå")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    with centre(tmp_path_factory.mktemp("open")) as started:
        started.tell(*(started.enters(caller, QUEUES[caller % 2]) for caller in range(4)), started.leaves(1))
        yield started


def test_every_answer_is_one_that_the_document_knows(told: Centre):
    from tests.api.asking import Asker

    asker = Asker(told, {})

    asker.walk(4)

    assert set(asker.answers) == {operation.path for operation in asker.operations()}
    assert asker.answers["/api/v1/queues/{queue}"].keys() >= {200, 404}
    assert asker.answers["/api/v1/events"].keys() >= {401}


@pytest.mark.soak
def test_many_more_answers_are_such_as_the_document_knows(told: Centre):
    from tests.api.asking import Asker

    asker = Asker(told, {})

    asker.walk(100)

    print({path: dict(answers) for path, answers in asker.answers.items()})
