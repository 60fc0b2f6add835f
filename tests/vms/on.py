# Copyright (c) 2026 tenantnet developers
# SPDX-License-Identifier: Apache-2.0
"""Run a command as root on a machine of Vagrant: python on.py MACHINE COMMAND [ARGUMENT...]"""

import os
import shlex
import sys

command = shlex.join(["sudo", *sys.argv[2:]])
os.execvp("ssh", ["ssh", "-F", ".vagrant/ssh-config", sys.argv[1], command])
