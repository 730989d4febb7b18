"""A mail that tries all that a page of HTML can try on whoever reads it."""

# {0} is the address of the one who wants to know that it is read, {1} what a script does.
SCRIPT = "document.getElementById('seen').textContent = 'ran'; top.hit = 1"
HTML = """<!doctype html>
<html><head>
<meta http-equiv="refresh" content="0;url={0}/refresh">
<meta http-equiv="Content-Security-Policy" content="default-src *">
<base href="{0}/base/" target="_top">
<link rel="stylesheet" href="{0}/css">
<link rel="icon" href="{0}/icon">
<link rel="manifest" href="{0}/manifest">
<link rel="prefetch" href="{0}/prefetch">
<link rel="preload" as="image" href="{0}/preload">
<link rel="preconnect" href="{0}">
<link rel="dns-prefetch" href="{0}">
<link rel="prerender" href="{0}/prerender">
<link rel="modulepreload" href="{0}/module">
<style>
@import url("{0}/import");
@font-face {{ font-family: remote; src: url("{0}/font"); }}
body {{ background: url("{0}/background"); font-family: remote; }}
p::before {{ content: url("{0}/content"); }}
</style>
<script>onload = () => {{ {1} }}; fetch("{0}/fetch");</script>
<script src="{0}/script"></script>
<script type="speculationrules">{{"prefetch": [{{"urls": ["{0}/speculation"]}}]}}</script>
</head>
<body background="{0}/attribute" onload="{1}; fetch('{0}/onload')">
<p id="seen" style="background-image: url('{0}/style')">Hello</p>
<img src="{0}/image" onerror="{1}">
<img src="data:image/png;base64,x" onerror="{1}">
<img srcset="{0}/set 2x" src="relative.png">
<picture><source srcset="{0}/source"><img alt=""></picture>
<svg xmlns="http://www.w3.org/2000/svg" onload="{1}" width="9" height="9">
<script>{1}</script><image href="{0}/svg" width="9" height="9"/>
<use href="{0}/use#x"/><rect fill="url({0}/paint#x)" width="9" height="9"/>
<animate onbegin="{1}" attributeName="x" dur="1s"/></svg>
<iframe src="{0}/frame"></iframe>
<iframe srcdoc="&lt;script&gt;{1}&lt;/script&gt;&lt;img src={0}/srcdoc&gt;"></iframe>
<iframe src="javascript:{1}"></iframe>
<object data="{0}/object"></object>
<embed src="{0}/embed">
<video src="{0}/video" poster="{0}/poster" autoplay><track src="{0}/track" default></video>
<audio src="{0}/audio" autoplay></audio>
<input type="image" src="{0}/input" autofocus onfocus="{1}">
<form id="form" action="{0}/form" method="post"><input name="a" value="b">
<button id="send">Send</button></form>
<script>document.getElementById("form").submit()</script>
<table background="{0}/table"><tr><td>x</td></tr></table>
<details open ontoggle="{1}"><summary>x</summary></details>
<a id="link" href="{0}/link" target="_self" ping="{0}/ping">link</a>
<svg width="20" height="20"><a id="drawn" xlink:href="{0}/drawn"><animate attributeName="href"
values="{0}/animated" dur="1s"/><text y="15">draw</text></a></svg>
<a id="run" href="javascript:{1}" target="_self">run</a>
</body></html>
"""


def page_for(address: str) -> str:
    """Return the page that tells this address whatever it can."""
    return HTML.format(address, SCRIPT)
