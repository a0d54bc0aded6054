#include "grille_test.h"

static void what_is_listed_is_denied(grille_test *test) {
    grille_text effects[] = { GRILLE_TEXT("read") };
    grille_object objects[] = { { GRILLE_TEXT("relation"), GRILLE_TEXT("hr.salaries"), GRILLE_TEXT("read") } };
    grille_action action = {
        .kind = GRILLE_TEXT("select"),
        .effects = effects,
        .effects_count = 1,
        .objects = objects,
        .objects_count = 1,
    };
    GRILLE_EQUAL(test, grille_test_decide(test, "{\"denied\": [\"hr.salaries\"]}", NULL, &action),
                 "deny: hr.salaries may not be touched");
    GRILLE_EQUAL(test, grille_test_decide(test, "{}", NULL, &action), "allow");
}

int main(void) {
    grille_test *test = grille_test_open("plugin.toml");
    grille_test_vectors(test);
    what_is_listed_is_denied(test);
    GRILLE_EQUAL(test, grille_test_refused(test, "{\"denied\": [\"a\", \"\"]}"), "/denied/1: must be a name\n");
    return grille_test_close(test);
}
