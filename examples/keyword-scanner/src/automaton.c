#include "automaton.h"

static void classify(automaton *machine, const grille_text *words, size_t count) {
    machine->classes_count = 1;
    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0; at < words[i].length; at++) {
            uint8_t *class = &machine->classes[(uint8_t)words[i].data[at]];
            if (*class == 0) {
                /* Cannot overflow: a byte that is in no UTF-8 (0xff) leaves one of 256 classes free. */
                *class = (uint8_t)machine->classes_count++;
            }
        }
    }
}

static uint16_t *edge(const automaton *machine, size_t state, size_t class) {
    return &machine->next[state * machine->classes_count + class];
}

/* The trie: a state for each beginning of a word; an edge to the start is one that is not there. */
static void insert(automaton *machine, grille_text word, uint16_t index) {
    uint16_t state = AUTOMATON_START;
    for (size_t at = 0; at < word.length; at++) {
        uint16_t *to = edge(machine, state, machine->classes[(uint8_t)word.data[at]]);
        if (*to == AUTOMATON_START) {
            *to = (uint16_t)machine->states_count++;
        }
        state = *to;
    }
    if (machine->word[state] == AUTOMATON_NONE) {
        machine->word[state] = index;
    }
}

/* Breadth first, so that a state's longest proper suffix, which is shorter, is complete before it: the missing edges of a state
 * are those of that suffix. */
static void complete(automaton *machine, grille_arena *arena) {
    uint16_t *suffix = grille_alloc_array(arena, machine->states_count, sizeof(uint16_t));
    uint16_t *queue = grille_alloc_array(arena, machine->states_count, sizeof(uint16_t));
    size_t queued = 1; /* The start is the first. */
    for (size_t done = 0; done < queued; done++) {
        uint16_t state = queue[done];
        uint16_t fallback = suffix[state];
        machine->shorter[state] = machine->word[fallback] == AUTOMATON_NONE ? machine->shorter[fallback] : fallback;
        for (size_t class = 0; class < machine->classes_count; class++) {
            uint16_t *to = edge(machine, state, class);
            uint16_t beyond = state == AUTOMATON_START ? AUTOMATON_START : *edge(machine, fallback, class);
            if (*to == AUTOMATON_START) {
                *to = beyond;
            } else {
                suffix[*to] = beyond;
                queue[queued++] = *to;
            }
        }
    }
}

automaton automaton_build(grille_arena *arena, const grille_text *words, size_t count) {
    automaton machine = { .states_count = 1 };
    classify(&machine, words, count);
    size_t states_max = 1;
    for (size_t i = 0; i < count; i++) {
        states_max += words[i].length;
    }
    machine.next = grille_alloc_array(arena, states_max * machine.classes_count, sizeof(uint16_t));
    machine.shorter = grille_alloc_array(arena, states_max, sizeof(uint16_t));
    machine.word = grille_alloc_array(arena, states_max, sizeof(uint16_t));
    for (size_t state = 0; state < states_max; state++) {
        machine.word[state] = AUTOMATON_NONE;
    }
    for (size_t i = 0; i < count; i++) {
        insert(&machine, words[i], (uint16_t)i);
    }
    complete(&machine, arena);
    return machine;
}
