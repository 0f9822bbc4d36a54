"""`rlhf preflight MODEL`: can this model be the base of a service on this machine?

`examining` goes through the checks, `words` looks at tokenizer and chat template, `memory` at what
each stage takes, `trying` lets the model read and answer.
"""

from rlhf.preflight.examining import examine

__all__ = ["examine"]
