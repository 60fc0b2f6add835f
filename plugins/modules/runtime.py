#!/usr/bin/python
# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
# (used together with Ansible, which is under the GNU General Public License v3.0+; Apache-2.0 allows that)
"""Install on a node what runs there without Ansible."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runtime
short_description: Install on a node what runs there without Ansible
version_added: 0.1.0
description:
  - Copies the code that M(tenantnet.ovs.node) itself consists of to C(/var/lib/tenantnet/lib), and writes the commands
    C(tenantnet-node), C(tenantnet-guest), C(tenantnet-handover), C(tenantnet-watch), C(tenantnet-metadata-agent) and
    C(tenantnet-metadata-api) to C(/var/lib/tenantnet/bin).
  - C(tenantnet-node restore) brings a node back to the state that was last applied to it, for instance after a power
    failure. C(tenantnet-node status) tells what differs from it. C(tenantnet-guest) is an instance of a lab.
  - C(tenantnet-metadata-agent) and C(tenantnet-metadata-api) answer what instances ask 169.254.169.254.
  - Files of an earlier version that are of no use any more are removed.
options:
  interpreter:
    description:
      - The Python interpreter that runs the commands. It needs the libraries ovsdbapp, pyroute2 and waitress.
      - By default the one that runs this module, or with O(requirements) the one of the virtual environment.
    type: path
  requirements:
    description:
      - Python packages, as pip names them, of a virtual environment of the node's own, C(/var/lib/tenantnet/venv).
      - It is made with the interpreter that runs this module, and anew when the list or that one's version changes.
      - By default there is no such environment.
    type: list
    elements: str
    default: []
  wheels:
    description:
      - A directory on the node with wheels of all of O(requirements) and of what they need. Then no index is asked.
    type: path
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  platform:
    platforms: linux
author:
  - tenantnet developers (@tenantnet)
"""

EXAMPLES = r"""
- name: Install the runtime
  tenantnet.ovs.runtime:

- name: Install the runtime with an environment of its own, on a node that reaches no index
  tenantnet.ovs.runtime:
    requirements: [ovs==4.0.0, ovsdbapp==3.0.0, pyroute2==0.9.7, waitress==3.0.2]
    wheels: /var/lib/tenantnet/wheels

- name: Install the runtime with another interpreter
  tenantnet.ovs.runtime:
    interpreter: /opt/tenantnet/bin/python3
"""

RETURN = r"""
changes:
  description:
    - Files that were written (C(+)), changed (C(~)) or removed (C(-)), or would be in check mode.
    - C(venv/requirements.txt) stands for the virtual environment.
  returned: success
  type: list
  elements: str
  sample: ["~ lib/tenantnet/engine.py"]
"""

import importlib.abc
import pathlib
import pkgutil
import sys
import typing

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import venv
from ..module_utils.errors import TenantnetError
from ..module_utils.state import STATE_DIR, digest
from ..module_utils.tree import Entry, Tree

#: Commands and the modules whose main() they call.
COMMANDS = {
    "tenantnet-node": "services.cli",
    "tenantnet-guest": "lab.guest",
    "tenantnet-handover": "services.handover",
    "tenantnet-metadata-agent": "services.metadata_agent",
    "tenantnet-metadata-api": "services.metadata_api",
    "tenantnet-watch": "services.watch",
}

MADE_OF = f"{venv.DIRECTORY.name}/requirements.txt"

SCRIPT = """\
#!{interpreter}
# Written by tenantnet.ovs.runtime.
import sys

sys.path.insert(0, "{state_dir}/lib")
from tenantnet.{module} import main

raise SystemExit(main())
"""

Files = dict[str, Entry]


def _shipped() -> None:
    """Never called: Ansible ships to the node what a module imports anywhere, and importing all that takes time."""
    from ..module_utils.lab import guest  # noqa: F401
    from ..module_utils.services import cli, handover, metadata_agent, metadata_api, watch  # noqa: F401


def main() -> None:
    """Compare the files that are there with those that should be, and write the difference."""
    spec = {
        "interpreter": {"type": "path"},
        "requirements": {"type": "list", "elements": "str", "default": []},
        "wheels": {"type": "path"},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    requirements, tree = module.params["requirements"], Tree(STATE_DIR)
    interpreter = str(venv.PYTHON) if requirements else sys.executable
    try:
        desired = {**library(), **commands(module.params["interpreter"] or interpreter), **environment(requirements)}
        live = {**installed(tree), **(present() if requirements else {})}
        if live != desired and not module.check_mode:
            if live.get(MADE_OF) != desired.get(MADE_OF):
                venv.make(requirements, module.params["wheels"] or "")
            install(tree, live, desired)
    except (TenantnetError, OSError) as exc:
        module.fail_json(msg=f"{STATE_DIR}: {exc}")
    diff = {"before": shown(live), "after": shown(desired), "before_header": STATE_DIR, "after_header": STATE_DIR}
    module.exit_json(changed=live != desired, changes=changes(live, desired), diff=diff)


def library() -> Files:
    """Sources of the package that this module came with, be it in Ansible's archive; on the node it is `tenantnet`."""
    files = {"lib/tenantnet/__init__.py": Entry(0o644, b"")}
    for path, text in sources(str(pathlib.Path(venv.__file__).parent)):
        files[f"lib/tenantnet/{path}"] = Entry(0o644, text.encode())
    return files


def sources(directory: str, below: str = "") -> typing.Iterator[tuple[str, str]]:
    """Path and text of each Python module of a package's directory, which may be in an archive; none is imported."""
    for info in pkgutil.iter_modules([directory]):
        spec = info.module_finder.find_spec(info.name, None)
        text = typing.cast(importlib.abc.InspectLoader, spec.loader).get_source(info.name) if spec else None
        if text is None:
            raise TenantnetError(f"the source of {below}{info.name} cannot be read")
        yield f"{below}{info.name}{'/__init__.py' if info.ispkg else '.py'}", text
        if info.ispkg:
            yield from sources(f"{directory}/{info.name}", f"{below}{info.name}/")


def commands(interpreter: str) -> Files:
    """The executables."""
    files: Files = {}
    for name, module in COMMANDS.items():
        script = SCRIPT.format(interpreter=interpreter, state_dir=STATE_DIR, module=module)
        files[f"bin/{name}"] = Entry(0o755, script.encode())
    return files


def environment(requirements: list[str]) -> Files:
    """The file that tells what the virtual environment is made of."""
    return {MADE_OF: Entry(0o644, venv.made_of(requirements).encode())} if requirements else {}


def present() -> Files:
    """The same file as it is; it has gone where an environment is only half made."""
    path = pathlib.Path(STATE_DIR, MADE_OF)
    return {MADE_OF: Entry(0o644, path.read_bytes())} if path.is_file() else {}


def installed(tree: Tree) -> Files:
    """What is there, without what Python compiled from it."""
    found = {f"{top}/{path}": entry for top in ("bin", "lib") for path, entry in tree.read(top).items()}
    return {path: entry for path, entry in found.items() if "/__pycache__/" not in path}


def install(tree: Tree, live: Files, desired: Files) -> None:
    """What is needed before the commands that need it; each file at once or not at all."""
    for path in live.keys() - desired.keys():
        tree.remove(path)
    for path, entry in sorted(desired.items(), reverse=True):
        if live.get(path) != entry:
            tree.write(path, entry.content, entry.mode)
    for top in ("bin", "lib"):
        tree.tidy(top)


def changes(live: Files, desired: Files) -> list[str]:
    """Paths that differ, each with what is to be done."""
    different = [path for path in sorted(live | desired) if live.get(path) != desired.get(path)]
    return [f"{'+' if path not in live else '~' if path in desired else '-'} {path}" for path in different]


def shown(files: Files) -> str:
    """Files one a line, for diff mode."""
    return "".join(
        f"{path} {entry.mode:04o} {digest(entry.content.decode(errors='replace'))}\n"
        for path, entry in sorted(files.items())
    )


if __name__ == "__main__":
    main()
