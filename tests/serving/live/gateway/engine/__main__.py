"""``python -m tests.serving.live.gateway.engine``: one engine, until it is told to end."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal

from tests.serving.live.gateway.engine import Engine


async def run(options: argparse.Namespace) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    engine = Engine(
        name=options.name, gap=options.gap, prefill=options.prefill, slots=options.slots,
        port=options.port,
    )  # fmt: skip
    async with engine:
        print(engine.url, flush=True)
        await ended.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="tiny", help="the model")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--gap", type=float, default=0.0, help="seconds between tokens")
    parser.add_argument("--prefill", type=float, default=0.0, help="seconds per prompt token")
    parser.add_argument("--slots", type=int, default=1 << 20, help="requests that run at a time")
    options = parser.parse_args()
    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.run(run(options))
        return
    asyncio.run(run(options))


if __name__ == "__main__":
    main()
