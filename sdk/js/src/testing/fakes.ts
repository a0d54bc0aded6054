// Stand-ins for what the operator grants: a clock that tests set, state in memory, replies made up, a key that is no secret.

import { createHmac } from "node:crypto";

import type { Attribute } from "../exchange.js";
import type { ClockHost, EgressHost, KeyedHost, LogHost, StateHost } from "../host/interfaces.js";
import { packTexts, unpackTexts } from "../values.js";
import type { WireReply, WireValues } from "../wire.js";

/** What a test grants. A capability that is used without being here, or without being in `plugin.toml`, fails the test. */
export interface Grants {
  readonly log?: FakeLog;
  readonly clock?: FakeClock;
  readonly state?: FakeState;
  readonly keyed?: FakeKeyed;
  readonly egress?: FakeEgress;
}

/** What the host refuses arrives in a plugin as an error with the interface's `failure` as payload. */
function refusal(message: string): Error {
  return Object.assign(new Error(message), { payload: { message } });
}

/** Keeps what was logged. */
export class FakeLog implements LogHost {
  readonly messages: { readonly level: number; readonly message: string }[] = [];

  write(level: number, message: string): void {
    this.messages.push({ level, message });
  }
}

/** Stands still until it is told otherwise. */
export class FakeClock implements ClockHost {
  #ms: number;

  /** Shows this time: a date, or what `Date` makes one of (`2026-11-23T09:00:00Z`). */
  constructor(time: Date | string | number) {
    this.#ms = milliseconds(time);
  }

  /** Shows another time from now on. */
  set(time: Date | string | number): void {
    this.#ms = milliseconds(time);
  }

  /** Lets time pass. */
  advance(ms: number): void {
    this.#ms += ms;
  }

  nowMs(): number {
    return this.#ms;
  }
}

function milliseconds(time: Date | string | number): number {
  const ms = new Date(time).getTime();
  if (Number.isNaN(ms)) throw new RangeError(`${String(time)} is no time`);
  return ms;
}

const DAY_MS = 24 * 60 * 60 * 1000;

interface Kept {
  readonly value: Uint8Array;
  readonly untilMs: number;
}

interface Counter {
  value: number;
  readonly untilMs: number;
}

/** Keeps values in memory, for as long as its clock says. */
export class FakeState implements StateHost {
  readonly #clock: FakeClock;
  readonly #values = new Map<string, Kept>();
  readonly #counters = new Map<string, Counter>();
  #failure: string | undefined;

  /** Without a clock, nothing ever gets old. */
  constructor(clock: FakeClock = new FakeClock(0)) {
    this.#clock = clock;
  }

  /** Refuses everything from now on, as the host may. */
  failWith(message: string): void {
    this.#failure = message;
  }

  get(key: string): Uint8Array | null {
    this.#refuse();
    const kept = this.#values.get(key);
    return kept !== undefined && this.#clock.nowMs() < kept.untilMs ? kept.value.slice() : null;
  }

  set(key: string, value: Uint8Array, ttlMs: number): void {
    this.#refuse();
    this.#values.set(key, { value: value.slice(), untilMs: this.#clock.nowMs() + Math.min(ttlMs, DAY_MS) });
  }

  add(key: string, delta: number, windowMs: number): number {
    this.#refuse();
    const nowMs = this.#clock.nowMs();
    let counter = this.#counters.get(key);
    if (counter === undefined || nowMs >= counter.untilMs) {
      counter = { value: 0, untilMs: nowMs + windowMs };
      this.#counters.set(key, counter);
    }
    counter.value += delta;
    return counter.value;
  }

  #refuse(): void {
    if (this.#failure !== undefined) throw refusal(this.#failure);
  }
}

/** Transforms under a key of its own; the outputs are not those of any host. */
export class FakeKeyed implements KeyedHost {
  readonly #key: string;

  constructor(key = "not a secret") {
    this.#key = key;
  }

  transform(method: string, domain: string, input: WireValues): WireValues {
    const texts = unpackTexts(input.offsets, input.data, input.offsets.length - 1);
    return packTexts(texts.map((text) => this.#one(method, domain, text)));
  }

  #one(method: string, domain: string, text: string): string {
    const hmac = createHmac("sha256", this.#key).update(`${domain.length}:${domain}${text}`);
    if (method === "hmac-sha256") return hmac.digest("hex");
    if (method === "token") return `tok_${hmac.digest("base64url").slice(0, 16)}`;
    throw refusal(`${method} is no method`);
  }
}

/** A request as the host sees it. */
export interface SentRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly Attribute[];
  readonly body: Uint8Array;
}

/** What a test answers: the body as text or bytes; status 200 and no headers unless said otherwise. */
export interface FakeReply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** Answers requests by URL and keeps them; a URL that it does not know is refused, as a host that is not allowed. */
export class FakeEgress implements EgressHost {
  readonly requests: SentRequest[] = [];
  readonly #replies: ReadonlyMap<string, FakeReply>;

  constructor(replies: Readonly<Record<string, FakeReply>>) {
    this.#replies = new Map(Object.entries(replies));
  }

  fetch(method: string, url: string, headers: readonly Attribute[], body: Uint8Array): WireReply {
    if (!url.startsWith("https://")) throw refusal("only https is to be had");
    this.requests.push({ method, url, headers, body });
    const reply = this.#replies.get(url);
    if (reply === undefined) throw refusal(`${new URL(url).host} is not allowed`);
    return {
      status: reply.status ?? 200,
      headers: Object.entries(reply.headers ?? {}).map(([key, value]) => ({ key, value })),
      body: typeof reply.body === "object" ? reply.body : Buffer.from(reply.body ?? ""),
    };
  }
}
