# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page's style sheet. In Python, because Ansible sends nothing else along with a module.

A state is never told by colour alone: each has a word, and in drawings a form. As text, colours have a contrast of at
least 4.5 to 1, in both themes (a test counts).
"""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--paper:#f6f5f1;--card:#fffefb;--ink:#1d2733;--soft:#5b6673;--line:#e3e1d9;--cell:#e9e7df;
--good:#2c7a5f;--failed:#b5342a;--late:#8f5b06;--noted:#6a6410;--never:#6b4a9c;--frozen:#a3195f;--series:#39699c;--shade:#1d27330d}
@media(prefers-color-scheme:dark){:root{--paper:#12161b;--card:#181e25;--ink:#e6e9ed;--soft:#9ba7b4;--line:#2a323b;
--cell:#262e37;--good:#57b38d;--failed:#f07f72;--late:#dca94f;--noted:#cdc25c;--never:#b79fe6;--frozen:#f386b5;--series:#80b0e4;
--shade:#ffffff0d}}
*{box-sizing:border-box}
html{scroll-padding-top:3rem;-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:80rem;padding:clamp(1rem,3vw,3rem);background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
h1,h2,h3,p,ul,dl,dd,figure{margin:0;padding:0}
h1{font-size:clamp(1.7rem,4.5vw,2.7rem);line-height:1.12;font-weight:650;letter-spacing:-.022em;margin:.1em 0 .55em;
text-wrap:balance}
h2{font-size:1.2rem;font-weight:650;letter-spacing:-.01em;margin:0 0 .7rem}
h3{font-size:1.08rem;font-weight:650;display:flex;flex-wrap:wrap;gap:.15rem .7rem;align-items:baseline}
a{color:inherit;text-decoration-color:var(--series);text-underline-offset:.2em}
a:hover{color:var(--series)}
:focus-visible{outline:2px solid var(--series);outline-offset:2px;border-radius:3px}
b{font-weight:600}
code{font:.92em ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
.soft,.over,dt,caption,figcaption span,.axis,footer{color:var(--soft);font-size:.87rem}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:1rem;background:var(--card);padding:.5rem 1rem;z-index:2}
section{margin-top:2.8rem}
.good{--c:var(--good)}.failed{--c:var(--failed)}.late{--c:var(--late)}.noted{--c:var(--noted)}.never{--c:var(--never)}.frozen{--c:var(--frozen)}
.none{--c:var(--soft)}
.state,td:nth-child(2){color:var(--c);font-weight:550;white-space:nowrap}
.state::before,td:nth-child(2)::before{display:inline-block;width:1.25em;font-size:.86em;content:"\\25CF"/""}
.failed::before{content:"\\2715"/""!important}.late::before{content:"\\25D0"/""!important}.noted::before{content:"\\25B2"/""!important}
.never::before{content:"\\25CB"/""!important}.frozen::before{content:"\\25C6"/""!important}
.share{display:block;width:100%;height:10px;border-radius:5px;background:var(--cell)}
.share rect{fill:var(--c)}
.counts{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.5rem;margin:.7rem 0 1.5rem}
dl{display:flex;flex-wrap:wrap;gap:.4rem 2.2rem}
dt{white-space:nowrap}dd{font-weight:600}
.big{gap:.6rem 3rem;margin-bottom:1.2rem}
.big dd{font-size:1.45rem;line-height:1.25;font-weight:600;letter-spacing:-.015em}
.old{margin-top:1rem;padding:.6rem .9rem;border:1px solid var(--failed);border-radius:8px;color:var(--failed);
font-weight:600}
.urgent ul{list-style:none;display:grid;gap:.5rem}
.urgent li{display:grid;grid-template-columns:minmax(7rem,13rem) 7rem 1fr;gap:.1rem 1rem;padding:.6rem .9rem;
background:var(--card);border:1px solid var(--line);border-left:3px solid var(--c);border-radius:8px}
.urgent li::before{content:none!important}
.urgent p{margin-top:.6rem}
#clients{outline:0}
#tools:not([hidden]){display:flex;flex-wrap:wrap;gap:.6rem 1.2rem;align-items:center;margin-bottom:.6rem}
input,select,button{font:inherit;color:inherit}
input,select{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:.25rem .5rem}
#found{color:var(--soft);font-size:.87rem}
table{--columns:minmax(8rem,1fr) 6.6rem 8.6rem 149px 4.6rem 5.6rem 60px 5.6rem 5.6rem 3.4rem}
table,thead,tbody,caption{display:block}
tr{display:grid;grid-template-columns:var(--columns);column-gap:.9rem;align-items:center;padding:.38rem 0;
border-bottom:1px solid var(--line)}
tbody{content-visibility:auto;contain-intrinsic-size:auto 3600px}
caption{text-align:left;padding-bottom:.5rem}
thead{position:sticky;top:0;background:var(--paper);z-index:1}
thead th{color:var(--soft);font-weight:550;font-size:.84rem;text-align:left;white-space:nowrap}
th button{all:unset;font:inherit;cursor:pointer}
th button:hover{color:var(--ink)}
th button:focus-visible{outline:2px solid var(--series);outline-offset:2px;border-radius:3px}
[aria-sort] button{color:var(--ink)}
[aria-sort=ascending] button::after{content:" \\2191"/""}[aria-sort=descending] button::after{content:" \\2193"/""}
th,td{padding:0;min-width:0}
tbody th{font-weight:600;text-align:left}
tbody tr:hover{background:var(--shade)}
.w,.x:not(:nth-child(7)){text-align:right!important;white-space:nowrap}
td:nth-child(3){white-space:nowrap}
svg{overflow:visible}
svg path{fill:none}
.s{display:block;width:149px;height:12px;background:linear-gradient(var(--line),var(--line)) 0 50%/100% 1px no-repeat}
.s .g{stroke:var(--good);stroke-width:10;stroke-dasharray:4 1}
.s .b{stroke:var(--failed);stroke-width:1.6}
.s .a{stroke:var(--frozen);stroke-width:4}
.t{display:block;width:60px;height:12px}
.t path{stroke:var(--series);stroke-width:1.4}
article{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1.1rem 1.2rem 1.2rem;
margin-top:1rem;content-visibility:auto;contain-intrinsic-size:auto 26rem}
article>*+*{margin-top:.8rem}
.reason{margin-top:.3rem;max-width:75ch}ul.reason{padding-left:1.1rem}
.told{display:grid;gap:1rem 2.4rem}
.told>*{min-width:0}
.told dl{align-content:start}
@media(min-width:66rem){.told:has(.calendar){grid-template-columns:minmax(0,1fr) 14rem}
.told:has(.calendar) dl{flex-direction:column;gap:.25rem}
.told:has(.calendar) dl div{display:flex;justify-content:space-between;gap:1rem;width:100%}}
.calendar{overflow-x:auto;direction:rtl;padding:2px 2px 4px}
.c{display:block;direction:ltr;width:100%;min-width:36rem;height:auto}
.c text{fill:var(--soft);font-size:9px}
.c .g{stroke:var(--good);stroke-width:10;stroke-dasharray:10 2}
.c .n{stroke:var(--cell);stroke-width:10;stroke-dasharray:10 2}
.c .b{stroke:var(--failed);stroke-width:1.8}
.c .a{fill:var(--frozen)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,14.5rem),1fr));gap:1.4rem 2.2rem}
figure{display:flex;flex-direction:column;justify-content:flex-end}
figcaption{margin-bottom:.45rem}
figcaption span{display:block}
.p{display:block;width:100%;height:64px;border-bottom:1px solid var(--line)}
.p path{stroke:var(--series);stroke-width:1.5;vector-effect:non-scaling-stroke;stroke-linejoin:round}
.p .f{stroke:none;fill:var(--series);opacity:.13}
.p .u{stroke:var(--soft);stroke-width:1;stroke-dasharray:2 3;opacity:.8}
.p .v{stroke-width:2}
.p .b{stroke:var(--failed)}
.axis{display:flex;justify-content:space-between;font-size:.76rem;margin-top:.15rem}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.4rem}
.key::before{display:inline-block;width:1.35em;color:var(--c);content:"\\25A0"/""}
.key.none::before{color:var(--cell)}
.years{border:0}
footer{margin-top:3rem;padding-top:1rem;border-top:1px solid var(--line)}
[hidden]{display:none!important}
@media(max-width:70rem){.x{display:none}table{--columns:minmax(8rem,1fr) 6.6rem 8.6rem 149px 4.6rem 5.6rem 5.6rem}}
@media(max-width:54rem){.w{display:none}table{--columns:minmax(7rem,1fr) 6.6rem 8.6rem 149px}
.urgent li{grid-template-columns:1fr auto}.urgent li span:last-child{grid-column:1/-1}}
@media(max-width:36rem){body{font-size:14px}table{--columns:minmax(0,1fr) 5.3rem 5.2rem 74px}tr{column-gap:.35rem}
td:nth-child(2){font-size:12.5px}td:nth-child(3),thead th{white-space:normal;overflow-wrap:normal}
.s{width:74px}.s path{transform:scaleX(.5)}.big{gap:.6rem 1.8rem}.big dd{font-size:1.2rem}article{padding:.9rem}}
@media(forced-colors:active){.s .g,.c .g,.p path{stroke:CanvasText}}
@media print{body{max-width:none;padding:0}thead{position:static}
tbody{content-visibility:visible}article{break-inside:avoid;content-visibility:visible}}
"""
