"""Two hundred texts that try to become more than text."""

from __future__ import annotations

from itertools import product

RUN = "window.x=1"
PAYLOADS = (
    "${alert(1)}",
    "${window.x=1}",
    f"<script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f"<svg onload={RUN}>",
    f"<svg><animate onbegin={RUN} attributeName=x dur=1s>",
    f"<math><mtext><table><mglyph><style><img src=x onerror={RUN}>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f"<details open ontoggle={RUN}>",
    f"<a href=javascript:{RUN}>here</a>",
    f"</textarea></div><svg onload={RUN}>",
    f"--><script>{RUN}</script><!--",
    f"]]><script>{RUN}</script>",
    "{{7*7}}",
    "{{constructor.constructor('window.x=1')()}}",
    "{% raw %}{{ x }}{% endraw %}",
    "#{7*7} <%= 7*7 %>",
    "&lt;script&gt;&amp;&#60;&#x3c;",
    "\\u003cscript\\u003e \\x3cscript\\x3e",
    "'\"`><img src=x onerror=window.x=1>",
    "\u202egnorw daer si siht\u202c",
    "zero\u200bwidth\u200djoined\ufeff",
    "\u2066isolated\u2069 \u061c \U000e0041",
    "bell\x07 escape\x1b[31m delete\x7f",
    "data:text/html,<script>parent.window.x=1</script>",
)
WRAPPINGS = (
    "{}",
    "[{}](https://example.org/{})",
    "![{}](https://example.org/{}.png)",
    "```html\n{}\n```",
    "`{}`",
    "# **{}** _{}_",
    "> {}\n\n<https://example.org>",
    "$${}$$ and \\({}\\)",
)
LONG = ("x" * 200_000, "** _$ `" * 25_000, "word " * 40_000, "\n" * 20_000 + "end", "\u202e" * 5000)
TEXTS = (*(how.replace("{}", what) for what, how in product(PAYLOADS, WRAPPINGS)), *LONG)
