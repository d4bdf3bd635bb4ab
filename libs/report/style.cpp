#include "report/style.h"

namespace selfsight::report {

std::string_view style_text() {
  return R"css(
:root{color-scheme:light dark;--bg:#fbfbfa;--card:#fff;--ink:#1c2128;--soft:#5b6470;--faint:#8d95a0;--line:#e3e5e8;--grid:#eceef0;--accent:#0b63ad;
--good:#00785b;--bad:#c04a00;--good-bg:#e6f4ef;--bad-bg:#fbeee3;
--c0:#0067b1;--c1:#d4590b;--c2:#00916e;--c3:#b5468b;--c4:#b07d00;--c5:#48a0dc;--c6:#6b4fa0;--c7:#7a5230;--c8:#84921a;--c9:#6b7280}
@media(prefers-color-scheme:dark){:root{--bg:#14171b;--card:#1b1f25;--ink:#e7e9ec;--soft:#aab1bb;--faint:#7f8893;--line:#2e343c;--grid:#272d34;--accent:#6db6ff;
--good:#3ed0a6;--bad:#ff9a57;--good-bg:#16332b;--bad-bg:#3a2716;
--c0:#5aaeff;--c1:#ff9147;--c2:#2fcfa3;--c3:#f08cc9;--c4:#e8bf4a;--c5:#a5dcff;--c6:#b7a0f2;--c7:#cfa27e;--c8:#c7d65a;--c9:#a9b1bd}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI","Helvetica Neue",Arial,"Noto Sans",sans-serif}
.wrap{max-width:1180px;margin:0 auto;padding:0 24px}
header{padding:28px 0 14px}
h1{font-size:26px;line-height:1.2;margin:0;font-weight:650;letter-spacing:-.01em;text-wrap:balance}
.sub{margin:6px 0 0;color:var(--soft)}
nav{position:sticky;top:0;z-index:2;background:var(--bg);border-bottom:1px solid var(--line);font-size:13px}
nav .wrap{display:flex;gap:20px;overflow-x:auto}
nav a{color:var(--soft);text-decoration:none;padding:9px 0;white-space:nowrap}
nav a:hover{color:var(--accent)}
a{color:var(--accent)}
section{margin:38px 0 0;scroll-margin-top:44px}
h2{font-size:19px;font-weight:650;letter-spacing:-.005em;margin:0 0 4px}
h3{font-size:14px;font-weight:650;margin:22px 0 8px}
.lead{color:var(--soft);margin:0 0 14px;max-width:82ch}
.note{color:var(--soft);font-size:13px;margin:8px 0 0;max-width:100ch}
.absent{color:var(--soft);border-left:3px solid var(--line);padding:4px 12px;margin:8px 0}
.card,figure{background:var(--card);border:1px solid var(--line);border-radius:8px}
.card{padding:20px 22px}
figure{margin:0;padding:12px 14px 8px;min-width:0;display:flex;flex-direction:column}
figure>svg{margin-top:auto}
figure>img{align-self:flex-start;margin-top:4px}
figcaption{font-size:13px;font-weight:600;margin:0 0 2px}
figcaption small{font-weight:400;color:var(--soft);margin-left:6px;font-size:12px}
svg{display:block;width:100%;height:auto;overflow:visible}
.sheets{display:grid;grid-template-columns:repeat(auto-fill,minmax(440px,1fr));gap:14px}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(340px,1fr));gap:14px}
.hero{display:grid;grid-template-columns:minmax(300px,5fr) 7fr;gap:14px;margin-top:18px}
.hero .side{display:grid;gap:14px;align-content:stretch}
.hero .big{font-size:44px;line-height:1.05;font-weight:680;letter-spacing:-.02em;font-variant-numeric:tabular-nums;margin:6px 0 2px}
.hero .big small{font-size:21px;font-weight:500;color:var(--soft);letter-spacing:0}
.hero .what{color:var(--soft);font-size:13px}
.hero ul{list-style:none;margin:14px 0 0;padding:0;display:grid;gap:8px}
.hero li{padding:8px 12px;border-radius:6px;background:var(--grid);font-size:14px}
.hero li.yes{background:var(--good-bg)}
.hero li.no{background:var(--bad-bg)}
.hero li b{font-variant-numeric:tabular-nums}
.hero li span{display:block;color:var(--soft);font-size:12.5px}
.mark{font-weight:700;margin-right:4px}
.yes .mark{color:var(--good)}
.no .mark{color:var(--bad)}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:8px}
table{border-collapse:collapse;width:100%;font-size:14px}
caption{caption-side:bottom;text-align:left;color:var(--soft);font-size:12.5px;padding:8px 14px 10px}
th,td{padding:8px 14px;border-bottom:1px solid var(--line);text-align:left;vertical-align:baseline}
tbody tr:last-child>*{border-bottom:0}
thead th,thead th.num{font-size:13px;font-weight:600;vertical-align:bottom;white-space:normal}
thead small{display:block;font-weight:400;color:var(--soft);font-size:11.5px;line-height:1.35;max-width:30ch}
thead th.num small{margin-left:auto}
tbody th{font-weight:500;white-space:nowrap}
.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td small{color:var(--soft)}
td small.own{display:block;font-size:11.5px;line-height:1.3;white-space:normal;max-width:24ch;margin-left:auto}
.classes{display:grid;grid-template-columns:minmax(0,8fr) minmax(300px,4fr);gap:14px}
.confusion table{width:auto;font-size:12.5px}
.confusion th,.confusion td{padding:4px 8px;border:0;text-align:right}
.confusion td{min-width:44px;border-radius:3px;background:color-mix(in srgb,var(--c0) calc(var(--v)*70%),transparent);font-variant-numeric:tabular-nums}
.confusion td.self{background:color-mix(in srgb,var(--good) calc(var(--v)*70%),transparent)}
.confusion thead th{white-space:normal;max-width:9ch}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(170px,1fr));gap:12px 22px;margin:0}
.facts dt{font-size:12px;color:var(--soft)}
.facts dd{margin:0;overflow-wrap:anywhere}
details{margin-top:10px;font-size:13px}
summary{cursor:pointer;color:var(--accent);padding:3px 0}
pre{margin:6px 0 0;padding:12px 14px;background:var(--card);border:1px solid var(--line);border-radius:8px;overflow:auto;max-height:420px;font:12px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre-wrap;overflow-wrap:anywhere}
.swatch{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:7px;background:var(--c)}
.grid line{stroke:var(--grid)}
.axis line,.axis path{stroke:var(--line);fill:none}
.zero{stroke:var(--faint);stroke-dasharray:none}
svg text{fill:var(--soft);font-size:11px;font-family:inherit;font-variant-numeric:tabular-nums}
svg text.name{fill:var(--ink);font-size:12.5px}
svg text.value{fill:var(--ink);font-size:12.5px;font-weight:600}
svg text.guide{font-size:10.5px}
.guide-line{stroke:var(--faint);stroke-dasharray:2 3}
.c0{--c:var(--c0)}.c1{--c:var(--c1)}.c2{--c:var(--c2)}.c3{--c:var(--c3)}.c4{--c:var(--c4)}.c5{--c:var(--c5)}.c6{--c:var(--c6)}.c7{--c:var(--c7)}.c8{--c:var(--c8)}.c9{--c:var(--c9)}
.curve{fill:none;stroke:var(--c);stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
.raw{fill:none;stroke:var(--c);stroke-width:.8;opacity:.28}
.d1{stroke-dasharray:7 3}.d2{stroke-dasharray:2 3}.d3{stroke-dasharray:9 3 2 3}
.hit{fill:var(--c);fill-opacity:0;stroke:none}
.hit:hover{fill-opacity:.9}
.dot{fill:var(--card);stroke:var(--c);stroke-width:1.8}
.bar{fill:var(--c);opacity:.82}
.error{stroke:var(--ink);stroke-width:1.3;fill:none}
.single{fill:var(--card);stroke:var(--ink);stroke-width:.9;opacity:.8}
.interval{stroke:var(--c);stroke-width:3.2;stroke-linecap:round}
.mean{fill:var(--c);stroke:var(--card);stroke-width:1.4}
.pair{fill:none;stroke:var(--c);stroke-width:1.1;opacity:.75}
.legend{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:12px;color:var(--soft);margin:2px 0 4px}
.legend svg{display:inline-block;width:22px;height:10px;vertical-align:middle;margin-right:5px}
.legend button{all:unset;cursor:pointer;white-space:nowrap;padding:1px 0}
.legend button:focus-visible{outline:2px solid var(--accent)}
.legend button[aria-pressed=true]{color:var(--ink);font-weight:600;text-decoration:underline}
.map g.g{fill:var(--c);fill-opacity:.78;stroke:var(--card);stroke-width:.4}
.map .quiet{opacity:.08}
.map .thumbs image{image-rendering:pixelated}
.map .thumbs rect{fill:none;stroke:var(--c);stroke-width:1.6}
.map .tick{align-self:flex-end;margin:-22px 0 0;font-size:12.5px;color:var(--soft);cursor:pointer}
.map:has(input:not(:checked)) .thumbs{display:none}
.pixels{image-rendering:pixelated;max-width:100%;height:auto;display:block}
.near{display:grid;grid-template-columns:repeat(auto-fill,minmax(500px,1fr));gap:6px 26px}
.near.wide{grid-template-columns:1fr}
.near .row{display:flex;gap:5px;align-items:flex-start}
.near .pic{width:48px;flex:none;text-align:center;font-size:10px;line-height:1.2;color:var(--soft);position:relative}
.near .pic span{display:block;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;margin-top:1px}
.near img{display:block;width:48px;height:48px;object-fit:contain;image-rendering:pixelated;border:3px solid var(--line);border-radius:4px;background:var(--grid)}
.near .query{width:62px;margin-right:10px;font-weight:600;color:var(--ink)}
.near .query img{width:62px;height:62px;border-color:var(--ink)}
.near .right img{border-color:var(--good)}
.near .wrong img{border-color:var(--bad);border-style:dashed}
.near .pic i{position:absolute;right:-2px;top:-4px;font:700 10px/14px system-ui,sans-serif;width:14px;height:14px;border-radius:50%;color:#fff;background:var(--bad)}
@media(prefers-color-scheme:dark){.near .pic i{color:#14171b}}
.near .right i{background:var(--good)}
.near.gallery{gap:12px}
.near.gallery .row{flex-wrap:wrap;gap:8px 6px}
.near.gallery .pic{width:74px;font-size:10.5px}
.near.gallery .pic span{white-space:normal;display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:2;overflow-wrap:anywhere}
.near.gallery img,.near.gallery .blank{width:74px;height:92px;image-rendering:auto}
.near.gallery .blank{display:grid;place-items:center;border:3px solid var(--line);border-radius:4px;background:var(--grid);color:var(--soft);font-weight:400}
.near.gallery .right .blank{border-color:var(--good)}
.near.gallery .wrong .blank{border-color:var(--bad);border-style:dashed}
.near.gallery .query{width:110px}
.near.gallery .query img{width:110px;height:110px}
.near.gallery .query .said{width:110px;height:auto;min-height:92px;padding:6px;font-size:12px;font-weight:600;color:var(--ink);border-color:var(--ink);overflow-wrap:anywhere}
.tales{display:grid;grid-template-columns:repeat(auto-fill,minmax(440px,1fr));gap:14px}
.told{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 16px}
.told p{margin:0 0 6px;font-weight:600}
.told ol{margin:0;padding:0 0 0 22px;font-size:13.5px}
.told li::marker{color:var(--faint)}
.told i{font-style:normal;font-weight:700;margin-right:6px}
.told .right i{color:var(--good)}
.told .wrong i{color:var(--bad)}
.told .right{font-weight:600}
.told small{color:var(--soft);font-weight:400}
.overlays{display:grid;grid-template-columns:repeat(auto-fill,minmax(320px,1fr));gap:14px}
.overlays img{width:100%;height:auto;border-radius:4px}
.below{margin-top:22px}
.beside{display:grid;grid-template-columns:minmax(340px,4fr) minmax(0,8fr);gap:14px;align-items:start}
section>h3{margin-top:26px}
h3+.note{margin:-4px 0 10px}
footer{margin:44px 0 28px;color:var(--faint);font-size:12.5px}
footer p{border-top:1px solid var(--line);padding-top:12px;margin:0}
@media(max-width:860px){.hero,.classes,.beside{grid-template-columns:1fr}.near{grid-template-columns:1fr}.wrap{padding:0 14px}.near .row{flex-wrap:wrap}}
@media print{nav{display:none}section,figure{break-inside:avoid}}
)css";
}

std::string_view script_text() {
  return R"js(
document.querySelectorAll('.map').forEach(map=>map.querySelectorAll('.legend button').forEach(button=>button.addEventListener('click',()=>{
const only=button.getAttribute('aria-pressed')==='true'?null:button.dataset.group;
map.querySelectorAll('.legend button').forEach(b=>b.setAttribute('aria-pressed',b.dataset.group===only));
map.querySelectorAll('svg [data-group]').forEach(e=>e.classList.toggle('quiet',only!==null&&e.dataset.group!==only));
})));
)js";
}

}  // namespace selfsight::report
