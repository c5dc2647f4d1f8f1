"""The read-out under the pointer, and folded parts opened for printing. A page is complete without.

It writes text only (`textContent`): what a name of an action says is never taken for markup.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

SCRIPT: Final = """\
"use strict";
(function(){
var F={
count:function(v){return Math.round(v).toLocaleString("en")},
rate:function(v){return (v<10?Math.round(v*100)/100:Math.round(v)).toLocaleString("en")+"/s"},
ratio:function(v){return (v*100).toFixed(1)+" %"},
mib:function(v){return Math.round(v).toLocaleString("en")+" MiB"},
ms:function(v){return v>=1e3?(v/1e3).toFixed(2)+" s":
(v>=100?v.toFixed(0):v.toPrecision(3))+" ms"},
plain:function(v){return String(+v.toPrecision(4))}};
function points(p){if(!p.pts){p.pts=p.getAttribute("d").slice(1).replace("Z","").split("L").map(
function(t){var s=t.split(" ");return[+s[0],+s[1]]})}return p.pts}
function time(s){var h=Math.floor(s/3600),m=Math.floor(s%3600/60),r=Math.round(s%60);
return (h?h+" h ":"")+(h||m?m+" min ":"")+r+" s"}
function near(a,n,x){var l=0,h=n-1;while(h-l>1){var m=(l+h)>>1;if(a[m][0]<x)l=m;else h=m}
return x-a[l][0]<a[h][0]-x?l:h}
function el(t,c,s){var e=document.createElement(t);if(c)e.className=c;if(s)e.textContent=s;return e}
document.querySelectorAll("figure.chart").forEach(function(f){
var plot=f.querySelector(".plot"),box=null,cross=null;
var xs=f.dataset.x.split(" ").map(Number),show=F[f.dataset.u]||F.plain,log=f.dataset.log==="1";
function clear(){if(box){box.remove();cross.remove();box=cross=null}}
function move(e){var r=plot.getBoundingClientRect(),q=(e.clientX-r.left)/r.width;
if(q<0||q>1){clear();return}
var x=xs[0]+q*xs[1];
if(!box){box=el("div","read");cross=el("div","cross");plot.append(cross,box)}
var pc=f.hasAttribute("data-p"),unit=f.dataset.w;
box.replaceChildren(el("b","",unit?+x.toPrecision(3)+" "+unit:
pc?"p"+(100*(1-Math.pow(10,-x))).toFixed(x>3?3:x>2?2:1):time(x)));
cross.style.left=q*100+"%";
[].slice.call(f.querySelectorAll("path[data-n]")).reverse().forEach(function(p){
var a=points(p),n=a.length,v;
if(p.classList.contains("a")){n/=2;var i=near(a,n,x);v=a[i][1]-a[2*n-1-i][1]}
else v=a[near(a,n,x)][1];
if(log)v=Math.pow(10,v);
var s=el("span",p.getAttribute("class").split(" ")[1]);
s.append(el("em","",p.getAttribute("data-n")),el("strong","",show(v)));box.append(s)});
box.style.left=q<.5?"calc("+q*100+"% + 12px)":"auto";
box.style.right=q<.5?"auto":"calc("+(100-q*100)+"% + 12px)"}
plot.addEventListener("pointermove",move);plot.addEventListener("pointerdown",move);
plot.addEventListener("pointerleave",clear)});
addEventListener("beforeprint",function(){document.querySelectorAll("details").forEach(
function(d){d.open=true})});
})();
"""

SCRIPT_HASH: Final = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
"""By which the page's own policy allows this script and no other."""
