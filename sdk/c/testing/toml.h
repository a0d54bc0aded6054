/* The part of TOML 1.0 that plugin.toml uses: tables, arrays of tables, bare and quoted keys, one-line strings, integers, floats,
 * booleans, arrays and inline tables. It is for tests; `grille plugin build` has a whole reader. What it does not know is an
 * error, never skipped. */
#ifndef GRILLE_TOML_H
#define GRILLE_TOML_H

#include "grille.h"

/* The document as a JSON object; null, with a message and a line, if it is none. */
const grille_json *grille_toml_parse(grille_arena *arena, grille_text document, const char **message, size_t *line);

#endif
