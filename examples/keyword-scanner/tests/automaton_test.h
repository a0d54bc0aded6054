/* Tests of the automaton against a search that is obviously right. */
#ifndef AUTOMATON_TEST_H
#define AUTOMATON_TEST_H

#include "grille_test.h"

void automaton_test(grille_test *test);

#endif
