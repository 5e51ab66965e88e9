"""Ray Data whose batch size scrimp can tune while it runs: log-mel features of made-up clips.

    pip install 'ray[data]' && python examples/ray_data/features.py --clips 2000

Ray hands an actor blocks of a fixed size; the actor cuts them into batches as large as is wanted now. Each actor is a
worker of its own, which joins in the folder that is named here, or in SCRIMP_WORKER_DIR. Alone it runs all the same.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
import ray
from numpy.typing import NDArray

from scrimp.worker import Worker

AUDIO = str(Path(__file__).resolve().parents[1] / "audio")
sys.path.insert(0, AUDIO)
from worker import BANDS, RATE_HZ, Generated, log_mel  # noqa: E402 - the features of the audio example

BLOCK = 512  # clips that Ray hands over at once: the largest batch that can be wanted


class Features:
    """One actor: a worker of the group `ray`. It counts its clips; pausing and draining hold between two batches."""

    def __init__(self, root: str | None, batch_size: int) -> None:
        self.worker = Worker.join(
            group="ray",
            job=f"features-{os.getpid()}",
            operation="log_mel_ray",
            batch_size=batch_size,
            device="cpu",
            root=Path(root) if root else None,
        )
        self.source = Generated(7, None)

    def __call__(self, block: dict[str, NDArray[np.int64]]) -> dict[str, NDArray[np.float32]]:
        """Mean of each band, a row a clip."""
        positions, found = block["id"], []
        while len(found) < len(positions):
            self.worker.control()
            some = positions[len(found) : len(found) + self.worker.batch_size]
            began_s = time.perf_counter()
            clips = [self.source.clip(int(position))[1] for position in some]
            found.extend(one.mean(axis=0) for one in log_mel(clips))
            seconds_of_audio = sum(map(len, clips)) / RATE_HZ
            self.worker.batch_done(len(some), time.perf_counter() - began_s, work=seconds_of_audio)
        return {"id": positions, "mean": np.asarray(found, dtype=np.float32).reshape(-1, BANDS)}


def main() -> int:
    """Run it; gives the exit status."""
    parser = argparse.ArgumentParser(description="Features by Ray Data, in batches that scrimp can tune.")
    parser.add_argument("--clips", type=int, default=2000, help="(default 2000)")
    parser.add_argument("--actors", type=int, default=1, help="(default 1)")
    parser.add_argument("--batch-size", type=int, default=32, help="until scrimp wants another (default 32)")
    options = parser.parse_args()
    paths = os.pathsep.join(one for one in (AUDIO, os.environ.get("PYTHONPATH")) if one)
    ray.init(
        num_cpus=options.actors + 1,
        include_dashboard=False,
        logging_level="error",
        runtime_env={"env_vars": {"PYTHONPATH": paths}},
    )
    made = ray.data.range(options.clips).map_batches(
        Features,
        fn_constructor_args=(os.environ.get("SCRIMP_WORKER_DIR"), options.batch_size),
        batch_size=BLOCK,
        concurrency=options.actors,
    )
    print(f"{sum(len(batch['id']) for batch in made.iter_batches(batch_size=None))} clips")
    return 0


if __name__ == "__main__":
    sys.exit(main())
