"""Order of native libraries in the process of the tests.

Optimisers import `torch._dynamo`, and this imports Triton, which crashes if a renderer of MuJoCo has loaded Mesa's LLVM before.
Trainers are safe: they make their optimisers before an environment renders, and MuJoCo runs in processes of its own.
"""

from __future__ import annotations

import torch._dynamo  # noqa: F401
