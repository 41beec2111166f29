"""A server that plays Modal's cloud, for tests of clients that speak to it.

    with running(CloudOptions(list_delay=2)) as cloud:
        environment = cloud.environment()  # for programs with the real client

Behind it is the server of this package, over the engine in memory. In front, it does what a cloud
does and a server on this machine does not: see `CloudOptions`.
"""

from .clock import SteppedClock as SteppedClock
from .cloud import Cloud as Cloud
from .cloud import is_of_client as is_of_client
from .cloud import running as running
from .comparison import differences as differences
from .options import CloudOptions as CloudOptions
from .options import Loss as Loss
from .options import OAuthUser as OAuthUser
from .options import RateLimit as RateLimit
from .recorder import WireRecorder as WireRecorder
