// In a component, `keyed` is the host's.

export { default as keyed } from "grille:plugin/keyed@0.1.0";
