"""Lists of sandboxes that learn of news late."""

from pytest_sandbox._proto import sandboxes_pb2 as pb


class Listings:
    """Decides which sandboxes a listing has.

    Args:
        delay: how many listings do not have a new sandbox, and have one that has ended.
    """

    def __init__(self, delay: int) -> None:
        self._delay = delay
        #: How many listings there were since a sandbox was created, and since it ended.
        self._created: dict[str, int] = {}
        self._ended: dict[str, int] = {}

    def ask(self, request: pb.SandboxListRequest) -> pb.SandboxListRequest:
        """The request to make in the place of one: for sandboxes that have ended too."""
        asked = pb.SandboxListRequest()
        asked.CopyFrom(request)
        asked.include_finished = True
        return asked

    def answer(
        self, request: pb.SandboxListRequest, response: pb.SandboxListResponse
    ) -> pb.SandboxListResponse:
        """What is told of the answer to `ask`.

        A page that is not the first belongs to the listing before.
        """
        first_page = not request.before_timestamp
        return pb.SandboxListResponse(
            sandboxes=[
                info
                for info in response.sandboxes
                if self._shows(info, first_page, ended_too=request.include_finished)
            ]
        )

    def _shows(self, info: pb.SandboxInfo, first_page: bool, *, ended_too: bool) -> bool:
        created = self._count(self._created, info.id, first_page)
        if created <= self._delay:
            return False
        if ended_too or not info.task_info.finished_at:
            return True
        if self._count(self._ended, info.id, first_page) > self._delay:
            return False
        info.task_info.ClearField("finished_at")
        info.task_info.ClearField("result")
        info.metadata.ClearField("result")
        return True

    def _count(self, counts: dict[str, int], sandbox_id: str, first_page: bool) -> int:
        counts[sandbox_id] = counts.get(sandbox_id, 0) + (first_page or sandbox_id not in counts)
        return counts[sandbox_id]
