from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

# Tests are imported without packages (--import-mode=importlib); their shared pieces are found by name all the same.
_spec = importlib.util.spec_from_file_location("seeded", Path(__file__).with_name("seeded.py"))
assert _spec is not None
assert _spec.loader is not None
sys.modules["seeded"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules["seeded"])
