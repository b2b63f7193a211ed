/** The style of the results page: one column, system fonts, light and dark after the reader's own setting. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fcfcfb; --ink: #1d2125; --soft: #5d666f; --line: #dfe3e6; --card: #f2f4f5;
  --own: #2563c9; --ort: #9aa3ab; --litert: #d2711c; --tfjs: #14937f; --jax: #9153c4; --simd: #7aa2e8;
  --own-gpu: #1b2f8a; --ort-gpu: #59626a; --tfjs-gpu: #0b5a4e; --guide: #b3362b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15181b; --ink: #e8eaec; --soft: #9aa4ad; --line: #31373d; --card: #1e2327;
    --own: #6ea0f5; --ort: #737d86; --litert: #f0a057; --tfjs: #46c2ad; --jax: #bd8cea; --simd: #43679e;
    --own-gpu: #b9c8ff; --ort-gpu: #b4bdc5; --tfjs-gpu: #a5ecdf; --guide: #f0857b;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 940px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 20px; margin: 48px 0 4px; }
p { margin: 4px 0 12px; color: var(--soft); max-width: 74ch; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 12px; margin: 24px 0 8px; }
.fact { background: var(--card); border-radius: 10px; padding: 14px 16px; }
.fact b { display: block; font-size: 27px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.fact span { color: var(--soft); font-size: 14px; line-height: 1.35; display: block; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 18px; font-size: 14px; color: var(--soft); margin: 10px 0; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; }
.plot { overflow-x: auto; }
svg { width: 100%; min-width: 620px; height: auto; display: block; font: 12px system-ui, sans-serif; }
svg text { fill: var(--ink); }
svg .label { text-anchor: end; }
svg circle { stroke: var(--paper); stroke-width: 1.5; }
svg .group { font-weight: 600; }
svg .value { font-variant-numeric: tabular-nums; font-size: 11px; }
svg .axis, svg .guideLabel { text-anchor: middle; fill: var(--soft); font-size: 11px; }
svg .guideLabel { fill: var(--guide); }
svg .tick { stroke: var(--line); }
svg .guide { stroke: var(--guide); stroke-dasharray: 3 3; }
.s-tilewright { fill: var(--own); background: var(--own); }
.s-tilewright-webgpu { fill: var(--own-gpu); background: var(--own-gpu); }
.s-tilewright-simd { fill: var(--simd); background: var(--simd); }
.s-ort-wasm { fill: var(--ort); background: var(--ort); }
.s-ort-webgpu { fill: var(--ort-gpu); background: var(--ort-gpu); }
.s-litert { fill: var(--litert); background: var(--litert); }
.s-tfjs-wasm { fill: var(--tfjs); background: var(--tfjs); }
.s-tfjs-webgpu { fill: var(--tfjs-gpu); background: var(--tfjs-gpu); }
.s-jax-js { fill: var(--jax); background: var(--jax); }
.part0 { opacity: 0.45; } .part1 { opacity: 0.7; }
details { margin: 12px 0; }
summary { cursor: pointer; color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 3px 8px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 500; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
td.no { color: var(--guide); }
footer { margin-top: 48px; font-size: 14px; color: var(--soft); }
code { font-size: 13px; background: var(--card); padding: 1px 5px; border-radius: 4px; overflow-wrap: anywhere; }
`;
