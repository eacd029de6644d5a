"""The bench's line protocol: a warm process that does a round when stdin tells it to.

Every message is one line of JSON; ours begin with a mark, so that a library's chatter on stdout does no harm.
"""

import json
import sys
import time

MARK = "@bench "
LEAST = 3


def say(message):
    print(MARK + json.dumps(message), flush=True)


def serve(work, facts, asks=None):
    """Announces `facts`, then answers `{"round": seconds}` with the milliseconds of each call of `work`, and
    `{"ask": name, "with": {...}}` with what the function of that name returns, until stdin ends."""
    asks = asks or {}
    say({"ready": facts})
    for line in sys.stdin:
        message = json.loads(line)
        try:
            if "round" in message:
                say({"answer": samples(work, message["round"])})
            else:
                say({"answer": asks[message["ask"]](**message.get("with", {}))})
        except Exception as error:  # noqa: BLE001 - the runner reports it under this side's name
            say({"error": f"{type(error).__name__}: {error}"})


def samples(work, seconds, least=LEAST):
    """Milliseconds of each call, for this long and at least `least` times."""
    times = []
    end = time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return times


def resident():
    """Resident and peak resident memory of this process, MiB."""
    with open("/proc/self/status", encoding="ascii") as status:
        fields = dict(line.split(":", 1) for line in status)
    return {name: int(fields[key].split()[0]) / 1024 for name, key in (("now", "VmRSS"), ("peak", "VmHWM"))}
