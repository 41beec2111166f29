"""When an agent that does not answer is helped, and when it is given up."""

import asyncio

import pytest

from pytest_sandbox.local.agents.patience import Patience


class Agent:
    def __init__(self) -> None:
        self.helped: list[bool] = []
        self.given_up: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.patience = Patience(self.given_up.set_result, self.helped.append)


@pytest.mark.asyncio
async def test_an_agent_is_helped_gently_then_firmly_then_given_up() -> None:
    agent = Agent()
    agent.patience.begin(1, 0.2)

    assert await asyncio.wait_for(agent.given_up, 30) == 0.2
    assert agent.helped[0] is False
    assert set(agent.helped[1:]) == {True}
    assert 30 < len(agent.helped) < 50


@pytest.mark.asyncio
async def test_an_agent_that_answers_is_left_alone() -> None:
    agent = Agent()
    loop = asyncio.get_running_loop()
    for number in range(50):
        answered = asyncio.Event()
        agent.patience.begin(number, 1.0)
        # In the same turn, as an answer that came: however late that turn is, it is before a step.
        loop.call_later(0.005, agent.patience.end, number)
        loop.call_later(0.005, answered.set)
        await answered.wait()

    assert agent.helped == []
    assert not agent.given_up.done()
