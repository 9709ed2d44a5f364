"""Latency and cost of live streams: `python -m benchmarks.live`, after a run of the pipeline.

`deepemo serve` runs in a process of its own. Clients on the same machine send synthetic speech at the speed of speech,
in pieces like those of the page, as PCM and as WebM. For each answer at a hop, the time runs from sending the last
sample of its window. Every round measures all ways, so that a slow minute affects all of them. The figures are medians
over the rounds.
"""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import psutil  # type: ignore[import-untyped]
import typer

from benchmarks._measure import machine, write_section
from benchmarks._streaming import SOUNDS, Client, Sound, Told, talk
from deepemo.reporting.markdown import table

MIB = 1 << 20
# Streams that the server allows from one address by default.
STREAMS_PER_ADDRESS = 8
WARM_UP_SECONDS = 4.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """Results of some streams at once.

    Attributes:
        told: to each client.
        hops: answers that each should get.
        cpu_share: processor seconds of the server and its children for each second and stream.
        before: resident MiB of the server and of its decoders without streams; a page that several decoders share is
            counted once.
        at_end: the same near the end of the streams.
    """

    told: list[Told]
    hops: int
    cpu_share: float
    before: tuple[float, float]
    at_end: tuple[float, float]

    @property
    def lost(self) -> int:
        """Streams that did not get all their answers."""
        return sum(told.whole_seconds is None or len(told.lags) < self.hops for told in self.told)


class Server:
    """A server in a process of its own, and its decoders."""

    def __init__(self, process: int, address: str) -> None:
        self.address = address
        self._process = psutil.Process(process)

    def memory_mib(self) -> tuple[float, float]:
        """Resident memory of the server, and of its decoders."""
        server = self._process.memory_info().rss / MIB
        shares = 0.0
        for child in self._process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                shares += child.memory_full_info().pss / MIB
        return server, shares

    def cpu_seconds(self) -> dict[int, float]:
        """Processor time so far, of each of its processes."""
        found = {}
        for process in [self._process, *self._process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                found[process.pid] = times.user + times.system
        return found


@contextmanager
def running(models: Path, model: str | None) -> Iterator[Server]:
    """Start `deepemo serve` and stop it at the end."""
    command = [sys.executable, "-m", "deepemo", "serve", "--port", "0", "--models", str(models)]
    command += [] if model is None else ["--model", model]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = next((line for line in process.stderr if line.startswith("http://")), None)
        if line is None:
            raise RuntimeError(f"{' '.join(command)} ended with status {process.wait()}")
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield Server(process.pid, line.split()[0])
    finally:
        process.terminate()
        process.wait(60)


def hops_of(seconds: float) -> int:
    """Number of answers to a sound at hops of a second: at 1 and 2 s, then at 2.5 s and each second after it."""
    return 3 + int(seconds - 2.5)


async def _load(server: Server, sounds: Sequence[Sound], seconds: float) -> Load:
    rng = np.random.default_rng(len(sounds))
    clients = [Client(server.address, f"127.0.0.{1 + number // STREAMS_PER_ADDRESS}") for number in range(len(sounds))]
    memory, worked = server.memory_mib(), server.cpu_seconds()
    # Clients start at different moments, and so do their hops.
    running = [
        asyncio.create_task(client.run(sound, float(rng.uniform(0, 1))))
        for client, sound in zip(clients, sounds, strict=True)
    ]
    await asyncio.sleep(seconds)
    working = await asyncio.to_thread(server.cpu_seconds)
    at_end = await asyncio.to_thread(server.memory_mib)
    return Load(
        told=await asyncio.gather(*running),
        hops=hops_of(seconds),
        cpu_share=sum(used - worked.get(process, 0.0) for process, used in working.items()) / seconds / len(sounds),
        before=memory,
        at_end=at_end,
    )


def measure(server: Server, way: str, streams: int, seconds: float) -> Load:
    """Measure some streams at once, at the speed of speech.

    Args:
        server: to ask.
        way: one of `SOUNDS`.
        streams: at once.
        seconds: of each.
    """
    sounds = [SOUNDS[way](talk(seconds, seed=number)) for number in range(streams)]
    return asyncio.run(_load(server, sounds, seconds))


def report(loads: dict[tuple[str, int], list[Load]]) -> str:
    """The tables of the section."""
    rows, memory = [], []
    for (way, streams), rounds in loads.items():
        lags = [1000 * np.array([lag for told in load.told for lag in told.lags] or [np.nan]) for load in rounds]
        ends = [told.whole_seconds for load in rounds for told in load.told if told.whole_seconds is not None]
        rows.append(
            (
                way,
                streams,
                sum(len(told.lags) for load in rounds for told in load.told),
                *(f"{median(float(np.quantile(each, part)) for each in lags):.0f}" for part in (0.5, 0.99)),
                f"{max(float(each.max()) for each in lags):.0f}",
                f"{median(ends):.1f}" if ends else "-",
                sum(load.lost for load in rounds),
                f"{100 * median(load.cpu_share for load in rounds):.1f} %",
            )
        )
        servers = (median(load.before[0] for load in rounds), median(load.at_end[0] for load in rounds))
        decoders = (median(load.before[1] for load in rounds), median(load.at_end[1] for load in rounds))
        more = median((sum(load.at_end) - sum(load.before)) / streams for load in rounds)
        memory.append((way, streams, *(f"{value:.0f}" for value in (*servers, *decoders)), f"{more:.1f}"))
    header = (
        *("format", "streams", "answers", "p50 ms", "p99 ms", "longest ms"),
        *("answer to all, s", "streams lost", "CPU of one core a stream"),
    )
    cost = (
        *("format", "streams", "server MiB without streams", "with them"),
        *("decoders MiB without streams", "with them", "more, MiB a stream"),
    )
    return f"{table(header, rows)}\n\n{table(cost, memory)}"


def main(
    models: Annotated[Path, typer.Option(help="Folder of models.")] = Path("models"),
    model: Annotated[str | None, typer.Option(help="Which one answers; by default what validation chose.")] = None,
    seconds: Annotated[float, typer.Option(min=4, help="Of each stream.")] = 40.0,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    streams: Annotated[int, typer.Option(min=2, max=16, help="At once, where there are many.")] = 16,
) -> None:
    """Measure, and write the section `Live` of docs/benchmarks.md."""
    about = machine()
    loads: dict[tuple[str, int], list[Load]] = {}
    busy = []
    for number in range(rounds):
        for way in SOUNDS:
            for count in (1, streams):
                # A new server each time, because memory that it keeps after streams would count for those that follow.
                with running(models, model) as server:
                    measure(server, way, 1, WARM_UP_SECONDS)
                    busy.append(os.getloadavg()[0])
                    loads.setdefault((way, count), []).append(measure(server, way, count, seconds))
                print(number, way, count, report({(way, count): loads[way, count]}), flush=True)
    answering = "the predictor that validation chose" if model is None else f"`{model}`"
    text = (
        f"`python -m benchmarks.live --seconds {seconds:g} --rounds {rounds} --streams {streams}` on {about}; before "
        f"each measurement it was {min(busy):.1f} to {max(busy):.1f}.\n\n"
        f"`deepemo serve` with {answering}, and clients on the same machine, which send {seconds:g} s of synthetic "
        "speech each at the speed of speech. Times run from sending a window's last sample to its answer.\n\n"
        f"{report(loads)}\n\n"
        "Memory is resident memory near the end of the streams. A page that several decoders share is counted once. "
        "Four decoders of uploads run all the time."
    )
    write_section("Live", text)
    print(text)


if __name__ == "__main__":
    typer.run(main)
