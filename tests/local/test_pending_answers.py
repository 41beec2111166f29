"""Requests to an agent, or to a zygote, that are not answered any more."""

import asyncio

import pytest

from pytest_sandbox.engine import TaskEnded
from pytest_sandbox.local.agents.pending_answers import PendingAnswers, wait_for
from pytest_sandbox.local.protocol.common import Succeeded


@pytest.mark.asyncio
async def test_each_caller_gets_an_error_of_its_own() -> None:
    """What is raised holds the frames that it passes, and shows those of every caller."""
    answers = PendingAnswers()
    waiting = [asyncio.ensure_future(wait_for(answers.add(Succeeded)[1])) for _ in range(2)]
    await asyncio.sleep(0)
    gone = TaskEnded("its agent is gone")
    answers.fail(gone)

    errors = await asyncio.gather(*waiting, return_exceptions=True)

    assert [(type(error), str(error)) for error in errors] == [(TaskEnded, str(gone))] * 2
    assert errors[0] is not errors[1]
    assert gone.__traceback__ is None
