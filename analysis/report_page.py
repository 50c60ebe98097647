"""The report as one HTML page: no script, no request, everything that came from outside escaped."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

import numpy as np

from analysis import charts
from analysis.ranking import alike, constant_axes, ranked
from analysis.report_facts import DrawnGroup, Facts
from analysis.report_parts import (
    card,
    cell,
    group_label,
    table,
    tile,
)
from analysis.report_run import cards_section, incidents_section, sweep_sections, what_was_run
from analysis.report_style import STYLE
from analysis.units import count, duration_text, percent, prefixed, time_span
from farm.outcome import Status
from farm.store.journal import is_incident

_N_TABLE_WORST = 10
_N_TABLE_BEST = 5
_N_REASONS = 5


def page(facts: Facts) -> str:
    """Return the whole page."""
    title = f"{facts.manifest.sweep} — Sweepfarm report"
    body = "".join(
        [
            _header(facts),
            _banner(facts),
            _tiles(facts),
            what_was_run(facts),
            _outcomes(facts),
            _fit_quality(facts),
            _groups(facts),
            cards_section(facts),
            incidents_section(facts),
            sweep_sections(facts),
            _footer(facts),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # A page without an icon of its own makes browsers ask the server for one.
        '<link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )


def _header(facts: Facts) -> str:
    manifest = facts.manifest
    kinds = sorted({f"{d.get('kind', '?')} ({d.get('arch', '?')})" for d in facts.devices})
    n_cards = len(facts.cards)
    where = f" on {n_cards} card{'s' * (n_cards != 1)}: {', '.join(kinds)}" if kinds else ""
    return (
        '<header><div class="eyebrow">Sweepfarm report</div>'
        f"<h1>{escape(manifest.sweep)}</h1>"
        f'<p class="lead">{count(manifest.n_vectors)} vectors of '
        f"<code>{escape(manifest.op)}</code>, {manifest.repeats} launches each{escape(where)}.</p>"
        "</header>"
    )


def _banner(facts: Facts) -> str:
    if facts.is_complete:
        return ""
    left = facts.manifest.n_vectors - facts.n_done
    if not facts.n_committed:
        what = "<b>Nothing has been measured yet.</b> The vectors are generated."
        then = "starts."
    else:
        what = (
            f"<b>Partial results.</b> {count(left)} of {count(facts.manifest.n_vectors)} vectors "
            f"are still to be measured ({count(facts.n_committed)} of {count(facts.n_chunks)} "
            "chunks are committed). The fits below are over what is there."
        )
        then = "goes on where it stopped."
    command = escape(f"farm run {facts.name}")
    return f'<div class="banner" role="status"><p>{what} <code>{command}</code> {then}</p></div>'


def _tiles(facts: Facts) -> str:
    n_ok = facts.counts[Status.OK.value]
    fitted = [group.fit for group in facts.groups if group.fit.is_fitted]
    done = facts.n_done
    tiles = [
        tile(
            "vectors done",
            count(done),
            f"{percent(done / facts.manifest.n_vectors, 3)} of {count(facts.manifest.n_vectors)}",
        ),
        tile("measured", percent(n_ok / done, 3) if done else "—", f"{count(n_ok)} vectors OK"),
        tile("groups fitted", count(len(fitted)), f"of {count(len(facts.groups))} seen"),
    ]
    if fitted:
        r2 = np.median([fit.r2 for fit in fitted if fit.r2 is not None])
        rrmse = np.median([fit.rrmse for fit in fitted if fit.rrmse is not None])
        tiles.append(tile("median R²", charts.significant_r2(float(r2)), "over the groups"))
        tiles.append(tile("median RRMSE", percent(float(rrmse)), "over the groups"))
    if facts.noise is not None:
        tiles.append(tile("launch noise", percent(facts.noise), "median std / mean"))
    n_incidents = sum(is_incident(record) for record in facts.incidents)
    lost = f"{time_span(facts.lost_s)} of cards lost" if n_incidents else "none journalled"
    tiles.append(tile("incidents", count(n_incidents), lost))
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _outcomes(facts: Facts) -> str:
    pending = facts.manifest.n_vectors - facts.n_done
    parts = [(status.value, facts.counts[status.value], status.value) for status in Status]
    bar = charts.share_bar([*parts, ("not measured yet", pending, "PENDING")])
    rows = []
    total = facts.manifest.n_vectors
    for status in Status:
        n = facts.counts[status.value]
        if not n:
            continue
        rows.append(_status_row(status.value, status.value, n, total, ""))
        own = {reason: k for (s, reason), k in facts.reasons.items() if s == status.value}
        reasons = alike(own)
        rows += [
            f'<tr class="part">{cell("")}{cell(count(k), "number")}{cell("", "number")}'
            f"{cell(reason, 'wrap')}</tr>"
            for reason, k in reasons[:_N_REASONS]
        ]
        if len(reasons) > _N_REASONS:
            rest = sum(k for _, k in reasons[_N_REASONS:])
            note = f"{count(len(reasons) - _N_REASONS)} more reasons"
            rows.append(
                f'<tr class="part">{cell("")}{cell(count(rest), "number")}{cell("")}'
                f"{cell(note)}</tr>"
            )
    if pending:
        rows.append(_status_row("not measured yet", "PENDING", pending, total, ""))
    head = [("status", ""), ("vectors", "number"), ("share", "number"), ("reason", "")]
    return f"<h2>Outcomes</h2>{card(bar + table(head, rows))}"


def _status_row(name: str, kind: str, n: int, total: int, reason: str) -> str:
    return (
        f'<tr><td class="nowrap"><span class="swatch {kind}"></span>{escape(name)}</td>'
        f"{cell(count(n), 'number')}{cell(percent(n / total, 3), 'number')}{cell(reason)}</tr>"
    )


def _fit_quality(facts: Facts) -> str:
    fits = [group.fit for group in facts.groups if group.fit.is_fitted]
    head = "<h2>Quality of the fits</h2>"
    over = "every measured vector" if facts.over == "vectors" else "the mean of each distinct size"
    intro = (
        f'<p class="muted">One straight line of kernel duration on '
        f"<code>{escape(facts.manifest.size)}</code> per group, by ordinary least squares over "
        f"{over}. RRMSE is the root of the mean squared residual over the mean duration; RMSRE is "
        "the root of the mean squared relative residual, so it weighs short durations more.</p>"
    )
    if not fits:
        return f"{head}{intro}{card('<p>No group has a line yet.</p>')}{_unfitted(facts)}"
    r2 = np.array([fit.r2 for fit in fits if fit.r2 is not None])
    errors = {
        "RRMSE": np.array([fit.rrmse for fit in fits if fit.rrmse is not None]),
        "RMSRE": np.array([fit.rmsre for fit in fits if fit.rmsre is not None]),
    }
    legend = "".join(
        f'<span class="{kind}"><i></i>{name}: median {percent(float(np.median(values)))}, 90 % of '
        f"groups within {percent(float(np.quantile(values, 0.9)))}</span>"
        for kind, (name, values) in zip(("first", "second"), errors.items(), strict=True)
        if len(values)
    )
    return (
        f'{head}{intro}<div class="columns">'
        f"{card('<h3>R² of the groups</h3>' + charts.r2_histogram(r2))}"
        + card(
            "<h3>Relative errors of the groups</h3>"
            + charts.error_distribution(errors)
            + f'<div class="legend">{legend}</div>'
        )
        + f"</div>{_unfitted(facts)}"
    )


def _unfitted(facts: Facts) -> str:
    reasons: dict[str, int] = {}
    for group in facts.groups:
        if group.fit.reason:
            reasons[group.fit.reason] = reasons.get(group.fit.reason, 0) + 1
    if not reasons:
        return ""
    ordered = sorted(reasons.items(), key=lambda item: -item[1])
    rows = [
        f"<tr>{cell(count(n), 'number')}{cell(reason, 'wrap')}</tr>"
        for reason, n in ordered[:_N_REASONS]
    ]
    rest = sum(n for _, n in ordered[_N_REASONS:])
    if rest:
        rows.append(f"<tr>{cell(count(rest), 'number')}{cell('other reasons')}</tr>")
    body = table([("groups", "number"), ("why numbers are missing", "")], rows)
    return f'<div class="below">{card(body)}</div>'


def _groups(facts: Facts) -> str:
    if not facts.drawn:
        return ""
    axes = facts.manifest.group_by
    constant = constant_axes(axes, [group.key for group in facts.groups])
    same = ", ".join(f"{name}={value}" for name, value in constant.items())
    note = f'<p class="muted small">The same for all groups: {escape(same)}.</p>' if same else ""
    blocks = []
    for label, title in (("worst", "Worst"), ("typical", "Typical"), ("best", "Best")):
        panels = [_panel(facts, group) for group in facts.drawn if group.label == label]
        if panels:
            blocks.append(
                f'<h3 class="above">{title} groups by RRMSE</h3>'
                f'<div class="panels">{"".join(panels)}</div>'
            )
    return f"<h2>Groups</h2>{note}{''.join(blocks)}{_group_table(facts, list(constant))}"


def _panel(facts: Facts, group: DrawnGroup) -> str:
    fit = group.model.fit
    axes = facts.manifest.group_by
    constant = constant_axes(axes, [g.key for g in facts.groups])
    key = group_label(axes, group.model.key, set(constant))
    n = len(group.sizes)
    thinned = f", {charts.MOST_DOTS} drawn" if n > charts.MOST_DOTS else ""
    values = [f"n {count(n)}{thinned}"]
    if fit.r2 is not None:
        values.append(f"R² {charts.significant_r2(fit.r2)}")
    if fit.rrmse is not None:
        values.append(f"RRMSE {percent(fit.rrmse)}")
    if fit.rmsre is not None:
        values.append(f"RMSRE {percent(fit.rmsre)}")
    label = f"Duration over {facts.manifest.size} with the fitted line"
    drawing = charts.group_panel(group.sizes, group.durations_ns, fit, facts.manifest.size, label)
    return (
        f'<figure class="card"><figcaption><div class="key">{key}</div>'
        f'<div class="muted">{escape(" · ".join(values))}</div></figcaption>{drawing}</figure>'
    )


def _group_table(facts: Facts, constant: list[str]) -> str:
    order = ranked(facts.groups)
    worst = order[::-1][: min(_N_TABLE_WORST, (len(order) + 1) // 2)]
    best = [group for group in order[:_N_TABLE_BEST] if group not in worst]
    axes = facts.manifest.group_by
    shown = [i for i, axis in enumerate(axes) if axis not in constant]
    head = [("", ""), *((axes[i], "") for i in shown)]
    head += [
        (name, "number")
        for name in ("n", "coefficient", "intercept", "R²", "RRMSE", "RMSRE", "sizes")
    ]
    rows = []
    for label, groups in (("worst", worst), ("best", best)):
        for rank, group in enumerate(groups, start=1):
            fit = group.fit
            cells = [cell(f"{label} {rank}", "nowrap")]
            cells += [cell(group.key[i], "nowrap") for i in shown]
            slope = fit.coefficient or 0.0
            cells += [
                cell(text, "number")
                for text in (
                    count(fit.n),
                    f"{duration_text(slope)} / {facts.manifest.size}",
                    duration_text(fit.intercept_ns or 0.0),
                    "—" if fit.r2 is None else charts.significant_r2(fit.r2),
                    "—" if fit.rrmse is None else percent(fit.rrmse),
                    "—" if fit.rmsre is None else percent(fit.rmsre),
                    f"{prefixed(fit.size_min or 0.0)} to {prefixed(fit.size_max or 0.0)}",
                )
            ]
            rows.append(f"<tr>{''.join(cells)}</tr>")
    body = table(head, rows)
    everything = (
        '<p class="muted small last">All groups are in <code>models/linear.csv</code> and '
        "<code>.parquet</code> once fitted.</p>"
    )
    return f'<div class="below">{card(body + everything)}</div>'


def _footer(facts: Facts) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"<footer>Written {now} from the sweep directory <code>{escape(facts.name)}</code>; "
        f"fingerprint <code>{facts.manifest.fingerprint[:16]}</code>.</footer>"
    )
