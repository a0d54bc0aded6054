"""The exports of a masker component."""

from __future__ import annotations

from types import ModuleType

from wit_world.imports import types

from .._block import Block
from .._masker import Masker, MaskerSession
from .._plugin import find_plugin
from . import Slot, exchange, failing_closed, fields, grant_imports


def export(module: ModuleType) -> tuple[type, type]:
    """The interfaces `lifecycle` and `masker` of the masker that the module defines."""
    grant_imports()
    slot = Slot(find_plugin(module, Masker), MaskerSession)

    class Lifecycle:
        def configure(self, settings_json: str) -> None:
            slot.configure(settings_json)

        def begin(self, ctx: types.Exchange, announced: list[types.Field]) -> None:
            with failing_closed():
                slot.content().begin(exchange(ctx), fields(announced))

    class Mask:
        def mask(self, cells: types.Block) -> types.Edits:
            with failing_closed():
                edits = slot.content().mask(Block(cells.rows, cells.fields, cells.offsets, cells.data))
                return types.Edits(edits.cells, edits.offsets, edits.data)

    return Lifecycle, Mask
