#include "automaton_test.h"

#include <string.h>

#include "automaton.h"

enum { WORDS = 12, WORD_BYTES_MAX = 5, TEXT_BYTES = 200, ROUNDS = 300 };

/* Numerical Recipes' linear congruential generator: the same texts in each run. */
static uint32_t random_below(uint32_t *seed, uint32_t limit) {
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 16) % limit;
}

static void fill(uint32_t *seed, char *out, size_t length) {
    for (size_t i = 0; i < length; i++) {
        /* Two letters only, so that words overlap and repeat. */
        out[i] = (char)('a' + random_below(seed, 2));
    }
}

/* The longest word that ends at `end`, compared byte by byte; the first of equal ones. */
static uint16_t longest(const grille_text *words, const char *text, size_t end) {
    uint16_t best = AUTOMATON_NONE;
    for (size_t i = 0; i < WORDS; i++) {
        size_t length = words[i].length;
        bool ends_here = length <= end && memcmp(text + end - length, words[i].data, length) == 0;
        if (ends_here && (best == AUTOMATON_NONE || length > words[best].length)) {
            best = (uint16_t)i;
        }
    }
    return best;
}

static uint16_t longest_in(const automaton *machine, uint16_t state) {
    uint16_t shorter = machine->shorter[state];
    return machine->word[state] != AUTOMATON_NONE ? machine->word[state] : machine->word[shorter];
}

static bool agrees(uint32_t *seed, grille_arena *arena) {
    char letters[WORDS][WORD_BYTES_MAX], text[TEXT_BYTES];
    grille_text words[WORDS];
    for (size_t i = 0; i < WORDS; i++) {
        size_t length = 1 + random_below(seed, WORD_BYTES_MAX);
        fill(seed, letters[i], length);
        words[i] = (grille_text){ letters[i], length };
    }
    fill(seed, text, TEXT_BYTES);
    automaton machine = automaton_build(arena, words, WORDS);
    uint16_t state = AUTOMATON_START;
    for (size_t end = 1; end <= TEXT_BYTES; end++) {
        state = automaton_step(&machine, state, (uint8_t)text[end - 1]);
        if (longest_in(&machine, state) != longest(words, text, end)) {
            return false;
        }
    }
    return true;
}

void automaton_test(grille_test *test) {
    uint32_t seed = 20261123;
    for (size_t round = 0; round < ROUNDS; round++) {
        GRILLE_CHECK(test, agrees(&seed, grille_test_arena(test)));
    }
}
