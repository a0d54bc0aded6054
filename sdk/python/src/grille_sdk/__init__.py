"""Write Grille plugins in Python.

A plugin is a class or a function of one of three kinds:

| class | function | what it does |
|---|---|---|
| `Detector` | `@detector` | finds sensitive data in cells |
| `Masker` | `@masker` | makes new values for cells |
| `Policy` | `@policy` | judges statements before they run |

They know nothing of WebAssembly, so a plugin's tests are ordinary ones; `grille_sdk.testing` helps. Capabilities are modules:
`log`, `clock`, `state`, `egress` for policies, `keyed` for maskers. `grille_sdk.component` alone knows the generated bindings,
and nothing in it is for a plugin's author.

Whatever goes wrong in a plugin, an exception included, the host fails closed: a statement is denied, a field is treated as
sensitive, a value is replaced.
"""

from ._block import Block, Cell
from ._detector import SCORE_MAX, Detector, DetectorSession, Finding, Findings, Label, Support, detector
from ._exchange import Attribute, Exchange, Field
from ._failure import Diagnostic, Failure, SettingsError
from ._host import NotGranted
from ._masker import Edits, Masker, MaskerSession, masker
from ._plugin import NoSettings, configure_json
from ._policy import Action, Allow, Approval, Decision, Deny, Hold, Object, Policy, Rewrite, Verdict, policy

__all__ = [
    "SCORE_MAX",
    "Action",
    "Allow",
    "Approval",
    "Attribute",
    "Block",
    "Cell",
    "Decision",
    "Deny",
    "Detector",
    "DetectorSession",
    "Diagnostic",
    "Edits",
    "Exchange",
    "Failure",
    "Field",
    "Finding",
    "Findings",
    "Hold",
    "Label",
    "Masker",
    "MaskerSession",
    "NoSettings",
    "NotGranted",
    "Object",
    "Policy",
    "Rewrite",
    "SettingsError",
    "Support",
    "Verdict",
    "configure_json",
    "detector",
    "masker",
    "policy",
]
