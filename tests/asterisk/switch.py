"""A real Asterisk, started in its chroot on this machine's loopback, with four queues and `Local/` channels only.

A member of `yttre` is a channel that waits in `inre`. At the reception somebody consults a queue and hangs up: the
caller goes on in it. Who is called back is behind a `Local` channel that Asterisk optimises away. Who is moved out of a
queue stays on the line for 45 s.

Callers and agents are dialplan: a *person* is the far half of a caller's `Local` channel and does what the call's
variables say (patience, key); an agent rings for a while, answers or not, talks and hangs up. What they do they tell in
UserEvents named `Truth`, which say nothing that app_queue has said.
"""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.asterisk.chroot import chroot, version

SECRET = "exempel-ej-hemlig"
USERS = {
    "monitor": ("agent,call,dialplan,system", "reporting"),
    "narrow": ("agent,call", "reporting"),
    "filtered": ("agent,call,dialplan,system", "reporting"),
    "control": ("user,system", "all"),
}
FILTERS = {"filtered": "eventfilter = !Event: VarSet\n"}
AGENTS = {"kundcenter": range(101, 109), "bygglov": range(201, 205), "inre": range(301, 304)}
QUEUES = (*AGENTS, "yttre")
FULL_AT = 6
"""So many may wait for bygglov; the next is refused."""

_MODULES = """
pbx_config app_queue app_dial app_stack app_userevent app_senddtmf app_exec func_logic func_channel func_callerid
func_strings func_global func_math func_rand func_timeout bridge_simple bridge_builtin_features bridge_holding
bridge_softmix
res_timing_timerfd res_clioriginate codec_ulaw format_pcm
"""

_FILES = {
    "logger.conf": """
[general]
dateformat = %F %T.%3q
queue_log = yes
queue_log_to_file = yes
[logfiles]
messages => notice,warning,error
""",
    "queues.conf": """
[general]
persistentmembers = no
autofill = yes
shared_lastcall = yes
log_membername_as_agent = yes
[common](!)
timeout = 6
retry = 1
wrapuptime = 0
announce-frequency = 0
ringinuse = no
context = keys
setinterfacevar = no
[kundcenter](common)
strategy = rrmemory
joinempty = yes
leavewhenempty = no
{kundcenter}
[bygglov](common)
strategy = linear
maxlen = {full}
joinempty = paused,unavailable,invalid,unknown
leavewhenempty = paused,unavailable,invalid,unknown
{bygglov}
[inre](common)
strategy = rrmemory
{inre}
[yttre](common)
strategy = rrmemory
timeout = 15
member => Local/1@within/n,0,Onward 1
member => Local/2@within/n,0,Onward 2
member => Local/3@within/n,0,Onward 3
""",
    "extensions.conf": """
[callers]
exten => _[a-z].,1,Answer()
 same => n,UserEvent(Truth,What: enters,Call: ${{CALL}},Asks: ${{EXTEN}},Id: ${{UNIQUEID}})
 same => n,Queue(${{EXTEN}},r,,,${{LIMIT}},,connected)
 same => n,UserEvent(Truth,What: let go,Call: ${{CALL}},Status: ${{QUEUESTATUS}})
 same => n,GotoIf($["${{QUEUESTATUS}}${{ONWARD}}" = "TIMEOUTbygglov"]?onward)
 same => n,Hangup(16)
 same => n(onward),Set(ONWARD=)
 same => n,Goto(bygglov,1)

[elsewhere]
exten => s,1,UserEvent(Truth,What: moved,Call: ${{CALL}})
 same => n,Wait(45)
 same => n,Hangup(16)

[within]
exten => _X,1,Set(WITHIN=${{CALL}}/inre)
 same => n,UserEvent(Truth,What: enters,Call: ${{WITHIN}},Asks: inre,Id: ${{UNIQUEID}})
 same => n,Queue(inre,r,,,,,within)
 same => n,Hangup(16)
exten => h,1,UserEvent(Truth,What: hangs up,Call: ${{WITHIN}})
exten => s,1,UserEvent(Truth,What: answered,Call: ${{CALL}}/inre)
 same => n,Return()

[reception]
exten => _[a-z].,1,Set(__TRANSFER_CONTEXT=consulted)
 same => n,Dial(Local/${{EXTEN}}@desk/n,,t)

[desk]
exten => _[a-z].,1,Answer()
 same => n,Wait(0.5)
 same => n,SendDTMF(*2ww${{IF($["${{EXTEN}}" = "bygglov"]?2:1)}})
 same => n,Wait(${{CONSULTS}})
 same => n,Hangup(16)

[consulted]
exten => 1,1,Goto(callers,kundcenter,1)
exten => 2,1,Goto(callers,bygglov,1)

[callback]
exten => _X.,1,Dial(Local/${{EXTEN}}@people/n)

[keys]
exten => 1,1,UserEvent(Truth,What: key,Call: ${{CALL}})
 same => n,Hangup(16)

[connected]
exten => s,1,UserEvent(Truth,What: answered,Call: ${{CALL}},Agent: ${{MEMBERNAME}},Chan: ${{CHANNEL}},Far: ${{FAR}})
 same => n,Return()

[people]
exten => _X.,1,Answer()
 same => n,GotoIf($["${{PRESS}}" = ""]?stay)
 same => n,Wait(${{PRESS}})
 same => n,SendDTMF(1)
 same => n(stay),Wait(${{PATIENCE}})
 same => n,UserEvent(Truth,What: hangs up,Call: ${{CALL}})
 same => n,Hangup(16)

[agents]
exten => _XXX,1,Wait(${{RING}})
 same => n,Answer()
 same => n,Wait(${{TALK}})
 same => n,Hangup(16)
""",
    "manager.conf": """
[general]
enabled = yes
webenabled = no
bindaddr = 127.0.0.1
port = {port}
displayconnects = no
timestampevents = yes
{users}
""",
    "modules.conf": "[modules]\nautoload = no\n{modules}\n",
    "asterisk.conf": """
[directories]
astetcdir => {inside}/etc
astmoddir => {modules_in}
astvarlibdir => /var/lib/asterisk
astdbdir => {inside}/db
astkeydir => {inside}/db
astdatadir => /usr/share/asterisk
astagidir => {inside}/agi
astspooldir => {inside}/spool
astrundir => {inside}/run
astlogdir => {inside}/log
[options]
nocolor = yes
hideconnect = yes
systemname =
""",
    "cdr.conf": "[general]\nenable = no\n",
    "cel.conf": "[general]\nenable = no\n",
    "features.conf": """
[general]
xfersound =
xferfailsound =
transferannouncesound =
[featuremap]
atxfer => *2
""",
    "indications.conf": "[general]\ncountry = us\n[us]\nringcadence = 2000,4000\nring = 440+480/2000\n",
    "musiconhold.conf": "",
    "udptl.conf": "",
    "stasis.conf": "",
    "http.conf": "[general]\nenabled = no\n",
    "acl.conf": "",
    "ccss.conf": "",
    "codecs.conf": "",
    "rtp.conf": "",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Switch:
    """One running Asterisk."""

    root: Path
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def queue_log(self) -> Path:
        return self.folder / "log" / "queue_log"

    @property
    def version(self) -> str:
        return version(self.root)

    def start(self) -> None:
        """Run it, and return when it answers."""
        settings = Path("/") / self.folder.relative_to(self.root) / "etc" / "asterisk.conf"
        with (self.folder / "log" / "output").open("ab") as log:
            self.process = subprocess.Popen(
                ["chroot", str(self.root), "/usr/sbin/asterisk", "-f", "-n", "-C", str(settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + 30
        while time.monotonic() < until and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                    if probe.recv(100).startswith(b"Asterisk Call Manager/"):
                        return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"Asterisk did not start:\n{self.messages()}")

    def end(self, number: int = signal.SIGTERM) -> None:
        """Stop it; by SIGKILL it is a crash."""
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def messages(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in (self.folder / "log").glob("[mo]*"))


@contextmanager
def running() -> Iterator[Switch]:
    """Asterisk, up and answering on a free port; gone afterwards with all its files. Raises `CannotBuild`."""
    root = chroot()
    port = free_port()
    inside = f"/srv/run-{port}"
    folder = root / inside.lstrip("/")
    _configure(root, folder, inside, port)
    switch = Switch(root, folder, port)
    try:
        switch.start()
        yield switch
    finally:
        switch.end()
        shutil.rmtree(folder)


def _configure(root: Path, folder: Path, inside: str, port: int) -> None:
    for name in ("etc", "db", "agi", "spool", "run", "log"):
        (folder / name).mkdir(parents=True)
    modules = next(root.glob("usr/lib/*/asterisk/modules"))
    filled = {
        "port": port,
        "inside": inside,
        "full": FULL_AT,
        "modules_in": "/" + str(modules.relative_to(root)),
        "modules": "\n".join(f"load = {name}" for name in _MODULES.split() if (modules / f"{name}.so").exists()),
        "users": "\n".join(
            f"[{name}]\nsecret = {SECRET}\nread = {read}\nwrite = {write}\n{FILTERS.get(name, '')}"
            for name, (read, write) in USERS.items()
        ),
        **{
            queue: "\n".join(f"member => Local/{number}@agents/n,0,Agent {number}" for number in numbers)
            for queue, numbers in AGENTS.items()
        },
    }
    for name, text in _FILES.items():
        (folder / "etc" / name).write_text(text.format(**filled))
