/* Finds all of many words in one pass over a text (Aho and Corasick, Efficient string matching, CACM 18(6), 1975), with all
 * transitions worked out beforehand: a table look-up for each byte, however many words there are. It knows nothing of case,
 * spaces or whole words; see words.h. */
#ifndef AUTOMATON_H
#define AUTOMATON_H

#include "grille.h"

enum {
    /* Most bytes that all words may have together. There is at most one state more than that, so a state fits 16 bits and the
     * table has at most 16 MiB, a quarter of what a plugin instance gets. */
    AUTOMATON_BYTES_MAX = 32 * 1024,
    AUTOMATON_START = 0,
    /* No word ends in this state. */
    AUTOMATON_NONE = UINT16_MAX,
};

typedef struct automaton {
    /* The class of each byte; 0 is that of bytes in no word. */
    uint8_t classes[256];
    size_t classes_count;
    /* states × classes. */
    uint16_t *next;
    size_t states_count;
    /* For each state the longest word that ends in it, or AUTOMATON_NONE. */
    uint16_t *word;
    /* For each state the one of the longest proper suffix in which a word ends, or AUTOMATON_START. */
    uint16_t *shorter;
} automaton;

/* Builds the automaton of at most 65535 words that have a byte each at least and AUTOMATON_BYTES_MAX together. Of equal words
 * the first counts. */
automaton automaton_build(grille_arena *arena, const grille_text *words, size_t count);

static inline uint16_t automaton_step(const automaton *machine, uint16_t state, uint8_t byte) {
    return machine->next[state * machine->classes_count + machine->classes[byte]];
}

#endif
