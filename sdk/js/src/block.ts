// Cells in one flat buffer, as the host sends them, and one at a time, as a plugin sees them.

import type { Field } from "./exchange.js";
import { Failure } from "./failure.js";
import { unpackTexts } from "./values.js";
import type { WireBlock } from "./wire.js";

/** One value of a result, as text. */
export interface Cell {
  /** The value. Never NULL; empty if it is an empty text or if the host's gate cleared it. */
  readonly text: string;
  /** The column it belongs to. */
  readonly field: Field;
  /** Its row within the block. Blocks are cut anywhere, so the number means nothing across calls. */
  readonly row: number;
}

/**
 * The cells of a block in order, column by column: cell `f * rows + r` is row `r` of the block's field `f`.
 *
 * @throws Failure if the host broke its promise about one of the parts, or the block has a field that `begin` did not
 * announce.
 */
export function cellsOf(block: WireBlock, announced: readonly Field[]): Cell[] {
  const fields = Array.from(block.fields, (index) => announced[index]);
  const texts = unpackTexts(block.offsets, block.data, block.rows * fields.length);
  return texts.map((text, index) => {
    const field = fields[Math.floor(index / block.rows)];
    if (field === undefined) throw new Failure("the block has a field that was not announced");
    return { text, field, row: index % block.rows };
  });
}
