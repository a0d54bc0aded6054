// What the operator may set: data and its defaults. `settings.schema.json` says the same.

import { Diagnostics } from "@grille/sdk";

/** The settings as they come; the schema has checked them. */
export interface Settings {
  readonly read_relations_max?: number;
  readonly written_relations_max?: number;
  readonly denied_fingerprints?: readonly string[];
  readonly wide_read?: { readonly relations_min?: number; readonly row_cap?: number };
  readonly hint?: string;
}

/** The settings with every default filled in. */
export interface Limits {
  readonly readRelationsMax: number;
  readonly writtenRelationsMax: number;
  readonly deniedFingerprints: readonly string[];
  readonly wideRelationsMin: number;
  readonly wideRowCap: number;
  readonly hint: string | undefined;
}

/** The limits that the settings mean; throws `Diagnostics` where two of them contradict each other. */
export function limitsOf(settings: Settings): Limits {
  const limits = {
    readRelationsMax: settings.read_relations_max ?? 8,
    writtenRelationsMax: settings.written_relations_max ?? 1,
    deniedFingerprints: settings.denied_fingerprints ?? [],
    wideRelationsMin: settings.wide_read?.relations_min ?? 4,
    wideRowCap: settings.wide_read?.row_cap ?? 1000,
    hint: settings.hint,
  };
  // Only if the operator wrote it: a low maximum may make the default pointless, and that is no mistake.
  const wrote = settings.wide_read?.relations_min !== undefined;
  if (wrote && limits.wideRelationsMin > limits.readRelationsMax) {
    const message = `reads of more than ${limits.readRelationsMax} relations are denied, so that none is ever wide by number`;
    throw new Diagnostics().add("/wide_read/relations_min", message);
  }
  return limits;
}
