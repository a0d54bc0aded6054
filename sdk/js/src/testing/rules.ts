// What the host accepts of a plugin. It believes nothing of one that breaks a rule once; here that fails the test.

import type { Attribute } from "../exchange.js";
import { SCORE_MAX, SUPPORT_BITS } from "../detector.js";
import type { WireDecision, WireEdits, WireFinding } from "../wire.js";
import { unpackTexts } from "../values.js";

/** Most approvers and most obligations of a decision. */
const DECISION_ENTRIES_MAX = 64;

/** Longest statement that a policy may write anew, in bytes. */
const REWRITE_BYTES_MAX = 1 << 20;

/** Longest name of an approver, and what of a reason is shown, in bytes. */
const REASON_BYTES_MAX = 500;

/** Most bytes of new values that one call may return. */
const EDITS_BYTES_MAX = 4 << 20;

const TREATMENT = /^(keep|null|redact|token|keep-last:[0-9]+)$/;

/** A result that the host would not accept. */
export class Rejected extends Error {
  override readonly name = "Rejected";

  constructor(message: string) {
    super(`the host would reject this: ${message}`);
  }
}

/** The rules of a finding: its cell's bytes, and how many labels there are. */
export function checkFinding(finding: WireFinding, cells: readonly Uint8Array[], labelCount: number): void {
  const { start, end, label, score, support } = finding;
  const cell = cells[finding.cell];
  if (cell === undefined) throw new Rejected(`there is no cell ${finding.cell}`);
  if (!(0 <= start && start < end && end <= cell.length)) {
    throw new Rejected(`bytes ${start} to ${end} are no part of a cell of ${cell.length} bytes`);
  }
  if (!isBoundary(cell, start) || !isBoundary(cell, end)) {
    throw new Rejected(`bytes ${start} to ${end} cut a character in two`);
  }
  if (!(label < labelCount)) throw new Rejected(`label ${label} is not in plugin.toml, which has ${labelCount}`);
  if (!(score <= SCORE_MAX)) throw new Rejected(`score ${score} is above ${SCORE_MAX}`);
  if ((support & ~SUPPORT_BITS) !== 0) throw new Rejected(`support ${support} has a reserved bit`);
}

function isBoundary(cell: Uint8Array, offset: number): boolean {
  const byte = cell[offset];
  return byte === undefined || (byte & 0xc0) !== 0x80;
}

/** The values of a masker: exactly one for each cell, in order. */
export function checkedValues(edits: WireEdits, count: number): string[] {
  if (edits.data.length > EDITS_BYTES_MAX) throw new Rejected("more than 4 MiB of new values");
  const inOrder = Array.from(edits.cells).every((cell, index) => cell === index);
  if (edits.cells.length !== count || !inOrder) throw new Rejected("not one value for each cell, in order");
  return unpackTexts(edits.offsets, edits.data, count);
}

/** The rules of a decision. */
export function checkDecision({ verdict, obligations }: WireDecision): void {
  if (obligations.length > DECISION_ENTRIES_MAX) throw new Rejected("more than 64 obligations");
  obligations.forEach(checkObligation);
  if (verdict.tag === "rewrite" && Buffer.byteLength(verdict.val) > REWRITE_BYTES_MAX) {
    throw new Rejected("a statement of more than 1 MiB");
  }
  if (verdict.tag === "deny") checkReason(verdict.val);
  if (verdict.tag === "hold") {
    checkReason(verdict.val.reason);
    checkApprovers(verdict.val.approvers);
  }
}

/** The host cuts a long reason and replaces an empty one; neither is what an author means to show. */
function checkReason(reason: string): void {
  const bytes = Buffer.byteLength(reason);
  if (reason.trim() === "") throw new Rejected("a reason without a word");
  if (bytes > REASON_BYTES_MAX) throw new Rejected(`a reason of ${bytes} bytes is cut after ${REASON_BYTES_MAX}`);
}

function checkApprovers(approvers: readonly string[]): void {
  if (approvers.length > DECISION_ENTRIES_MAX) throw new Rejected("more than 64 approvers");
  if (approvers.some((name) => Buffer.byteLength(name) > REASON_BYTES_MAX)) {
    throw new Rejected("an approver's name of more than 500 bytes");
  }
}

function checkObligation({ key, value }: Attribute): void {
  if (key === "row-cap" && /^[0-9]+$/.test(value)) return;
  if (key === "mask" && isMask(value)) return;
  throw new Rejected(`the obligation ${key}: ${value} cannot be honoured`);
}

function isMask(value: string): boolean {
  const at = value.lastIndexOf("=");
  const isColumn = value.slice(0, at).split(".").length === 3;
  return at > 0 && isColumn && TREATMENT.test(value.slice(at + 1));
}
