"""Sections of the report about the run: what, where, cards, incidents, the parameter space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from pathlib import PurePath
from typing import Any

from analysis import charts
from analysis.report_facts import Facts, number
from analysis.report_parts import card, cell, definitions, table
from analysis.units import count, frequency_text, percent, significant, time_span
from farm.store.journal import is_incident

_MOST_INCIDENTS = 200


def what_was_run(facts: Facts) -> str:
    """Say what was run on what, and when."""
    manifest = facts.manifest
    source = manifest.source
    # A path names this host's folders: the file's name says enough.
    source = PurePath(source).name if "/" in source else source
    times = []
    if facts.first_start is not None and facts.last_end is not None:
        times = [
            ("Measured", f"{_moment(facts.first_start)} to {_moment(facts.last_end)}"),
            ("Elapsed", _elapsed_text(facts)),
        ]
    left = definitions(
        [
            ("Sweep", f"{manifest.sweep} ({source})" if source != manifest.sweep else source),
            ("Limits", ", ".join(manifest.limits) or "none: the whole declared space"),
            ("Groups", ", ".join(manifest.group_by) or "one for all vectors"),
            ("Size variable", manifest.size),
            ("Per vector", f"{manifest.repeats} launches, at most {manifest.timeout_s:g} s"),
            ("Generated", _iso(manifest.created)),
            *times,
        ]
    )
    right = "".join(_device(device) for device in facts.devices) or (
        '<p class="muted">No device has measured anything yet.</p>'
    )
    return (
        '<h2>What was run on what</h2><div class="columns">'
        f"{card('<h3>Sweep</h3>' + left)}{card('<h3>Device</h3>' + right)}</div>"
    )


def _elapsed_text(facts: Facts) -> str:
    span = (facts.last_end or 0.0) - (facts.first_start or 0.0)
    busy = sum(item.busy_s for item in facts.cards)
    runs = f" in {len(facts.run_ids)} runs" if len(facts.run_ids) > 1 else ""
    return f"{time_span(span)}{runs}; {time_span(busy)} of card time at work"


def _device(device: Mapping[str, Any]) -> str:
    clocks = _mapping(device.get("clocks_hz"))
    software = _mapping(device.get("software"))
    details = _mapping(device.get("details"))
    return definitions(
        [
            ("Kind", str(device.get("kind", ""))),
            ("Architecture", str(device.get("arch", ""))),
            ("Firmware", str(device.get("firmware", ""))),
            ("Driver", str(device.get("driver", ""))),
            ("Clocks", ", ".join(f"{k} {frequency_text(number(v))}" for k, v in clocks.items())),
            ("Software", ", ".join(f"{k} {v}" for k, v in software.items())),
            ("Settings", ", ".join(f"{k}={v}" for k, v in details.items())),
        ]
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _iso(text: str) -> str:
    try:
        return _moment(datetime.fromisoformat(text).timestamp())
    except ValueError:
        return text


def cards_section(facts: Facts) -> str:
    """Say what each card did, and draw when."""
    if not facts.cards or facts.first_start is None or facts.last_end is None:
        return ""
    span = max(facts.last_end - facts.first_start, 1e-9)
    incidents = Counter(
        str(incident.get("card", "")) for incident in facts.incidents if is_incident(incident)
    )
    rows = []
    for item in facts.cards:
        rate = "—" if item.rate is None else f"{_rate_text(item.rate)} / s"
        rows.append(
            f"<tr>{cell(item.card, 'nowrap')}"
            + "".join(
                cell(text, "number")
                for text in (
                    count(item.n_vectors),
                    percent(item.n_vectors / max(1, facts.n_done), 3),
                    count(item.n_chunks),
                    rate,
                    time_span(item.busy_s),
                    percent(min(1.0, item.busy_s / span), 3),
                    count(incidents[item.card]),
                )
            )
            + "</tr>"
        )
    columns = ("vectors", "share", "chunks", "rate at work", "at work", "of the time", "incidents")
    head = [("card", ""), *((name, "number") for name in columns)]
    drawing = charts.activity(facts.cards, facts.incidents, facts.first_start, facts.last_end)
    return (
        f"<h2>Cards</h2>{card(table(head, rows))}"
        f'<div class="below">{card(drawing + _activity_note(facts))}</div>'
    )


def _rate_text(rate: float) -> str:
    return count(round(rate)) if rate >= 100 else significant(rate)


def _activity_note(facts: Facts) -> str:
    marks = "; each dot is an incident" if facts.incidents else ""
    return f'<p class="muted small last">At work per card{marks}.</p>'


def incidents_section(facts: Facts) -> str:
    """List the faults of the farm and the cards."""
    if not facts.incidents:
        text = (
            '<p class="muted" style="margin:0">No fault of a card or the farm was journalled.</p>'
        )
        return f"<h2>Incidents</h2>{card(text)}"
    kinds = Counter(str(incident.get("kind", "")) for incident in facts.incidents)
    tally = ", ".join(f"{count(n)} {kind}" for kind, n in kinds.most_common())
    rows = [_incident(incident) for incident in facts.incidents[:_MOST_INCIDENTS]]
    head = [(name, "") for name in ("time (UTC)", "card", "kind", "vector", "what happened")]
    rest = len(facts.incidents) - len(rows)
    more = (
        f'<p class="muted small">{count(rest)} later ones are in the journal.</p>' if rest else ""
    )
    body = table([*head, ("lost", "number")], rows) + more
    return f'<h2>Incidents</h2><p class="muted">{escape(tally)}.</p>{card(body)}'


def _incident(incident: Mapping[str, Any]) -> str:
    index, vector_id = incident.get("index"), str(incident.get("vector_id", ""))
    vector = "" if index is None else f"#{index}"
    if vector_id:
        vector = f"{vector} {vector_id[:8]}…".strip()
    lost = number(incident.get("lost_s"))
    return (
        f"<tr>{cell(_iso(str(incident.get('time', ''))).removesuffix(' UTC'), 'nowrap')}"
        f"{cell(str(incident.get('card', '')), 'nowrap')}"
        f"{cell(str(incident.get('kind', '')), 'nowrap')}{cell(vector, 'nowrap')}"
        f"{cell(str(incident.get('message', '')), 'wrap')}"
        f"{cell(time_span(lost) if lost else '', 'number')}</tr>"
    )


def sweep_sections(facts: Facts) -> str:
    """Describe the parameter space and which candidates became vectors."""
    return f"<h2>Parameter space</h2>{card(_axes(facts))}<h2>Validity</h2>{card(_validity(facts))}"


def _axes(facts: Facts) -> str:
    declared = _mapping(facts.manifest.declaration.get("axes"))
    rows = []
    for axis in facts.manifest.axes:
        about = _mapping(declared.get(axis.name))
        values = str(about.get("values", "")).replace(",", ", ")
        n_values = count(int(number(about.get("n_values"))))
        rows.append(
            f"<tr>{cell(axis.name, 'nowrap')}{cell(axis.kind)}{cell(n_values, 'number')}"
            f"{cell(values, 'wrap mono')}</tr>"
        )
    return table([("axis", ""), ("kind", ""), ("values", "number"), ("in order", "")], rows)


def _validity(facts: Facts) -> str:
    suites = facts.manifest.suites
    n_candidates = sum(int(suite["n_candidates"]) for suite in suites)
    n_valid = sum(int(suite["n_valid"]) for suite in suites)
    n_kept = sum(int(suite["n_vectors"]) for suite in suites)
    rejected: Counter[str] = Counter()
    for suite in suites:
        rejected.update(suite["rejected"])
    rows = [_step("candidates", n_candidates, n_candidates, "")]
    rows += [
        _step("rejected", n, n_candidates, reason) for reason, n in rejected.most_common() if n
    ]
    rows.append(_step("valid", n_valid, n_candidates, ""))
    if n_valid > n_kept:
        most = facts.manifest.declaration.get("max_vectors_per_suite")
        limit = f"at most {count(most)} per suite" if isinstance(most, int) else "thinned out"
        reason = f"every other one deleted repeatedly: {limit}"
        rows.append(_step("thinned out", n_valid - n_kept, n_candidates, reason))
    rows.append(_step("vectors", n_kept, n_candidates, f"in {count(len(suites))} suites"))
    head = [("", ""), ("number", "number"), ("share", "number"), ("", ""), ("why", "")]
    excluded = "; ".join(
        f"{count(n)} suites excluded: {reason}"
        for reason, n in facts.manifest.excluded_suites.items()
    )
    note = (
        f'<p class="muted small" style="margin:10px 0 0">{escape(excluded)}.</p>'
        if excluded
        else ""
    )
    return table(head, rows) + note


def _step(name: str, n: int, n_candidates: int, reason: str) -> str:
    share = n / n_candidates if n_candidates else 0.0
    is_part = name in {"rejected", "thinned out"}
    return (
        f"<tr{' class=part' if is_part else ''}>{cell(name, 'nowrap')}{cell(count(n), 'number')}"
        f"{cell(percent(share, 3), 'number')}"
        f'<td class="quarter"><div class="bar"><i style="width:{100 * share:.2f}%"></i></div></td>'
        f"{cell(reason, 'wrap')}</tr>"
    )
