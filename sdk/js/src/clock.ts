/**
 * Capability of policies: the time. A component that never imports it does not ask for it, and the host then remembers its
 * decisions.
 *
 * @module
 */

import { clock } from "#host/clock";

/**
 * Milliseconds since the Unix epoch: `new Date(nowMs())`. Use the UTC methods of `Date`; a component has no time zone.
 * Not to be had in `configure`.
 */
export function nowMs(): number {
  return clock.nowMs();
}
