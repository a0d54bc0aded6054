"""The exports of a detector component."""

from __future__ import annotations

from types import ModuleType

from wit_world.imports import types

from .._block import Block
from .._detector import Detector, DetectorSession
from .._plugin import find_plugin
from . import Slot, exchange, failing_closed, fields


def export(module: ModuleType) -> tuple[type, type]:
    """The interfaces `lifecycle` and `detector` of the detector that the module defines."""
    # No capabilities: a detector's world imports nothing.
    slot = Slot(find_plugin(module, Detector), DetectorSession)

    class Lifecycle:
        def configure(self, settings_json: str) -> None:
            slot.configure(settings_json)

        def begin(self, ctx: types.Exchange, announced: list[types.Field]) -> None:
            with failing_closed():
                slot.content().begin(exchange(ctx), fields(announced))

    class Inspect:
        def inspect(self, cells: types.Block) -> list[types.Finding]:
            with failing_closed():
                found = slot.content().inspect(Block(cells.rows, cells.fields, cells.offsets, cells.data))
                return [
                    types.Finding(one.cell, one.start, one.end, one.label, one.score, int(one.support)) for one in found
                ]

    return Lifecycle, Inspect
