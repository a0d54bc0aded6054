// In a component, `state` is the host's.

export { default as state } from "grille:plugin/state@0.1.0";
