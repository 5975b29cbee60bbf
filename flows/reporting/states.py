"""What a flow ends with that was asked for something that cannot be meant: one sentence."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Failed

from flows.serving import claims
from flows.settings import ConfigurationError


def invalid_request_state(error: ConfigurationError) -> State[Any]:
    """The state of a run that began nothing: its message is the error's own.

    At the keyboard the error itself is wanted, for its exit code; in a run of a deployment
    Prefect would raise it, and log where from.
    """
    return Failed(message=str(error), data=None if claims.is_deployed() else error)
