"""Tell a Galaxy which tools it serves and where their programs are: ``configure.py DIR BIN``; run by Galaxy's own interpreter."""

from __future__ import annotations

import shlex
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from galaxy.tool_util.parser import get_tool_source


def main() -> None:
    """Write the list of tools, of data managers, and an environment for each package that a tool requires."""
    folder, programs = Path(sys.argv[1]), sys.argv[2]
    tools = [path for path in sorted((folder / "tools").rglob("*.xml")) if ET.parse(path).getroot().tag == "tool"]
    toolbox = ET.Element("toolbox", monitor="false")
    get_data = ET.SubElement(toolbox, "section", id="getext", name="Get data")
    ET.SubElement(get_data, "tool", file="data_source/upload.xml")
    ours = ET.SubElement(toolbox, "section", id="photophore", name="Photophore")
    for path in tools:
        source = get_tool_source(str(path))
        if source.parse_tool_type() != "manage_data":
            ET.SubElement(ours, "tool", file=str(path))
        for package in source.parse_requirements()[0]:
            place = folder / "packages" / package.name / (package.version or "default")
            place.mkdir(parents=True, exist_ok=True)
            # Where a Galaxy for users would enter conda's environment of the package.
            (place / "env.sh").write_text(f"unset VIRTUAL_ENV\nPATH={shlex.quote(programs)}:$PATH\nexport PATH\n")
    ET.ElementTree(toolbox).write(folder / "config" / "tool_conf.xml")

    managers = ET.Element("data_managers")
    for path in (folder / "tools").rglob("data_manager_conf.xml"):
        for manager in ET.parse(path).getroot():
            manager.set("tool_file", str(path.parent / manager.get("tool_file", "")))
            managers.append(manager)
    ET.ElementTree(managers).write(folder / "config" / "data_manager_conf.xml")
    (folder / "config" / "sanitize_allowlist.txt").write_text("".join(f"{get_tool_source(str(path)).parse_id()}\n" for path in tools))


if __name__ == "__main__":
    main()
