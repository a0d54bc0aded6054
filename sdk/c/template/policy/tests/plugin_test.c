#include "grille_test.h"

static const char *decide(grille_test *test, grille_text access) {
    grille_object objects[] = { { GRILLE_TEXT("relation"), GRILLE_TEXT("hr.salaries"), access } };
    grille_action action = { .objects = objects, .objects_count = 1 };
    return grille_test_decide(test, "{\"protected\": [\"salaries\"]}", NULL, &action);
}

int main(void) {
    grille_test *test = grille_test_open("plugin.toml");
    grille_test_vectors(test);
    GRILLE_EQUAL(test, decide(test, GRILLE_TEXT("update")), "deny: salaries may only be read");
    GRILLE_EQUAL(test, decide(test, GRILLE_TEXT("read")), "allow");
    GRILLE_EQUAL(test, grille_test_refused(test, "{\"protected\": [\"a\", \"\"]}"), "/protected/1: must be a name\n");
    return grille_test_close(test);
}
