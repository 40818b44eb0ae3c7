"""Python imports this at its start in processes whose path begins with this directory: it installs the fault that the test asked for."""

import os

import injected

if "TEST_FAULT" in os.environ:
    injected.install(injected.fault(os.environ["TEST_FAULT"]))
