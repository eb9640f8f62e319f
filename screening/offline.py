"""Keeps the libraries silent that would tell their makers of their use: nothing leaves the machine.

Imported before any of them, as they look at the environment when they are loaded.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
