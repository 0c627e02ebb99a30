"""A certificate that its own machine has signed, made for the test."""

import subprocess
from pathlib import Path

NAMES = ("monitor.example", "www.kommunen.example")


def self_signed(folder: Path) -> tuple[str, str]:
    """The files of a certificate for `NAMES` and 127.0.0.1, and of its key."""
    certificate, key = str(folder / "own.crt"), str(folder / "own.key")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    names = ",".join(f"DNS:{name}" for name in NAMES)
    who = ("-subj", f"/CN={NAMES[0]}", "-addext", f"subjectAltName={names},IP:127.0.0.1")
    made = ["openssl", "req", "-x509", *curve, *who, "-out", certificate, "-keyout", key]
    subprocess.run(made, check=True, capture_output=True)
    return certificate, key
