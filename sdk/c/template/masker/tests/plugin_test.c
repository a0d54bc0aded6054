#include "grille_test.h"

int main(void) {
    grille_test *test = grille_test_open("plugin.toml");
    grille_test_vectors(test);
    GRILLE_EQUAL(test, grille_test_mask(test, "{}", "Åse 47"), "xxx 00");
    GRILLE_EQUAL(test, grille_test_mask(test, "{}", ""), "");
    return grille_test_close(test);
}
