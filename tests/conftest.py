"""What all tests share."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

# Networks in tests are too small for two threads, and a busy machine punishes threads that wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The key that signs the code of runs is stored here, and not in the home of whoever runs the tests.
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="unified-tests-")
atexit.register(shutil.rmtree, os.environ["XDG_CONFIG_HOME"], ignore_errors=True)
