// Style sheet and script of the report page.
#pragma once

#include <string_view>

namespace nala::report {

/// Colours are custom properties, set once for light and once for dark.
inline constexpr std::string_view kReportStyle = R"css(
:root{color-scheme:light dark;--page:#f5f6f8;--card:#fff;--edge:#dfe3e8;--text:#1c2129;--soft:#5a6472;
--grid:#e7eaee;--s0:#2563b8;--s1:#c2570c;--s2:#0f7b5f;--s3:#8b3fa8;--good:#0f7b4a;--bad:#b3261e;--tip:#1c2129;--tiptext:#fff}
@media (prefers-color-scheme:dark){:root{--page:#14171c;--card:#1d2229;--edge:#333b46;--text:#e6e9ee;--soft:#a2adbb;
--grid:#2c333d;--s0:#7db1f5;--s1:#f2a25c;--s2:#5fd0a9;--s3:#d49bea;--good:#62d096;--bad:#ff8f85;--tip:#e6e9ee;--tiptext:#14171c}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1240px;margin:0 auto;padding:28px 20px 48px}
header{display:flex;flex-wrap:wrap;align-items:center;gap:6px 14px;margin-bottom:18px}
h1{font-size:1.6rem;line-height:1.25;margin:0;overflow-wrap:anywhere}
h2{font-size:1.05rem;margin:34px 0 12px}
.state{border:1px solid;border-radius:99px;padding:1px 11px;font-size:.82rem;color:var(--soft)}
.state.done{color:var(--good)}
.facts{display:flex;flex-wrap:wrap;gap:1px;margin:0;background:var(--edge);border:1px solid var(--edge);border-radius:10px;overflow:hidden}
.facts div{flex:1 1 200px;background:var(--card);padding:9px 14px}
dt{color:var(--soft);font-size:.8rem}
dd{margin:0;font-weight:600;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));gap:14px}
figure{margin:0}
.chart{position:relative;background:var(--card);border:1px solid var(--edge);border-radius:10px;padding:12px 12px 8px}
.chart figcaption{display:flex;flex-wrap:wrap;align-items:baseline;gap:2px 10px;min-height:2.4em;font-size:.92rem}
.chart small{color:var(--soft)}
.legend{display:flex;flex-wrap:wrap;gap:2px 14px;margin-left:auto;color:var(--soft);font-size:.82rem}
.legend span{white-space:nowrap}
.legend svg{width:22px;height:10px;margin-right:5px}
.plot{display:block;width:100%;height:auto;overflow:visible;touch-action:pan-y;font-size:12.5px;font-variant-numeric:tabular-nums}
.plot text{fill:var(--soft)}
.grid{stroke:var(--grid);fill:none}
.line{fill:none;stroke-width:1.9;stroke-linejoin:round;stroke-linecap:round}
.line.faint{stroke-width:1;opacity:.5}
.mark{stroke:var(--card);stroke-width:.8}
.line.s0{stroke:var(--s0)}.line.s1{stroke:var(--s1)}.line.s2{stroke:var(--s2)}.line.s3{stroke:var(--s3)}
.mark.s0{fill:var(--s0)}.mark.s1{fill:var(--s1)}.mark.s2{fill:var(--s2)}.mark.s3{fill:var(--s3)}
.dots{stroke:none;fill-opacity:.3}
.cursor{stroke:var(--soft);stroke-dasharray:3 3}
.none{color:var(--soft);margin:24px 4px}
.tip{position:absolute;z-index:1;pointer-events:none;background:var(--tip);color:var(--tiptext);border-radius:6px;padding:4px 9px;
font-size:.8rem;line-height:1.4;white-space:pre;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--edge);border-radius:10px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:7px 14px;border-top:1px solid var(--grid)}
thead th{border-top:0;color:var(--soft);font-size:.8rem;font-weight:600}
tbody th{font-weight:400}
.number{text-align:right;white-space:nowrap}
td small{display:inline-block;min-width:6.2em;color:var(--soft)}
@media (max-width:560px){main{padding:18px 14px 36px}table{font-size:.88rem}th,td{padding:6px 7px}td small{display:block}}
.samples{display:grid;grid-template-columns:repeat(auto-fill,minmax(118px,1fr));gap:12px}
.sample{background:var(--card);border:1px solid var(--edge);border-bottom:3px solid var(--good);border-radius:10px;overflow:hidden}
.sample.wrong{border-bottom:3px dashed var(--bad)}
.sample img{display:block;width:100%;aspect-ratio:1;object-fit:contain;background:var(--grid)}
.sample.wide{grid-column:1/-1;border-bottom-width:1px;border-bottom-color:var(--edge);display:flex;flex-wrap:wrap}
.sample.wide div{flex:1 1 20px;min-width:0}
.sample.wide img{aspect-ratio:auto;height:auto}
.sample.wide figcaption{flex:1 0 100%}
.sample small{display:block;padding:3px 9px;color:var(--soft)}
.sample small.class{display:inline-block;padding:0 0 0 12px}
.sample i{display:inline-block;width:11px;height:11px;margin-right:5px;border-radius:3px;border:1px solid var(--edge)}
.sample figcaption{padding:6px 9px 8px;font-size:.84rem;line-height:1.4;overflow-wrap:anywhere}
.sample b{display:block}
.sample .mark-right{color:var(--good)}.sample .mark-wrong{color:var(--bad)}
.sample span{color:var(--soft);font-variant-numeric:tabular-nums}
details{background:var(--card);border:1px solid var(--edge);border-radius:10px;padding:10px 14px;margin-top:34px}
summary{cursor:pointer;font-weight:600}
pre{overflow-x:auto;font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace;margin:12px 0 2px}
)css";

/// Shows the values under the pointer, and small pictures with sharp pixels. Only sets text, never
/// markup.
inline constexpr std::string_view kReportScript = R"js(
for (const img of document.querySelectorAll('.sample img')) {
  const sharpen = () => { if (img.naturalWidth < 64) img.style.imageRendering = 'pixelated'; };
  if (img.complete) sharpen(); else img.addEventListener('load', sharpen);
}
for (const svg of document.querySelectorAll('.plot')) {
  const data = JSON.parse(svg.dataset.points);
  const figure = svg.parentNode;
  const tip = figure.appendChild(document.createElement('div'));
  tip.className = 'tip';
  const cursor = svg.appendChild(document.createElementNS(svg.namespaceURI, 'path'));
  cursor.setAttribute('class', 'cursor');
  const hide = () => { tip.hidden = true; cursor.setAttribute('d', ''); };
  const nearest = (points, x) => points.reduce((a, b) => Math.abs(b[2] - x) < Math.abs(a[2] - x) ? b : a);
  const show = event => {
    const box = svg.getBoundingClientRect();
    const scale = box.width / svg.viewBox.baseVal.width;
    const x = (event.clientX - box.left) / scale;
    const near = data.series.filter(s => s.points.length).map(s => [s.name, nearest(s.points, x)]);
    const at = nearest(near.map(n => n[1]), x);
    const lines = near.filter(n => Math.abs(n[1][2] - at[2]) < 6);
    tip.textContent = [data.x + ' ' + at[0]].concat(lines.map(n => n[0] + '  ' + n[1][1])).join('\n');
    cursor.setAttribute('d', 'M' + at[2] + ' 12V192');
    tip.hidden = false;
    const left = svg.offsetLeft || box.left - figure.getBoundingClientRect().left;
    const place = left + at[2] * scale;
    tip.style.left = Math.max(4, place > figure.clientWidth / 2 ? place - tip.offsetWidth - 10 : place + 10) + 'px';
    tip.style.top = box.top - figure.getBoundingClientRect().top + 8 + 'px';
  };
  hide();
  svg.addEventListener('pointermove', show);
  svg.addEventListener('pointerdown', show);
  svg.addEventListener('pointerleave', hide);
}
)js";

}  // namespace nala::report
