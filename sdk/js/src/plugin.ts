// What `detector`, `masker` and `policy` return: a plugin that was not given its settings yet.

/** The kinds of plugins, as `world` in `plugin.toml`. */
export type World = "detector" | "masker" | "policy";

/** A plugin before it is configured: the default export of its main file. */
export interface Plugin<W extends World, Settings, Configured> {
  /** What it is. */
  readonly world: W;
  /** Called once, before anything else, with settings that fit the schema. */
  readonly configure: (settings: Settings) => Configured;
}
