"""The shipped examples of nginx and Caddy, run as they are but for ports and certificates, before a real monitor."""

import http.client
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from queue_monitor.model import Role
from tests.adapters.broker import free_port, program
from tests.api.centre import TOKENS, Centre, centre, with_tokens
from tests.api.test_behind_nginx import named_in
from tests.certificates import self_signed
from tests.patience import PATIENCE

DEPLOY: Final = Path(__file__).parent.parent / "deploy"
OWN, OTHER = "monitor.example", "www.kommunen.example"
BEHIND: Final = '\n[http]\ntrusted_proxies = ["127.0.0.1"]\nread_without_token = false\npublic = true\n'
NGINX: Final = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder};
  scgi_temp_path {folder};
  include {folder}/site.conf;
}}
"""


class Proxy:
    """A proxy that is reached by TLS at either name; `plain` is the port without it."""

    def __init__(self, port: int, plain: int, certificate: str) -> None:
        self._port = port
        self.plain = plain
        self._trusting = ssl.create_default_context(cafile=certificate)

    def line(self, name: str) -> http.client.HTTPConnection:
        """A connection whose certificate holds for that name."""
        connection = http.client.HTTPConnection(name, self._port, timeout=PATIENCE)
        connection.sock = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
        try:
            connection.sock = self._trusting.wrap_socket(connection.sock, server_hostname=name)
        except OSError:
            connection.close()
            raise
        return connection

    def ask(
        self, path: str, name: str = OWN, role: Role | None = Role.ADMIN
    ) -> tuple[int, str, http.client.HTTPMessage]:
        headers = {} if role is None else {"Authorization": f"Bearer {TOKENS[role]}"}
        connection = self.line(name)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers
        finally:
            connection.close()


@contextmanager
def before(told: Centre, folder: Path, kind: str) -> Iterator[Proxy]:
    folder.mkdir()
    certificate, key = self_signed(folder)
    port, plain = free_port(), free_port()
    text = (DEPLOY / ("nginx.conf" if kind == "nginx" else "Caddyfile")).read_text(encoding="utf-8")
    swaps = {
        "/etc/ssl/certs/monitor.pem": certificate,
        "/etc/ssl/private/monitor.key": key,
        "127.0.0.1:8080": told.address.removeprefix("http://"),
        "listen 443": f"listen 127.0.0.1:{port}",
        "listen 80": f"listen 127.0.0.1:{plain}",
    }
    for shipped, here in swaps.items():
        text = text.replace(shipped, here)
    process = _nginx(folder, text) if kind == "nginx" else _caddy(folder, text, port, plain)
    proxy = Proxy(port, plain, certificate)
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                assert proxy.ask("/healthz")[0] == 200
                break
            except OSError:
                assert time.monotonic() < until and process.poll() is None, (folder / "error.log").read_text()
                time.sleep(0.05)
        yield proxy
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _nginx(folder: Path, text: str) -> subprocess.Popen[bytes]:
    (folder / "site.conf").write_text(text, encoding="utf-8")
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder), encoding="utf-8")
    command = [program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with (folder / "error.log").open("wb") as log:
        return subprocess.Popen(command, stderr=log)


def _caddy(folder: Path, text: str, port: int, plain: int) -> subprocess.Popen[bytes]:
    own = f"{{\n\tadmin off\n\thttp_port {plain}\n\thttps_port {port}\n\tdefault_bind 127.0.0.1\n}}\n"
    (folder / "Caddyfile").write_text(own + text, encoding="utf-8")
    command = [program("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    environ = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "error.log").open("wb") as log:
        return subprocess.Popen(command, env=environ, stderr=log)


@pytest.fixture(params=["nginx", "caddy"])
def standing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Centre, Proxy]]:
    with centre(tmp_path, with_tokens() + BEHIND) as told, before(told, tmp_path / "proxy", request.param) as proxy:
        yield told, proxy


def test_the_shipped_examples_serve_wall_stream_and_path_by_tls(standing: tuple[Centre, Proxy]):
    told, proxy = standing

    _the_wall_and_who_may_see_it(proxy)
    _the_stream_comes_word_by_word(told, proxy, OWN, "/api/v1/stream")
    _the_stream_comes_word_by_word(told, proxy, OTHER, "/tavla/api/v1/stream")
    _pages_under_the_path_stay_there(proxy)
    _who_asks_without_tls_is_sent_there(proxy)


def _the_wall_and_who_may_see_it(proxy: Proxy) -> None:
    code, page, headers = proxy.ask("/")
    shown = proxy.ask(f"/?token={TOKENS[Role.WALLBOARD]}", role=None)

    assert code == 200 and "<html" in page
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert {proxy.ask(path, role=None)[0] for path in ("/", "/lead", "/api/v1/status", "/metrics")} == {401}
    assert proxy.ask("/metrics", role=Role.METRICS)[0] == 200
    assert "Secure" in shown[2]["Set-Cookie"], "the monitor believes that it is reached by TLS"


def _the_stream_comes_word_by_word(told: Centre, proxy: Proxy, name: str, path: str) -> None:
    line = proxy.line(name)
    try:
        line.request("GET", path, headers={"Authorization": f"Bearer {TOKENS[Role.STATUS]}"})
        answer = line.getresponse()
        first = _next_word(answer)
        told.tell(told.enters(hash(name) % 10_000))
        changed = _next_word(answer)

        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert first != changed, "a caller shows while the stream is open"
    finally:
        line.close()


def _next_word(answer: http.client.HTTPResponse) -> bytes:
    while not (read := answer.readline()).startswith(b"data:"):
        assert read, "the stream ended"
    return read


def _pages_under_the_path_stay_there(proxy: Proxy) -> None:
    for page in ("", "lead", "public", "docs"):
        code, shown, _ = proxy.ask(f"/tavla/{page}", OTHER)
        asked = {path for path in named_in(shown, f"/tavla/{page}") if not path.endswith("/stream")}

        assert code == 200, page
        assert asked and all(path.startswith("/tavla/") for path in asked), page
        assert {proxy.ask(path, OTHER)[0] for path in asked if re.search(r"\.(css|js|svg)$", path)} <= {200}
    assert proxy.ask("/tavla", OTHER)[2]["Location"].endswith("/tavla/")


def _who_asks_without_tls_is_sent_there(proxy: Proxy) -> None:
    line = http.client.HTTPConnection("127.0.0.1", proxy.plain, timeout=PATIENCE)
    try:
        line.request("GET", "/lead", headers={"Host": OWN})
        answer = line.getresponse()

        assert answer.status in (301, 308)
        assert re.fullmatch(rf"https://{OWN}(:\d+)?/lead", answer.headers["Location"])
    finally:
        line.close()
