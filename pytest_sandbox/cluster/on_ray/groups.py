"""The placement groups of a run: what its sandboxes have of Ray, and the next ones take over."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.async_tasks import background, finish, retrieve
from pytest_sandbox.engine import EngineUnavailable, StoreFull

from ..placer import NodesChanged
from .ray_calls import AT_END
from .resources import feasible, in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from pytest_sandbox.engine import Clock

    from .ray_calls import RayCalls

log = logging.getLogger("pytest_sandbox.cluster")

#: Seconds that a sandbox waits for resources that others use.
WAIT = 60.0
#: Seconds for which a group is kept whose sandbox has ended, for the next one that asks for the
#: same: no longer are resources hidden from other runs that nobody uses.
KEPT = 1.0
#: Seconds after Ray has made a group in which further sandboxes take it over. Then it goes back,
#: so that the sandboxes of other runs get their turn.
LIFE = 10.0
#: Groups that are kept at once.
MOST = 32
#: Seconds between two questions whether Ray has found a place: the first, and the most.
FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.1
#: The label by which Ray tells nodes from each other.
_NODE_ID = "ray.io/node-id"
#: What Ray says of a group for which there is no room now: `PlacementGroupStats.SchedulingState`.
_NO_ROOM = ("NO_RESOURCES", "INFEASIBLE")


@dataclass(frozen=True, eq=False)
class RayGroup:
    """A placement group that has a node.

    Attributes:
        made: what Ray calls it.
        node_id: Ray's id of the node.
        bundle: what it has of the node.
        until: when it is not taken over any more, on the clock of the run.
    """

    made: Any
    node_id: str
    bundle: Mapping[str, float]
    until: float


@dataclass(frozen=True, eq=False)
class _Wanted:
    """What a sandbox asks for, and gets from Ray or from another one that has ended.

    Attributes:
        bundle: what it is.
        among: what the nodes have on which it can be, by Ray's ids.
        given: what another one had; or why it is not waited for any more.
    """

    bundle: Mapping[str, float]
    among: Mapping[str, Mapping[str, float]]
    given: asyncio.Future[RayGroup]

    def needs(self, group: RayGroup) -> bool:
        """Whether there may be room for it without a group."""
        return group.node_id in self.among and not self.bundle.keys().isdisjoint(group.bundle)

    def fits(self, group: RayGroup) -> bool:
        """Whether a group is what it asks for."""
        return group.node_id in self.among and group.bundle == self.bundle

    def possible(self, live: Collection[str]) -> bool:
        """Whether one of the nodes that are there can ever have it."""
        there = (total for node_id, total in self.among.items() if node_id in live)
        return feasible(self.bundle, there)

    def give_up(self, error: Exception) -> None:
        """Have it wait no longer."""
        if not self.given.done():
            self.given.set_exception(error)


class RayGroups:
    """The placement groups of a run.

    To have Ray make a group and remove it takes longer than many a sandbox lives. So one whose
    sandbox has ended goes to a sandbox of this run that waits for the same, or is kept a moment for
    the next one. It goes back to Ray at once if it is in the way of another sandbox of this run.

    Args:
        ray: the module, connected.
        calls: call it.
        clock: measures how long groups are kept.
    """

    def __init__(self, ray: Any, calls: RayCalls, clock: Clock) -> None:
        self._ray = ray
        self._calls = calls
        self._clock = clock
        self._used: set[RayGroup] = set()
        self._kept: dict[RayGroup, Callable[[], object]] = {}  # undoes that it is given back later
        self._asked: list[_Wanted] = []  # of Ray, for groups that have no node yet
        self._waiting: list[_Wanted] = []
        self._closed = False

    async def get(
        self, bundle: Mapping[str, float], among: Mapping[str, Mapping[str, float]], *, others: bool
    ) -> RayGroup:
        """A group that has a node.

        Args:
            bundle: what a sandbox asks for.
            among: what the nodes have on which it can be, by Ray's ids.
            others: whether there are other nodes.

        Raises:
            StoreFull: others use it for too long.
            NodesChanged: the nodes that could have it are gone.
            EngineUnavailable: Ray cannot be asked, or the run is over.
        """
        if self._closed:
            raise _over()
        wanted = _Wanted(bundle, among, asyncio.get_running_loop().create_future())
        wanted.given.add_done_callback(retrieve)
        kept = next(filter(wanted.fits, self._kept), None)
        if kept is not None:
            self._kept.pop(kept)()
            self._used.add(kept)
            return kept
        if not any(self._has_room(bundle, *each) for each in among.items()):
            await self._give_back(*filter(wanted.needs, self._kept))
        # Ray would choose among all.
        selector = [{_NODE_ID: f"in({','.join(among)})"}] if others else None
        self._asked.append(wanted)
        try:
            make = partial(self._ray.util.placement_group, bundle_label_selector=selector)
            making = self._calls(make, [bundle], late=self._remove)
            group = await self._placed(await finish(making, self._remove), wanted)
        finally:
            self._asked.remove(wanted)
        self._used.add(group)
        return group

    async def release(self, group: RayGroup) -> None:
        """Give a group to who needs it next, in this run or in others."""
        self._used.discard(group)
        now = self._clock.monotonic()
        if self._closed or now >= group.until:
            await self._remove(group.made)
            return
        first = next((each for each in self._waiting if each.needs(group)), None)
        if first is None:
            self._kept[group] = self._clock.later(KEPT, partial(self._expired, group))
            await self._give_back(*list(self._kept)[:-MOST])
        elif first.fits(group):
            self._waiting.remove(first)
            self._used.add(group)
            first.given.set_result(group)
        else:
            await self._remove(group.made)

    def _expired(self, group: RayGroup) -> None:
        if self._kept.pop(group, None) is not None:  # nobody has taken it over in this turn
            background(self._remove(group.made))

    async def lose(self, live: Collection[str]) -> None:
        """Give back what is kept of nodes that are gone: Ray would look for others.

        Who waits for what only these could have, waits no longer.
        """
        for wanted in self._asked:
            if not wanted.possible(live):
                wanted.give_up(NodesChanged(f"no node is left for {in_words(wanted.bundle)}"))
        await self._give_back(*(each for each in self._kept if each.node_id not in live))

    async def close(self) -> None:
        """Give back what is kept; from now on, nothing is, and nobody waits."""
        self._closed = True
        for wanted in self._asked:
            wanted.give_up(_over())
        await self._give_back(*self._kept)

    async def remove(self, group: RayGroup) -> None:
        """Give back one that cannot be used."""
        self._used.discard(group)
        await self._remove(group.made)

    def _has_room(
        self, bundle: Mapping[str, float], node_id: str, total: Mapping[str, float]
    ) -> bool:
        """Whether a node has room for a bundle beside all that this run has, keeps and asks for."""
        beside = [each.bundle for each in (*self._used, *self._kept) if each.node_id == node_id]
        beside += [each.bundle for each in self._asked]
        sums = {
            name: amount + sum(each.get(name, 0.0) for each in beside)
            for name, amount in bundle.items()
        }
        return feasible(sums, [total])

    async def _placed(self, made: Any, wanted: _Wanted) -> RayGroup:
        """A group of Ray as soon as it has a node, or another one that is there before."""
        try:
            placed = await self._placed_by_ray(made, wanted)
        except BaseException:
            background(self._remove(made))
            if wanted.given.done() and wanted.given.exception() is None:
                background(self.release(wanted.given.result()))
            raise
        finally:
            if wanted in self._waiting:
                self._waiting.remove(wanted)
        if placed is not None:
            return placed
        background(self._remove(made))
        return wanted.given.result()

    async def _placed_by_ray(self, made: Any, wanted: _Wanted) -> RayGroup | None:
        """A group as soon as Ray has a node for it; `None` once it need not be waited for."""
        deadline = self._clock.monotonic() + WAIT
        pause = FIRST_PAUSE
        while not wanted.given.done():
            table = await self._calls(self._ray.util.placement_group_table, made)
            if wanted.given.done():
                break
            if table["state"] == "CREATED":
                node_id = table["bundles_to_node_id"][0]
                until = self._clock.monotonic() + LIFE
                return RayGroup(made, node_id, wanted.bundle, until)
            if wanted not in self._waiting and table["stats"]["scheduling_state"] in _NO_ROOM:
                self._waiting.append(wanted)
                await self._give_back(*filter(wanted.needs, self._kept))
            if self._clock.monotonic() >= deadline:
                raise StoreFull(
                    f"{in_words(wanted.bundle)}: others used them for {WAIT:g} s; run fewer "
                    "workers, or add nodes to the Ray cluster",
                    forgetting_helps=False,
                )
            await asyncio.wait([wanted.given], timeout=pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        return None

    async def _give_back(self, *groups: RayGroup) -> None:
        """Give back groups that are kept."""
        for group in groups:
            self._kept.pop(group)()
        await self._remove(*(group.made for group in groups))

    async def _remove(self, *made: Any) -> None:
        """Give back to Ray, which does not stop when the caller is cancelled."""
        await finish(asyncio.gather(*map(self._removed, made)))

    async def _removed(self, made: Any) -> None:
        try:
            limit = AT_END if self._closed else None
            remove = self._ray.util.remove_placement_group
            await self._calls(remove, made, limit=limit, anyway=True)
        except EngineUnavailable as error:  # of what has ended, nobody waits for this
            if not self._closed:  # otherwise Ray has all back with the connection
                log.warning("what a sandbox had could not be given back: %s", error)


def _over() -> EngineUnavailable:
    return EngineUnavailable("the run on the Ray cluster is over")
