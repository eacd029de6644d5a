/** The page's style sheet; charts take their colours from the same variables. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --text: #1b2230; --muted: #5b6576; --line: #dfe3ea;
  --accent: #3459c4; --accent-2: #16806a; --wrong: #c2410c; --notice: #fff4d6; --notice-line: #e0b43c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10141b; --card: #181e28; --text: #e6eaf1; --muted: #9aa5b6; --line: #2b3443;
    --accent: #7ea0ff; --accent-2: #4fc3a7; --wrong: #ff8a5b; --notice: #33290f; --notice-line: #8a6d1c;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main { max-width: 1240px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: clamp(1.6rem, 4vw, 2.3rem); line-height: 1.2; margin: 0 0 1rem; letter-spacing: -0.015em; }
h2 { font-size: 1.3rem; margin: 0 0 .6rem; letter-spacing: -0.01em; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: 0 0 .8rem; max-width: 80ch; }
a { color: var(--accent); }
.eyebrow { text-transform: uppercase; letter-spacing: .08em; font-size: .75rem; color: var(--muted); margin: 0 0 .3rem; }
.muted { color: var(--muted); font-size: .92rem; }
.finding { font-size: 1.12rem; }
.notice { background: var(--notice); border-left: 4px solid var(--notice-line); padding: .7rem 1rem; border-radius: 4px; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 1px; margin: 1.3rem 0;
  background: var(--line); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
.facts div { background: var(--card); padding: .65rem .9rem; }
dt { color: var(--muted); font-size: .78rem; }
dd { margin: 0; font-weight: 600; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: 0 0 1.2rem; font-size: .92rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1.4rem 1.5rem; margin: 0 0 1.3rem; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 430px), 1fr)); gap: 1.3rem 2rem; margin: 1rem 0 .4rem; }
figure { margin: 0; min-width: 0; }
figcaption { margin: 0 0 .35rem; }
svg { display: block; width: 100%; height: auto; overflow: visible; font-family: inherit; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .95rem; }
caption { caption-side: bottom; text-align: left; color: var(--muted); font-size: .88rem; padding-top: .6rem; }
th, td { padding: .5rem .75rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { font-size: .8rem; color: var(--muted); font-weight: 600; border-bottom-width: 2px; }
tbody th { font-weight: 600; white-space: nowrap; }
.scores td:not(.text), .scores thead th:nth-child(n + 3) { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.scores td.text { white-space: nowrap; }
td.best { font-weight: 700; }
.dot { display: inline-block; width: .72em; height: .72em; border-radius: 50%; margin-right: .45em; }
.legend fieldset { border: 0; padding: 0; margin: 0 0 .45rem; display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .9rem; }
.legend legend { float: left; width: 5.2rem; color: var(--muted); padding: 0; }
.legend label { display: inline-flex; align-items: center; gap: .15rem; cursor: pointer; }
.legend input { accent-color: var(--accent); margin: 0 .3rem 0 0; }
.map svg { border: 1px solid var(--line); border-radius: 8px; }
.hidden { display: none; }
.samples { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 290px), 1fr)); gap: 1rem 1.4rem; }
.strip { display: flex; gap: 5px; }
.strip img { image-rendering: pixelated; border-radius: 5px; background: #000; object-fit: contain; flex: 0 1 84px; min-width: 0; height: auto; aspect-ratio: 1; }
.strip img.source { outline: 2px solid var(--accent); outline-offset: -2px; }
.quality { font-size: .86rem; }
.quality th, .quality td { padding: .45rem; }
.panel { display: flex; flex-wrap: wrap; gap: .5rem; margin: 0 0 1rem; }
.panel figure { width: 96px; }
.panel img { display: block; width: 100%; image-rendering: pixelated; border-radius: 5px; }
.sample figcaption { color: var(--muted); font-size: .85rem; margin-top: .3rem; }
code, pre { font: .85rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { background: var(--page); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; overflow-x: auto; }
.hash { font-size: .76rem; overflow-wrap: anywhere; word-break: break-all; }
.lineage { font-size: .9rem; }
.lineage td:nth-child(3) { min-width: 15rem; }
summary { cursor: pointer; color: var(--accent); }
footer { color: var(--muted); font-size: .85rem; }
@media print { body { background: none; } section { break-inside: avoid; border: 0; padding: 0; } nav, .legend input { display: none; } }
`;
