"""Style sheet of the report: one page, light and dark, from a phone to a wide screen."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #16202b; --soft: #55606e; --faint: #697484;
  --rule: #e2e6eb; --grid: #e9edf1; --accent: #0b62a8; --accent2: #b4530a; --fit: #c2410c;
  --dots: #0b62a8; --lane: #eceff3; --warn-page: #fff6e0; --warn-ink: #6b4700; --warn-rule: #e9b949;
  --ok: #0f7b6c; --invalid: #8b93a0; --op_error: #b8860b; --out_of_memory: #8250c4;
  --hang: #c2410c; --crash: #b3123f; --unsupported: #55606e; --no_result: #a08c6a;
  --pending: #d5dae1;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f141a; --card: #171e26; --ink: #e7ecf2; --soft: #a9b4c1; --faint: #8e9aa8;
    --rule: #2a333e; --grid: #242d37; --accent: #6cb4f2; --accent2: #f0a35e; --fit: #ff9d5c;
    --dots: #6cb4f2; --lane: #222b35; --warn-page: #2d2412; --warn-ink: #f5d58a;
    --warn-rule: #8a6a1d;
    --ok: #3fbfa9; --invalid: #7d8794; --op_error: #e0b040; --out_of_memory: #b794f0;
    --hang: #ff8a4c; --crash: #ff6b8f; --unsupported: #a9b4c1; --no_result: #c9b48f;
    --pending: #333e4a;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  font-variant-numeric: tabular-nums; -webkit-text-size-adjust: 100%;
}
main { max-width: 1160px; margin: 0 auto; padding: 40px 24px 64px; }
header { margin-bottom: 28px; }
.eyebrow {
  color: var(--faint); font-size: 13px; letter-spacing: .06em; text-transform: uppercase;
}
h1 {
  font-size: 34px; line-height: 1.15; letter-spacing: -.02em; margin: 6px 0 8px;
  font-weight: 680;
}
h2 { font-size: 20px; letter-spacing: -.01em; margin: 44px 0 14px; font-weight: 650; }
h3 { font-size: 15px; margin: 0 0 4px; font-weight: 620; }
p { margin: 0 0 12px; max-width: 76ch; }
.lead { font-size: 17px; color: var(--soft); }
.muted { color: var(--soft); } .small { font-size: 13px; }
code, .mono { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.card {
  background: var(--card); border: 1px solid var(--rule); border-radius: 12px; padding: 18px 20px;
  min-width: 0;
}
.banner {
  background: var(--warn-page); color: var(--warn-ink); border: 1px solid var(--warn-rule);
  border-radius: 12px; padding: 14px 18px; margin: 0 0 24px;
}
.banner p { margin: 0; max-width: none; } .banner b { font-weight: 650; }
.tiles {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(138px, 1fr)); gap: 12px;
}
.tile { padding: 14px 16px; }
.tile b {
  display: block; font-size: 25px; line-height: 1.2; font-weight: 640; letter-spacing: -.02em;
}
.tile .name { color: var(--soft); font-size: 13px; }
.tile .note { color: var(--faint); font-size: 12.5px; }
.columns {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr));
  gap: 14px;
}
.panels {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr));
  gap: 14px;
}
figure { margin: 0; display: flex; flex-direction: column; }
figure svg { margin-top: auto; }
figcaption { font-size: 13px; margin-bottom: 6px; }
figcaption .key { font-weight: 600; overflow-wrap: anywhere; }
figcaption .key i { font-style: normal; font-weight: 400; color: var(--faint); }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text {
  fill: var(--soft); font: 11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
svg .title { font-size: 11.5px; } svg .note { fill: var(--ink); font-weight: 600; }
svg .grid { stroke: var(--grid); } svg .axis { stroke: var(--faint); stroke-width: 1; }
svg .mark { fill: var(--accent); } svg .marker { stroke: var(--ink); stroke-dasharray: 3 3; }
svg .line { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
svg .line0 {
  stroke: var(--accent); } svg .line1 { stroke: var(--accent2); stroke-dasharray: 6 3;
}
svg .dots {
  stroke: var(--dots); stroke-width: 4.6; stroke-linecap: round; opacity: .6; fill: none;
}
svg .fit { stroke: var(--fit); stroke-width: 1.8; fill: none; }
svg .lane { fill: var(--lane); } svg .busy { fill: var(--accent); }
svg .incident { fill: var(--hang); stroke: var(--card); stroke-width: 1.5; }
svg.share { height: 18px; border-radius: 6px; overflow: hidden; margin: 4px 0 16px; }
.bar {
  height: 8px; border-radius: 4px; background: var(--grid); overflow: hidden; min-width: 60px;
}
.bar i { display: block; height: 100%; background: var(--accent); border-radius: 4px; }
.OK { fill: var(--ok); background: var(--ok); }
.INVALID { fill: var(--invalid); background: var(--invalid); }
.OP_ERROR { fill: var(--op_error); background: var(--op_error); }
.OUT_OF_MEMORY { fill: var(--out_of_memory); background: var(--out_of_memory); }
.HANG { fill: var(--hang); background: var(--hang); }
.CRASH { fill: var(--crash); background: var(--crash); }
.UNSUPPORTED { fill: var(--unsupported); background: var(--unsupported); }
.NO_RESULT { fill: var(--no_result); background: var(--no_result); }
.PENDING { fill: var(--pending); background: var(--pending); }
.swatch {
  display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 8px;
}
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13px; color: var(--soft); }
.legend i {
  display: inline-block; width: 22px; border-top: 2.5px solid var(--accent);
  margin: 0 7px 4px 0;
}
.legend .second i { border-top: 2.5px dashed var(--accent2); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th {
  text-align: left; color: var(--soft); font-weight: 560; font-size: 13px;
  white-space: nowrap;
}
th, td { padding: 7px 14px 7px 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
td.number, th.number { text-align: right; white-space: nowrap; }
td.wrap { overflow-wrap: anywhere; min-width: 220px; }
td.nowrap { white-space: nowrap; }
tr.part td { color: var(--soft); font-size: 13px; }
dl {
  display: grid; grid-template-columns: max-content 1fr; gap: 6px 20px; margin: 0;
  font-size: 14px;
}
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.last { margin: 10px 0 0; } .below { margin-top: 14px; } h3.above { margin: 22px 0 8px; }
td.quarter { width: 22%; vertical-align: middle; }
footer { margin-top: 48px; color: var(--faint); font-size: 13px; }
@media (max-width: 560px) {
  main { padding: 24px 14px 48px; } h1 { font-size: 27px; } .card { padding: 14px; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 8px; }
}
@media print { body { background: #fff; } .card, figure { break-inside: avoid; } }
"""
