"""Losses in a cluster: how soon each is noticed, what it costs, and that nothing is lost.

Run ``python bench/cluster.py`` for all parts, or name some: ``losses``, ``endings``,
``partition``, ``scaling``, ``growth``, ``chaos``.  The clusters are several real Ray nodes on this
machine, with health checks as in `farm.testing.ray_cluster`; for ``partition`` each node has a
network namespace of its own (which takes the right to make some), whose cable is cut.  Every sweep
is audited against the simulator's truth; ``--seed`` and ``--kills`` are those of the chaos part.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from farm.testing import host_network
from farm.testing.autoscaled_cluster import AutoscaledCluster
from farm.testing.cluster_run import RESHARD, ClusterRun, journalled_at
from farm.testing.ray_cluster import RayCluster
from farm.testing.ray_node import RayNode, wait_for
from farm.testing.truth import audit

ACTOR = "ray::ClaimingDeviceActor"
RAYLET = "raylet/raylet"
GCS = "gcs_server"


def sweep_of(output_grids: str, device_time_s: float) -> tuple[str, ...]:
    return (
        *RESHARD, "-l", f"output_grid={output_grids}", "--chunk", "32",
        "--device", "sim", "-o", f"device_time={device_time_s}",
    )  # fmt: skip


MANY = sweep_of("1x2..3x3", 0.02)
FEW = sweep_of("1x2..2x2", 0.02)
LONG = (
    "reshard", "-l", "input_grid=1x1", "-l", "output_grid=1x2..4x4",
    "-l", "shape=1x1x32x32..1x1x1600x512", "--chunk", "32",
    "--device", "sim", "-o", "device_time=0.05",
)  # fmt: skip
N_CHAOS_NODES = 3
MOST_SHORT = 20
"""Kills that a short sweep lasts for."""

BLOWS = {
    "node": 8, "raylet": 4, "actor": 8, "executor": 6, "coordinator": 3, "driver": 3,
    "supervisor": 1, "head": 1,
}  # fmt: skip


@dataclass
class Findings:
    """Rows of the report, and whether every sweep was as it has to be."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    is_clean: bool = True

    def add(self, what: str, figure: str) -> None:
        """Add a row."""
        self.rows.append((what, figure))
        print(f"{what}: {figure}", flush=True)

    def judge(self, run: ClusterRun, what: str) -> None:
        """Audit a sweep and add what was found."""
        found = audit(run.directory)
        good = found.is_clean and set(found.statuses.values()) == {"OK"}
        self.is_clean &= good
        figures = f"missing {len(found.missing)}, doubled {len(found.doubled)}, "
        self.add(what, figures + f"wrong {len(found.wrong)}, of {len(found.statuses)} vectors")


def noticed_s(run: ClusterRun, node: RayNode, hit: Callable[[], object], *kinds: str) -> float:
    """Seconds from a blow to the first record in the journal that names the node."""
    entries = run.progress["cluster"]["nodes"]
    name = next(entry["name"] for entry in entries if entry["node_id"] == node.node_id)
    at = time.time()
    hit()

    def found() -> list[float]:
        records = [r for r in run.incidents(*kinds) if r.get("node") == name]
        return [when for record in records if (when := journalled_at(record)) >= at]

    wait_for(lambda: bool(found()), 60.0)
    return min(found()) - at


def first_chunk_s(run: ClusterRun, node: RayNode, since_at: float) -> float:
    """Seconds until the first lease of a node's card is under way."""

    def at_work() -> bool:
        nodes = run.progress.get("cluster", {}).get("nodes", ())
        return any(n["node_id"] == node.node_id and n["n_at_work"] for n in nodes)

    wait_for(at_work, 60.0)
    return time.time() - since_at


def losses(folder: Path, findings: Findings) -> None:
    with RayCluster() as cluster:
        nodes = cluster.add_nodes(4)
        with ClusterRun(cluster, folder / "losses", MANY) as run:
            run.wait_for_chunks(8)
            wait_for(lambda: run.progress["cluster"]["n_at_work"] == len(nodes), 60.0)
            findings.add(
                "noticed: actor killed",
                f"{noticed_s(run, nodes[0], lambda: nodes[0].kill(ACTOR), 'actor-lost'):.2f} s",
            )
            findings.add(
                "noticed: raylet killed",
                f"{noticed_s(run, nodes[1], lambda: nodes[1].kill(RAYLET), 'actor-lost'):.2f} s",
            )
            findings.add(
                "noticed: node killed, leases free",
                f"{noticed_s(run, nodes[2], nodes[2].kill, 'actor-lost', 'node-lost'):.2f} s",
            )
            last = nodes[3]
            findings.add(
                "noticed: node warned (the command takes a second of it)",
                f"{noticed_s(run, last, lambda: cluster.drain(last, 20), 'node-draining'):.2f} s",
            )
            added_at = time.time()
            new = cluster.begin_node()
            findings.add(
                "node added in the middle: `ray start` to its card at work",
                f"{first_chunk_s(run, new, added_at):.1f} s",
            )
            run.driver().kill()
            n_resumes = sum(e["event"] == "resume" for e in run.events)
            at = time.time()
            wait_for(lambda: sum(e["event"] == "resume" for e in run.events) > n_resumes, 60)
            findings.add("noticed: driver killed", f"{time.time() - at:.2f} s")
            findings.add("exit of that run", str(run.wait(300)))
            findings.judge(run, "audit after these losses")


def endings(folder: Path, findings: Findings) -> None:
    """Kill what takes a whole run along; ``farm run`` again finishes the sweep."""
    blows: dict[str, Callable[[RayCluster, ClusterRun], object]] = {
        "`farm run` itself killed": lambda _cluster, run: run.process.kill(),
        "GCS killed alone": lambda cluster, _run: cluster.head and cluster.head.kill(GCS),
        "head killed": lambda cluster, _run: cluster.kill_head(),
    }
    for name, hit in blows.items():
        path = folder / "endings" / name.replace(" ", "-").replace("`", "")
        path.parent.mkdir(exist_ok=True)
        with RayCluster() as cluster:
            cluster.add_nodes(2)
            with ClusterRun(cluster, path, FEW) as run:
                run.wait_for_chunks(4)
                driver = run.driver()
                actors = [actor for node in cluster.nodes for actor in node.members(ACTOR)]
                at = time.time()
                hit(cluster, run)
                psutil.wait_procs([driver], 120.0)
                findings.add(f"{name}: its driver has ended", f"{time.time() - at:.1f} s")
                psutil.wait_procs(actors, 120.0)
                findings.add(f"{name}: its cards are free", f"{time.time() - at:.1f} s")
            cluster.remove_nodes()
            cluster.kill_head()
            cluster.start_head()
            cluster.add_nodes(2)
            with ClusterRun(cluster, path, FEW) as again:
                findings.add(f"{name}: exit of `farm run` again", str(again.wait(200)))
                findings.judge(again, f"audit after: {name}")


def partition(folder: Path, findings: Findings) -> None:
    if not host_network.is_possible():
        findings.add("partition", "not measured: no right to make network namespaces")
        return
    network = host_network.HostNetwork()
    try:
        with RayCluster(network=network) as cluster:
            near, far = cluster.add_nodes(2)
            with ClusterRun(cluster, folder / "partition", FEW) as run:
                run.wait_for_chunks(4)
                cut_s = noticed_s(run, far, lambda: cluster.cut_off(far), "node-lost")
                findings.add("noticed: cable of a node cut", f"{cut_s:.1f} s")
                run.wait_for_chunks(run.n_committed + 4)
                at = time.time()
                cluster.reconnect(far)
                wait_for(lambda: not far.is_up, 60)
                findings.add("cable mended: the stale node is gone", f"{time.time() - at:.1f} s")
                findings.add("exit of that run", str(run.wait(200)))
                late = cluster.card_logs().count("another card was first")
                findings.add("commits of the cut-off card that were refused", str(late))
                findings.judge(run, "audit after the partition")
                del near
    finally:
        network.close()


def scaling(folder: Path, findings: Findings) -> None:
    with AutoscaledCluster(max_nodes=3, n_cards=2, idle_s=3.0) as cluster:
        with ClusterRun(cluster, folder / "scaling", MANY) as run:
            run.wait_for_chunks(1)
            findings.add(
                "demand to first commit, from 0 nodes", f"{time.time() - run.began_at:.1f} s"
            )
            wait_for(lambda: run.progress.get("cluster", {}).get("n_at_work", 0) >= 6, 90)
            findings.add("demand to 6 cards at work", f"{time.time() - run.began_at:.1f} s")
            findings.add("exit of that run", str(run.wait(300)))
            findings.judge(run, "audit after scaling")
        at = time.time()
        wait_for(lambda: cluster.n_worker_nodes == 0, 120)
        findings.add("end of the run to 0 nodes (idle timeout 3 s)", f"{time.time() - at:.1f} s")


def growth(folder: Path, findings: Findings) -> None:
    """Throughput of several nodes against one node, of the same sweep."""
    with RayCluster() as cluster:
        rates = {}
        for n_nodes in (1, 4):
            cluster.add_nodes(n_nodes - len(cluster.nodes))
            with ClusterRun(cluster, folder / f"growth{n_nodes}", FEW) as run:
                run.wait(300)
                times = sorted(
                    (run.directory.result_meta(c).started_at, run.directory.result_meta(c).ended_at)
                    for c in run.directory.committed()
                )
                began = journalled_at({"time": times[0][0]})
                ended = max(journalled_at({"time": end}) for _, end in times)
                rates[n_nodes] = run.directory.manifest.n_vectors / (ended - began)
                findings.judge(run, f"audit on {n_nodes} nodes")
    findings.add(
        "vectors per second on 4 nodes / on 1 node",
        f"{rates[4]:.0f} / {rates[1]:.0f} = {rates[4] / rates[1]:.2f}",
    )


def chaos(folder: Path, findings: Findings, seed: int, n_kills: int) -> None:
    dice, kills = random.Random(seed), Counter[str]()
    with RayCluster() as cluster:
        cluster.add_nodes(N_CHAOS_NODES)
        path, n_runs, began_s = folder / "chaos", 0, time.monotonic()
        while True:
            n_runs += 1
            with ClusterRun(cluster, path, LONG if n_kills > MOST_SHORT else MANY) as run:
                while run.process.poll() is None:
                    if sum(kills.values()) < n_kills and run.progress:
                        blow(cluster, run, dice, kills)
                    time.sleep(dice.uniform(1, 4))
                if run.wait() == 0:
                    break
        findings.add("chaos: kills", ", ".join(f"{k} {n}" for k, n in kills.most_common()))
        findings.add("chaos: seconds", f"{time.monotonic() - began_s:.0f}")
        findings.add("chaos: `farm run` was given", f"{n_runs} times")
        kinds = Counter(record["kind"] for record in run.directory.incidents())
        findings.add("chaos: incidents", ", ".join(f"{k} {n}" for k, n in kinds.most_common()))
        findings.judge(run, "chaos: audit")


def blow(cluster: RayCluster, run: ClusterRun, dice: random.Random, kills: Counter[str]) -> None:
    """Kill something; a node that dies is followed by another one."""
    kind = dice.choices(list(BLOWS), list(BLOWS.values()))[0]
    node = dice.choice(cluster.nodes)
    if kind == "supervisor":
        run.process.kill()
    elif kind == "head":
        cluster.kill_head()
        cluster.remove_nodes()
        cluster.start_head()
        for _ in range(N_CHAOS_NODES):
            cluster.begin_node()
    elif kind == "driver":
        run.driver().kill()
    elif kind == "coordinator":
        if cluster.head is None or not cluster.head.kill("ray::Coordinator"):
            return
    elif kind == "node":
        node.kill()
    elif not node.kill({"raylet": RAYLET, "actor": ACTOR, "executor": "spawn_main"}[kind]):
        return
    kills[kind] += 1
    if kind in {"node", "raylet"}:
        node.kill()
        cluster.nodes.remove(node)
        cluster.begin_node()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    every = ("losses", "endings", "partition", "scaling", "growth", "chaos")
    parser.add_argument("parts", nargs="*", choices=[*every, []], default=every)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=20)
    chosen = parser.parse_args(arguments)
    folder, findings = Path(tempfile.mkdtemp(prefix="cluster-bench-")), Findings()
    parts: dict[str, Callable[[Path, Findings], None]] = {
        "losses": losses,
        "endings": endings,
        "partition": partition,
        "scaling": scaling,
        "growth": growth,
        "chaos": lambda at, found: chaos(at, found, chosen.seed, chosen.kills),
    }
    for name in chosen.parts:
        parts[name](folder, findings)
    table = Table("what", "figure", title="cluster")
    for row in findings.rows:
        table.add_row(*row)
    Console(width=120).print(table)
    shutil.rmtree(folder)
    sys.exit(0 if findings.is_clean else 1)


if __name__ == "__main__":
    main()
