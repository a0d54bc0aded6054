// In a component, `clock` is the host's.

export { default as clock } from "grille:plugin/clock@0.1.0";
