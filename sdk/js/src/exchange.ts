// What a plugin is told of the exchange it works for: the records of the interface's `types`.

/** One pair of an open vocabulary. Ignore keys you do not know. */
export interface Attribute {
  /** What it is. */
  readonly key: string;
  /** Its value. */
  readonly value: string;
}

/**
 * One client request with its response: the unit of judgement and isolation. A plugin instance sees one exchange and is then
 * thrown away, so nothing a plugin remembers reaches another client.
 */
export interface Exchange {
  /** Unique within one Grille process; the audit record carries it. */
  readonly id: number;
  /** `postgres`; later `mysql`, `http`. */
  readonly protocol: string;
  /** The verified token's subject. */
  readonly principal: string;
  /** `human`, `workload` or `agent`. */
  readonly principalKind: string;
  /** The verified token's groups. */
  readonly groups: readonly string[];
  /** The role under which the client works. */
  readonly role: string;
  /** The backend's name in the configuration. */
  readonly upstream: string;
  /** The upstream's database or HTTP authority. */
  readonly target: string;
  /** What the client says of itself (application name, user agent). Not verified. */
  readonly client: string;
  /** Everything else. */
  readonly attributes: readonly Attribute[];
}

/** A column of a result. */
export interface Field {
  /** The label the client sees; an alias can change it. */
  readonly name: string;
  /** `schema.table.column` where the host knows it, else empty; an alias cannot change it. */
  readonly origin: string;
  /** `text`, `integer`, `numeric`, `uuid`, `date`, `timestamp`, `json`, `bytes`, …; empty when not known. */
  readonly kind: string;
}
