/** The report's style sheet: readable on a phone, on paper and in the dark. Chart text grows as the chart shrinks. */
export const styleSheet = `
:root{color-scheme:light dark;--ink:#1c2430;--faint:#5b6675;--paper:#fff;--panel:#f5f7fa;--rule:#d5dbe3;--main:#1b6ca8;--single:#7a4fa3;--claimed:#4a5568;--cap:#b3261e;--good:#1e6b3a;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaf0;--faint:#a4afbd;--paper:#12161c;--panel:#1b212a;--rule:#333d4a;--main:#6bb4ea;--single:#c09be3;--claimed:#b6c0cd;--cap:#ff8a80;--good:#7bd88f;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
header,main,footer{max-width:52rem;margin:0 auto;padding:0 1rem}
h1{font-size:1.5rem;margin:1.5rem 0 .5rem;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:0 0 .75rem}
.verdict{display:inline-block;margin:0 0 1rem;padding:.35rem .75rem;border:2px solid;border-radius:.5rem;font-weight:700}
.good{color:var(--good)}.bad{color:var(--bad)}
section{background:var(--panel);border:1px solid var(--rule);border-radius:.75rem;padding:1rem;margin:0 0 1rem;break-inside:avoid}
dl{display:grid;grid-template-columns:minmax(9rem,max-content) 1fr;gap:.25rem 1rem;margin:0 0 1rem}
dt{color:var(--faint)}dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1rem;list-style:none;margin:0;padding:0;font-size:.9rem}
.key{display:inline-block;width:1.5rem;height:0;margin-right:.4rem;vertical-align:middle;border-top:3px solid}
svg{display:block;width:100%;height:auto}
svg text{fill:var(--faint);font-size:14px}
text.y{text-anchor:end;dominant-baseline:middle}text.x,text.name{text-anchor:middle}
.grid{stroke:var(--rule)}
.line{fill:none;stroke-width:2.5}.dot{stroke:none}
.line.main{stroke:var(--main);stroke-width:6;stroke-opacity:.55}.dot.main{fill:var(--main)}.key.main{border-color:var(--main)}
.line.single{stroke:var(--single)}.dot.single{fill:var(--single)}.key.single{border-color:var(--single)}
.line.claimed{stroke:var(--claimed);stroke-dasharray:3 5}.dot.claimed{fill:none}.key.claimed{border-color:var(--claimed);border-top-style:dotted}
.line.cap{stroke:var(--cap);stroke-dasharray:9 5}.dot.cap{fill:none}.key.cap{border-color:var(--cap);border-top-style:dashed}
.findings{margin:0;padding-left:1.5rem}.findings p{margin:.1rem 0}.findings li{margin-bottom:.75rem;overflow-wrap:anywhere}
.place,.meaning{color:var(--faint)}.findings strong{color:var(--bad)}
details{margin-top:.75rem}summary{cursor:pointer}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.25rem .75rem .25rem 0;border-bottom:1px solid var(--rule);white-space:nowrap}
footer{color:var(--faint);font-size:.9rem;padding-bottom:2rem}
@media (max-width:600px){svg text{font-size:23px}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.4rem}}
`;
