"""How a snapshot of a run looks: on a terminal of any size, or as one line.

A few cards get a row each.  Of many, every node gets a row, and only the cards in trouble one of
their own; what does not fit the terminal is counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from farm.card_state import IN_TROUBLE, is_busy, is_gone, word_of
from farm.store.journal import is_incident
from farm.store.live import Snapshot
from farm.view.run_state import describe_incident, duration

SILENT_S = 10.0
"""Age of a card's last report from which it counts as troubled."""

RECENT_INCIDENT_S = 300.0

_N_INCIDENTS_SHOWN = 5
_OTHER_ROWS = 14
_FEWEST_ROWS = 6

_COLOURS = {
    "retired": "red", "lost": "red", "silent": "red", "refused": "red", "unfit": "red",
    "node-failed": "red", "recovering": "yellow", "draining": "yellow", "idle": "dim",
    "finished": "dim", "left": "dim", "gone": "dim",
}  # fmt: skip


def draw(
    snapshot: Snapshot, rows: int = 40, title: str = "", now_at: datetime | None = None
) -> RenderableType:
    """Draw a snapshot.

    Parameters
    ----------
    snapshot : Snapshot
        Of a run.
    rows : int
        Height of the terminal.
    title : str
        First line; none if empty.
    now_at : datetime or None
        Wall clock, for the age of incidents.
    """
    now_at = now_at or datetime.now(UTC)
    most_rows = max(_FEWEST_ROWS, rows - _OTHER_ROWS)
    parts: list[RenderableType] = [Text(title, style="bold")] if title else []
    parts.append(_bar(snapshot))
    if snapshot.cluster:
        parts.append(Text(cluster_line(snapshot.cluster)))
    nodes = nodes_of(snapshot, now_at)
    are_many = len(snapshot.cards) > most_rows
    if nodes and (are_many or (len(nodes) > 1 and len(snapshot.cards) + len(nodes) <= most_rows)):
        parts.append(_node_table(nodes, most_rows))
    shown = snapshot.cards
    if are_many:
        shown = {c: f for c, f in shown.items() if trouble_of(f, now_at)}
        most_rows = max(_FEWEST_ROWS, most_rows - len(nodes))
        parts.append(_many(snapshot, len(shown)))
    if shown:
        parts.append(_card_table(shown, most_rows, now_at))
    return Group(*parts, *_footer(snapshot))


def line(snapshot: Snapshot) -> str:
    """Describe a snapshot in one line."""
    parts = [f"{snapshot.phase}: {snapshot.n_done:,}/{snapshot.n_vectors:,} vectors"]
    if snapshot.rate_hz:
        parts.append(f"{snapshot.rate_hz:,.3g}/s")
    if snapshot.eta_s is not None:
        parts.append(f"ETA {duration(snapshot.eta_s)}")
    parts += [f"{status} {n:,}" for status, n in sorted(snapshot.counts.items())]
    if snapshot.n_incidents:
        parts.append(f"incidents {snapshot.n_incidents}")
    parts.append(_states(snapshot.cards.values()))
    if snapshot.cluster:
        parts.append(cluster_line(snapshot.cluster))
    return ", ".join(parts)


def cluster_line(cluster: dict[str, Any]) -> str:
    """Say what a run has of its cluster, and what it waits for."""
    nodes = cluster.get("nodes") or []
    most = cluster.get("n_max")
    parts = [
        f"{_n(len(nodes), 'node')}",
        f"{_n(int(cluster.get('n_wanted', 0)), 'card')} wanted",
        f"{int(cluster.get('n_pending', 0))} pending",
        f"at most {most}" if most else "no limit",
    ]
    return "cluster: " + ", ".join(parts)


def trouble_of(card: dict[str, Any], now_at: datetime) -> str:
    """Say in a word what is wrong with a card; empty if nothing is."""
    if word_of(card) in IN_TROUBLE:
        return word_of(card)
    if is_gone(card):
        return ""
    if float(card.get("age_s") or 0.0) > SILENT_S:
        return "silent"
    incident = card.get("incident")
    if incident and is_incident(incident):
        age_s = _age_s(incident, now_at)
        return "incident" if age_s is not None and age_s < RECENT_INCIDENT_S else ""
    return ""


@dataclass
class NodeSummary:
    """What the cards of one node do.

    Attributes
    ----------
    name, state : str
        As the cluster names it.
    n_cards, n_busy, n_troubled, n_done : int
        Its cards, those that measure, those in trouble; vectors done on them.
    rate_hz : float
        Vectors per second.
    """

    name: str
    state: str = ""
    n_cards: int = 0
    n_busy: int = 0
    n_troubled: int = 0
    n_done: int = 0
    rate_hz: float = 0.0


def nodes_of(snapshot: Snapshot, now_at: datetime) -> list[NodeSummary]:
    """Sum up the cards of each node; nodes in trouble first, then by name."""
    found: dict[str, NodeSummary] = {}
    for node in (snapshot.cluster or {}).get("nodes") or []:
        name = str(node.get("name", ""))
        found[name] = NodeSummary(name, str(node.get("state", "")))
    for facts in snapshot.cards.values():
        name = str(facts.get("node", ""))
        if not name:
            continue
        summary = found.setdefault(name, NodeSummary(name, "gone"))
        summary.n_cards += not is_gone(facts)
        summary.n_busy += is_busy(facts)
        summary.n_troubled += bool(trouble_of(facts, now_at))
        summary.n_done += int(facts.get("n_done", 0))
        summary.rate_hz += float(facts.get("rate_hz", 0.0))
    return sorted(found.values(), key=lambda node: (not node.n_troubled, node.name))


def _bar(snapshot: Snapshot) -> Table:
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        ProgressBar(total=max(1, snapshot.n_vectors), completed=snapshot.n_done, width=40),
        f"{snapshot.n_done:,}/{snapshot.n_vectors:,} vectors",
        f"{snapshot.rate_hz:,.3g}/s" if snapshot.rate_hz else "",
        f"ETA {duration(snapshot.eta_s)}" if snapshot.eta_s is not None else "",
    )
    return bar


def _table(left: Iterable[str], right: Iterable[str], last: Iterable[str] = ()) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in left:
        table.add_column(heading, no_wrap=True)
    for heading in right:
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in last:
        table.add_column(heading, no_wrap=True, overflow="ellipsis", ratio=1)
    table.expand = bool(last)
    return table


def _node_table(nodes: list[NodeSummary], most_rows: int) -> Table:
    table = _table(("node", "state"), ("cards", "measuring", "in trouble", "done", "rate"))
    for node in nodes[:most_rows]:
        table.add_row(
            node.name,
            Text(node.state, style=_COLOURS.get(node.state, "")),
            str(node.n_cards),
            str(node.n_busy),
            Text(str(node.n_troubled), style="red" if node.n_troubled else "dim"),
            f"{node.n_done:,}",
            f"{node.rate_hz:,.3g}/s",
        )
    if len(nodes) > most_rows:
        table.add_row(Text(f"... and {_n(len(nodes) - most_rows, 'more node')}", style="dim"))
    return table


def _card_table(cards: dict[str, dict[str, Any]], most_rows: int, now_at: datetime) -> Table:
    are_aged = any(facts.get("incident") for facts in cards.values())
    headings = ("last incident",) if are_aged else ()
    table = _table(("card", "state"), ("done", "rate", "batch", "heard"), headings)
    for card, facts in list(cards.items())[:most_rows]:
        doing, age_s = str(facts.get("state", "")), facts.get("age_s")
        word = trouble_of(facts, now_at)
        if word == "silent":
            doing = f"silent ({doing})"
        row = [
            Text(card),
            Text(doing, style=_COLOURS.get(word or doing.split(" ")[0], "")),
            Text(f"{facts.get('n_done', 0):,}"),
            Text(f"{facts['rate_hz']:,.3g}/s" if facts.get("rate_hz") else ""),
            Text(str(facts.get("batch_rows", ""))),
            Text("" if age_s is None else f"{duration(age_s)} ago"),
        ]
        if are_aged:
            row.append(_last_incident(facts, now_at))
        table.add_row(*row)
    if len(cards) > most_rows:
        table.add_row(Text(f"... and {_n(len(cards) - most_rows, 'more card')}", style="dim"))
    return table


def _last_incident(facts: dict[str, Any], now_at: datetime) -> Text:
    incident = facts.get("incident")
    if not incident:
        return Text("")
    age_s = _age_s(incident, now_at)
    when = "" if age_s is None else f" {duration(age_s)} ago"
    return Text(f"{incident.get('kind')}{when}: {incident.get('message', '')}", style="yellow")


def _many(snapshot: Snapshot, n_troubled: int) -> Text:
    text = f"{len(snapshot.cards)} cards: {_states(snapshot.cards.values())}"
    return Text(f"{text}; {n_troubled} in trouble" if n_troubled else text)


def _states(cards: Iterable[dict[str, Any]]) -> str:
    counts: dict[str, int] = {}
    for facts in cards:
        state = word_of(facts) or "unknown"
        counts[state] = counts.get(state, 0) + 1
    return ", ".join(f"{n} {state}" for state, n in sorted(counts.items())) or "no card yet"


def _footer(snapshot: Snapshot) -> list[Text]:
    outcomes = "  ".join(f"{status} {n:,}" for status, n in sorted(snapshot.counts.items()))
    lines = [Text(f"committed: {outcomes or 'nothing yet'}")]
    fits = snapshot.fits
    if fits.get("median_r2") is not None:
        lines.append(
            Text(f"models: {fits['n_fitted']:,} groups, median R² {fits['median_r2']:.4f}")
        )
    if snapshot.n_incidents:
        lines.append(Text(f"incidents: {snapshot.n_incidents}", style="yellow"))
        lines += [
            Text(
                "  " + describe_incident(incident),
                style="yellow",
                overflow="ellipsis",
                no_wrap=True,
            )
            for incident in snapshot.incidents[-_N_INCIDENTS_SHOWN:]
        ]
    logs = sorted({str(f["log"]) for f in snapshot.cards.values() if f.get("log") and _is_bad(f)})
    if logs:
        lines.append(Text(f"log of a card in trouble, on its node: {logs[0]}", style="dim"))
    if snapshot.phase != "measuring":
        lines.append(Text(snapshot.phase, style="bold"))
    return lines


def _is_bad(facts: dict[str, Any]) -> bool:
    return bool(trouble_of(facts, datetime.now(UTC)))


def _age_s(incident: dict[str, Any], now_at: datetime) -> float | None:
    try:
        then = datetime.fromisoformat(str(incident["time"]))
        return max(0.0, (now_at - then).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None


def _n(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
