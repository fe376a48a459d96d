"""OpenVINO without its reports.

Its Python package tells its maker that it was imported, and what it converted, unless the user has declined that.
Where the package that sends these reports is missing it does without, and so it is here.
"""

from __future__ import annotations

import sys

# None makes the import of a module fail; one that somebody else has imported already stays.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402

__all__ = ["openvino"]
