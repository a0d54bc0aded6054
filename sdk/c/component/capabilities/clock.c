#include "glue.h"

uint64_t grille_clock_now_ms(void) {
    return grille_plugin_clock_now_ms();
}
