/**
 * Capability of policies: the host's log. Messages are cut at 1 KiB and rate-limited. No component that sees cell contents may
 * have it.
 *
 * @module
 */

import { log } from "#host/log";

/** How much a message matters. */
export const Level = {
  /** Every step. */
  TRACE: 0,
  /** For the plugin's author. */
  DEBUG: 1,
  /** For the operator, in good times. */
  INFO: 2,
  /** Somebody should look some day. */
  WARN: 3,
  /** Somebody should look now. */
  ERROR: 4,
} as const;

/** One of {@link Level}. */
export type Level = (typeof Level)[keyof typeof Level];

/** Writes one message. */
export function write(level: Level, message: string): void {
  log.write(level, message.toWellFormed());
}
