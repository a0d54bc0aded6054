/**
 * Capability of policies: HTTPS requests to the hosts that the operator allows, bounded in time and bytes. Not to be had in
 * `configure`. Throws a `Failure` when the host cannot, or may not.
 *
 * @module
 */

import { egress } from "#host/egress";
import type { Attribute } from "./exchange.js";
import { askHost } from "./host/refused.js";
import { decodeUtf8, encodeUtf8 } from "./utf8.js";
import type { WireReply } from "./wire.js";

/** What to ask. */
export interface Request {
  /** `GET` unless said otherwise. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** What came back. */
export class Reply {
  /** The status code. A refusal of the server's is a reply too. */
  readonly status: number;
  readonly headers: readonly Attribute[];
  readonly body: Uint8Array;

  /** For the glue. */
  constructor({ status, headers, body }: WireReply) {
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  /** Whether the status is 200 to 299. */
  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** The first header of that name, in whatever case. */
  header(name: string): string | undefined {
    const wanted = name.toLowerCase();
    return this.headers.find(({ key }) => key.toLowerCase() === wanted)?.value;
  }

  /** The body as text; throws a `Failure` if it is not UTF-8. */
  text(): string {
    return decodeUtf8(this.body);
  }

  /** The body as JSON: check what you got before you believe its shape. */
  json(): unknown {
    return JSON.parse(this.text());
  }
}

/** Sends a request and waits for the reply; `url` begins with `https://`. */
export function fetch(url: string, { method = "GET", headers = {}, body = "" }: Request = {}): Reply {
  const pairs = Object.entries(headers).map(([key, value]) => ({ key, value }));
  const bytes = typeof body === "string" ? encodeUtf8(body) : body;
  return new Reply(askHost(() => egress.fetch(method, url, pairs, bytes)));
}
