"""How a report looks: on a screen, in the dark, on a phone, and on paper.

Colours are those of Okabe and Ito, chosen to be told apart by everybody, lightened where it is
dark. Nothing is said by colour alone.
"""

from __future__ import annotations

from typing import Final

_LIGHT: Final = """\
--bg:#f6f7f9;--card:#fff;--ink:#17202b;--soft:#566273;--line:#d9dfe7;--grid:#e6eaf0;
--band:#0b2a4a0c;
--good:#00734f;--goodbg:#e2f4ec;--poor:#8a5300;--poorbg:#fdf0d8;--bad:#b3261e;--badbg:#fce8e6;
--plainbg:#e9edf2;--accent:#0b5cad;
--blue:#0072b2;--orange:#d98200;--green:#009e73;--red:#d55e00;--pink:#c0609a;--sky:#56b4e9;
--yellow:#e3c800;--grey:#b4bfcb;--slate:#7b8794;--dark:#3d4753;
"""
_DARK: Final = """\
--bg:#0f141a;--card:#171e26;--ink:#e6ebf1;--soft:#9eabb9;--line:#2c3743;--grid:#25303b;
--band:#9ecbff0d;--good:#4fd1a1;--goodbg:#0f3327;--poor:#f2b24c;--poorbg:#3a2a0c;--bad:#ff8f85;
--badbg:#431a17;--plainbg:#26313c;--accent:#7ab8ff;
--blue:#4ea8de;--orange:#f0a830;--green:#2cc495;--red:#f27a33;--pink:#df8fbd;--sky:#7cc8f2;
--yellow:#f0e04a;--grey:#566573;--slate:#8493a2;--dark:#b7c2cd;
"""

STYLE: Final = f"""\
:root{{color-scheme:light;{_LIGHT}}}
@media screen and (prefers-color-scheme:dark){{:root{{color-scheme:dark;{_DARK}}}}}
*{{box-sizing:border-box}}
html{{-webkit-text-size-adjust:100%}}
body{{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,
"Segoe UI",Roboto,"Helvetica Neue",Arial,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums}}
main{{max-width:1180px;margin:0 auto;padding:20px 20px 60px}}
h1{{font-size:1.5rem;line-height:1.25;margin:0;overflow-wrap:anywhere}}
h2{{font-size:1.15rem;margin:0 0 10px;letter-spacing:-.005em}}
h3{{font-size:.95rem;margin:18px 0 8px;overflow-wrap:anywhere}}
p{{margin:0 0 10px;max-width:78ch}}
.lead,.note{{color:var(--soft);font-size:.9rem}}
code{{font:.85em/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;
overflow-wrap:anywhere;white-space:pre-wrap}}
a{{color:var(--accent)}}
section,header.top{{background:var(--card);border:1px solid var(--line);border-radius:12px;
padding:20px 22px;margin:0 0 16px}}
header.top{{border-left:8px solid var(--tone);padding:22px 24px}}
.tone-good{{--tone:var(--good);--tonebg:var(--goodbg)}}
.tone-poor{{--tone:var(--poor);--tonebg:var(--poorbg)}}
.tone-bad{{--tone:var(--bad);--tonebg:var(--badbg)}}
.verdict{{display:flex;flex-wrap:wrap;gap:6px 14px;align-items:center;margin:14px 0 0}}
.word{{font-size:1.7rem;font-weight:750;letter-spacing:.02em;line-height:1.2;color:var(--tone)}}
.says{{font-size:1.08rem;margin:6px 0 0;max-width:80ch}}
.by{{color:var(--soft);font-size:.9rem;margin:4px 0 0;overflow-wrap:anywhere}}
.reasons{{margin:12px 0 0;padding:10px 14px 10px 30px;border-radius:8px;background:var(--tonebg);
overflow-wrap:anywhere}}
.reasons li{{margin:2px 0}}
.badge{{display:inline-block;padding:1px 9px;border-radius:99px;font-size:.78rem;font-weight:650;
letter-spacing:.03em;background:var(--plainbg);color:var(--ink);white-space:nowrap}}
.badge.good{{background:var(--goodbg);color:var(--good)}}
.badge.poor{{background:var(--poorbg);color:var(--poor)}}
.badge.bad{{background:var(--badbg);color:var(--bad)}}
.verdict .badge{{font-size:.9rem;padding:3px 12px}}
.tiles{{display:grid;grid-template-columns:repeat(4,minmax(0,1fr));gap:10px;margin:18px 0 0}}
.tile{{border:1px solid var(--line);border-radius:10px;padding:10px 12px;min-width:0}}
.tile b{{display:block;font-size:1.32rem;line-height:1.25;font-weight:680;overflow-wrap:anywhere}}
.tile span{{display:block;color:var(--soft);font-size:.8rem;line-height:1.35}}
nav{{display:flex;flex-wrap:wrap;gap:4px 14px;margin:0 2px 16px;font-size:.88rem}}
nav a{{text-decoration:none}}nav a:hover{{text-decoration:underline}}
.warn{{background:var(--poorbg);border-color:var(--poor)}}
.facts{{display:grid;grid-template-columns:minmax(110px,max-content) 1fr;gap:4px 18px;
margin:0 0 12px}}
.facts dt{{color:var(--soft)}}.facts dd{{margin:0;overflow-wrap:anywhere;min-width:0}}
.wide{{overflow-x:auto;margin:0 0 12px;-webkit-overflow-scrolling:touch}}
table{{border-collapse:collapse;font-size:.88rem;min-width:100%}}
caption{{text-align:left;font-weight:650;padding:4px 0 6px;caption-side:top}}
th,td{{text-align:left;padding:6px 14px 6px 0;border-bottom:1px solid var(--line);
vertical-align:top}}
td{{overflow-wrap:break-word;min-width:3.2em;max-width:46em}}
th{{color:var(--soft);font-weight:600;font-size:.8rem;line-height:1.3;vertical-align:bottom}}
th.n,td.n{{text-align:right}}td.n{{white-space:nowrap}}
tbody tr:last-child td{{border-bottom:0}}
.two{{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:6px 30px}}
details{{margin:0 0 8px;border:1px solid var(--line);border-radius:8px;padding:8px 12px;
min-width:0}}
summary{{cursor:pointer;overflow-wrap:anywhere}}details[open] summary{{margin-bottom:8px}}
.frames code{{display:block;padding:6px 8px;margin:0 0 4px;background:var(--bg);border-radius:6px}}
figure.chart{{margin:0;min-width:0;break-inside:avoid}}
figcaption{{display:flex;flex-wrap:wrap;gap:2px 16px;align-items:baseline;margin:0 0 6px;
font-size:.9rem}}
.keys{{list-style:none;display:flex;flex-wrap:wrap;gap:0 12px;margin:0;padding:0;color:var(--soft);
font-size:.8rem}}
.keys li{{display:flex;align-items:center;gap:5px}}
.keys li::before{{content:"";width:11px;height:11px;border-radius:3px;background:var(--c)}}
.keys li.dash::before{{height:0;border-radius:0;border-top:2px dashed var(--c);background:none;
width:14px}}
.strip{{position:relative;height:16px;margin:0 0 16px 58px;font-size:.7rem;line-height:16px}}
.strip span{{position:absolute;top:0;bottom:0;overflow:hidden;white-space:nowrap;
text-overflow:ellipsis;
padding:0 4px;border-left:1px solid var(--slate);color:var(--soft)}}
.plot{{position:relative;height:230px;margin:0 0 38px 58px;border-bottom:1px solid var(--slate)}}
.small .plot{{height:150px}}
.plot svg{{position:absolute;inset:0;width:100%;height:100%;overflow:hidden;display:block}}
.plot path,.plot rect{{vector-effect:non-scaling-stroke}}
.grid{{stroke:var(--grid);stroke-width:1;fill:none}}
.l{{fill:none;stroke:var(--c);stroke-width:1.7;stroke-linejoin:round}}
.l.thin{{stroke-width:1;opacity:.75}}
path.dash{{stroke-dasharray:6 4}}
.a{{fill:var(--c);stroke:var(--card);stroke-width:.5}}
.band{{fill:var(--band)}}
.mark{{stroke:var(--dark);stroke-width:1;stroke-dasharray:2 3;fill:none}}
.mark.k-fault,.mark.k-storm,.mark.k-abort{{stroke:var(--bad)}}
.flag{{position:absolute;top:-15px;transform:translateX(-50%);min-width:14px;height:14px;
padding:0 3px;
border-radius:7px;background:var(--dark);color:var(--card);font-size:.62rem;line-height:14px;
text-align:center;font-weight:650}}
.flag.k-fault,.flag.k-storm,.flag.k-abort{{background:var(--bad)}}
.small .flag{{display:none}}
.plot i{{position:absolute;font-style:normal;font-size:.72rem;color:var(--soft);white-space:nowrap;
line-height:1}}
.plot i.y{{right:100%;margin-right:7px;transform:translateY(50%)}}
.plot i.x{{top:100%;margin-top:6px;transform:translateX(-50%)}}
.plot i.start{{transform:none}}.plot i.end{{transform:translateX(-100%)}}
.read{{position:absolute;top:6px;z-index:2;pointer-events:none;background:var(--card);
color:var(--ink);
border:1px solid var(--line);border-radius:8px;padding:6px 9px;font-size:.76rem;line-height:1.45;
box-shadow:0 3px 12px #0003;max-width:min(260px,70%)}}
.read b{{display:block}}.read span{{display:flex;gap:6px;align-items:center;
justify-content:space-between}}
.read span::before{{content:"";width:9px;height:9px;border-radius:2px;background:var(--c);
flex:none}}
.read em{{font-style:normal;margin-right:auto}}
.cross{{position:absolute;top:0;bottom:0;width:1px;background:var(--slate);pointer-events:none}}
.c-blue{{--c:var(--blue)}}.c-orange{{--c:var(--orange)}}.c-green{{--c:var(--green)}}
.c-red{{--c:var(--red)}}.c-pink{{--c:var(--pink)}}.c-sky{{--c:var(--sky)}}
.c-yellow{{--c:var(--yellow)}}.c-grey{{--c:var(--grey)}}.c-slate{{--c:var(--slate)}}
.c-dark{{--c:var(--dark)}}.c-ink{{--c:var(--ink)}}
footer{{color:var(--soft);font-size:.82rem;padding:4px 2px}}
@media (max-width:640px){{
main{{padding:10px 10px 40px}}section,header.top{{padding:14px 14px;border-radius:10px}}
.tiles{{grid-template-columns:repeat(2,minmax(0,1fr))}}.tile b{{font-size:1.12rem}}
.strip,.plot{{margin-left:46px}}.plot{{height:190px}}.plot i.x.odd{{display:none}}
.facts{{grid-template-columns:1fr;gap:0}}.facts dd{{margin-bottom:8px}}
th,td{{padding-right:10px}}td{{min-width:5.5em}}td.n{{min-width:2em}}}}
@page{{size:A4;margin:14mm 12mm}}
@media print{{
body{{background:#fff;font-size:10pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}}
main{{max-width:none;padding:0}}nav,.noprint{{display:none}}
section,header.top{{border-radius:0;border-width:0 0 1px;padding:8px 0;margin:0 0 8px}}
header.top{{border-left:6px solid var(--tone);padding-left:14px}}
details::details-content{{content-visibility:visible;height:auto}}
h2,h3{{break-after:avoid}}tr,.tile,details,.facts dt,.facts dd{{break-inside:avoid}}
.wide{{overflow:visible}}table{{font-size:8.5pt;min-width:0;width:100%}}
th,td{{padding-right:7px}}td+td{{overflow-wrap:anywhere;min-width:0}}
.plot{{height:52mm}}.small .plot{{height:36mm}}.two{{grid-template-columns:1fr 1fr}}
.tiles{{grid-template-columns:repeat(4,1fr)}}.tile b{{font-size:1.02rem}}
}}
"""
