"""The desk of the flow tests serves here, too."""

from tests.flows.conftest import Desk, desk, faults, no_thread_is_left

__all__ = ["Desk", "desk", "faults", "no_thread_is_left"]
