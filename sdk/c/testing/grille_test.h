/* Tests of a plugin without a gateway and without WebAssembly: an ordinary program for the machine at hand.
 *
 *     int main(void) {
 *         grille_test *test = grille_test_open("plugin.toml");
 *         grille_test_vectors(test);
 *         GRILLE_EQUAL(test, grille_test_inspect(test, "{}", "a text"), "LABEL 2..6 900 text\n");
 *         return grille_test_close(test);
 *     }
 *
 * Results are text, made to be compared. What the host would refuse fails the test: a finding outside its cell or inside a
 * character, a label that plugin.toml does not have, a decision without a verdict. */
#ifndef GRILLE_TEST_H
#define GRILLE_TEST_H

#include "grille.h"

typedef struct grille_test grille_test;

/* Reads plugin.toml; ends the program if it cannot. */
grille_test *grille_test_open(const char *plugin_toml);
/* Prints how many checks failed; the exit status. */
int grille_test_close(grille_test *test);

/* Memory for what tests call themselves; lives until grille_test_close. */
grille_arena *grille_test_arena(grille_test *test);

/* Runs every one of the [[vectors]] of plugin.toml under the settings {}, as the host does before it trusts a new version. A vector's
 * `at` is what the clock shows. */
void grille_test_vectors(grille_test *test);

/* A line `LABEL start..end score text` for each finding, by place; support bits, if any, follow the score as `+1`. */
const char *grille_test_inspect(grille_test *test, const char *settings_json, const char *text);
/* What the masker makes of one value. */
const char *grille_test_mask(grille_test *test, const char *settings_json, const char *text);
/* `allow`, `deny: reason`, `hold: reason`, `rewrite: statement`, or `failure: message`; obligations follow as ` [key=value]`. A
 * null exchange is that of nobody in particular. */
const char *grille_test_decide(grille_test *test, const char *settings_json, const grille_exchange *exchange,
                               const grille_action *action);
/* A line `pointer: message` for each complaint about the settings; fails if there is none. */
const char *grille_test_refused(grille_test *test, const char *settings_json);

/* Makes grille_clock_now_ms say this; without it, asking fails the program. */
void grille_test_grant_clock(grille_test *test, uint64_t now_ms);
/* The capability log; messages go to standard error. */
void grille_test_grant_log(grille_test *test);
/* The capability state, in memory and empty; its time is that of the granted clock. */
void grille_test_grant_state(grille_test *test);
/* The capability egress; the function answers instead of a network. */
void grille_test_grant_egress(grille_test *test,
                              bool (*answer)(grille_call *call, const grille_request *request, grille_reply *reply));
/* The capability keyed, with a transform that is good for tests only. */
void grille_test_grant_keyed(grille_test *test);

#define GRILLE_EQUAL(test, actual, expected) grille_test_equal((test), (actual), (expected), #actual, __FILE__, __LINE__)
#define GRILLE_CHECK(test, condition) grille_test_check((test), (condition), #condition, __FILE__, __LINE__)

void grille_test_equal(grille_test *test, const char *actual, const char *expected, const char *expression,
                       const char *file, int line);
void grille_test_check(grille_test *test, bool holds, const char *expression, const char *file, int line);

#endif
