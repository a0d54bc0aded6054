#include "grille_test.h"

int main(void) {
    grille_test *test = grille_test_open("plugin.toml");
    grille_test_vectors(test);
    GRILLE_EQUAL(test, grille_test_inspect(test, "{\"prefix\": \"CASE\"}", "é CASE-00001, TK-12345"),
                 "TICKET_NUMBER 3..13 800+2 CASE-00001\n");
    GRILLE_EQUAL(test, grille_test_inspect(test, "{}", "TK-1234"), "");
    GRILLE_EQUAL(test, grille_test_refused(test, "{\"prefix\": \"\"}"), "/prefix: digits alone could be anything\n");
    return grille_test_close(test);
}
