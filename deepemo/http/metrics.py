"""Metrics of a server for Prometheus.

If the environment names a folder (`deepemo.http.workers`), prometheus_client keeps every value in files there, one for
each process and kind. Then any process of the server can report the sums over all.
"""

import os
from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from deepemo.http.workers import METRICS_VARIABLE
from deepemo.serving.results import UNKNOWN, Reason, Recognition

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
WINDOWS = (1, 2, 4, 8, 16, 32, 64, 128)


class ServerMetrics:
    """Metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        # Gauges are summed over live processes, because a dead process has no work under way.
        gauge = partial(Gauge, registry=self.registry, multiprocess_mode="livesum")
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._answers = Counter(
            "deepemo_recognitions_total", "Answers given", ("answer", "reason"), registry=self.registry
        )
        self._requests = Counter(
            "deepemo_requests_total", "Requests answered", ("method", "route", "status"), registry=self.registry
        )
        self._request_seconds = Histogram(
            "deepemo_request_seconds",
            "From a request's headers to its answer's end",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._work_seconds = Histogram(
            "deepemo_recognition_seconds",
            "Work on one recording, waiting left out",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.queue_seconds = Histogram(
            "deepemo_queue_seconds",
            "From a recording's arrival to the start of work on it",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.live_seconds = Histogram(
            "deepemo_live_seconds",
            "From the last sound of a window of a stream to its answer",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.live_queue_seconds = Histogram(
            "deepemo_live_queue_seconds",
            "From the arrival of sound of a stream to the start of work on it",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.streams = gauge("deepemo_streams", "Streams that are open")
        self._audio_seconds = Counter("deepemo_audio_seconds_total", "Sound listened to", registry=self.registry)
        self._batch_windows = Histogram(
            "deepemo_batch_windows", "Windows the model heard at once", buckets=WINDOWS, registry=self.registry
        )
        self.in_flight = gauge("deepemo_in_flight", "Recordings received, waiting or worked on")
        self.working = gauge("deepemo_working", "Recordings worked on, or waiting for it")
        self.decoder_deaths = Counter(
            "deepemo_decoder_deaths_total", "Decoders that died or were ended", registry=self.registry
        )
        self.held_bytes = gauge("deepemo_held_bytes", "Bytes of uploads in memory")
        self.turned_away = Counter("deepemo_turned_away_total", "Requests answered 503", registry=self.registry)
        gauge("deepemo_workers", "Processes that serve").set(1)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format. With several processes: sums, without `process_*` and `python_*`."""
        if not os.environ.get(METRICS_VARIABLE):
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)

    def count_batch(self, windows: int) -> None:
        """Count a batch."""
        self._batch_windows.observe(windows)

    def count_answer(self, recognition: Recognition, seconds: float) -> None:
        """Count an answer, and the seconds of work on it."""
        self._answers.labels(recognition.answer, recognition.reason or "").inc()
        self._work_seconds.observe(seconds)
        if recognition.recording is not None:
            self._audio_seconds.inc(recognition.recording.seconds)

    def count_unreadable(self, reason: Reason) -> None:
        """Count a recording that could not be read."""
        self._answers.labels(UNKNOWN, reason).inc()

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)
