/* What is the same in a text and in a keyword, and where words end. */
#ifndef WORDS_H
#define WORDS_H

#include "grille.h"

/* Spaces, tabs, line breaks, hyphens and underscores: a run of them in a text is one space of a keyword. */
bool words_is_separator(uint8_t byte);
/* ASCII letters in lower case, separators as a space, other bytes as they are. */
uint8_t words_fold(uint8_t byte);
/* A keyword as the automaton reads it: folded, runs of separators as one space, none at the ends. */
grille_text words_fold_all(grille_arena *arena, grille_text keyword);
/* Whether no word goes on over the byte offset: the characters on its two sides are not both of a word. */
bool words_end_at(grille_text text, size_t offset);

#endif
