"""What all tests share."""

from __future__ import annotations

import os

# Networks in tests are too small for two threads, and a busy machine punishes threads that wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
