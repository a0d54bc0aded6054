/* The fakes that stand in for the host's capabilities in tests. */
#ifndef GRILLE_CAPABILITIES_H
#define GRILLE_CAPABILITIES_H

#include "grille_test.h"

/* Takes all capabilities back. */
void grille_capabilities_end(void);
/* Whether plugin.toml declares the capability, with a reason. */
bool grille_test_declares(grille_test *test, const char *capability);

#endif
