"""What the callback counts: received = answered + queued + rejected, delivery by delivery."""

from prometheus_client import CollectorRegistry, Counter, Histogram


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.received = Counter(
            "nqi_pushes_received", "deliveries of pushes", ["account"], registry=self.registry
        )
        self.answered = Counter(
            "nqi_pushes_answered", "answered at once", ["account"], registry=self.registry
        )
        self.queued = Counter(
            "nqi_pushes_queued", "acknowledged, answered later", ["account"], registry=self.registry
        )
        self.rejected = Counter(
            "nqi_pushes_rejected", "refused, by reason", ["account", "reason"], registry=self.registry
        )
        self.repeated = Counter(
            "nqi_pushes_repeated",
            "of the answered ones: known pushes delivered again",
            ["account"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "nqi_push_seconds",
            "from first byte to reply",
            ["account"],
            buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 3.5, 5),
            registry=self.registry,
        )
