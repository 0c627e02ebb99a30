"""A real nginx before the monitor, on the same machine: what a bare `proxy_pass` lets through, and who is believed."""

import http.client
import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin

import pytest

from queue_monitor.model import Role
from tests.adapters.broker import free_port, program
from tests.api.centre import SETTINGS, TOKENS, Centre, centre, with_tokens
from tests.patience import PATIENCE

BARE: Final = "proxy_pass http://127.0.0.1:{port};"
TOLD: Final = BARE + "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
NGINX: Final = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder};
  scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{listen}; location {path} {{ {location} }} }}
}}
"""
CRISIS: Final = "/api/v1/crisis"


class Proxy:
    """An nginx before a monitor, as it is reached from anywhere."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, method: str, path: str, *, role: Role | None = None, **headers: str) -> tuple[int, Any]:
        if role is not None:
            headers["Authorization"] = f"Bearer {TOKENS[role]}"
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        body = json.dumps({"reason": "storm"}) if method == "POST" else None
        try:
            connection.request(method, path, body, {"Host": "monitor.example"} | headers)
            answer = connection.getresponse()
            said = answer.read()
            return answer.status, json.loads(said) if said[:1] == b"{" else said
        finally:
            connection.close()

    def where(self, method: str, path: str, **headers: str) -> str:
        """Where an answer leads on."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.request(method, path, headers=headers)
            return connection.getresponse().headers["Location"] or ""
        finally:
            connection.close()


@contextmanager
def behind_nginx(told: Centre, folder: Path, location: str, path: str = "/") -> Iterator[Proxy]:
    listen = free_port()
    folder.mkdir()
    where = location.format(port=told.address.rpartition(":")[2])
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, listen=listen, path=path, location=where))
    process = subprocess.Popen([program("nginx"), "-p", str(folder), "-c", str(file)], stderr=subprocess.DEVNULL)
    try:
        proxy = Proxy(listen)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                assert proxy.ask("GET", path + "healthz")[0] == 200
                break
            except OSError:
                assert time.monotonic() < until, (folder / "error.log").read_text()
        yield proxy
    finally:
        process.terminate()
        process.wait(PATIENCE)


def acts(proxy: Proxy) -> list[dict[str, str]]:
    found: list[dict[str, str]] = proxy.ask("GET", "/api/v1/audit", role=Role.ADMIN)[1]["acts"]
    return [act for act in found if act["act"] == "declare_crisis"]


def test_behind_a_bare_proxy_pass_nobody_changes_anything_and_reading_is_as_the_settings_say(tmp_path: Path):
    with centre(tmp_path) as told, behind_nginx(told, tmp_path / "nginx", BARE) as proxy:
        changed = [proxy.ask(method, CRISIS)[0] for method in ("POST", "DELETE")]
        standing = proxy.ask("GET", CRISIS)
    closed = SETTINGS + "\n[http]\nread_without_token = false\n"
    with centre(tmp_path, closed) as told, behind_nginx(told, tmp_path / "closed", BARE) as proxy:
        read = [proxy.ask("GET", path)[0] for path in ("/", "/api/v1/status", "/metrics", "/lead", CRISIS)]

    assert changed == [401, 401]
    assert (standing[0], standing[1]["crisis"]) == (200, None), "it looks as if this machine asked: documented so"
    assert set(read) == {401}


def test_behind_a_bare_proxy_pass_nobody_reads_once_a_token_exists(tmp_path: Path):
    with centre(tmp_path, with_tokens()) as told, behind_nginx(told, tmp_path / "nginx", BARE) as proxy:
        read = [proxy.ask("GET", path)[0] for path in ("/", "/api/v1/status", "/metrics", "/lead", CRISIS)]
        changed = [proxy.ask(method, CRISIS)[0] for method in ("POST", "DELETE")]
        opened = [proxy.ask("GET", path)[0] for path in ("/healthz", "/static/wallboard.css", "/sign-in")]
        by_a_lead = proxy.ask("POST", CRISIS, role=Role.LEAD)[0]

    assert (set(read), set(changed), set(opened), by_a_lead) == ({401}, {401}, {200}, 200)


@pytest.mark.parametrize(
    ("setting", "origin"), [("", "127.0.0.1"), ('\n[http]\ntrusted_proxies = ["127.0.0.1"]\n', "203.0.113.9")]
)
def test_only_a_proxy_that_the_settings_name_is_believed(tmp_path: Path, setting: str, origin: str):
    with centre(tmp_path, with_tokens() + setting) as told, behind_nginx(told, tmp_path / "nginx", TOLD) as proxy:
        said = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
        assert proxy.ask("POST", CRISIS, role=Role.LEAD, **said)[0] == 200

        assert [act["origin"] for act in acts(proxy)] == [origin]


UNDER: Final = "/tavla/"


def named_in(page: str, at: str) -> set[str]:
    """The paths that a page asks for and leads to."""
    found = re.findall(r'(?:href|src|action)="([^"#]+)"', page) + re.findall(r'EventSource\("([^"]+)"\)', page)
    return {urljoin(at, one.replace("&amp;", "&")).partition("?")[0] for one in found}


def test_under_a_path_of_the_proxy_s_every_page_has_its_style_its_data_and_its_links(tmp_path: Path):
    pages = ("", "lead", "docs", "public", "sign-in", "alerts/x", "static/wallboard.js")
    settings = with_tokens() + "\n[http]\npublic = true\n"
    stripped = BARE.replace(";", "/;", 1)
    with centre(tmp_path, settings) as told, behind_nginx(told, tmp_path / "nginx", stripped, UNDER) as proxy:
        shown = {page: proxy.ask("GET", UNDER + page, role=Role.ADMIN)[1].decode() for page in pages}
        # a script's addresses are those of the page that loads it
        base = {page: UNDER + page.replace("static/wallboard.js", "") for page in pages}
        asked = {path for page in pages for path in named_in(shown[page], base[page])}
        found = {path: proxy.ask("GET", path, role=Role.ADMIN)[0] for path in asked if not path.endswith("/stream")}
        turned = proxy.where("GET", UNDER + "lead", Accept="text/html")

    assert {path for path in asked if not path.startswith(UNDER)} == set()
    assert {UNDER, UNDER + "lead", UNDER + "static/lead.css", UNDER + "api/v1/stream"} <= asked
    assert {path for path, code in found.items() if code not in (200, 405)} == {UNDER + "readyz"}, "no source is up yet"
    assert urljoin(UNDER + "lead", turned) == UNDER + "sign-in?next=/lead"
