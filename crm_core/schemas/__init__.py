"""What records must look like, said once for API, forms, sync and import alike.

Where the optional ``marshmallow-core`` is installed (``pip install crm-front-office[fast]``) it
does the same work some ten times faster; ``MARSHMALLOW_NO_ACCEL=1`` leaves it out.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec


def _accelerate() -> bool:
    if find_spec("marshmallow_core") is None:
        return False
    accelerator = import_module("marshmallow_core")
    accelerator.install()
    return bool(accelerator.is_available())


IS_ACCELERATED = _accelerate()
"""Whether schemas load through the accelerator in this process."""
