"""Asks a program whatever its OpenAPI document lists, in right and in wrong ways, with Schemathesis.

It takes a second to import, so only the test that asks imports it: every test process imports every file of tests.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.api.centre import Centre, signed
from tests.api.test_document import QUEUES

MOMENTS: Final = (
    "2026-03-02",
    "2026-03-29T02:30:00",
    "2026-10-25T02:30:00+02:00",
    "2024-02-29T12:00:00Z",
    "0001-01-01",
    "9999-12-31T23:59:59-14:00",
    "2000-01-01",
    "2099-12-31",
)
Operation = APIOperation[Any, Any, Any, Any]
Question = Case[Any]


class Asker:
    """Asks one program, as somebody without a token or with one, and counts the answers of each path."""

    def __init__(self, told: Centre, headers: dict[str, str]) -> None:
        self._told = told
        self._session = requests.Session()
        self._headers = headers
        self.answers: dict[str, Counter[int]] = {}
        whole = requests.get(f"{told.address}/openapi.json", headers=headers, timeout=40)
        self.schema = schemathesis.openapi.from_dict(whole.json())
        self.schema.config.update(base_url=told.address)

    def operations(self) -> Iterator[Operation]:
        """All but those that never end: a stream is held on its own."""
        for found in self.schema.get_all_operations():
            assert isinstance(found, Ok), found
            operation: Operation = found.ok()
            if "text/event-stream" not in str(operation.definition.raw["responses"].get("200")):
                yield operation

    def ask(self, case: Question, *, sign: bool) -> None:
        """Answered as documented, or `FailureGroup` says what was not."""
        request = requests.Request(**case.as_transport_kwargs(base_url=self._told.address, headers=self._headers))
        prepared = self._session.prepare_request(request)
        if sign:
            body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body or b""
            assert isinstance(body, bytes)
            prepared.headers.update(signed(body))
        answer = self._session.send(prepared, timeout=40, allow_redirects=False)
        self.answers.setdefault(case.operation.path, Counter())[answer.status_code] += 1
        # what the document cannot say, that `from` is before `to` and a body is signed, is refused and rightly so;
        # and a question that was made wrong is right again when it has been signed
        excluded: list[Any] = [positive_data_acceptance, *([negative_data_rejection] if sign else [])]
        case.validate_response(answer, excluded_checks=excluded)

    def walk(self, examples: int) -> None:
        """Every operation, with questions that fit its document and with such as do not."""
        for operation in self.operations():
            for mode in GenerationMode:
                self._walk(operation, mode, examples)

    def _walk(self, operation: Operation, mode: GenerationMode, examples: int) -> None:
        known = {name: st.sampled_from(QUEUES) for name in ("queue",)}
        known |= {name: st.sampled_from(MOMENTS) for name in ("from", "to")}

        @settings(
            max_examples=examples,
            database=None,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode), st.data())
        def holds(case: Question, data: st.DataObject) -> None:
            for part in (case.path_parameters, case.query):
                for name in set(part or ()) & set(known):
                    if data.draw(st.booleans()):
                        part[name] = data.draw(known[name])
            self.ask(case, sign=data.draw(st.booleans()))

        try:
            holds()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, f"{operation.label}: nothing can be asked"  # it has no parameters
