"""Commands that are made of others: choices and loops."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from .conditional import holds
from .control import Break
from .state import ShellState
from .syntax import Case, Command, CommandList, ConditionalExpression, For, Function, If, Loop


async def _define(shell: ShellState, command: Function) -> int:
    shell.functions[command.name] = command.body
    return 0


async def _condition(shell: ShellState, command: ConditionalExpression) -> int:
    return 0 if await holds(shell.proc, shell.expansion, command) else 1


async def _if(shell: ShellState, command: If) -> int:
    for condition, body in command.branches:
        if await shell.holds(condition):
            return await shell.run(body)
    return await shell.run(command.otherwise) if command.otherwise else 0


async def _loop(shell: ShellState, command: Loop) -> int:
    code = 0
    while await shell.holds(command.condition) != command.until:
        code, leave = await _turn(shell, command.body)
        if leave:
            break
    return code


async def _for(shell: ShellState, command: For) -> int:
    words = shell.arguments
    if command.words is not None:
        words = await shell.expansion.fields(command.words)
    code = 0
    for word in list(words):
        shell.assign(command.name, word)
        code, leave = await _turn(shell, command.body)
        if leave:
            break
    return code


async def _turn(shell: ShellState, body: CommandList) -> tuple[int, bool]:
    """One turn of a loop: the code, and whether to leave the loop."""
    await asyncio.sleep(0)
    shell.proc.check()
    shell.loops += 1
    try:
        return await shell.run(body), False
    except Break as error:
        if error.levels > 1:
            raise Break(error.levels - 1, again=error.again) from None
        return 0, not error.again
    finally:
        shell.loops -= 1


async def _case(shell: ShellState, command: Case) -> int:
    text = await shell.expansion.text(command.word)
    for patterns, body in command.branches:
        for pattern in patterns:
            matcher = await shell.expansion.pattern(pattern)
            if matcher.matches(shell.expansion.bytes_only(text)):
                return await shell.run(body)
    return 0


#: What runs a command, by its kind; gives its code.
COMPOUNDS: dict[type[Command], Callable[[ShellState, Any], Awaitable[int]]] = {
    Case: _case,
    ConditionalExpression: _condition,
    For: _for,
    Function: _define,
    If: _if,
    Loop: _loop,
}
