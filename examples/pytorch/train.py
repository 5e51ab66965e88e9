"""A PyTorch training loop whose batch size scrimp can tune while it runs, on a GPU or the CPU.

    pip install torch && python examples/pytorch/train.py --steps 500

Three lines make it a worker: `Worker.join`, a batch sampler that asks for the size before each batch, and `batch_done`.
Alone it runs as any other script. The data are made up: features in 64 bands and a label that can be learnt.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence

import torch
from torch import nn
from torch.utils.data import DataLoader, Sampler, TensorDataset

from scrimp.api import RunState
from scrimp.worker import Worker

BANDS, CLASSES, ROWS = 64, 10, 100_000


class TunedBatches(Sampler[list[int]]):
    """Positions in batches as large as is wanted now. With prefetching loaders a change comes some batches later."""

    def __init__(self, order: Sequence[int], worker: Worker) -> None:
        super().__init__()
        self.order, self.worker = order, worker

    def __iter__(self) -> Iterator[list[int]]:
        position = 0
        while position < len(self.order) and self.worker.control().run_state is RunState.RUNNING:
            size = self.worker.batch_size
            yield list(self.order[position : position + size])
            position += size


def made_up(rows: int) -> TensorDataset:
    """Rows whose label is a linear function of them."""
    chance = torch.Generator().manual_seed(7)
    features = torch.randn(rows, BANDS, generator=chance)
    return TensorDataset(features, (features @ torch.randn(BANDS, CLASSES, generator=chance)).argmax(1))


def model() -> nn.Module:
    """A small classifier."""
    return nn.Sequential(
        nn.Linear(BANDS, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, CLASSES)
    )


def train(steps: int, batch_size: int) -> float:
    """So many steps, or until it is time to leave; gives the last loss."""
    torch.set_num_threads(1)  # so that members of a group share the cores fairly
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    network, data = model().to(device), made_up(ROWS)
    optimizer, lost, done = torch.optim.SGD(network.parameters(), lr=0.1), float("nan"), 0
    # No size is tried beyond this limit.
    limit = torch.cuda.mem_get_info(device)[1] if device.type == "cuda" else None
    with Worker.join(operation="train", batch_size=batch_size, device=kind, memory_limit=limit) as worker:
        while done < steps:
            began_s = time.perf_counter()
            for features, labels in DataLoader(data, batch_sampler=TunedBatches(range(ROWS), worker)):
                try:
                    lost = _step(network, optimizer, features.to(device), labels.to(device))
                except torch.cuda.OutOfMemoryError:  # the tuner hears of it, and goes no further
                    torch.cuda.empty_cache()
                    worker.batch_failed()
                    began_s = time.perf_counter()  # what failed is no part of the next batch
                    continue
                now_s = time.perf_counter()
                worker.batch_done(len(labels), now_s - began_s, memory_bytes=_peak(device))
                began_s, done = now_s, done + 1
                if done >= steps:
                    return lost
            if worker.control().run_state is not RunState.RUNNING:
                break
    return lost


def _step(
    network: nn.Module, optimizer: torch.optim.Optimizer, features: torch.Tensor, labels: torch.Tensor
) -> float:
    """One step of gradient descent; `item` waits for the device, so that the time is that of the work."""
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(network(features), labels)
    loss.backward()
    optimizer.step()
    return float(loss.item())


def _peak(device: torch.device) -> int | None:
    """Peak memory of the device since the last batch; None on the CPU, where the worker looks itself."""
    if device.type != "cuda":
        return None
    peak = torch.cuda.max_memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    return peak


def main() -> int:
    """Run it; gives the exit status."""
    parser = argparse.ArgumentParser(description="A training loop whose batch size scrimp can tune.")
    parser.add_argument("--steps", type=int, default=500, help="(default 500)")
    parser.add_argument("--batch-size", type=int, default=32, help="until scrimp wants another (default 32)")
    options = parser.parse_args()
    print(f"loss {train(options.steps, options.batch_size):.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
