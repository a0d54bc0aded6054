#include "automaton_test.h"
#include "grille_test.h"

static const char *const names = "{\"code_names\": [\"Aurora\", \"blue harvest\", \"Blue Harvest II\", \"Ödland\", \"#halyard\", \"AUR\"]}";

static void finds(grille_test *test, const char *text, const char *expected) {
    GRILLE_EQUAL(test, grille_test_inspect(test, names, text), expected);
}

static void words_are_whole(grille_test *test) {
    finds(test, "about AURORA, and aurora.", "CODE_NAME 6..12 900 AURORA\nCODE_NAME 18..24 900 aurora\n");
    finds(test, "auroras, preaurora, aurora2", "");
    finds(test, "Übaurora aurorañ", "");
    finds(test, "(AUR)", "CODE_NAME 1..4 900 AUR\n");
    finds(test, "project_aurora/v2", "CODE_NAME 8..14 900 aurora\n");
    finds(test, "“Aurora”", "CODE_NAME 3..9 900 Aurora\n");
    finds(test, "計画AURORA計画", "CODE_NAME 6..12 900 AURORA\n");
    finds(test, "see #halyard", "CODE_NAME 4..12 900 #halyard\n");
    finds(test, "see##halyard", "CODE_NAME 4..12 900 #halyard\n");
}

static void offsets_are_bytes(grille_test *test) {
    finds(test, "né à Ödland 🜂 aurora", "CODE_NAME 7..14 900 Ödland\nCODE_NAME 20..26 900 aurora\n");
    /* Only ASCII letters have two cases here. */
    finds(test, "ödland", "");
}

static void separators_are_alike(grille_test *test) {
    finds(test, "Blue-Harvest", "CODE_NAME 0..12 900 Blue-Harvest\n");
    finds(test, "blue \r\n\t harvest", "CODE_NAME 0..16 900 blue \r\n\t harvest\n");
    finds(test, "--blue__harvest--", "CODE_NAME 2..15 900 blue__harvest\n");
    finds(test, "blueharvest", "");
}

static void longer_ones_are_found_beside_shorter_ones(grille_test *test) {
    finds(test, "Blue Harvest II", "CODE_NAME 0..12 900 Blue Harvest\nCODE_NAME 0..15 900 Blue Harvest II\n");
    finds(test, "Blue Harvest III", "CODE_NAME 0..12 900 Blue Harvest\n");
}

static void both_lists_have_their_label(grille_test *test) {
    finds(test, "AURORA: company confidential",
          "CODE_NAME 0..6 900 AURORA\nCLASSIFICATION_MARK 8..28 950 company confidential\n");
    GRILLE_EQUAL(test, grille_test_inspect(test, "{\"marks\": []}", "company confidential"), "");
    GRILLE_EQUAL(test, grille_test_inspect(test, "{\"marks\": [\"TLP:RED\"]}", "x tlp:red"),
                 "CLASSIFICATION_MARK 2..9 950 tlp:red\n");
}

/* The README's example. */
static void what_the_readme_promises(grille_test *test) {
    GRILLE_EQUAL(test,
                 grille_test_inspect(test,
                                     "{\"code_names\": [\"Aurora\", \"Blue Harvest\"], \"marks\": [\"TLP:RED\", \"COMPANY CONFIDENTIAL\"]}",
                                     "né à Paris: AURORA (blue-harvest), Company\n  Confidential; auroras are not meant"),
                 "CODE_NAME 14..20 900 AURORA\nCODE_NAME 22..34 900 blue-harvest\n"
                 "CLASSIFICATION_MARK 37..59 950 Company\n  Confidential\n");
}

static void wrong_settings_are_refused(grille_test *test) {
    GRILLE_EQUAL(test, grille_test_refused(test, "{\"code_names\": [\"abc\", \" a-\", 7]}"),
                 "/code_names/1: a keyword has 3 to 200 bytes\n/code_names/2: must be a text\n");
    GRILLE_EQUAL(test, grille_test_refused(test, "{\"codenames\": []}"), "/codenames: there is no such setting\n");
    GRILLE_EQUAL(test, grille_test_refused(test, "{\"marks\": {}}"), "/marks: must be an array\n");
    GRILLE_EQUAL(test, grille_test_refused(test, "[]"), ": must be an object\n");
    GRILLE_EQUAL(test, grille_test_refused(test, "{\"marks\": ["), ": a value is missing\n");
}

int main(void) {
    grille_test *test = grille_test_open("plugin.toml");
    grille_test_vectors(test);
    words_are_whole(test);
    offsets_are_bytes(test);
    separators_are_alike(test);
    longer_ones_are_found_beside_shorter_ones(test);
    both_lists_have_their_label(test);
    what_the_readme_promises(test);
    wrong_settings_are_refused(test);
    automaton_test(test);
    return grille_test_close(test);
}
