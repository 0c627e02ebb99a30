"""Lists what runs as CycloneDX 1.5: the packages of `requirements/run.txt` and this project itself.

The same pins give the same bytes: nothing comes from the clock or from chance. A licence is read from a package that is
installed here in the very version that is pinned; of the others, such as those for other machines, none is known.
"""

import hashlib
import importlib.metadata
import json
import tomllib
import uuid
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from deploy.release.pins import Pin, pins


def licences(name: str, version: str) -> list[dict[str, object]]:
    """Return what the installed package says of its licence; nothing where that version is not installed."""
    try:
        metadata = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return []
    if metadata["Version"] != version:
        return []
    if "License-Expression" in metadata:
        return [{"expression": metadata["License-Expression"]}]
    kept = [each.split(" :: ")[-1] for each in metadata.get_all("Classifier") or [] if each.startswith("License ::")]
    text = metadata["License"].splitlines()[:1] if "License" in metadata else []
    return [{"license": {"name": each}} for each in kept or text]


def _component(pin: Pin) -> dict[str, object]:
    files = {
        "type": "distribution",
        "url": pin.ref,
        "comment": "the file that is installed has one of these hashes",
        "hashes": [{"alg": "SHA-256", "content": each} for each in sorted(pin.hashes)],
    }
    described: dict[str, object] = {"type": "library", "bom-ref": pin.ref, "name": pin.name, "version": pin.version}
    if known := licences(pin.name, pin.version):
        described["licenses"] = known
    described |= {"purl": pin.ref, "externalReferences": [files]}
    if pin.marker:
        described["properties"] = [{"name": "queue-monitor:installed-where", "value": pin.marker}]
    return described


def sbom(root: Path, moment: int, made: Mapping[str, str]) -> str:
    """Return the list as JSON; `moment` in seconds since 1970, `made` the SHA-256 of each file made, by its name."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = sorted(pins((root / "requirements" / "run.txt").read_text(encoding="utf-8")), key=lambda pin: pin.ref)
    own = _own(project, made)
    listed = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": own,
        },
        "components": [_component(pin) for pin in found],
        "dependencies": _dependencies(str(own["bom-ref"]), str(own["name"]), found),
    }
    digest = hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()
    serial = {"serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}"}
    return json.dumps(listed | serial, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _own(project: Mapping[str, str], made: Mapping[str, str]) -> dict[str, object]:
    ref = f"pkg:generic/{project['name']}@{project['version']}"
    files = [
        {"type": "distribution", "url": file, "hashes": [{"alg": "SHA-256", "content": made[file]}]}
        for file in sorted(made)
    ]
    described: dict[str, object] = {"type": "application", "bom-ref": ref, "purl": ref, "externalReferences": files}
    described |= {key: project[key] for key in ("name", "version", "description")}
    return described | {"licenses": [{"expression": project["license"]}]}


def _dependencies(own: str, name: str, found: list[Pin]) -> list[dict[str, object]]:
    """Return who needs whom, from the remarks that the resolver writes under each pin."""
    refs: dict[str, list[str]] = defaultdict(list)
    for pin in found:
        refs[pin.name].append(pin.ref)
    needs: dict[str, set[str]] = {ref: set() for ref in (own, *(pin.ref for pin in found))}
    for pin in found:
        for asker in pin.via:
            for ref in [own] if asker.startswith(name) else refs[asker]:
                needs[ref].add(pin.ref)
    return [{"ref": ref, "dependsOn": sorted(needs[ref])} for ref in sorted(needs)]
