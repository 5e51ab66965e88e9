"""Live tuning through its collector and its provider, over the real channel; workers are made up, on a virtual clock."""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import exp, log2
from pathlib import Path
from statistics import median_low

import pytest

from scrimp.api import (
    Direction,
    PlannedAction,
    Refusal,
    Report,
    RunState,
    Services,
    Stint,
    Traits,
    Unavailable,
)
from scrimp.plan.effects import changes_nothing, plan_action
from scrimp.testing.contract import ProviderContract
from scrimp.worker import FolderChannel, FolderRegistry
from scrimp_actions.specs import SPECS
from scrimp_actions.tuning.collector import FACTORY, TuningCollector, folder
from scrimp_actions.tuning.provider import TuningProvider, build
from scrimp_actions.tuning.session import Session

BOUND_S = 1.0
ARGS = {"max_latency": BOUND_S, "objective": "cost", "explore": 1.0}


def best_at_four(batch: int) -> float:
    """Items per core-second: a hill in octaves, 32 at half of it."""
    return 100.0 / (1.0 + (log2(batch) - 2.0) ** 2 / 9.0)


class Fleet:
    """Workers of one operation that do what their control documents say, a second at a time."""

    def __init__(
        self,
        root: Path,
        jobs: int,
        curve: Callable[[int], float],
        *,
        noise: float = 0.01,
        fill: float = 1.0,
        memory: Callable[[int], float] = lambda _: 10**8,
        watts: Callable[[int], float] = lambda _: 0.0,
    ) -> None:
        self.now_s, self.curve, self.noise, self.fill = 1000.0, curve, noise, fill
        self.memory, self.watts, self.most = memory, watts, 10**9
        self.limits: dict[str, int | None] = {}
        self.traits: dict[str, Traits] = {}
        self.registry = FolderRegistry(root)
        self.channel = FolderChannel(self.registry.worker_dir)
        services = Services(self.time, self.sleep, root, channel=self.channel, jobs=self.registry)
        made = FACTORY({"look_s": 3.0}, services)
        assert isinstance(made, TuningCollector)
        self.collector, self.provider = made, build({}, services)
        self.notebook = folder(services)
        self.paths = [f"audio/audio-{index}" for index in range(jobs)]
        self.stints = {path: (32, Stint(self.now_s)) for path in self.paths}
        self.chance, self.sizes_seen, self.tried_s, self.acts = random.Random(7), set[int](), 0.0, 0
        for path in self.paths:
            self.channel.found(path)
        self.work()

    def time(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def work(self) -> None:
        """One second: many batches, as the curve says, and a report."""
        self.now_s += 1.0
        for path in self.paths:
            control = self.channel.control(path)
            assert control is not None
            size, stint = self.stints[path]
            wanted = control.batch_size or 32
            if wanted != size:
                size, stint = wanted, Stint(self.now_s)
            self.sizes_seen.add(size)
            self.tried_s += size != 32
            rate = self.curve(size) * exp(self.noise * self.chance.gauss(0.0, 1.0))
            items, took_s = min(int(size * self.fill), self.most), size / rate if rate else 0.0
            if rate:
                batches = max(round(1.0 / took_s), 1)
                stint = Stint(
                    stint.since_s,
                    stint.batches + batches,
                    stint.items + items * batches,
                    stint.work + items * batches,
                    stint.busy_s + took_s * batches,
                    stint.squares_s2 + took_s**2 * batches,
                    stint.core_s + took_s * batches,
                    stint.errors,
                    stint.joules + self.watts(size) * took_s * batches,
                )
            else:
                stint = replace(stint, errors=stint.errors + 2)
            self.stints[path] = size, stint
            traits = self.traits.get(path, Traits(operation="log_mel", device="cpu"))
            report = Report(
                self.now_s,
                control.revision,
                RunState.RUNNING,
                stint.items,
                batch_size=size,
                latency_p95_s=took_s if rate else None,
                memory_bytes=int(self.memory(size)),
                stint=stint,
                traits=replace(traits, memory_limit_bytes=self.limits.get(path)),
            )
            self.channel.write_report(path, report)

    def fields(self) -> Mapping[str, object]:
        (batch,) = self.collector.collect(self.now_s, deadline_s=5).batches
        return {name: values[0] for name, values in batch.fields.items()}

    def session(self) -> Session:
        """What is remembered of the operation."""
        found = self.notebook.session("log_mel")
        assert found is not None
        return found

    def plan(self, args: Mapping[str, object]) -> PlannedAction:
        """What the engine plans for a policy that is always true."""
        row = {"batch_size": median_low(size for size, _ in self.stints.values()), **self.fields()}

        def read(field: str) -> object:
            value = row[field]
            return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

        action = plan_action(SPECS["tune_batch_size"], "operation/log_mel", args, read, "USD")  # type: ignore[arg-type]
        assert isinstance(action, PlannedAction)
        return action

    def act(self, args: Mapping[str, object]) -> None:
        """What the engine does with the plan, which is what was shown."""
        action = self.plan(args)
        if changes_nothing((action,)):
            return
        live = self.provider.revalidate(action, deadline_s=5)
        assert live == action, "the preview is not the run"
        self.acts += 1
        result = self.provider.apply(live, key=f"key-{self.now_s}", deadline_s=5)
        assert dict(result.after).items() <= dict(action.after).items()

    def run(self, seconds: int, args: Mapping[str, object] = ARGS) -> None:
        for _ in range(seconds):
            self.work()
            self.act(args)


def tuned(before: int, after: int, args: Mapping[str, object]) -> PlannedAction:
    return PlannedAction(
        "tune_batch_size",
        "operation/log_mel",
        dict(args),
        "batch_size",
        Direction.NEUTRAL,
        {"batch_size": before},
        {"batch_size": after},
        None,
    )


def sizes(fleet: Fleet) -> set[int]:
    return {size for size, _ in fleet.stints.values()}


def test_a_worker_is_brought_to_its_best_size_and_left_there(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 1, best_at_four)
    fleet.run(150)
    assert sizes(fleet) == {4}
    session = fleet.session()
    assert "batch 4 against 32: won" in session.told
    before = fleet.acts
    fleet.run(60)
    assert fleet.acts == before
    assert fleet.fields()["efficiency_gap"] == pytest.approx(0.0)


def test_no_size_beyond_the_bound_is_ever_tried(tmp_path: Path) -> None:
    """The first act has only noted the bounds; what is tried keeps to them. 64 would take 1.3 s here."""
    fleet = Fleet(tmp_path, 1, lambda batch: 50.0 + batch / 64)
    fleet.run(120)
    assert max(fleet.sizes_seen) * 1.0 / 50.5 <= BOUND_S


def test_of_eight_jobs_only_the_share_that_may_explore_does(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 8, best_at_four)
    on_trial = 0
    for _ in range(130):
        fleet.run(1, ARGS | {"explore": 0.25})
        others = sum(size != 32 for size, _ in fleet.stints.values())
        if sizes(fleet) - {32} and others < 8:
            on_trial = max(on_trial, others)
    assert on_trial == 2
    assert sizes(fleet) == {4}


def test_a_single_job_tries_for_its_share_of_the_time(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 1, lambda _: 100.0)
    fleet.run(200, ARGS | {"explore": 0.25})
    assert 0 < fleet.tried_s <= 0.25 * 200 + 8


def test_without_explore_nothing_is_tried(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 2, best_at_four)
    fleet.run(60, {"objective": "cost"})
    assert fleet.sizes_seen == {32}


def test_wild_figures_change_nothing(tmp_path: Path) -> None:
    """A neighbour that comes and goes: no verdict is better than a wrong one."""
    fleet = Fleet(tmp_path, 1, lambda _: 100.0, noise=0.4)
    fleet.run(160)
    session = fleet.session()
    assert session.incumbent == 32


def test_batches_that_are_not_full_say_nothing_of_their_size(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 1, best_at_four, fill=0.5)
    fleet.run(60)
    session = fleet.session()
    assert session.points == {}


def test_a_size_that_the_work_does_not_fill_is_not_waited_for(tmp_path: Path) -> None:
    """Ray hands over blocks of 48, say: larger batches are never full, and no look tells of them."""
    fleet = Fleet(tmp_path, 1, lambda batch: 10.0 * batch**0.5)
    fleet.most = 48
    fleet.run(120, ARGS | {"max_latency": 60.0})
    assert max(fleet.sizes_seen) == 64
    assert sizes(fleet) == {32}
    session = fleet.session()
    assert (session.hollow, session.points.keys() & {(64, 1, 1, 0.0)}) == (64, set())


def test_what_was_tuned_survives_a_restart(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 1, best_at_four)
    fleet.run(20)
    before = fleet.notebook.session("log_mel")
    services = fleet.provider.jobs.services
    made = FACTORY({"look_s": 3.0}, services)
    assert isinstance(made, TuningCollector)
    fleet.collector = made
    fleet.fields()
    assert fleet.notebook.session("log_mel") == before
    fleet.run(130)
    assert sizes(fleet) == {4}


def test_a_workload_that_has_changed_is_tuned_again_among_neighbours_only(tmp_path: Path) -> None:
    """Clips twice as long: the best size moves by one, and far sizes are not tried again."""
    fleet = Fleet(tmp_path, 1, best_at_four)
    fleet.run(110)
    assert sizes(fleet) == {4}
    session = fleet.session()
    assert session.retune is not None
    fleet.run(120)  # what is normal is learnt
    fleet.sizes_seen.clear()
    fleet.curve = lambda batch: 60.0 / (1.0 + (log2(batch) - 1.0) ** 2 / 2.0)
    fleet.run(220)
    assert sizes(fleet) == {2}
    assert fleet.sizes_seen <= {1, 2, 4, 8}
    after = fleet.session()
    assert "batch 2 against 4" in after.told


def test_a_workload_that_stays_as_it_is_is_left_alone(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 1, best_at_four, noise=0.05)
    fleet.run(150)
    fleet.sizes_seen.clear()
    fleet.run(200)
    assert fleet.sizes_seen == {4}


@pytest.mark.parametrize("text", ["", "{", '{"scrimp": "tuning/1"}', '{"scrimp": "tuning/0"}', "[]"])
def test_a_damaged_notebook_is_begun_anew(tmp_path: Path, text: str) -> None:
    fleet = Fleet(tmp_path, 1, best_at_four)
    fleet.run(10)
    for path in (tmp_path / "tuning").iterdir():
        path.write_text(text)
    fleet.run(5)
    assert fleet.notebook.operations() == ["log_mel"]


def test_the_first_act_notes_the_bounds_and_its_plan_says_so(tmp_path: Path) -> None:
    """The preview is the run: no size stands in the plan that is not asked for."""
    fleet = Fleet(tmp_path, 1, best_at_four)
    first = fleet.plan(ARGS)
    asked = '(max_latency = 1s, objective = "cost", explore = 100%)'
    assert first.before == {"batch_size": 32.0, "tuned_for": "nothing"}
    assert first.after == {"batch_size": 32.0, "tuned_for": asked}
    assert "no size is changed" in fleet.provider.plan(first)
    fleet.act(ARGS)
    assert fleet.fields()["tuned_for"] == asked
    control = fleet.channel.control(fleet.paths[0])
    assert control is not None
    assert control.batch_size is None
    fleet.run(10)
    assert fleet.sizes_seen > {32}


def test_edited_bounds_are_heard_at_the_next_tick(tmp_path: Path) -> None:
    """Also where the tuner has come to rest, and its next size is the present one."""
    fleet = Fleet(tmp_path, 1, best_at_four)
    fleet.run(150)
    assert changes_nothing((fleet.plan(ARGS),))
    edited = ARGS | {"max_latency": 0.03}
    assert fleet.plan(edited).after["tuned_for"] == '(max_latency = 30ms, objective = "cost", explore = 100%)'
    fleet.run(1, edited)
    wish = fleet.notebook.wish("log_mel")
    assert wish is not None
    assert wish.goal.max_latency_s == 0.03
    fleet.run(100, edited)
    assert sizes(fleet) == {2}  # batches of 4 take 40 ms


def test_a_size_that_was_found_for_other_bounds_is_refused(tmp_path: Path) -> None:
    """Between the look at the world and the act another policy may have said what it wishes."""
    fleet = Fleet(tmp_path, 1, best_at_four)
    fleet.run(20)
    assert isinstance(fleet.provider.revalidate(tuned(32, 16, ARGS), deadline_s=5), PlannedAction)
    other = tuned(32, 16, ARGS | {"max_latency": 0.01})
    assert isinstance(fleet.provider.revalidate(other, deadline_s=5), Refusal)


def test_without_explore_the_plan_notes_once_and_then_nothing(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 1, best_at_four)
    args = {"max_latency": BOUND_S, "objective": "cost"}
    fleet.run(30, args)
    assert fleet.acts == 1
    assert fleet.sizes_seen == {32}


def test_jobs_on_trial_come_back_where_nothing_is_better(tmp_path: Path) -> None:
    """The median of all sizes is the one in use, whatever the few on trial have."""
    fleet = Fleet(tmp_path, 4, lambda batch: 100.0 - abs(log2(batch) - 5.0))
    fleet.run(120, ARGS | {"explore": 0.25})
    assert len(fleet.sizes_seen) > 1
    assert sizes(fleet) == {32}


def test_a_job_is_not_asked_again_while_its_batch_in_hand_goes_on(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 1, best_at_four)
    fleet.run(4)
    while changes_nothing((fleet.plan(ARGS),)):
        fleet.run(1)
        fleet.work()
    fleet.act(ARGS)
    fleet.now_s += 1.0
    assert changes_nothing((fleet.plan(ARGS),))


def test_a_job_that_comes_later_gets_the_size_that_was_found(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 3, best_at_four)
    fleet.run(150)
    assert sizes(fleet) == {4}
    fleet.paths.append("audio/audio-9")
    fleet.channel.found("audio/audio-9")
    fleet.stints["audio/audio-9"] = (32, Stint(fleet.now_s))
    fleet.run(10)
    assert sizes(fleet) == {4}


def test_a_size_that_breaks_the_bound_is_left_without_a_duel(tmp_path: Path) -> None:
    """However fast it is: 32 items take 1.28 s here, more than is allowed."""
    fleet = Fleet(tmp_path, 1, lambda batch: 25.0 * (batch / 32) ** 0.1)
    fleet.run(60)
    assert max(sizes(fleet)) / 25.0 < BOUND_S
    session = fleet.session()
    assert "instead of batch 32: measured latency 12" in session.told
    assert "the bound is 1000 ms" in session.told


def test_a_size_at_which_every_batch_fails_is_given_up(tmp_path: Path) -> None:
    """Out of memory, say: no batch is done, and only the errors tell."""
    fleet = Fleet(tmp_path, 1, lambda batch: 0.0 if 1 < batch < 32 else 30.0 * batch**0.1)
    fleet.run(150)
    assert sizes(fleet) <= {1, 32}
    session = fleet.session()
    failed = {setting.batch for setting, point in session.points.items() if point.errors}
    assert failed == fleet.sizes_seen - {1, 32} != set()
    assert session.hollow is None


def test_a_job_with_less_memory_that_comes_and_goes_does_not_begin_the_search_anew(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 2, best_at_four)
    fleet.run(110)
    before = fleet.session()
    assert before.retune is not None
    for limit in (4 * 10**9, None, 2 * 10**9, None):
        fleet.limits = {fleet.paths[0]: limit}
        fleet.run(4)
        session = fleet.session()
        assert session.retune is not None
        assert session.retune.served >= before.retune.served
        before = session


def test_a_job_that_the_size_is_too_large_for_makes_it_smaller(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 2, lambda batch: float(batch) ** 0.2, memory=lambda batch: batch * 10**8)
    fleet.run(70, ARGS | {"max_latency": 600.0})
    assert min(sizes(fleet)) >= 32
    fleet.limits = {fleet.paths[0]: 2 * 10**9}
    fleet.run(40, ARGS | {"max_latency": 600.0})
    assert max(sizes(fleet)) * 10**8 <= 2 * 10**9
    assert fleet.session().memory_limit_bytes == 2 * 10**9


def test_each_device_is_looked_at_for_itself_and_the_one_with_most_jobs_is_tuned(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 3, best_at_four)
    fleet.traits = {fleet.paths[2]: Traits(operation="log_mel", device="A100", precision="fp16")}
    fleet.run(110)
    assert [fleet.stints[path][0] for path in fleet.paths] == [4, 4, 32]
    session = fleet.session()
    assert session.workload.device == "cpu"
    fleet.traits = {
        path: Traits(operation="log_mel", device="A100", precision="fp16") for path in fleet.paths
    }
    fleet.run(5)
    after = fleet.session()
    assert (after.workload.device, after.workload.precision) == ("A100", "fp16")
    assert after.aside[session.workload].keys() == session.points.keys()


def test_the_objective_energy_needs_joules_and_goes_by_them(tmp_path: Path) -> None:
    """Larger batches are faster here, and take more power than that is worth."""
    fleet = Fleet(tmp_path, 1, lambda batch: 100.0 * batch**0.1)
    fleet.run(20, ARGS | {"objective": "energy"})
    assert fleet.sizes_seen == {32}
    fleet = Fleet(
        tmp_path / "meter", 1, lambda batch: 100.0 * batch**0.1, watts=lambda batch: 50.0 + 10 * batch
    )
    fleet.run(200, ARGS | {"objective": "energy"})
    assert sizes(fleet) == {1}


def test_the_policy_of_another_operation_is_refused(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 1, best_at_four)
    refused = fleet.provider.revalidate(tuned(32, 4, ARGS | {"operation": "asr"}), deadline_s=5)
    assert isinstance(refused, Refusal)


def test_an_undo_gives_back_the_size_to_all(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 3, best_at_four)
    fleet.provider.apply(tuned(32, 4, {"to": 4.0}), key="there", deadline_s=5)
    action = tuned(4, 32, {"to": 32.0})
    fleet.provider.apply(action, key="undo", deadline_s=5)
    assert [fleet.channel.control(path).batch_size for path in fleet.paths] == [32, 32, 32]  # type: ignore[union-attr]


def test_a_state_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 1, best_at_four)
    (tmp_path / "tuning").write_text("a file in the way")
    with pytest.raises(Unavailable):
        fleet.collector.collect(fleet.now_s, deadline_s=5)


class TestContract(ProviderContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.root = tmp_path

    def provider(self) -> TuningProvider:
        return Fleet(self.root, 2, best_at_four).provider

    def action(self) -> PlannedAction:
        return tuned(32, 4, {"to": 4.0})
